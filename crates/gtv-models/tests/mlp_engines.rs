//! The fused engine against Burn's automatic differentiation, finite differences and itself.
#![cfg(feature = "flex")]

use burn::optim::{AdamConfig, Optimizer as _};
use burn::tensor::{Device, Tensor, TensorData};
use gtv_models::mlp::{
    Batch, BatchSource, Engine, FusedEngine, Initial, Optimizer, Parameters, RateSchedule, Scratch,
    StepReport, StepRule, Task, TensorEngine, TrainingSpec, Weights, forward,
};
use gtv_theory::ntk::{Activation, Embedding, LayerScaling, MlpSpec, Parameterisation, TimeEmbedding};
use gtv_theory::rng::Streams;
use gtv_theory::{Objective, PointCloud, Preconditioning, Schedule, TrainingProblem};

const ACTIVATIONS: [Activation; 4] = [Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Erf];

fn task_of_dim(dim: usize, arch: MlpSpec, training: TrainingSpec) -> Task {
    let points = (0..4 * dim).map(|i| ((i * 7 % 5) as f64 - 2.0) / 3.0).collect();
    let schedule = Schedule::paper(0.01).unwrap();
    let kind = TimeEmbedding::LogSnr;
    let streams = Streams::new(3);
    let embedding = Embedding::new(dim, schedule, Preconditioning::None, kind, 2, 1.0, streams).unwrap();
    let cloud = PointCloud::new(points, dim).unwrap();
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 64, streams).unwrap();
    Task::new(arch, embedding, training, problem).unwrap()
}

fn task(arch: MlpSpec, training: TrainingSpec) -> Task {
    task_of_dim(2, arch, training)
}

fn small(depth: usize, width: usize) -> MlpSpec {
    MlpSpec { depth, width, base_width: 8, ..MlpSpec::default() }
}

fn fast() -> TrainingSpec {
    let rate_schedule = RateSchedule::Constant;
    TrainingSpec { batch: 32, rate: 1e-3, rate_schedule, warmup: 0, ..TrainingSpec::default() }
}

fn initial(task: &Task, members: &[u64]) -> Vec<Weights> {
    let draw = |m: &u64| Weights::draw(&task.layers(), Initial { streams: Streams::new(5), member: *m });
    members.iter().map(draw).collect()
}

fn batches(task: &Task, members: &[u64], steps: std::ops::Range<u64>) -> Vec<Batch> {
    let mut source = BatchSource::new(task, Streams::new(9), members).unwrap();
    let make = |k| {
        let mut batch = Batch::default();
        source.fill(k, &mut batch);
        batch
    };
    steps.map(make).collect()
}

fn train(
    engine: &mut dyn Engine,
    task: &Task,
    members: &[u64],
    steps: std::ops::Range<u64>,
) -> Vec<StepReport> {
    let first = steps.start;
    let batches = batches(task, members, steps);
    let mut step = |(k, batch): (usize, &Batch)| engine.step(batch, &task.training().rule(first + k as u64));
    batches.iter().enumerate().map(|k| step(k).unwrap()).collect()
}

/// Trains the same members with both engines and compares losses, gradient lengths, and what is left in the end.
///
/// Losses: a sum of K products is off by at most (K + 2) 2⁻²⁴ of the sum of their sizes, K ≤ 34 here, in up to four layers
/// one after the other, and twice that in a square: 2e-5 at worst in the first step. Later ones start from weights
/// that differ by as much.
fn compare(task: &Task, members: &[u64]) {
    let start = initial(task, members);
    let mut fused = FusedEngine::new(task, &start).unwrap();
    let mut burn = TensorEngine::new(task, &start, &Device::flex()).unwrap();
    let (a, b) = (train(&mut fused, task, members, 0..6), train(&mut burn, task, members, 0..6));
    let about = || format!("{:?} {:?} {} members", task.arch(), task.training(), members.len());
    for (k, (a, b)) in a.iter().zip(&b).enumerate() {
        for (x, y) in a.loss.iter().zip(&b.loss).chain(a.grad_norm.iter().zip(&b.grad_norm)) {
            assert!((x - y).abs() <= 2e-5 * (1 + k) as f64 * y.abs(), "{k}: {x} {y} {}", about());
        }
    }
    let (a, b) = (fused.snapshot().unwrap(), burn.snapshot().unwrap());
    let names = |s: &gtv_models::mlp::Snapshot| -> Vec<(String, usize)> {
        s.arrays.iter().map(|(n, v)| (n.clone(), v.len())).collect()
    };
    assert_eq!(names(&a), names(&b));
    let mut kinds = vec![Parameters::Current];
    kinds.extend(task.training().centred.then_some(Parameters::Initial));
    kinds.extend(task.training().average.map(|_| Parameters::Average));
    for which in kinds {
        let (a, b) = (fused.weights(which).unwrap(), burn.weights(which).unwrap());
        let flat = |all: &[Weights]| -> Vec<f64> {
            let layers = all.iter().flat_map(|w| &w.layers);
            layers.flat_map(|l| l.weight.iter().chain(&l.bias)).map(|v| f64::from(*v)).collect()
        };
        let (a, b, start) = (flat(&a), flat(&b), flat(&start));
        let distance = |p: &[f64], q: &[f64]| -> f64 {
            p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt()
        };
        let moved = distance(&b, &start);
        assert_eq!(moved > 0.0, which != Parameters::Initial);
        // Adam divides by the size of a gradient, however small: a few parameters may go another way than the rest.
        let rounding = 1e-6 * distance(&start, &vec![0.0; start.len()]);
        assert!(
            distance(&a, &b) <= 1e-3 * moved + rounding,
            "{which:?} {} of {moved} {}",
            distance(&a, &b),
            about()
        );
        let inputs: Vec<f32> = (0..members.len() * 7 * 3).map(|i| (i as f32 * 0.37).sin()).collect();
        let (f, g) = (fused.forward(which, &inputs, 7).unwrap(), burn.forward(which, &inputs, 7).unwrap());
        let size = g.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (f, g) in f.iter().zip(&g) {
            assert!((f - g).abs() < 2e-4 * size, "{f} {g}");
        }
    }
}

#[test]
fn oracle_fused_against_burn_for_every_activation_parameterisation_and_depth() {
    for activation in ACTIVATIONS {
        for parameterisation in [Parameterisation::Ntk, Parameterisation::Standard, Parameterisation::Mup] {
            for depth in 0..=3 {
                let arch = MlpSpec { activation, parameterisation, ..small(depth, 32) };
                let rate = if parameterisation == Parameterisation::Ntk { 1e-2 } else { 1e-3 };
                compare(
                    &task(arch, TrainingSpec { rate, ..fast() }),
                    if depth == 2 { &[0, 1, 2] } else { &[4] },
                );
            }
        }
    }
}

#[test]
fn oracle_fused_against_burn_for_every_rule() {
    for optimizer in [Optimizer::Gd, Optimizer::Sgd, Optimizer::Adam] {
        let plain = TrainingSpec { optimizer, rate: 3e-3, ..fast() };
        for training in [
            TrainingSpec { clip: Some(0.05), ..plain.clone() },
            TrainingSpec { clip: Some(1e6), ridge: 1e-2, ..plain.clone() },
            TrainingSpec { ridge: 0.1, ..plain.clone() },
            TrainingSpec { weight_decay: 0.1, average: Some(0.9), ..plain.clone() },
            TrainingSpec { centred: true, average: Some(0.5), clip: Some(0.2), warmup: 3, ..plain.clone() },
        ] {
            let arch = MlpSpec { activation: Activation::Silu, ..small(2, 24) };
            compare(&task(arch, training), &[0, 1, 2]);
        }
    }
}

#[test]
fn oracle_fused_against_burn_across_blocks() {
    // Wider than a panel, a block of rows and a block of columns; outputs on both sides of what counts as few.
    let arch = MlpSpec { activation: Activation::Tanh, ..small(2, 600) };
    compare(&task(arch, fast()), &[1]);
    let arch = small(1, 40);
    for dim in [1, 3, 17] {
        let task = task_of_dim(dim, arch.clone(), fast());
        let start = initial(&task, &[0]);
        let mut fused = FusedEngine::new(&task, &start).unwrap();
        let mut burn = TensorEngine::new(&task, &start, &Device::flex()).unwrap();
        let (a, b) = (train(&mut fused, &task, &[0], 0..4), train(&mut burn, &task, &[0], 0..4));
        for (a, b) in a.iter().zip(&b) {
            assert!((a.loss[0] / b.loss[0] - 1.0).abs() < 8e-5, "{dim}: {a:?} {b:?}");
        }
    }
}

/// The loss in double precision, by the plainest loops.
fn plain_loss(layers: &[LayerScaling], activation: Activation, weights: &[Vec<f64>], batch: &Batch) -> f64 {
    let rho = |u: f64| match activation {
        Activation::Relu => u.max(0.0),
        Activation::Silu => u / (1.0 + (-u).exp()),
        Activation::Tanh => u.tanh(),
        Activation::Erf => libm::erf(u),
    };
    let (fan_in, fan_out) = (layers[0].fan_in, layers[layers.len() - 1].fan_out);
    let mut sum = 0.0;
    for b in 0..batch.size {
        let mut h: Vec<f64> = batch.inputs[b * fan_in..][..fan_in].iter().map(|v| f64::from(*v)).collect();
        for (l, layer) in layers.iter().enumerate() {
            let (weight, bias) = weights[l].split_at(layer.fan_in * layer.fan_out);
            let unit = |j: usize| {
                let dot: f64 = (0..layer.fan_in).map(|k| h[k] * weight[k * layer.fan_out + j]).sum();
                let u = layer.weight_scale * dot + layer.bias.map_or(0.0, |(c, _)| c * bias[j]);
                if l + 1 < layers.len() { rho(u) } else { u }
            };
            h = (0..layer.fan_out).map(unit).collect();
        }
        let label = &batch.labels[b * fan_out..][..fan_out];
        let scale = f64::from(batch.scale[b]);
        sum += h.iter().zip(label).map(|(f, v)| (scale * f - f64::from(*v)).powi(2)).sum::<f64>();
    }
    0.5 * sum / batch.size as f64
}

fn in_double(weights: &Weights) -> Vec<Vec<f64>> {
    let layer = |l: &gtv_models::mlp::Layer| l.weight.iter().chain(&l.bias).map(|v| f64::from(*v)).collect();
    weights.layers.iter().map(layer).collect()
}

#[test]
fn oracle_gradient_against_central_differences() {
    for activation in ACTIVATIONS {
        let arch = MlpSpec { activation, parameterisation: Parameterisation::Ntk, ..small(2, 12) };
        let task = task(arch, TrainingSpec { optimizer: Optimizer::Gd, ..fast() });
        let task = task.on(task.problem().clone().with_samples(32).unwrap());
        let start = initial(&task, &[0]);
        let batch = &batches(&task, &[0], 0..1)[0];
        // θ ← θ − g.
        let rule = StepRule { rate: 1.0, ..task.training().rule(0) };
        let mut engine = FusedEngine::new(&task, &start).unwrap();
        let report = engine.step(batch, &rule).unwrap();
        let (before, after) =
            (in_double(&start[0]), in_double(&engine.weights(Parameters::Current).unwrap()[0]));
        let layers = task.layers();
        let loss = |w: &[Vec<f64>]| plain_loss(&layers, activation, w, batch);
        assert!((report.loss[0] / loss(&before) - 1.0).abs() < 1e-5);
        let (h, mut square) = (1e-5, 0.0);
        for l in 0..before.len() {
            for i in 0..before[l].len() {
                let shifted = |h: f64| {
                    let mut w = before.clone();
                    w[l][i] += h;
                    loss(&w)
                };
                let exact = (shifted(h) - shifted(-h)) / (2.0 * h);
                let found = before[l][i] - after[l][i];
                square += exact * exact;
                // Weights of size up to 4 carry the gradient in their difference: half a last place of theirs, and
                // the gradient's own rounding.
                let tolerance = 4.0 * f64::from(f32::EPSILON) + 2e-5 * report.grad_norm[0];
                assert!((found - exact).abs() < tolerance, "{activation:?} {l} {i}: {found} {exact}");
            }
        }
        assert!((report.grad_norm[0] / square.sqrt() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn oracle_adam_against_burns_own() {
    // A linear map, whose gradient is (1/B) Σ x u (u F − v).
    let task = task(small(0, 1), TrainingSpec { rate: 0.01, ..fast() });
    let start = initial(&task, &[0]);
    let device = Device::flex();
    let adam = AdamConfig::new().with_epsilon(1e-8).build();
    let as_tensor = |v: Vec<f32>| Tensor::<2>::from_data(TensorData::new(v, [3, 2]), &device);
    let (mut theirs, mut state) = (as_tensor(start[0].layers[0].weight.clone()), None);
    let mut engine = FusedEngine::new(&task, &start).unwrap();
    for (k, batch) in batches(&task, &[0], 0..4).iter().enumerate() {
        let weight: Vec<f32> = theirs.to_data().iter::<f32>().collect();
        let mut gradient = vec![0.0f64; 6];
        for b in 0..batch.size {
            let (x, u) = (&batch.inputs[3 * b..][..3], f64::from(batch.scale[b]));
            for o in 0..2 {
                let f: f64 = (0..3).map(|i| f64::from(x[i]) * f64::from(weight[2 * i + o])).sum();
                let e = u * (u * f - f64::from(batch.labels[2 * b + o])) / batch.size as f64;
                (0..3).for_each(|i| gradient[2 * i + o] += f64::from(x[i]) * e);
            }
        }
        let gradient = as_tensor(gradient.into_iter().map(|g| g as f32).collect());
        (theirs, state) = adam.step(0.01, theirs, gradient, state);
        engine.step(batch, &task.training().rule(k as u64)).unwrap();
        let ours = engine.weights(Parameters::Current).unwrap();
        for (a, b) in ours[0].layers[0].weight.iter().zip(theirs.to_data().iter::<f32>()) {
            // A step is at most a few times the rate, and carries the gradient's relative rounding.
            assert!((a - b).abs() < 2.0 * f32::EPSILON * b.abs() + 0.01 * 1e-4, "{k}: {a} {b}");
        }
    }
}

fn bits(engine: &mut dyn Engine) -> Vec<(String, Vec<u32>)> {
    let arrays = engine.snapshot().unwrap().arrays;
    arrays.into_iter().map(|(n, v)| (n, v.iter().map(|v| v.to_bits()).collect())).collect()
}

/// A run of a few steps in a pool of its own.
fn run(threads: usize, task: &Task, members: &[u64]) -> (Vec<StepReport>, Vec<(String, Vec<u32>)>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut engine = FusedEngine::new(task, &initial(task, members)).unwrap();
        (train(&mut engine, task, members, 0..3), bits(&mut engine))
    })
}

#[test]
fn identities_threads_do_not_change_a_bit() {
    // On one thread each of two members has a thread's whole attention; on three threads all of them share each member.
    for (width, clip) in [(24, None), (600, Some(0.01)), (1100, None)] {
        let arch = MlpSpec { activation: Activation::Erf, ..small(2, width) };
        let task = task(arch, TrainingSpec { clip, ridge: 1e-3, average: Some(0.9), ..fast() });
        assert!(run(1, &task, &[0, 1]) == run(3, &task, &[0, 1]), "{width}");
    }
}

#[test]
fn identities_a_member_alone_is_the_same_member_in_a_group() {
    for width in [24, 600] {
        let task = task(small(2, width), TrainingSpec { clip: Some(0.3), ..fast() });
        let (group, group_bits) = run(2, &task, &[0, 1, 2]);
        for m in 0..3 {
            let (alone, alone_bits) = run(2, &task, &[m]);
            for (group, alone) in group.iter().zip(&alone) {
                let of = |report: &StepReport, i: usize| (report.loss[i], report.grad_norm[i]);
                assert_eq!(of(group, m as usize), of(alone, 0));
            }
            for ((name, group), (_, alone)) in group_bits.iter().zip(&alone_bits) {
                let len = alone.len();
                assert!(group[m as usize * len..][..len] == alone[..], "{width} {m} {name}");
            }
        }
    }
}

#[test]
fn identities_a_restored_snapshot_goes_on_with_the_same_bits() {
    for optimizer in [Optimizer::Gd, Optimizer::Sgd, Optimizer::Adam] {
        let training = TrainingSpec { optimizer, average: Some(0.9), rate: 1e-2, ..fast() };
        let task = task(small(2, 24), training);
        let members = [3, 4];
        let mut whole = FusedEngine::new(&task, &initial(&task, &members)).unwrap();
        train(&mut whole, &task, &members, 0..3);
        let saved = whole.snapshot().unwrap();
        let rest = train(&mut whole, &task, &members, 3..6);
        // Other initial weights, so that everything must come from the snapshot.
        let mut resumed = FusedEngine::new(&task, &initial(&task, &[7, 8])).unwrap();
        resumed.restore(&saved).unwrap();
        assert_eq!(resumed.snapshot().unwrap(), saved);
        assert_eq!(train(&mut resumed, &task, &members, 3..6), rest);
        assert!(bits(&mut resumed) == bits(&mut whole));
        // The other engine keeps the same names and sizes.
        TensorEngine::new(&task, &initial(&task, &members), &Device::flex())
            .unwrap()
            .restore(&saved)
            .unwrap();
    }
}

#[test]
fn limits_a_snapshot_of_something_else_is_refused() {
    let (adam, wide) = (task(small(1, 8), fast()), task(small(1, 9), fast()));
    let mut engine = FusedEngine::new(&adam, &initial(&adam, &[0])).unwrap();
    let good = engine.snapshot().unwrap();
    let other = FusedEngine::new(&wide, &initial(&wide, &[0])).unwrap().snapshot().unwrap();
    let mut short = good.clone();
    short.arrays.pop();
    let mut long = good.clone();
    long.arrays.push(("9.weight.value".into(), vec![0.0]));
    for (bad, array) in [(other, "0.weight.value"), (short, "1.weight.second"), (long, "9.weight.value")] {
        let message = engine.restore(&bad).unwrap_err().to_string();
        assert!(message.contains(array), "{message}");
    }
    assert!(FusedEngine::new(&adam, &initial(&wide, &[0])).is_err());
    assert!(engine.forward(Parameters::Initial, &[0.0; 3], 1).is_err());
    assert!(engine.weights(Parameters::Average).is_err());
}

#[test]
fn limits_a_loss_that_is_not_a_number_is_reported() {
    for activation in ACTIVATIONS {
        let task = task(MlpSpec { activation, ..small(2, 24) }, fast());
        let mut start = initial(&task, &[0, 1]);
        start[1].layers[0].weight.fill(f32::NAN);
        let mut engine = FusedEngine::new(&task, &start).unwrap();
        let report = train(&mut engine, &task, &[0, 1], 0..2).pop().unwrap();
        assert!(report.loss[0].is_finite() && report.loss[1].is_nan() && report.grad_norm[1].is_nan());
    }
}

#[test]
fn identities_evaluation_is_the_engines_own() {
    for width in [24, 600] {
        let arch = MlpSpec { activation: Activation::Silu, ..small(2, width) };
        let task = task(arch, fast());
        let start = initial(&task, &[0]);
        let rows = 1300;
        let inputs: Vec<f32> = (0..rows * 3).map(|i| (i as f32 * 0.011).sin()).collect();
        let mut engine = FusedEngine::new(&task, &start).unwrap();
        let expected = engine.forward(Parameters::Current, &inputs, rows).unwrap();
        let mut scratch = Scratch::default();
        for parallel in [false, true] {
            let mut out = vec![0.0; rows * 2];
            let (layers, rho) = (task.layers(), Activation::Silu);
            forward(&layers, rho, &start[0], &inputs, rows, parallel, &mut scratch, &mut out);
            assert!(out == expected, "{width} {parallel}");
        }
    }
}
