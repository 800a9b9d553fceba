//! Gradient flow as a ridge for each mode: closures against models trained by gradient flow, in closed form on a training set
//! each.

use gtv_models::linearize::{KernelFeatureSpec, KernelFeatures};
use gtv_models::mlp::{Initial, Task, TrainingSpec, Weights};
use gtv_theory::closure::FiniteP;
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::{Flow, Learner};
use gtv_theory::linalg::{gemm_nn, gemm_tn, symmetric_eigen};
use gtv_theory::memo::MemoFeatures;
use gtv_theory::ntk::{Embedding, MlpSpec, Parameterisation, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, TrainingProblem, Triples};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{BuiltIn, Schedule};
use rayon::prelude::*;
use std::sync::Arc;

const SAMPLES: usize = 512;

fn task() -> Task {
    let streams = Streams::new(2);
    let schedule = Schedule::paper(0.01).unwrap();
    let preconditioning = Preconditioning::Edm { data_std: 0.8 };
    let embedding =
        Embedding::new(1, schedule, preconditioning, TimeEmbedding::LogSnr, 2, 1.0, streams).unwrap();
    let arch =
        MlpSpec { depth: 1, width: 256, parameterisation: Parameterisation::Ntk, ..MlpSpec::default() };
    let cloud = BuiltIn::ThreePoints {}.build(&streams).unwrap();
    let objective = Objective { preconditioning, ..Objective::default() };
    let problem = TrainingProblem::new(cloud, schedule, objective, SAMPLES, streams).unwrap();
    Task::new(arch, embedding, TrainingSpec::default(), problem).unwrap()
}

fn quadrature() -> QuadratureSpec {
    QuadratureSpec { times: 48, noise_spacing: 0.1, ..QuadratureSpec::default() }
}

fn features(task: &Task) -> Arc<dyn FeatureMap> {
    let weights = Weights::draw(&task.layers(), Initial { streams: Streams::new(2), member: 0 });
    let spec =
        KernelFeatureSpec { landmarks: 384, threshold: 1e-5, most: 120, ..KernelFeatureSpec::default() };
    Arc::new(KernelFeatures::new(task, weights, &spec, Streams::new(2)).unwrap())
}

/// Gradient flow for a time on one training set, in closed form: y − skip x at the points with features `at`.
fn trained(task: &Task, features: &dyn FeatureMap, triples: &Triples, time: f64, at: &[f64]) -> Vec<f64> {
    let (n, len, schedule) = (triples.len(), features.len(), task.schedule());
    let objective = task.problem().objective();
    let mut psi = vec![0.0; n * len];
    features.fill(&triples.x, &triples.t, &mut psi);
    let mut labels = vec![0.0; n];
    for (i, &t) in triples.t.iter().enumerate() {
        let root = (objective.weight.of_target(schedule, objective.prediction, t) / n as f64).sqrt();
        labels[i] = root * (triples.x0[i] - objective.skip(schedule, t) * triples.x[i]);
        psi[i * len..][..len].iter_mut().for_each(|v| *v *= root);
    }
    let (mut moment, mut cross) = (vec![0.0; len * len], vec![0.0; len]);
    gemm_tn(len, len, n, &psi, &psi, &mut moment);
    gemm_tn(len, 1, n, &psi, &labels, &mut cross);
    let (values, vectors) = symmetric_eigen("the sample's second moment", &moment, len).unwrap();
    let mut modes = vec![0.0; len];
    gemm_tn(len, 1, len, &vectors, &cross, &mut modes);
    for (m, v) in modes.iter_mut().zip(&values) {
        // (1 − e^{−vτ})/v, which is τ where v vanishes.
        *m *= if v * time > 1e-12 { -(-v * time).exp_m1() / v } else { time };
    }
    let (mut weights, mut out) = (vec![0.0; len], vec![0.0; at.len() / len]);
    gemm_nn(len, 1, len, &vectors, &modes, &mut weights);
    gemm_nn(out.len(), 1, len, at, &weights, &mut out);
    out
}

#[test]
fn monte_carlo_closures_predict_gradient_flow() {
    let (task, members) = (task(), 400);
    let features = features(&task);
    let flow = Flow::new(task.problem(), Features::Mapped(features.clone()), 0.0, &quadrature()).unwrap();
    let spectrum = flow.spectrum();
    let probes = task.problem().probes(0, 300);
    let mut at = vec![0.0; 300 * features.len()];
    features.fill(&probes.x, &probes.t, &mut at);
    let skip = |q: usize| task.frame().output_coefficients(probes.t[q]).0 * probes.x[q];
    for modes in [4.0, 12.0, 24.0] {
        let time = spectrum.time_of(modes);
        let learned: Vec<Vec<f64>> = (0..members)
            .into_par_iter()
            .map(|i| {
                let triples = task.sampler().draw(Streams::new(2), i, SAMPLES).unwrap();
                trained(&task, features.as_ref(), &triples, time, &at)
            })
            .collect();
        let count = members as f64;
        let mean: Vec<f64> =
            (0..300).map(|q| learned.iter().map(|m| m[q]).sum::<f64>() / count + skip(q)).collect();
        let own: Vec<f64> = (0..300)
            .map(|q| learned.iter().map(|m| (m[q] + skip(q) - mean[q]).powi(2)).sum::<f64>() / (count - 1.0))
            .collect();
        let size: f64 = mean.iter().map(|m| m * m).sum();
        let apart = |theirs: &[f64]| {
            (mean.iter().zip(theirs).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / size).sqrt()
        };
        let total: f64 = own.iter().sum();
        let resolution = (total / count / size).sqrt();
        // The standard error of the total variance, from the members' own squares.
        let squares: Vec<f64> = learned
            .iter()
            .map(|m| (0..300).map(|q| (m[q] + skip(q) - mean[q]).powi(2)).sum::<f64>() / total)
            .collect();
        let spread = squares.iter().map(|s| (s - 1.0).powi(2)).sum::<f64>() / (count - 1.0);
        let error = (spread / count).sqrt();
        let flow = flow.at(time).unwrap();
        let moments = FiniteP::of_ridge(&flow.as_ridge().unwrap()).unwrap().moments(&probes.x, &probes.t);
        let ratio = moments.variance.iter().sum::<f64>() / total;
        // A ridge for each mode is gradient flow up to the second order in modes per sample.
        let order = modes / SAMPLES as f64;
        assert!((ratio - 1.0).abs() < order + 3.0 * error, "{modes} modes: variance ratio {ratio} ± {error}");
        assert!(
            apart(&moments.mean) < order + 2.0 * resolution,
            "{modes} modes: mean {}",
            apart(&moments.mean)
        );
        // The fit of a time finds the one that was used, as well as the mean is known: a factor of two in time moves the mean
        // by more than its error.
        let nearest = spectrum.against(&probes.x, &probes.t, &mean).unwrap().nearest();
        assert!((nearest.time / time).ln().abs() < 0.5, "{modes} modes: {time} found as {}", nearest.time);
        let exact = spectrum.mean(&probes.x, &probes.t, time);
        let again = spectrum.against(&probes.x, &probes.t, &exact).unwrap().nearest();
        assert!((again.time / time - 1.0).abs() < 1e-3 && again.misfit < 1e-4, "{again:?}");
    }
}

#[test]
fn identities_remembered_features_are_the_same() {
    let task = task();
    let plain = features(&task);
    // Room for one of the two batches.
    let memo = MemoFeatures::new(plain.clone(), 40 * (plain.len() + 2));
    let probes = task.problem().probes(0, 60);
    for (from, to) in [(0, 40), (40, 60), (0, 40), (40, 60)] {
        let (mut a, mut b) = (vec![0.0; (to - from) * plain.len()], vec![1.0; (to - from) * plain.len()]);
        plain.fill(&probes.x[from..to], &probes.t[from..to], &mut a);
        memo.fill(&probes.x[from..to], &probes.t[from..to], &mut b);
        assert_eq!(a, b);
    }
}
