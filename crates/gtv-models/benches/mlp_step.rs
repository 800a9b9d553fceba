//! Training steps and evaluation of networks on the CPU: the fused engine and Burn's automatic differentiation, on the
//! work of `mlp_step_pytorch.py`. One Adam step of 4→w→w→2 on 256 examples; 100 members of width 128; F at 1024 inputs,
//! and a sampling step of 4096 paths, beside the matrix products that they contain.

use criterion::{Criterion, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_models::mlp::{
    Batch, BatchSource, Engine, FusedEngine, Initial, MlpField, NetworkForm, Scratch, Task, TensorEngine,
    TrainingSpec, Weights, forward,
};
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, TimeEmbedding};
use gtv_theory::rng::Streams;
use gtv_theory::{Objective, PointCloud, Preconditioning, Schedule, ScoreField, TrainingProblem};
use rayon::prelude::*;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

fn task(width: usize) -> Task {
    let (schedule, streams) = (Schedule::paper(0.01).unwrap(), Streams::new(0));
    let kind = TimeEmbedding::Sinusoidal;
    let embedding = Embedding::new(2, schedule, Preconditioning::None, kind, 2, 1.0, streams).unwrap();
    let cloud = PointCloud::new(vec![-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0], 2).unwrap();
    let arch = MlpSpec { depth: 2, width, activation: Activation::Relu, ..MlpSpec::default() };
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 1024, streams).unwrap();
    Task::new(arch, embedding, TrainingSpec { batch: 256, ..TrainingSpec::default() }, problem).unwrap()
}

fn start(task: &Task, members: usize) -> (Vec<Weights>, Batch) {
    let numbers: Vec<u64> = (0..members as u64).collect();
    let streams = Streams::new(1);
    let draw = |m: &u64| Weights::draw(&task.layers(), Initial { streams, member: *m });
    let mut batch = Batch::default();
    BatchSource::new(task, streams, &numbers).unwrap().fill(0, &mut batch);
    (numbers.iter().map(draw).collect(), batch)
}

fn step(c: &mut Criterion, name: &str, task: &Task, engine: &mut dyn Engine, batch: &Batch) {
    let mut k = 0;
    c.bench_function(name, |b| {
        b.iter(|| {
            k += 1;
            black_box(engine.step(batch, &task.training().rule(k)).unwrap())
        });
    });
}

fn steps(c: &mut Criterion) {
    for width in [256, 1024, 4096] {
        let task = task(width);
        let (weights, batch) = start(&task, 1);
        let mut fused = FusedEngine::new(&task, &weights).unwrap();
        step(c, &format!("step/{width}/fused"), &task, &mut fused, &batch);
        drop(fused);
        let mut burn = TensorEngine::new(&task, &weights, &burn::tensor::Device::flex()).unwrap();
        step(c, &format!("step/{width}/burn"), &task, &mut burn, &batch);
    }
    let task = task(128);
    let (weights, batch) = start(&task, 100);
    let mut fused = FusedEngine::new(&task, &weights).unwrap();
    step(c, "step/128/100-members/fused", &task, &mut fused, &batch);
}

fn evaluation(c: &mut Criterion) {
    let task = task(4096);
    let (weights, _) = start(&task, 1);
    let (layers, rows) = (task.layers(), 1024);
    let inputs: Vec<f32> = (0..rows * task.inputs()).map(|i| (i as f32 * 0.01).sin()).collect();
    let mut out = vec![0.0; rows * task.dim()];
    let mut scratch = Scratch::default();
    c.bench_function("forward/4096/1024-rows", |b| {
        b.iter(|| {
            let rho = task.arch().activation;
            forward(&layers, rho, &weights[0], black_box(&inputs), rows, true, &mut scratch, &mut out);
        });
    });
    let field = MlpField::new(Arc::new(NetworkForm::of(&task)), Arc::new(weights[0].clone()), None);
    let (paths, each) = (4096, 1024);
    let x: Vec<f64> = (0..paths * task.dim()).map(|i| (i as f64 * 0.01).sin()).collect();
    let mut score = vec![0.0; x.len()];
    c.bench_function("sampling-step/4096/4096-paths", |b| {
        b.iter(|| {
            let parts = x.par_chunks(each * task.dim()).zip(score.par_chunks_mut(each * task.dim()));
            parts.for_each(|(x, score)| field.score_into(black_box(x), 0.3, score));
        });
    });
    // The product of the hidden layers alone, rows shared among the threads in the same way.
    let width = 4096;
    let (a, b) = (vec![0.5f32; paths * width], vec![0.25f32; width * width]);
    let mut out = vec![0.0f32; paths * width];
    for rows in [1024, paths] {
        let part = each.min(rows.div_ceil(rayon::current_num_threads()));
        c.bench_function(&format!("gemm/{rows}x4096x4096"), |bench| {
            bench.iter(|| {
                let parts = a[..rows * width].par_chunks(part * width).zip(out.par_chunks_mut(part * width));
                parts.for_each(|(a, out)| {
                    let n = a.len() / width;
                    matmul(
                        MatMut::from_row_major_slice_mut(out, n, width),
                        Accum::Replace,
                        MatRef::from_row_major_slice(black_box(a), n, width),
                        MatRef::from_row_major_slice(&b, width, width),
                        1.0,
                        Par::Seq,
                    );
                });
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = steps, evaluation
}
criterion_main!(benches);
