//! Trained networks against their linearisation: derivatives, the end of training of a linear map, and the lazy limit.

use burn::tensor::Device;
use gtv_models::LinearTrainer;
use gtv_models::linearize::{Course, Laziness, Linearised, Tangent, TangentMetric};
use gtv_models::mlp::{
    Batch, Engine, Examples, Initial, Optimizer, Parameters, RateSchedule, StepRule, Task, TensorEngine,
    TrainingSpec, Weights,
};
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::linalg::symmetric_eigen;
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, Parameterisation, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, TrainingProblem};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};
use std::f64::consts::PI;
use std::sync::Arc;

const EDM: Preconditioning = Preconditioning::Edm { data_std: 0.8 };

fn task(arch: MlpSpec, dim: usize, preconditioning: Preconditioning, training: TrainingSpec) -> Task {
    let points = match dim {
        1 => vec![-1.0, 0.2, 1.0],
        _ => vec![-1.0, 0.5, 0.2, -0.8, 1.0, 0.3],
    };
    let schedule = Schedule::paper(0.05).unwrap();
    let (kind, streams) = (TimeEmbedding::LogSnr, Streams::new(2));
    let embedding = Embedding::new(dim, schedule, preconditioning, kind, 2, 1.0, streams).unwrap();
    let objective = Objective { preconditioning, ..Objective::default() };
    let cloud = PointCloud::new(points, dim).unwrap();
    let problem = TrainingProblem::new(cloud, schedule, objective, 1024, streams).unwrap();
    Task::new(arch, embedding, training, problem).unwrap()
}

/// Full-batch gradient descent.
fn descent(rate: f64, steps: u64) -> TrainingSpec {
    TrainingSpec {
        optimizer: Optimizer::Gd,
        rate,
        rate_schedule: RateSchedule::Constant,
        warmup: 0,
        steps,
        ..TrainingSpec::default()
    }
}

fn drawn(task: &Task, member: u64) -> Weights {
    Weights::draw(&task.layers(), Initial { streams: Streams::new(17), member })
}

fn tangent(task: &Task, weights: Weights) -> Tangent {
    Tangent::new(task.arch(), task.inputs(), task.dim(), weights, TangentMetric::GradientDescent).unwrap()
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
            let task = task(arch, 2, EDM, descent(1.0, 1));
            let weights = drawn(&task, 3);
            let (points, dim) = (3, 2);
            let triples = task.sampler().draw(Streams::new(4), 0, points).unwrap();
            let inputs = task.examples(&triples).inputs;
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
        let task = &self.0;
        let rows = x.chunks_exact(task.dim()).zip(t).zip(out.chunks_exact_mut(task.inputs()));
        for ((x, &t), row) in rows {
            task.embedding().fill(x, t, row);
            let scale = task.frame().output_coefficients(t).1;
            row.iter_mut().for_each(|v| *v *= scale * task.layers()[0].weight_scale);
        }
    }
}

#[test]
fn identities_a_linear_network_trained_to_the_end_is_the_ridge_estimate() {
    for parameterisation in [Parameterisation::Ntk, Parameterisation::Standard] {
        for pre in [EDM, Preconditioning::None] {
            let (samples, ridge) = (60, 0.2);
            let arch = MlpSpec { depth: 0, parameterisation, ..MlpSpec::default() };
            let task = task(arch, 2, pre, TrainingSpec { ridge, ..descent(1.0, 1) });
            let triples = task.sampler().draw(Streams::new(6), 0, samples).unwrap();
            let examples = task.examples(&triples);
            let features = Features::Mapped(Arc::new(Inputs(task.clone())));
            let trainer = LinearTrainer::new(task.problem().clone(), features, ridge).unwrap();
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

/// Slope of y against ln x by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x.ln() / n, b + y / n));
    let terms = points.iter().map(|(x, y)| ((x.ln() - mx) * (y - my), (x.ln() - mx).powi(2)));
    let (top, bottom) = terms.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    top / bottom
}

/// |a − b|/|b|.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let square = |f: &dyn Fn(usize) -> f64| (0..b.len()).map(|i| f(i).powi(2)).sum::<f64>();
    (square(&|i| a[i] - b[i]) / square(&|i| b[i])).sqrt()
}

/// Θ of the infinitely wide erf network of one hidden layer, n × m (Williams 1997): with s_pq = σ_w² p·q/d + σ_b² and
/// r = (1 + 2s_pp)(1 + 2s_qq), (2/π) asin(2s_pq/√r) + (4/π)/√(r − 4s_pq²) s_pq.
fn limit_kernel(arch: &MlpSpec, inputs: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let covariance = |p: &[f64], q: &[f64]| {
        let dot: f64 = p.iter().zip(q).map(|(p, q)| p * q).sum();
        arch.weight_var * dot / inputs as f64 + arch.bias_var
    };
    let mut out = Vec::new();
    for p in a.chunks_exact(inputs) {
        for q in b.chunks_exact(inputs) {
            let s = covariance(p, q);
            let r = (1.0 + 2.0 * covariance(p, p)) * (1.0 + 2.0 * covariance(q, q));
            out.push(2.0 / PI * (2.0 * s / r.sqrt()).asin() + 4.0 / PI * s / (r - 4.0 * s * s).sqrt());
        }
    }
    out
}

/// Gradient descent of functions that start at 0, with a given kernel on the training set and from there to test points.
fn lazy_descent(
    examples: &Examples,
    train: &[f64],
    test: &[f64],
    rate: impl Fn(f64) -> f64,
    steps: u64,
) -> (Vec<f64>, f64) {
    let count = examples.scale.len();
    let (u, v) = (wide(&examples.scale), wide(&examples.labels));
    let matrix =
        (0..count * count).map(|k| u[k / count] * u[k % count] * train[k] / count as f64).collect::<Vec<_>>();
    let (values, _) = symmetric_eigen("test", &matrix, count).unwrap();
    let rate = rate(values[count - 1]);
    let mut residual: Vec<f64> = v.iter().map(|v| -v).collect();
    let mut out = vec![0.0; test.len() / count];
    for _ in 0..steps {
        for (o, row) in out.iter_mut().zip(test.chunks_exact(count)) {
            let pull: f64 = row.iter().zip(&u).zip(&residual).map(|((k, u), e)| k * u * e).sum();
            *o -= rate * pull / count as f64;
        }
        let shrink = matrix
            .chunks_exact(count)
            .map(|row| -> f64 { row.iter().zip(&residual).map(|(m, e)| m * e).sum() });
        let shrink: Vec<f64> = shrink.collect();
        residual.iter_mut().zip(shrink).for_each(|(e, s)| *e -= rate * s);
    }
    (out, rate)
}

#[test]
fn convergence_wide_networks_become_linear() {
    // f = n^{−1/2} Σ_i v_i ρ(w_i·z), n independent units. Θ_0 is a mean over units, so Θ_0 − Θ_∞ and with it the distance to the
    // linear model of infinite width is O(n^{−1/2}); so is |θ_t − θ_0|/|θ_0| = O(1)/O(√n). The network's distance to its own
    // linearisation comes from ∂_t Θ = −Σ_b e_b ∂Θ·∂f_b alone, n^{−3/2} times a sum over units of terms that are odd in v_i:
    // O(n^{−1}), as are the second-order terms, n^{−2} times a sum of n. (Lee et al. 2019 prove the bound n^{−1/2} and observe
    // the rate n^{−1}; kinks make relu slower, n^{−3/4} in Θ.)
    const MEMBERS: usize = 16;
    const STEPS: u64 = 40;
    let mut logs: [Vec<(f64, f64)>; 4] = Default::default();
    for width in [64, 128, 256, 512, 1024] {
        let arch = MlpSpec {
            depth: 1,
            width,
            activation: Activation::Erf,
            parameterisation: Parameterisation::Ntk,
            ..MlpSpec::default()
        };
        let task = task(arch.clone(), 1, EDM, descent(1.0, STEPS));
        let inputs = |member: u64, count: usize| {
            let triples = task.sampler().draw(Streams::new(6), member, count).unwrap();
            task.examples(&triples)
        };
        let (examples, test) = (inputs(0, 24), inputs(1, 40).inputs);
        let kernel = |at: &[f32]| limit_kernel(&arch, task.inputs(), &wide(at), &wide(&examples.inputs));
        let (limit, rate) = lazy_descent(
            &examples,
            &kernel(&examples.inputs),
            &kernel(&test),
            |largest| 0.5 / largest,
            STEPS,
        );

        let weights: Vec<Weights> = (0..MEMBERS as u64).map(|m| drawn(&task, m)).collect();
        let mut engine = TensorEngine::new(&task, &weights, &Device::flex()).unwrap();
        // F − F₀ is trained: the labels gain u F₀.
        let mut batch = batch(&examples, MEMBERS);
        let start = engine.forward(Parameters::Current, &batch.inputs, 24).unwrap();
        for ((v, f), u) in batch.labels.iter_mut().zip(start).zip(&batch.scale) {
            *v += u * f;
        }
        let tests = test.repeat(MEMBERS);
        let start = engine.forward(Parameters::Current, &tests, 40).unwrap();
        for k in 0..STEPS {
            engine.step(&batch, &StepRule { rate, ..task.training().rule(k) }).unwrap();
        }
        let end = engine.forward(Parameters::Current, &tests, 40).unwrap();
        let trained = engine.weights(Parameters::Current).unwrap();
        let mut means = [0.0; 4];
        for (m, (before, after)) in weights.iter().zip(trained).enumerate() {
            let learned: Vec<f64> =
                (40 * m..40 * (m + 1)).map(|i| f64::from(end[i]) - f64::from(start[i])).collect();
            let [before, after] = [before.clone(), after].map(|w| tangent(&task, w));
            let lazy = Laziness::between::<f64>(&before, &after, &wide(&test));
            let own = Linearised::new(before, &examples, true).unwrap();
            let own = own.predict(Course::Steps { rate, count: STEPS }, &wide(&test));
            let found = [distance(&learned, &limit), distance(&learned, &own), lazy.parameters, lazy.kernel];
            // Means of logarithms: the distance of one network has heavy tails.
            means.iter_mut().zip(found).for_each(|(s, d)| *s += d.ln() / MEMBERS as f64);
        }
        logs.iter_mut().zip(means).for_each(|(points, mean)| points.push((width as f64, mean)));
    }
    let slopes = logs.each_ref().map(|points| slope(points));
    // Means over 16 networks scatter by 0.1 in ln at each width, 0.05 in the slope: 3 standard errors.
    for (found, want) in slopes.iter().zip([-0.5, -1.0, -0.5, -1.0]) {
        assert!((found - want).abs() < 0.15, "{slopes:?}");
    }
}
