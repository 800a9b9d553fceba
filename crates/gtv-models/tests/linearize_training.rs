//! Trained networks against their linearisation: derivatives, and the end of training of a linear map.

use burn::tensor::Device;
use gtv_models::LinearTrainer;
use gtv_models::linearize::{Linearised, Metric, Tangent, linear_spec};
use gtv_models::mlp::{
    Batch, Engine, Examples, Initial, Optimizer, Parameters, StepRule, Task, TensorEngine, TrainingSpec,
    Weights,
};
use gtv_theory::features::FeatureMap;
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, Parameterisation, TimeEmbedding};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Preconditioning, Schedule};
use std::sync::Arc;

const DATA_STD: f64 = 0.8;

fn task(arch: MlpSpec, dim: usize, training: TrainingSpec) -> Task {
    let points = match dim {
        1 => vec![-1.0, 0.2, 1.0],
        _ => vec![-1.0, 0.5, 0.2, -0.8, 1.0, 0.3],
    };
    let schedule = Schedule::paper(0.05).unwrap();
    let pre = training.preconditioning;
    let kind = TimeEmbedding::LogSnr;
    let embedding = Embedding::new(dim, schedule, pre, kind, 2, 1.0, Streams::new(2)).unwrap();
    Task::new(arch, embedding, training, PointCloud::new(points, dim).unwrap()).unwrap()
}

/// Full-batch gradient descent.
fn descent(rate: f64, steps: u64) -> TrainingSpec {
    TrainingSpec {
        optimizer: Optimizer::Gd,
        preconditioning: Preconditioning::Edm { data_std: DATA_STD },
        rate,
        steps,
        ..TrainingSpec::default()
    }
}

fn drawn(task: &Task, member: u64) -> Weights {
    Weights::draw(&task.layers(), Initial { streams: Streams::new(17), member })
}

fn tangent(task: &Task, weights: Weights) -> Tangent {
    Tangent::new(task.arch(), task.inputs(), task.dim(), weights, Metric::GradientDescent).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// The same examples for each of `members` members.
fn batch(examples: &Examples, members: usize) -> Batch {
    Batch {
        members,
        size: examples.scale.len(),
        inputs: examples.inputs.repeat(members),
        scale: examples.scale.repeat(members),
        labels: examples.labels.repeat(members),
    }
}

#[test]
fn oracle_jacobian_equals_burns_gradients() {
    // A member for each point and output, all with the same parameters: the label F − e_i makes the residual e_i, so that
    // a step of rate 1 moves θ by −r ∂F_i/∂θ.
    for activation in [Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Erf] {
        for parameterisation in [Parameterisation::Ntk, Parameterisation::Standard, Parameterisation::Mup] {
            let arch = MlpSpec {
                depth: 2,
                width: 7,
                activation,
                parameterisation,
                bias_var: 0.3,
                base_width: 4,
                ..MlpSpec::default()
            };
            let task = task(arch, 2, descent(1.0, 1));
            let weights = drawn(&task, 3);
            let (points, dim) = (3, 2);
            let triples = task.sampler().draw(Streams::new(4), 0, points).unwrap();
            let inputs = task.examples(&triples, 0.0).inputs;
            let tangent = tangent(&task, weights.clone());
            let outputs = tangent.points::<f64>(&wide(&inputs)).outputs();
            let count = tangent.parameters();
            let mut jacobian = vec![0.0; points * dim * count];
            tangent.jacobian_into(&wide(&inputs), &mut jacobian);

            let width = task.inputs();
            let rows = || (0..points * dim).map(|k| (k / dim, k % dim));
            let batch = Batch {
                members: points * dim,
                size: 1,
                inputs: rows().flat_map(|(n, _)| inputs[n * width..][..width].to_vec()).collect(),
                scale: vec![1.0; points * dim],
                labels: rows()
                    .flat_map(|(n, i)| (0..dim).map(move |j| (n, i, j)))
                    .map(|(n, i, j)| (outputs[n * dim + j] - f64::from(u8::from(i == j))) as f32)
                    .collect(),
            };
            let mut engine =
                TensorEngine::new(&task, &vec![weights.clone(); points * dim], &Device::flex()).unwrap();
            engine.step(&batch, &task.training().rule(0)).unwrap();
            let trained = engine.weights(Parameters::Current).unwrap();
            let layers = task.layers();
            let scale = jacobian.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (after, row) in trained.iter().zip(jacobian.chunks_exact(count)) {
                let mut row = row.iter();
                for ((after, before), layer) in after.layers.iter().zip(&weights.layers).zip(&layers) {
                    let sides = [
                        (&after.weight, &before.weight, layer.sgd_rate),
                        (&after.bias, &before.bias, layer.bias_sgd_rate),
                    ];
                    for (after, before, rate) in sides {
                        for ((a, b), want) in after.iter().zip(before).zip(&mut row) {
                            let got = (f64::from(*b) - f64::from(*a)) / rate;
                            // Single precision: of the gradient, of the residual, and of θ, whose size is up to 4.
                            assert!(
                                (got - want).abs() < 1e-5 * scale.max(1.0),
                                "{activation:?}: {got} {want}"
                            );
                        }
                    }
                }
                assert!(row.next().is_none());
            }
        }
    }
}

/// φ = out_t a i(x, t): what a network without hidden layers is linear in.
struct Inputs(Task);

impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Inputs").field(self.0.embedding()).finish()
    }
}

impl FeatureMap for Inputs {
    fn len(&self) -> usize {
        self.0.inputs()
    }
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (task, training) = (&self.0, self.0.training());
        let rows = x.chunks_exact(task.dim()).zip(t).zip(out.chunks_exact_mut(task.inputs()));
        for ((x, &t), row) in rows {
            task.embedding().fill(x, t, row);
            let pre = training.preconditioning;
            let scale = pre.output_coefficients(training.prediction, task.schedule(), t).1;
            row.iter_mut().for_each(|v| *v *= scale * task.layers()[0].weight_scale);
        }
    }
}

#[test]
fn identities_a_linear_network_trained_to_the_end_is_the_ridge_estimate() {
    for parameterisation in [Parameterisation::Ntk, Parameterisation::Standard] {
        for pre in [Preconditioning::Edm { data_std: DATA_STD }, Preconditioning::None] {
            let (samples, ridge) = (60, 0.2);
            let arch = MlpSpec { depth: 0, parameterisation, ..MlpSpec::default() };
            let first = TrainingSpec { preconditioning: pre, ridge, samples, ..descent(1.0, 1) };
            let task = task(arch, 2, first);
            let triples = task.sampler().draw(Streams::new(6), 0, samples).unwrap();
            let examples = task.examples(&triples, 0.0);
            let spec = linear_spec(&task, Arc::new(Inputs(task.clone())), ridge);
            let trainer = LinearTrainer::new(spec, task.sampler().clone(), None).unwrap();
            let want = trainer.fit(&triples, 0).unwrap();

            let weights = drawn(&task, 0);
            let model = Linearised::new(tangent(&task, weights.clone()), &examples, false).unwrap();
            // Optimal for curvatures from γ to λ + γ; errors shrink by (λ/(λ + 2γ))^K < 1e-6.
            let largest = model.eigenvalues().last().copied().unwrap();
            let rate = 2.0 / (largest + 2.0 * ridge);
            let steps = (1e6f64.ln() * (largest + 2.0 * ridge) / (2.0 * ridge)).ceil() as u64;
            assert!(steps < 5_000, "{steps}");
            let mut engine = TensorEngine::new(&task, &[weights], &Device::flex()).unwrap();
            let batch = batch(&examples, 1);
            for k in 0..steps {
                let rule = StepRule { rate, ..task.training().rule(k) };
                engine.step(&batch, &rule).unwrap();
            }
            let found = engine.weights(Parameters::Current).unwrap().remove(0);
            let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert_eq!(found.layers[0].weight.len(), want.len());
            for (a, b) in found.layers[0].weight.iter().zip(&want) {
                let error = (f64::from(*a) - b).abs() / scale;
                assert!(error < 1e-4, "{parameterisation:?} {pre:?}: {a} {b}");
            }
        }
    }
}
