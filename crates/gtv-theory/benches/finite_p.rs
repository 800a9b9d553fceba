//! The finite-p fixed points: 256 features on about 40,000 nodes in one dimension, 1,000 features in two dimensions, 1,024 on 245,760
//! nodes in 64 dimensions with its pool of 16 models, and draws from it (minutes: give `64d` or `--quick` to choose).

use criterion::{Criterion, criterion_group, criterion_main};
use gtv_theory::closure::{FiniteP, ShotNoise};
use gtv_theory::data::BuiltIn;
use gtv_theory::features::{AxisBasis, Features, RandomFourier, Separable};
use gtv_theory::learner::Ridge;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{Objective, PointCloud, Schedule, TrainingProblem};
use rayon::prelude::*;
use std::cell::OnceCell;
use std::hint::black_box;

fn solve(cloud: &PointCloud, (x, t, samples): (usize, usize, usize), quadrature: &QuadratureSpec) -> usize {
    let schedule = Schedule::paper(0.01).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: x };
    let time = AxisBasis::Gaussian { lo: 0.01, hi: 1.0, len: t };
    let features = Features::Separable(Separable::uniform(cloud.dim(), space, time).unwrap());
    let (cloud, objective) = (cloud.clone(), Objective::default());
    let problem = TrainingProblem::new(cloud, schedule, objective, samples, Streams::new(0)).unwrap();
    let ridge = Ridge::new(&problem, features, 0.1, quadrature).unwrap();
    black_box(FiniteP::of_ridge(&ridge).unwrap());
    ridge.nodes()
}

fn finite_p(c: &mut Criterion) {
    let mut group = c.benchmark_group("finite_p");
    group.sample_size(10);
    let line = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    // 60 times x 3 points x 221 values of the noise = 39,780 nodes.
    let quadrature = QuadratureSpec { times: 60, ..QuadratureSpec::default() };
    group.bench_function("1d_256_features_40k_nodes", |b| {
        b.iter(|| solve(&line, (16, 16, 1024), &quadrature))
    });
    let square = BuiltIn::Square { angle: 0.0 }.build(&Streams::new(0)).unwrap();
    // 48 times x 4 points x 111² = 2.4 million nodes, as configs/square.toml.
    let quadrature = QuadratureSpec { times: 48, noise_spacing: 0.1, ..QuadratureSpec::default() };
    group.bench_function("2d_1000_features", |b| b.iter(|| solve(&square, (10, 10, 2000), &quadrature)));
    // As configs/digits.toml: as many points, as far apart.
    let points = (0..1797 * 64)
        .map(|i| ((i / 64 % 10 * 64 + i % 64) as f64 * 1.3).sin() + 0.3 * (i as f64 * 0.7).sin());
    let digits = PointCloud::new(points.collect(), 64).unwrap();
    let quadrature = QuadratureSpec { quasi_nodes: 245_760, ..QuadratureSpec::default() };
    group.bench_function("64d_1024_features_246k_nodes", |b| {
        b.iter(|| FiniteP::of_ridge(&digits_ridge(&digits, &quadrature)).unwrap());
    });
    let law = OnceCell::new();
    group.bench_function("64d_10_draws", |b| {
        let made = || ShotNoise::of_ridge(&digits_ridge(&digits, &quadrature)).unwrap();
        let law = law.get_or_init(made);
        let draw = |k| law.sample_weights(&mut Streams::new(0).stream(Purpose::TheoryModel, k, 0));
        b.iter(|| (0..10).into_par_iter().map(draw).collect::<Vec<_>>());
    });
    group.finish();
}

fn digits_ridge(cloud: &PointCloud, quadrature: &QuadratureSpec) -> Ridge {
    let schedule = Schedule::paper(0.001).unwrap();
    let features = RandomFourier::new(64, 1024, 12.0, 3.0, Some(schedule), Streams::new(0)).unwrap();
    let (cloud, objective) = (cloud.clone(), Objective::default());
    let problem = TrainingProblem::new(cloud, schedule, objective, 16_000, Streams::new(0)).unwrap();
    Ridge::new(&problem, Features::RandomFourier(features), 0.001, quadrature).unwrap()
}

criterion_group!(benches, finite_p);
criterion_main!(benches);
