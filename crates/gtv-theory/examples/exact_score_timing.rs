//! Time of the closed-form score against noise, beside the two matrix products it contains, as CSV.
//!
//! `cargo run --release -p gtv-theory --example exact_score_timing -- images.npz 5 0.1,1,10` (array `images`, uint8,
//! scaled to [−1, 1]); `power-law:M:D` in place of the file makes clustered points with a power-law spectrum. Products
//! and scores take turns, and the smallest time of each is printed: the processor time of all threads where the system
//! tells it (Linux), which other work on the machine disturbs little.
//! With `paths` in place of the list, 1,000 paths of 50 steps of the probability-flow ODE from σ = 80 to 0.002; with
//! `memory:f64:paths`, or f32 or a σ in their places, the most memory that the process holds over that of the data (Linux).

use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::dynamics::{Form, PfOde, Sampling, unobserved};
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use gtv_theory::score::{CovKind, ExactScore, ExactScore32, ScoreField};
use gtv_theory::{PointCloud, Schedule, ScheduleKind, TimeGrid};
use rand::RngExt;
use rand_distr::StandardNormal;
use std::time::Instant;

const QUERIES: usize = 1024;
const PATHS: usize = 1000;

fn main() {
    let [data, repeats, times] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().expect("three arguments");
    let repeats: usize = repeats.parse().expect("a number of repeats");
    let mut rng = Streams::new(1).stream(Purpose::Probe, 0, 0);
    let (points, dim) = points(&data, &mut rng);
    if let Some((precision, what)) = times.strip_prefix("memory:").and_then(|t| t.split_once(':')) {
        report_memory(precision, what, points, dim, &mut rng);
        return;
    }
    let single: Vec<f32> = points.iter().map(|v| *v as f32).collect();
    let cloud = PointCloud::new(points.clone(), dim).unwrap();
    let schedule = Schedule::new(ScheduleKind::Edm {}, 0.002, 80.0).unwrap();
    let double = ExactScore::new(cloud, schedule);
    let float = ExactScore32::from_f32(single.clone(), dim, None, schedule).unwrap();
    // The index is built by the first call.
    double.evaluate(&points[..dim], 0.1, CovKind::None).unwrap();
    float.evaluate(&points[..dim], 0.1, CovKind::None).unwrap();
    eprintln!("index: {:?}; data {} MB", double.index_cost(), points.len() * 8 / 1_000_000);
    if times == "paths" {
        println!("precision,products_s,paths_s,ratio");
        report_paths("f64", &double, 1.0, &points, dim, repeats);
        report_paths("f32", &float, 1.0f32, &single, dim, repeats);
        return;
    }
    println!("sigma,precision,products_s,score_s,ratio,left_out");
    for sigma in times.split(',').map(|s| s.parse::<f64>().expect("a list of sigmas")) {
        let x = noisy(&points, dim, sigma, QUERIES, &mut rng);
        let x32: Vec<f32> = x.iter().map(|v| *v as f32).collect();
        let left = |left: Vec<f64>| left.into_iter().fold(0.0, f64::max);
        let left64 = left(double.evaluate(&x, sigma, CovKind::None).unwrap().left_out);
        let left32 = left(float.evaluate(&x, sigma, CovKind::None).unwrap().left_out);
        let mut out = vec![0.0; x.len()];
        let (mut best64, mut best32) = ([f64::INFINITY; 2], [f64::INFINITY; 2]);
        for _ in 0..repeats {
            shorter(&mut best64[0], || bare_products(1.0, &x, &points, dim));
            shorter(&mut best64[1], || double.denoiser_into(&x, sigma, &mut out));
            shorter(&mut best32[0], || bare_products(1.0f32, &x32, &single, dim));
            shorter(&mut best32[1], || float.denoiser_into(&x, sigma, &mut out));
        }
        for (precision, [products, score], left) in [("f64", best64, left64), ("f32", best32, left32)] {
            println!("{sigma},{precision},{products:.4},{score:.4},{:.3},{left:.1e}", score / products);
        }
    }
}

fn report_memory(precision: &str, what: &str, points: Vec<f64>, dim: usize, rng: &mut ChaCha8Rng) {
    let schedule = Schedule::new(ScheduleKind::Edm {}, 0.002, 80.0).unwrap();
    let x = what.parse().map_or(vec![], |sigma| noisy(&points, dim, sigma, QUERIES, rng));
    let count = points.len();
    let peak = if precision == "f64" {
        let cloud = PointCloud::new(points, dim).unwrap();
        peak_of(|| run(&ExactScore::new(cloud, schedule), what, &x))
    } else {
        let single = points.iter().map(|v| *v as f32).collect();
        drop(points);
        peak_of(|| run(&ExactScore32::from_f32(single, dim, None, schedule).unwrap(), what, &x))
    };
    let data = count * if precision == "f64" { 8 } else { 4 };
    println!("{precision},{what},{:.2}", peak / data as f64);
}

fn run(field: &dyn ScoreField, what: &str, x: &[f64]) {
    match what.parse() {
        Ok(sigma) => field.denoiser_into(x, sigma, &mut vec![0.0; x.len()]),
        Err(_) => {
            let sampler = PfOde::new(field, &settings()).unwrap();
            drop(sampler.sample(PATHS, Streams::new(1), 0, &unobserved));
        }
    }
}

/// Bytes that the process holds at most while it works.
fn peak_of(work: impl FnOnce()) -> f64 {
    // The peak so far is forgotten.
    std::fs::write("/proc/self/clear_refs", "5").expect("the system's count of memory");
    work();
    let status = std::fs::read_to_string("/proc/self/status").expect("the system's count of memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    1024.0 * line.trim().trim_end_matches("kB").trim().parse::<f64>().expect("a number")
}

fn settings() -> Sampling {
    Sampling { form: Form::Denoiser, steps: 50, grid: TimeGrid::EdmRho { rho: 7.0 }, ..Sampling::default() }
}

fn report_paths<F: ScoreField, T: ComplexField + Copy>(
    precision: &str,
    field: &F,
    one: T,
    points: &[T],
    dim: usize,
    repeats: usize,
) {
    let sampler = PfOde::new(field, &settings()).unwrap();
    let (mut products, mut paths) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..repeats {
        // Fifty steps cost fifty times one.
        shorter(&mut products, || bare_products(one, &points[..PATHS * dim], points, dim));
        shorter(&mut paths, || drop(sampler.sample(PATHS, Streams::new(1), 0, &unobserved)));
    }
    println!("{precision},{:.3},{paths:.3},{:.3}", 50.0 * products, paths / (50.0 * products));
}

fn shorter(best: &mut f64, work: impl FnOnce()) {
    let (clock, processor) = (Instant::now(), processor_time());
    work();
    let spent = processor_time().zip(processor).map(|(after, before)| after - before);
    *best = best.min(spent.unwrap_or_else(|| clock.elapsed().as_secs_f64()));
}

/// Seconds that this process' threads have run.
fn processor_time() -> Option<f64> {
    let mut total = 0.0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9;
    }
    Some(total)
}

/// L = X Μᵀ, then Y = L Μ.
fn bare_products<T: ComplexField + Copy>(one: T, x: &[T], points: &[T], dim: usize) {
    let (queries, count) = (x.len() / dim, points.len() / dim);
    let x = MatRef::from_row_major_slice(x, queries, dim);
    let points = MatRef::from_row_major_slice(points, count, dim);
    let (mut logits, mut y) = (vec![one; queries * count], vec![one; queries * dim]);
    let mut logits = MatMut::from_row_major_slice_mut(&mut logits, queries, count);
    matmul(logits.as_mut(), Accum::Replace, x, points.transpose(), one, Par::rayon(0));
    let y = MatMut::from_row_major_slice_mut(&mut y, queries, dim);
    matmul(y, Accum::Replace, logits.as_ref(), points, one, Par::rayon(0));
}

fn noisy(points: &[f64], dim: usize, sigma: f64, n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut x = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let m = rng.random_range(0..points.len() / dim);
        for p in &points[m * dim..(m + 1) * dim] {
            let noise: f64 = rng.sample(StandardNormal);
            x.push(p + sigma * noise);
        }
    }
    x
}

fn points(data: &str, rng: &mut ChaCha8Rng) -> (Vec<f64>, usize) {
    if let Some(shape) = data.strip_prefix("power-law:") {
        let (count, dim) = shape.split_once(':').expect("power-law:M:D");
        let (count, dim): (usize, usize) = (count.parse().unwrap(), dim.parse().unwrap());
        return (power_law(count, dim, rng), dim);
    }
    let file = std::fs::File::open(data).expect("the file of images");
    let mut file = ndarray_npy::NpzReader::new(file).expect("an npz file");
    let images: ndarray::ArrayD<u8> = file.by_name("images").expect("an array `images` of uint8");
    let dim = images.len() / images.shape()[0];
    (images.iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect(), dim)
}

/// A hundred clusters in one; standard deviations 5/k^0.8 along the axes, a third of the variance within clusters.
fn power_law(count: usize, dim: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    const CLUSTERS: usize = 100;
    let mut normal = |scale: f64| -> f64 { scale * rng.sample::<f64, _>(StandardNormal) };
    let scale = |d: usize| 5.0 / (1.0 + d as f64).powf(0.8);
    let centres: Vec<f64> =
        (0..CLUSTERS * dim).map(|i| normal(scale(i % dim) * (2.0f64 / 3.0).sqrt())).collect();
    (0..count * dim)
        .map(|i| centres[i / dim % CLUSTERS * dim + i % dim] + normal(scale(i % dim) / 3f64.sqrt()))
        .collect()
}
