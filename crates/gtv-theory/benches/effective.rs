//! 100,000 effective paths of 100 Euler steps, finite-p, F = 256, three points: draws included, the law's making excluded.
//!
//! 100 fields of 1,000 paths are what `compare` draws (to stay within 5 s on 2 cores); 100,000 fields of one path are the extreme, where
//! the draws of the weights and each field's own contraction over time dominate.

use criterion::{Criterion, criterion_group, criterion_main};
use gtv_theory::closure::FiniteP;
use gtv_theory::dynamics::{PathWise, PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::law::LinearLaw;
use gtv_theory::learner::Ridge;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{Features, Law, Objective, PointCloud, Schedule, TrainingProblem};
use rayon::prelude::*;

fn law() -> LinearLaw {
    let schedule = Schedule::paper(0.01).unwrap();
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 16 };
    let time = AxisBasis::Gaussian { lo: 0.01, hi: 1.0, len: 16 };
    let features = Features::Separable(Separable::uniform(1, space, time).unwrap());
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 1024, Streams::new(1)).unwrap();
    let ridge = Ridge::new(&problem, features, 0.1, &QuadratureSpec::default()).unwrap();
    let law = FiniteP::of_ridge(&ridge).unwrap();
    // The first draw factorises the covariance, which belongs to the law.
    law.sample_weights(&mut Streams::new(1).stream(Purpose::TheoryModel, 0, 0));
    law
}

fn effective(c: &mut Criterion) {
    let law = law();
    let settings = Sampling { steps: 100, ..Sampling::default() };
    let streams = Streams::new(2);
    let run = |fields: u64, paths: usize| -> usize {
        let sample = |member: u64| {
            let field = law.draw(&mut streams.stream(Purpose::TheoryModel, member, 0)).unwrap();
            PfOde::new(field.as_ref(), &settings).unwrap().sample(paths, streams, member, &unobserved).len()
        };
        (0..fields).into_par_iter().map(sample).sum()
    };
    let mut group = c.benchmark_group("effective paths, 100,000 x 100 steps, F = 256");
    group.sample_size(10);
    group.bench_function("100 fields x 1,000 paths", |b| b.iter(|| run(100, 1000)));
    group.bench_function("100,000 fields x 1 path", |b| b.iter(|| run(100_000, 1)));
    group.finish();
    let mut group = c.benchmark_group("path-wise, 100 steps, F = 256");
    group.sample_size(10);
    let sampler = PathWise::new(&law, &settings).unwrap();
    group.bench_function("2,048 paths", |b| b.iter(|| sampler.sample(2048, streams, 0, &unobserved).len()));
    group.finish();
}

criterion_group!(benches, effective);
criterion_main!(benches);
