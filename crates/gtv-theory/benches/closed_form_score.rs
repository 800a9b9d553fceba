//! Closed-form score: a table of points × dimensions, and 1,024 queries × 60,000 points × 784 dimensions next to the
//! two bare matrix products it contains (same library, precision and threads).
//!
//! The large case needs about 1.5 GB; `cargo bench --bench closed_form_score -- table` leaves it out.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::score::{CovKind, ExactScore, ExactScore32, ScoreField};
use gtv_theory::{PointCloud, Schedule};
use rand::RngExt;
use std::hint::black_box;
use std::time::Duration;

/// A time at which all points of the large case have weight, so that no shortcut is taken.
const TIME: f64 = 0.5;

fn uniform(chunk: u64, count: usize) -> Vec<f64> {
    let mut rng = Streams::new(1).stream(Purpose::Probe, 0, chunk);
    (0..count).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect()
}

fn table(c: &mut Criterion) {
    let mut group = c.benchmark_group("table");
    group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300)).sample_size(20);
    for (points, dim) in
        [(3, 1), (6, 2), (100, 2), (1000, 2), (1000, 8), (1000, 64), (10_000, 64), (2_000, 784)]
    {
        let queries = 256;
        let cloud = PointCloud::new(uniform(0, points * dim), dim).unwrap();
        let field = ExactScore::new(cloud, Schedule::paper(1e-5).unwrap());
        let x = uniform(1, queries * dim);
        let mut out = vec![0.0; x.len()];
        group.throughput(Throughput::Elements(queries as u64));
        group.bench_function(BenchmarkId::new("score", format!("{points}x{dim}")), |b| {
            b.iter(|| field.score_into(black_box(&x), TIME, &mut out));
        });
        if dim <= 8 {
            group.bench_function(BenchmarkId::new("covariance", format!("{points}x{dim}")), |b| {
                b.iter(|| field.evaluate(black_box(&x), TIME, CovKind::Full).unwrap());
            });
        }
    }
    group.finish();
}

const QUERIES: usize = 1024;
const POINTS: usize = 60_000;
const DIM: usize = 784;

/// L = X Μᵀ, then Y = L Μ.
fn bare_products<T: ComplexField + Copy>(one: T, x: &[T], points: &[T], logits: &mut [T], y: &mut [T]) {
    let x = MatRef::from_row_major_slice(x, QUERIES, DIM);
    let points = MatRef::from_row_major_slice(points, POINTS, DIM);
    let mut logits = MatMut::from_row_major_slice_mut(logits, QUERIES, POINTS);
    matmul(logits.as_mut(), Accum::Replace, x, points.transpose(), one, Par::rayon(0));
    let y = MatMut::from_row_major_slice_mut(y, QUERIES, DIM);
    matmul(y, Accum::Replace, logits.as_ref(), points, one, Par::rayon(0));
}

fn large(c: &mut Criterion) {
    let mut group = c.benchmark_group("1024x60000x784");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(15));
    let schedule = Schedule::paper(1e-5).unwrap();
    let x = uniform(1, QUERIES * DIM);
    let mut out = vec![0.0; x.len()];
    {
        let points: Vec<f32> = uniform(0, POINTS * DIM).into_iter().map(|v| v as f32).collect();
        let field = ExactScore32::from_f32(points.clone(), DIM, None, schedule).unwrap();
        group.bench_function("score/f32", |b| b.iter(|| field.score_into(black_box(&x), TIME, &mut out)));
        let x: Vec<f32> = x.iter().map(|v| *v as f32).collect();
        let (mut logits, mut y) = (vec![0.0; QUERIES * POINTS], vec![0.0; QUERIES * DIM]);
        group.bench_function("products/f32", |b| {
            b.iter(|| bare_products(1.0, black_box(&x), &points, &mut logits, &mut y));
        });
    }
    let cloud = PointCloud::new(uniform(0, POINTS * DIM), DIM).unwrap();
    {
        let (mut logits, mut y) = (vec![0.0; QUERIES * POINTS], vec![0.0; QUERIES * DIM]);
        group.bench_function("products/f64", |b| {
            b.iter(|| bare_products(1.0, black_box(&x), cloud.points(), &mut logits, &mut y));
        });
    }
    let field = ExactScore::new(cloud, schedule);
    group.bench_function("score/f64", |b| b.iter(|| field.score_into(black_box(&x), TIME, &mut out)));
    group.finish();
}

criterion_group!(benches, table, large);
criterion_main!(benches);
