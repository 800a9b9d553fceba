//! Sampling of one linear model with 16 × 16 Gaussian features: 100,000 paths × 30 Euler steps, initial states included.
//!
//! `cargo bench -p gtv-theory --bench sampling`; `benches/sampling_numpy.py` does the same steps in NumPy.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gtv_theory::dynamics::{PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::law::LinearField;
use gtv_theory::rng::Streams;
use gtv_theory::{Features, Objective, Schedule};
use std::sync::Arc;

const PATHS: usize = 100_000;

fn sampling(c: &mut Criterion) {
    let schedule = Schedule::paper(0.01).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 16 };
    let time = AxisBasis::Gaussian { lo: 0.01, hi: 1.0, len: 16 };
    let features = Arc::new(Features::Separable(Separable::uniform(1, space, time).unwrap()));
    // A denoiser that pulls towards the middle, about as large as one that is learned.
    let weights = (0..256).map(|i| 0.02 * (i as f64 / 16.0 - 7.5) / 7.5).collect();
    let field = LinearField::new(features, &Objective::default(), schedule, weights);
    let settings = Sampling { steps: 30, ..Sampling::default() };
    let sampler = PfOde::new(&field, &settings).unwrap();
    let mut group = c.benchmark_group("linear model, 16 x 16 Gaussian features");
    group.throughput(Throughput::Elements((PATHS * settings.steps) as u64));
    group.bench_function("path-steps", |b| {
        b.iter(|| sampler.sample(PATHS, Streams::new(1), 0, &unobserved).len());
    });
    group.finish();
}

criterion_group!(benches, sampling);
criterion_main!(benches);
