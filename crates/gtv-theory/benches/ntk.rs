//! Kernels of infinitely wide networks (4,096 × 4,096, depth 3, three inputs) beside the arccosines and square roots alone
//! that their textbook form takes, and the factorisation of gradient flow. `ntk_neural_tangents.py` does the same in
//! neural-tangents.

use criterion::{Criterion, criterion_group, criterion_main};
use gtv_theory::ntk::{Activation, GradientFlow, InfiniteNetwork, MlpSpec};
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::hint::black_box;

const SIZE: usize = 4_096;

fn inputs(count: usize) -> Vec<f64> {
    let mut rng = Streams::new(0).stream(Purpose::Probe, 0, 0);
    (0..3 * count).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn network(activation: Activation) -> InfiniteNetwork {
    let spec = MlpSpec { depth: 3, activation, weight_var: 2.0, bias_var: 0.01, ..MlpSpec::default() };
    InfiniteNetwork::new(&spec, 3).unwrap()
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("ntk");
    group.sample_size(10);
    let x = inputs(SIZE);
    let mut out = vec![0.0; SIZE * SIZE];
    for (name, activation) in [("relu", Activation::Relu), ("erf", Activation::Erf)] {
        let network = network(activation);
        group.bench_function(format!("{name}/two_sets"), |b| b.iter(|| network.ntk_into(&x, &x, &mut out)));
        group.bench_function(format!("{name}/symmetric"), |b| {
            b.iter(|| network.ntk_symmetric_into(&x, &mut out))
        });
    }
    // One arccosine and one square root a layer and entry, of the standard library.
    group.bench_function("transcendental_functions_alone", |b| {
        b.iter(|| {
            out.par_chunks_mut(SIZE).enumerate().for_each(|(i, row)| {
                for (j, o) in row.iter_mut().enumerate() {
                    let mut c = (i * SIZE + j) as f64 / (SIZE * SIZE) as f64;
                    for _ in 0..3 {
                        c = 0.3 * c.acos() + 0.3 * (1.0 - c * c).sqrt();
                    }
                    *o = c;
                }
            });
        });
    });
    group.finish();
}

fn predictor(c: &mut Criterion) {
    let mut group = c.benchmark_group("gradient_flow");
    group.sample_size(10);
    for samples in [512, SIZE] {
        let kernel = network(Activation::Relu).symmetric(&inputs(samples)).unwrap().ntk;
        group.bench_function(format!("factorise/{samples}"), |b| {
            b.iter(|| black_box(GradientFlow::new(kernel.clone(), None).unwrap()))
        });
        if samples < SIZE {
            let (flow, labels) = (GradientFlow::new(kernel, None).unwrap(), inputs(samples));
            group.bench_function(format!("query/{samples}"), |b| {
                b.iter(|| black_box(flow.coefficients(&labels, 100.0).unwrap()))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, kernels, predictor);
criterion_main!(benches);
