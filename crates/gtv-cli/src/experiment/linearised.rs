//! The linear model that stands for a trained network in the theory: the features of its tangent kernel at initialisation,
//! learned by gradient flow for the time that training took.
//!
//! Under gradient descent that time is Σ_k η_k (over 1 − μ with momentum). Adam has no such time; there it is the one whose
//! mean prediction is nearest to the ensemble's, and the closures are then predictions of everything but that one number.

use crate::config::{Network, Problem};
use crate::context::Context;
use crate::record::LinearisedRecord;
use anyhow::Result;
use gtv_models::linearize::{
    FlowSpectrum, KernelFeatureSpec, KernelFeatures, Laziness, MemoFeatures, Metric, Tangent,
};
use gtv_models::mlp::{MlpField, Optimizer, Trainer};
use gtv_models::{DsmSampler, Members};
use gtv_theory::Features;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::rng::Purpose;
use std::sync::Arc;

/// Points at which mean predictions and kernels are compared.
const PROBES: usize = 1_000;
const KERNEL_PROBES: usize = 128;
/// Members whose drift is looked at.
const DRIFTING: usize = 4;

/// Most numbers of features that are remembered: tables of models drawn from one law ask for the same points.
const REMEMBERED: usize = 100_000_000;

/// The linear model and what is known of its fitness.
pub struct Linearised {
    /// Its law's specification.
    pub spec: LinearSpec,
    /// For the report.
    pub record: LinearisedRecord,
}

impl Linearised {
    /// The linearisation of a trained ensemble's networks.
    ///
    /// # Errors
    /// A kernel that is not finite, a quadrature that is too large, an interrupt.
    pub fn of(problem: &Problem, network: &Network, fields: &Vec<MlpField>, ctx: &Context) -> Result<Self> {
        let task = &network.task;
        let bar = ctx.progress("linearisation", 3);
        let initial = Trainer::initial_weights(task, problem.streams, &network.members[..1]);
        let metric = if task.training().optimizer == Optimizer::Adam {
            Metric::Euclidean
        } else {
            Metric::GradientDescent
        };
        let spec = KernelFeatureSpec { metric, ..KernelFeatureSpec::default() };
        let first =
            initial.into_iter().next().unwrap_or_else(|| gtv_models::mlp::Weights { layers: Vec::new() });
        let features = KernelFeatures::new(task, first, &spec, problem.streams)?;
        let truncation = features.truncation();
        bar.advance(1);
        ctx.interrupt.check()?;
        let spectrum = FlowSpectrum::new(task, Arc::new(features), &problem.quadrature, problem.streams)?;
        bar.advance(1);
        ctx.interrupt.check()?;

        let sampler = DsmSampler::new(problem.cloud.clone(), problem.schedule);
        let probes = sampler.draw_from(&mut problem.streams.stream(Purpose::Probe, 3, 0), PROBES);
        let mut mean = vec![0.0; probes.x.len()];
        for member in fields.predictions(&probes.x, &probes.t).chunks_exact(mean.len()) {
            mean.iter_mut().zip(member).for_each(|(m, y)| *m += y / fields.len() as f64);
        }
        let nearest = spectrum.nearest_time(&probes.x, &probes.t, &mean)?;
        let (time, misfit, fitted) = match training_time(network) {
            None => (nearest.time, nearest.misfit, true),
            Some(time) => {
                let theirs = spectrum.mean(&probes.x, &probes.t, time);
                let square = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>();
                let apart = square(&mut theirs.iter().zip(&mean).map(|(a, b)| a - b));
                (time, (apart / square(&mut mean.iter().copied())).sqrt(), false)
            }
        };
        let flow = spectrum.features(time)?;
        let spec = LinearSpec {
            features: Features::Mapped(Arc::new(MemoFeatures::new(Arc::new(flow), REMEMBERED))),
            ridge: 1.0,
            preconditioning: task.training().preconditioning,
            ..problem.spec.clone()
        };
        let laziness = laziness(problem, network, fields, metric)?;
        bar.advance(1);
        let record = LinearisedRecord {
            features: truncation.rank,
            effective_features: spectrum.effective_features(time),
            truncation: truncation.missed,
            mixing: truncation.mixing,
            time,
            time_fitted: fitted,
            misfit,
            nearest_time: nearest.time,
            nearest_misfit: nearest.misfit,
            kernel_drift: laziness.kernel,
            parameter_movement: laziness.parameters,
        };
        Ok(Self { spec, record })
    }
}

/// Σ_k η_k/(1 − μ), the time of gradient flow that training is; none for Adam.
fn training_time(network: &Network) -> Option<f64> {
    let training = network.task.training();
    (training.optimizer != Optimizer::Adam).then(|| {
        let rates: f64 = (0..training.steps).map(|k| training.rule(k).rate).sum();
        rates / (1.0 - training.rule(0).momentum)
    })
}

/// How far the first members have left their linearisations, on average.
fn laziness(problem: &Problem, network: &Network, fields: &[MlpField], metric: Metric) -> Result<Laziness> {
    let task = &network.task;
    let sampler = DsmSampler::new(problem.cloud.clone(), problem.schedule);
    let probes = sampler.draw_from(&mut problem.streams.stream(Purpose::Probe, 4, 0), KERNEL_PROBES);
    let inputs: Vec<f64> = task.examples(&probes, 0.0).inputs.iter().map(|v| f64::from(*v)).collect();
    let count = DRIFTING.min(fields.len());
    let initial = Trainer::initial_weights(task, problem.streams, &network.members[..count]);
    let layers = task.layers();
    let mut mean = Laziness { kernel: 0.0, parameters: 0.0 };
    for (start, field) in initial.into_iter().zip(fields) {
        let trained = field.weights().clone().from_effective(&layers);
        let tangent = |weights| Tangent::new(task.arch(), task.inputs(), task.dim(), weights, metric);
        let one = Laziness::between::<f32>(&tangent(start)?, &tangent(trained)?, &inputs);
        mean.kernel += one.kernel / count as f64;
        mean.parameters += one.parameters / count as f64;
    }
    Ok(mean)
}
