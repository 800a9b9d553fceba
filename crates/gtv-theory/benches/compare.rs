//! Distances and level comparisons at the sizes that studies have: `cargo bench -p gtv-theory --bench compare`.

use criterion::{Criterion, criterion_group, criterion_main};
use gtv_theory::PointCloud;
use gtv_theory::compare::*;
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Duration;

fn normals(n: usize, member: u64) -> Vec<f64> {
    let mut rng = Streams::new(1).stream(Purpose::Probe, member, 0);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn level(level: Level, members: usize, samples: usize, dim: usize) -> LevelSamples {
    let groups = (0..members as u64).into_par_iter().map(|m| normals(samples * dim, m)).collect();
    LevelSamples::new(level, dim, groups).unwrap()
}

fn samples(c: &mut Criterion) {
    let (a, b) = (normals(1_000_000, 1), normals(1_000_000, 2));
    let mut group = c.benchmark_group("million samples");
    group.sample_size(10);
    group.bench_function("w1", |bench| bench.iter(|| w1(black_box(&a), &b).unwrap()));
    let axis = Axis::new(-3.0, 3.0, 200).unwrap();
    group.bench_function("histogram", |bench| {
        bench.iter(|| Histogram::count(&[axis], black_box(&a)).unwrap())
    });
    group.bench_function("sliced_w2, 500,000 in 2D, 16 directions", |bench| {
        bench.iter(|| sliced_w2(black_box(&a), &b, 2, 16, Streams::new(1)).unwrap())
    });
    group.bench_function("energy, 2 x 4,000 in 2D", |bench| {
        bench.iter(|| energy_distance(black_box(&a[..8000]), &b[..8000], 2).unwrap())
    });
    group.finish();
}

fn neighbours(c: &mut Criterion) {
    let mut group = c.benchmark_group("nearest two");
    group.sample_size(10);
    let data = PointCloud::new(normals(60_000 * 784, 3), 784).unwrap();
    let queries = normals(1000 * 784, 4);
    group.bench_function("1,000 x 60,000 x 784", |bench| {
        bench.iter(|| memorized_fraction(black_box(&queries), &data).unwrap())
    });
    let data = PointCloud::new(normals(200, 5), 2).unwrap();
    let queries = normals(200_000, 6);
    group.bench_function("100,000 x 100 x 2", |bench| {
        bench.iter(|| memorized_fraction(black_box(&queries), &data).unwrap())
    });
    group.finish();
}

fn levels(c: &mut Criterion) {
    let mut group = c.benchmark_group("100 models x 100,000 samples against 1 x 1,000,000");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(1));
    for dim in [1, 2] {
        let (a, b) = (level(Level::Ensemble, 100, 100_000, dim), level(Level::PfOde, 1, 1_000_000, dim));
        let data = PointCloud::new((0..3 * dim).map(|i| i as f64 - 1.0).collect(), dim).unwrap();
        let all = CompareSettings { range: [-3.0, 3.0], ..Default::default() };
        for metric in MetricName::all().filter(|m| m.card().dimensions.contains(&dim)) {
            let settings = CompareSettings { metrics: vec![metric], ..all.clone() };
            group.bench_function(format!("{}, {dim}D", metric.card().name), |bench| {
                bench.iter(|| compare_levels(&[&a, &b], &[(0, 1)], &settings, Streams::new(1)).unwrap())
            });
        }
        group.bench_function(format!("summarize_level, {dim}D"), |bench| {
            bench.iter(|| summarize_level(&a, Some(&data), black_box(&all), Streams::new(1)).unwrap())
        });
    }
    group.finish();
}

criterion_group!(benches, samples, neighbours, levels);
criterion_main!(benches);
