//! The divergence of a network's denoiser by forward mode, against differences of the network itself.

use gtv_models::mlp::{MlpField, NetworkForm, Task, TrainingSpec, Weights};
use gtv_theory::dynamics::{Divergence, Likelihood};
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, Prediction, TrainingProblem};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule, ScoreField};
use std::sync::Arc;

/// A network at initialisation, less another one.
fn network(activation: Activation, prediction: Prediction) -> MlpField {
    let cloud = PointCloud::new(vec![-1.0, 0.3, 0.8, -0.5], 2).unwrap();
    let preconditioning = Preconditioning::Edm { data_std: 0.8 };
    let objective = Objective { prediction, preconditioning, ..Objective::default() };
    let (schedule, streams) = (Schedule::paper(0.05).unwrap(), Streams::new(3));
    let problem = TrainingProblem::new(cloud, schedule, objective, 48, streams).unwrap();
    let arch = MlpSpec { width: 12, activation, ..MlpSpec::default() };
    let embedding =
        Embedding::new(2, schedule, preconditioning, TimeEmbedding::LogSnr, 8, 1.0, streams).unwrap();
    let task = Task::new(arch, embedding, TrainingSpec::default(), problem).unwrap();
    let form = Arc::new(NetworkForm::of(&task));
    let weights = |seed: f32| {
        let mut k = seed;
        let mut next = |count: usize, scale: f32| -> Vec<f32> {
            (0..count)
                .map(|_| {
                    k += 1.0;
                    scale * (k * k).sin()
                })
                .collect()
        };
        let layers = form.layers().iter().map(|layer| gtv_models::mlp::Layer {
            weight: next(layer.fan_in * layer.fan_out, 1.4 / (layer.fan_in as f32).sqrt()),
            bias: next(layer.bias.map_or(0, |_| layer.fan_out), 0.3),
        });
        Arc::new(Weights { layers: layers.collect() })
    };
    let (own, initial) = (weights(0.0), weights(0.5));
    MlpField::new(form, own, Some(initial))
}

#[test]
fn identities_forward_mode_is_the_limit_of_differences() {
    for activation in [Activation::Tanh, Activation::Silu, Activation::Erf, Activation::Relu] {
        for prediction in [Prediction::Denoiser, Prediction::Noise] {
            let field = network(activation, prediction);
            let (x, v, t) = ([0.3, -0.4, 1.0, 0.2], [1.0, 0.5, -0.3, 2.0], 0.3);
            let (mut exact, mut ahead, mut behind) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            field.denoiser_derivative_into(&x, t, &v, &mut exact);
            // The network itself is in 32 bits: a rounding of 1e-7 and a step of 1e-2 leave 1e-5 and h² = 1e-4 of third derivatives;
            // a unit of relu may change sides within the step.
            let h = 1e-2;
            let moved = |h: f64| -> Vec<f64> { x.iter().zip(&v).map(|(x, v)| x + h * v).collect() };
            field.denoiser_into(&moved(h), t, &mut ahead);
            field.denoiser_into(&moved(-h), t, &mut behind);
            for ((e, a), b) in exact.iter().zip(ahead).zip(behind) {
                let difference = (a - b) / (2.0 * h);
                let within = if activation == Activation::Relu { 0.1 } else { 2e-3 };
                assert!(
                    (e - difference).abs() < within * (1.0 + e.abs()),
                    "{activation:?} {prediction:?}: {e} {difference}"
                );
            }
        }
    }
}

#[test]
fn identities_the_likelihood_of_a_network_integrates_to_one() {
    let field = network(Activation::Tanh, Prediction::Denoiser);
    let (step, half) = (0.25, 12);
    let axis: Vec<f64> = (-half..=half).map(|k| step * f64::from(k)).collect();
    let x: Vec<f64> = axis.iter().flat_map(|a| axis.iter().flat_map(move |b| [*a, *b])).collect();
    // Early in the reverse process the density is smooth on the grid's scale: the trapezoidal rule converges at once.
    let t = vec![0.6; x.len() / 2];
    let found = Likelihood::new(&field, Divergence::Exact).with_tolerance(1e-5).at(&x, &t).unwrap();
    let mass: f64 = found.iter().map(|l| step * step * l.nats.exp()).sum();
    // Normal tails beyond 3 hold 0.5 %.
    assert!((mass - 1.0).abs() < 0.02, "{mass}");
}
