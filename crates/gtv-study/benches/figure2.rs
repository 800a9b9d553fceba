//! The whole published Figure 2, and where its time goes.
//!
//! 15 conditions × 100 models × 100,000 paths × 30 steps, training included. One run takes seconds, so this is a
//! plain harness that runs once and prints wall and processor time; `cargo bench --bench figure2 -- --quick` runs a
//! tenth of the paths.

use gtv_models::{EnsembleOptions, LinearEnsemble, LinearTrainer};
use gtv_study::paper_figures::{Fig2, Fig2Spec, GridTable};
use gtv_theory::dynamics::{Lookup, LookupGrid};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{Features, Objective, PointCloud, Schedule, TimeGrid, TrainingProblem};
use rand_distr::{Distribution, StandardNormal};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// User and system time of this process so far: what the work costs when the machine is shared.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold spaces; the fields after its closing parenthesis do not. utime and stime are 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ is 100 on every Linux that Rust supports.
    Some(Duration::from_millis(10 * ticks))
}

fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().to_string())
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let (wall, processor) = (Instant::now(), processor_time());
    let out = work();
    let wall = wall.elapsed().as_secs_f64();
    match (processor, processor_time()) {
        (Some(a), Some(b)) => {
            println!("{name:<44} {wall:>8.2} s wall {:>8.2} s processor", (b - a).as_secs_f64())
        }
        _ => println!("{name:<44} {wall:>8.2} s wall"),
    }
    out
}

fn trainer(t_min: f64, samples: usize) -> (LinearTrainer, Separable) {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 16 };
    let features = Separable::uniform(1, axis(-1.5, 1.5), axis(t_min, 1.0)).unwrap();
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let (schedule, objective) = (Schedule::paper(t_min).unwrap(), Objective::default());
    let problem = TrainingProblem::new(cloud, schedule, objective, samples, Streams::new(1)).unwrap();
    (LinearTrainer::new(problem, Features::Separable(features.clone()), 0.1).unwrap(), features)
}

/// The parts, one thread each where the whole uses all.
fn breakdown(spec: &Fig2Spec) {
    let streams = Streams::new(1);
    for &samples in &spec.samples {
        timed(&format!("  training, P = {samples}, all eps (all threads)"), || {
            for &t_min in &spec.t_min {
                let options = EnsembleOptions::default();
                black_box(LinearEnsemble::train(&trainer(t_min, samples).0, streams, spec.members, options))
                    .unwrap();
            }
        });
    }
    let models = spec.members * spec.t_min.len() * spec.samples.len();
    let (trainer, features) = trainer(0.01, 256);
    let schedule = *trainer.problem().schedule();
    let (grid, times) = (LookupGrid::default(), schedule.grid(TimeGrid::Uniform, 30).unwrap());
    let mut lookup = Lookup::new(&schedule, &times, grid, 1).unwrap();
    let mut table = GridTable::new(&features, &grid);
    let weights = trainer.weights(streams, 0).unwrap();
    timed("  tables (one thread)", || {
        for _ in 0..models {
            lookup.tabulate(|t, out| table.fill(black_box(&weights), t, out));
        }
    });
    let mut x = vec![0.0; 1024];
    let chunks = models * spec.paths / x.len();
    timed("  normals (one thread)", || {
        for chunk in 0..chunks {
            let mut rng = streams.stream(Purpose::Initial, 0, chunk as u64);
            for x in &mut x {
                *x = StandardNormal.sample(&mut rng);
            }
            black_box(&mut x);
        }
    });
    let start = x.clone();
    timed("  steps (one thread)", || {
        for _ in 0..chunks {
            x.copy_from_slice(&start);
            lookup.transport(black_box(&mut x));
        }
    });
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let mut spec = Fig2Spec::default();
    if quick {
        spec.paths /= 10;
    }
    let go_on = |_: usize, _: usize| ControlFlow::Continue(());
    timed("figure 2, published, all 15 conditions", || {
        black_box(Fig2::compute(&spec, Streams::new(11), &go_on)).unwrap();
    });
    breakdown(&spec);
    if let Some(peak) = peak_memory() {
        println!("peak memory {peak}");
    }
}
