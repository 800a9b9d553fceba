//! Tangents of networks: derivatives, kernels with and without the Jacobian, features, and training in closed form.

use gtv_models::LinearTrainer;
use gtv_models::linearize::{
    Course, JacobianFeatures, KernelFeatureSpec, KernelFeatures, Laziness, Linearised, Tangent, TangentMetric,
};
use gtv_models::mlp::{Initial, Task, TrainingSpec, Weights};
use gtv_theory::closure::{Closure, FiniteP, Leading};
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::Ridge;
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, Parameterisation, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, Prediction, TrainingProblem};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};
use std::f64::consts::PI;
use std::sync::Arc;

const ACTIVATIONS: [Activation; 4] = [Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Erf];
const PARAMETERISATIONS: [Parameterisation; 3] =
    [Parameterisation::Ntk, Parameterisation::Standard, Parameterisation::Mup];

fn arch(depth: usize, width: usize, activation: Activation, parameterisation: Parameterisation) -> MlpSpec {
    MlpSpec { depth, width, activation, parameterisation, weight_var: 1.6, bias_var: 0.2, base_width: 4 }
}

fn drawn(arch: &MlpSpec, inputs: usize, outputs: usize, member: u64) -> Weights {
    Weights::draw(&arch.layers(inputs, outputs), Initial { streams: Streams::new(11), member })
}

fn tangent(arch: &MlpSpec, inputs: usize, outputs: usize, member: u64, metric: TangentMetric) -> Tangent {
    Tangent::new(arch, inputs, outputs, drawn(arch, inputs, outputs, member), metric).unwrap()
}

fn wave(len: usize) -> Vec<f64> {
    (0..len).map(|i| 1.2 * (0.7 * i as f64 + 0.3).sin()).collect()
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (k, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what} at {k}: {a} {b} at scale {scale}");
    }
}

/// The points −1, 0.2, 1 (or their image in the plane), networks that see them through EDM's preconditioning.
fn task(arch: MlpSpec, dim: usize, prediction: Prediction, samples: usize) -> Task {
    let points = match dim {
        1 => vec![-1.0, 0.2, 1.0],
        _ => vec![-1.0, 0.5, 0.2, -0.8, 1.0, 0.3],
    };
    let (schedule, preconditioning) =
        (Schedule::paper(0.05).unwrap(), Preconditioning::Edm { data_std: 0.8 });
    let kind = TimeEmbedding::LogSnr;
    let embedding = Embedding::new(dim, schedule, preconditioning, kind, 2, 1.0, Streams::new(2)).unwrap();
    let objective = Objective { prediction, preconditioning, ..Objective::default() };
    let cloud = PointCloud::new(points, dim).unwrap();
    let problem = TrainingProblem::new(cloud, schedule, objective, samples, Streams::new(8)).unwrap();
    Task::new(arch, embedding, TrainingSpec::default(), problem).unwrap()
}

#[test]
fn identities_jacobian_equals_finite_differences() {
    let (inputs, outputs, points) = (3, 2, 4);
    let at = wave(points * inputs);
    for activation in ACTIVATIONS {
        for parameterisation in PARAMETERISATIONS {
            for depth in [0, 1, 3] {
                let arch = arch(depth, 5, activation, parameterisation);
                let tangent = tangent(&arch, inputs, outputs, 1, TangentMetric::default());
                let count = tangent.parameters();
                let mut jacobian = vec![0.0; points * outputs * count];
                tangent.jacobian_into(&at, &mut jacobian);
                let scale = jacobian.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                for a in 0..count {
                    // Parameters are in single precision: the step is what of 2⁻¹² is left after rounding.
                    let [(below, low), (above, high)] = [-1.0, 1.0].map(|sign| {
                        let mut weights = tangent.weights().clone();
                        let value = parameter(&mut weights, a);
                        *value += sign * 2f32.powi(-12);
                        let value = f64::from(*value);
                        let moved =
                            Tangent::new(&arch, inputs, outputs, weights, TangentMetric::default()).unwrap();
                        (moved.points::<f64>(&at).outputs(), value)
                    });
                    for (k, (b, c)) in below.iter().zip(&above).enumerate() {
                        let slope = (c - b) / (high - low);
                        // h²/6 times a third derivative of order 10, and 1e-15/h of rounding.
                        let error = (slope - jacobian[k * count + a]).abs();
                        assert!(error < 1e-6 * scale.max(1.0), "{activation:?} {depth} {k} {a}: {error}");
                    }
                }
            }
        }
    }
}

fn parameter(weights: &mut Weights, mut index: usize) -> &mut f32 {
    for layer in &mut weights.layers {
        for values in [&mut layer.weight, &mut layer.bias] {
            if index < values.len() {
                return &mut values[index];
            }
            index -= values.len();
        }
    }
    panic!("no such parameter")
}

#[test]
fn identities_the_kernel_is_the_jacobians_product() {
    let (inputs, outputs) = (3, 2);
    // More points than are traced at a time on one side.
    let (a, b) = (wave(300 * inputs), wave(7 * inputs));
    for metric in [TangentMetric::Euclidean, TangentMetric::GradientDescent] {
        for parameterisation in PARAMETERISATIONS {
            for depth in [0, 1, 3] {
                let arch = arch(depth, 9, Activation::Silu, parameterisation);
                let tangent = tangent(&arch, inputs, outputs, 1, metric);
                let count = tangent.parameters();
                let jacobian = |at: &[f64]| {
                    let mut j = vec![0.0; at.len() / inputs * outputs * count];
                    tangent.jacobian_into(at, &mut j);
                    j
                };
                let rates: Vec<f64> = arch
                    .layers(inputs, outputs)
                    .iter()
                    .flat_map(|l| {
                        let bias = l.bias.map_or(0, |_| l.fan_out);
                        let weight = std::iter::repeat_n(l.sgd_rate, l.fan_in * l.fan_out);
                        weight.chain(std::iter::repeat_n(l.bias_sgd_rate, bias))
                    })
                    .map(|r| if metric == TangentMetric::Euclidean { 1.0 } else { r })
                    .collect();
                let (ja, jb) = (jacobian(&a), jacobian(&b));
                let want: Vec<f64> = ja
                    .chunks_exact(count)
                    .flat_map(|p| jb.chunks_exact(count).map(move |q| (p, q)))
                    .map(|(p, q)| p.iter().zip(q).zip(&rates).map(|((p, q), r)| p * q * r).sum())
                    .collect();
                let (pa, pb) = (tangent.points::<f64>(&a), tangent.points::<f64>(&b));
                assert_close(&tangent.kernel(&pa, &pb), &want, 1e-13, "f64");
                let average: Vec<f64> = (0..300 * 7)
                    .map(|k| {
                        let at = |i: usize| want[((k / 7) * outputs + i) * 7 * outputs + k % 7 * outputs + i];
                        0.5 * (at(0) + at(1))
                    })
                    .collect();
                assert_close(&tangent.average_kernel(&pa, &pb), &average, 1e-13, "average");
                let (sa, sb) = (tangent.points::<f32>(&a), tangent.points::<f32>(&b));
                // A handful of roundings of 6e-8 a layer.
                assert_close(&tangent.kernel(&sa, &sb), &want, 3e-6, "f32");
                assert_close(&tangent.average_kernel(&sa, &sb), &average, 3e-6, "f32 average");
                let own = tangent.average_kernel(&pb, &pb);
                let diagonal: Vec<f64> = (0..7).map(|n| own[n * 8]).collect();
                assert_close(&tangent.average_diagonal(&pb), &diagonal, 1e-13, "diagonal");
            }
        }
    }
}

#[test]
fn monte_carlo_wide_relu_kernel_is_the_analytic_one() {
    // Units of one hidden layer are independent and readout weights have unit variance, so the mean of Θ over
    // initialisations is the kernel of infinite width exactly, at every width:
    // Θ = E ρρ + E ρ'ρ' Σ⁰, Σ⁰ = σ_w² x·x'/d + σ_b², by Cho and Saul's arc-cosine kernels.
    let (inputs, count, members) = (3, 5, 60);
    let at = wave(count * inputs);
    let arch = arch(1, 512, Activation::Relu, Parameterisation::Ntk);
    let covariance = |n: usize, m: usize| {
        let dot: f64 = (0..inputs).map(|d| at[n * inputs + d] * at[m * inputs + d]).sum();
        arch.weight_var * dot / inputs as f64 + arch.bias_var
    };
    let kernels: Vec<Vec<f64>> = (0..members)
        .map(|member| {
            let tangent = tangent(&arch, inputs, 1, member, TangentMetric::Euclidean);
            let points = tangent.points::<f32>(&at);
            tangent.kernel(&points, &points)
        })
        .collect();
    for n in 0..count {
        for m in 0..count {
            let (s, root) = (covariance(n, m), (covariance(n, n) * covariance(m, m)).sqrt());
            let angle = (s / root).clamp(-1.0, 1.0).acos();
            let want = root * (angle.sin() + (PI - angle) * angle.cos()) / (2.0 * PI)
                + (PI - angle) / (2.0 * PI) * s;
            let values: Vec<f64> = kernels.iter().map(|k| k[n * count + m]).collect();
            let mean = values.iter().sum::<f64>() / members as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (members - 1) as f64;
            let standard_error = (variance / members as f64).sqrt();
            assert!((mean - want).abs() < 4.0 * standard_error, "{n} {m}: {mean} {want} ± {standard_error}");
            // The spread of one network falls as 1/√width: small already, or the test would show nothing.
            let size = (kernels[0][n * count + n] * kernels[0][m * count + m]).sqrt();
            assert!(variance.sqrt() < 0.15 * size, "{n} {m}: {variance}");
        }
    }
}

#[test]
fn oracle_closed_form_training_is_gradient_descent_on_the_linear_model() {
    let arch = arch(2, 6, Activation::Tanh, Parameterisation::Mup);
    let task = task(arch.clone(), 2, Prediction::Denoiser, 9);
    let triples = task.sampler().draw(Streams::new(3), 0, 9).unwrap();
    let examples = task.examples(&triples);
    let tangent = tangent(&arch, task.inputs(), 2, 4, TangentMetric::GradientDescent);
    let (count, rows) = (tangent.parameters(), 18);
    let inputs: Vec<f64> = examples.inputs.iter().map(|v| f64::from(*v)).collect();
    let test = wave(5 * task.inputs());
    let jacobian = |at: &[f64]| {
        let mut j = vec![0.0; at.len() / task.inputs() * 2 * count];
        tangent.jacobian_into(at, &mut j);
        j
    };
    let (on_train, on_test) = (jacobian(&inputs), jacobian(&test));
    let rates: Vec<f64> = task
        .layers()
        .iter()
        .flat_map(|l| {
            let bias = l.bias.map_or(0, |_| l.fan_out);
            std::iter::repeat_n(l.sgd_rate, l.fan_in * l.fan_out)
                .chain(std::iter::repeat_n(l.bias_sgd_rate, bias))
        })
        .collect();
    for centred in [false, true] {
        let model = Linearised::new(tangent.clone(), &examples, centred).unwrap();
        let largest = model.eigenvalues()[rows - 1];
        let start = |at: &[f64]| match centred {
            true => vec![0.0; at.len() / task.inputs() * 2],
            false => tangent.points::<f64>(at).outputs(),
        };
        // Steps below 1/λ and, oscillating, between 1/λ and 2/λ.
        for (rate, steps) in [(0.3 / largest, 40u64), (1.7 / largest, 7)] {
            let mut moved = vec![0.0; count];
            let linear = |moved: &[f64], start: &[f64], jacobian: &[f64]| -> Vec<f64> {
                let rows = jacobian.chunks_exact(count).zip(start);
                rows.map(|(j, f)| f + j.iter().zip(moved).map(|(j, m)| j * m).sum::<f64>()).collect()
            };
            let before = start(&inputs);
            for _ in 0..steps {
                let outputs = linear(&moved, &before, &on_train);
                let mut gradient = vec![0.0; count];
                for (k, j) in on_train.chunks_exact(count).enumerate() {
                    let u = f64::from(examples.scale[k / 2]);
                    let residual = u * (u * outputs[k] - f64::from(examples.labels[k])) / 9.0;
                    gradient.iter_mut().zip(j).for_each(|(g, j)| *g += residual * j);
                }
                for ((m, g), r) in moved.iter_mut().zip(gradient).zip(&rates) {
                    *m -= rate * r * g;
                }
            }
            let want = linear(&moved, &start(&test), &on_test);
            let got = model.predict(Course::Steps { rate, count: steps }, &test);
            assert_close(&got, &want, 1e-10, "steps");
        }
        // Many small steps are gradient flow: (1 − λτ/K)^K = e^{−λτ}(1 − (λτ)²/2K + …).
        let time = 3.0 / largest;
        let flow = model.predict(Course::Flow { time }, &test);
        let error = |count: u64| {
            let steps = model.predict(Course::Steps { rate: time / count as f64, count }, &test);
            steps.iter().zip(&flow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let ratio = error(1000) / error(2000);
        assert!((ratio - 2.0).abs() < 0.02, "first order in the step: {ratio}");
        // The end of training is the limit of no ridge.
        let end = model.predict(Course::Flow { time: f64::INFINITY }, &inputs);
        for (k, f) in end.iter().enumerate() {
            let label = f64::from(examples.labels[k]) / f64::from(examples.scale[k / 2]);
            assert!((f - label).abs() < 1e-6, "{k}: {f} {label}");
        }
    }
}

#[test]
fn identities_linear_models_of_three_kinds_agree() {
    // One network in one dimension: ridge on its Jacobian features in the primal (LinearTrainer), and in the dual on its
    // kernel (Linearised), give one function.
    let arch = arch(2, 5, Activation::Silu, Parameterisation::Standard);
    for prediction in [Prediction::Denoiser, Prediction::Noise] {
        let task = task(arch.clone(), 1, prediction, 40);
        let weights = drawn(&arch, task.inputs(), 1, 2);
        let features = JacobianFeatures::new(&task, weights.clone(), TangentMetric::Euclidean).unwrap();
        assert_eq!((features.len(), features.dim()), (weights.len(), 1));
        let map = Features::Mapped(Arc::new(features.clone()));
        let trainer = LinearTrainer::new(task.problem().clone(), map, 0.03).unwrap();
        let triples = task.sampler().draw(Streams::new(5), 0, 40).unwrap();
        let field = trainer.field(trainer.fit(&triples, 0).unwrap());

        let model = Linearised::new(features.tangent().clone(), &task.examples(&triples), true).unwrap();
        let x = wave(20);
        for t in [0.05, 0.3, 1.0] {
            let mut got = vec![0.0; 20];
            field.prediction_into(&x, t, &mut got);
            let mut inputs = vec![0.0; 20 * task.inputs()];
            task.embedding().fill_batch(&x, t, &mut inputs);
            let (skip, out) = task.frame().output_coefficients(t);
            let raw = model.predict(Course::Ridge { ridge: 0.03 }, &inputs);
            let want: Vec<f64> = raw.iter().zip(&x).map(|(f, x)| skip * x + out * f).collect();
            // The dual side's examples are in single precision.
            assert_close(&got, &want, 3e-6, "ridge");
        }
    }
}

#[test]
fn limits_kernel_features_with_all_landmarks_are_the_jacobians() {
    // The law of ridge depends on the kernel only. Nyström's misses E, a share ε of the trace in L²(wρ), ‖E‖ ≤ ε tr K. The mean
    // f = K(K+γ)⁻¹y moves by γ(K+γ)⁻¹E(K̃+γ)⁻¹y, at most ‖E‖/γ·‖y‖ in L²(wρ); the variance, with two resolvents and the square
    // of a residual r = y − f, by at most 2‖E‖/γ + 2‖E‖/γ·‖y‖/‖r‖ of itself, integrated.
    for (dim, metric) in [(1, TangentMetric::GradientDescent), (2, TangentMetric::Euclidean)] {
        let arch = arch(1, 4, Activation::Tanh, Parameterisation::Mup);
        let task = task(arch, dim, Prediction::Denoiser, 120);
        let weights = drawn(task.arch(), task.inputs(), dim, 6);
        let exact = JacobianFeatures::new(&task, weights.clone(), metric).unwrap();
        let spec = KernelFeatureSpec { landmarks: 200, threshold: 1e-6, metric, ..Default::default() };
        let nystrom = KernelFeatures::new(&task, weights, &spec, Streams::new(1)).unwrap();
        let truncation = nystrom.truncation();
        assert_eq!(truncation.rank, nystrom.len());
        assert!(truncation.missed.abs() < 1e-5, "{truncation:?}");
        assert_eq!(truncation.mixing == 0.0, dim == 1, "{truncation:?}");

        let quadrature = QuadratureSpec {
            times: 24,
            noise_spacing: 0.25,
            quasi_nodes: 4096,
            tensor_points: if dim == 1 { 64 } else { 1 },
            ..Default::default()
        };
        let (ridge, problem) = (0.1, task.problem());
        let learner = |map: Arc<dyn FeatureMap>| {
            Ridge::new(problem, Features::Mapped(map), ridge, &quadrature).unwrap()
        };
        let probes = problem.probes(0, 60);
        let mut phi = vec![0.0; 60 * exact.len()];
        exact.fill(&probes.x, &probes.t, &mut phi);
        let weight: Vec<f64> = probes.t.iter().map(|&t| problem.weight(t)).collect();
        let square = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>();
        let trace: f64 =
            phi.chunks_exact(exact.len()).zip(&weight).map(|(row, w)| w * square(row) / 60.0).sum();
        let bound = truncation.missed.abs().max(1e-6) * trace / ridge;
        assert!(bound < 1e-4, "{bound}");
        let [a, b] = [Arc::new(nystrom) as Arc<dyn FeatureMap>, Arc::new(exact)].map(learner);
        let mass = |values: &[f64], power: i32| -> f64 {
            let rows = values.chunks_exact(dim).zip(&weight);
            rows.map(|(row, w)| w * row.iter().map(|v| v.abs().powi(power)).sum::<f64>()).sum()
        };
        let less = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        // y = x0 − skip x.
        let labels: Vec<f64> = (0..60 * dim)
            .map(|k| probes.x0[k] - task.frame().output_coefficients(probes.t[k / dim]).0 * probes.x[k])
            .collect();
        for closure in [&Leading as &dyn Closure, &FiniteP] {
            let [got, want] = [&a, &b].map(|learner| {
                let law = closure.law(learner).unwrap();
                law.prediction_moments(Prediction::Denoiser, &probes.x, &probes.t)
            });
            let (size, residual) = (mass(&labels, 2), mass(&less(&probes.x0, &want.mean), 2));
            let mean = (mass(&less(&got.mean, &want.mean), 2) / size).sqrt();
            let variance = mass(&less(&got.variance, &want.variance), 1) / mass(&want.variance, 1);
            assert!(mean < bound, "{mean} {bound}");
            assert!(variance < 2.0 * (1.0 + (size / residual).sqrt()) * bound, "{variance} {bound}");
        }
    }
}

#[test]
fn limits_truncation_is_reported() {
    let wide = arch(1, 64, Activation::Relu, Parameterisation::Ntk);
    let task = task(wide, 2, Prediction::Denoiser, 1024);
    let weights = drawn(task.arch(), task.inputs(), 2, 6);
    let missed: Vec<f64> = [4, 16, 64]
        .iter()
        .map(|&most| {
            let spec = KernelFeatureSpec { landmarks: 128, most, ..Default::default() };
            let made = KernelFeatures::new(&task, weights.clone(), &spec, Streams::new(1)).unwrap();
            assert_eq!(made.len(), most);
            made.truncation().missed
        })
        .collect();
    assert!(missed[0] > 2.0 * missed[1] && missed[1] > 2.0 * missed[2] && missed[2] > 0.0, "{missed:?}");
    assert!(missed[0] < 0.5, "{missed:?}");
    for bad in [
        KernelFeatureSpec { landmarks: 0, ..Default::default() },
        KernelFeatureSpec { most: 0, ..Default::default() },
        KernelFeatureSpec { threshold: 1.0, ..Default::default() },
    ] {
        assert!(KernelFeatures::new(&task, weights.clone(), &bad, Streams::new(1)).is_err(), "{bad:?}");
    }
    let other = drawn(&arch(1, 63, Activation::Relu, Parameterisation::Ntk), task.inputs(), 2, 6);
    assert!(KernelFeatures::new(&task, other, &Default::default(), Streams::new(1)).is_err());
}

#[test]
fn identities_laziness_of_a_scaled_readout() {
    // Readout weights (1 + ε)W: θ moves by ε|W|/|θ|. With a linear map between, Θ's readout part stays and the hidden part
    // is multiplied by (1 + ε)².
    let arch = arch(1, 30, Activation::Tanh, Parameterisation::Standard);
    let before = tangent(&arch, 3, 2, 0, TangentMetric::Euclidean);
    let mut weights = before.weights().clone();
    weights.layers[1].weight.iter_mut().for_each(|w| *w *= 1.25);
    let after = Tangent::new(&arch, 3, 2, weights, TangentMetric::Euclidean).unwrap();
    let at = wave(12);
    let found = Laziness::between::<f64>(&before, &after, &at);
    let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    let [hidden, readout] = [0, 1].map(|l| &before.weights().layers[l]);
    let want = 0.25
        * (norm(&readout.weight) / (norm(&hidden.weight) + norm(&hidden.bias) + norm(&readout.weight)))
            .sqrt();
    assert!((found.parameters / want - 1.0).abs() < 1e-6, "{found:?} {want}");
    let points = before.points::<f64>(&at);
    let all = before.kernel(&points, &points);
    let rest = {
        let mut weights = before.weights().clone();
        weights.layers[1].weight.fill(0.0);
        let silent = Tangent::new(&arch, 3, 2, weights, TangentMetric::Euclidean).unwrap();
        silent.kernel(&silent.points::<f64>(&at), &silent.points::<f64>(&at))
    };
    let change: f64 = all.iter().zip(&rest).map(|(a, r)| ((1.25f64.powi(2) - 1.0) * (a - r)).powi(2)).sum();
    let want = (change / all.iter().map(|v| v * v).sum::<f64>()).sqrt();
    // 1.25·W is rounded to single precision.
    assert!((found.kernel / want - 1.0).abs() < 1e-6, "{found:?} {want}");
    assert_eq!(Laziness::between::<f32>(&before, &before, &at), Laziness { kernel: 0.0, parameters: 0.0 });
}
