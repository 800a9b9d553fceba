//! The linear model that stands for a trained network in the theory: the features of its tangent kernel at initialisation,
//! averaged over initialisations, learned by gradient flow for the time that training took.
//!
//! Under gradient descent that time is Σ_k η_k (over 1 − μ with momentum). Adam has no such time; there it is the one whose
//! mean prediction is nearest to the ensemble's, and the closures are then predictions of everything but that one number.

use super::theory::Flow;
use crate::config::{KernelName, Network, Problem};
use crate::context::Context;
use crate::record::LinearisedRecord;
use anyhow::Result;
use gtv_models::linearize::{
    JoinedFeatures, KernelFeatureSpec, KernelFeatures, Laziness, Metric, Tangent, Truncation, linear_spec,
};
use gtv_models::mlp::{MlpField, Optimizer, Task, Trainer};
use gtv_models::{DsmSampler, Members};
use gtv_theory::estimator::LazyStatistics;
use gtv_theory::features::FeatureMap;
use gtv_theory::ntk::{NetworkFeatures, NetworkKernel, NetworkModel, NystromSpec};
use gtv_theory::rng::Purpose;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Features of each kernel, and the kernels that are averaged: as many as cost what one network of so many units does.
const MOST_FEATURES: usize = 160;
const MOST_AVERAGED: usize = 8;
const AVERAGED_UNITS: usize = 2048;
/// Points at which mean predictions and kernels are compared.
const PROBES: usize = 1_000;
const KERNEL_PROBES: usize = 128;
/// Members whose drift is looked at.
const DRIFTING: usize = 4;

/// The linear model and what is known of its fitness.
pub struct Linearised {
    /// Its training problem.
    pub flow: Flow,
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
        let metric = if task.training().optimizer == Optimizer::Adam {
            Metric::Euclidean
        } else {
            Metric::GradientDescent
        };
        bar.message(|| "features of the kernel".to_owned());
        let Chosen { features, truncation, initial } = match problem.config.theory.kernel {
            Some(KernelName::Infinite) => infinite(problem, task)?,
            _ => own(problem, network, metric, ctx)?,
        };
        bar.advance(1);
        ctx.interrupt.check()?;
        bar.message(|| "statistics".to_owned());
        let spec = linear_spec(task, features, 0.0);
        let Problem { schedule, cloud, quadrature, streams, .. } = problem;
        let statistics = LazyStatistics::new(&spec, schedule, cloud, quadrature, *streams)?;
        let spectrum = statistics.spectrum();
        bar.advance(1);
        ctx.interrupt.check()?;
        bar.message(|| "matching the time of training".to_owned());

        let sampler = DsmSampler::new(problem.cloud.clone(), problem.schedule);
        let probes = sampler.draw_from(&mut problem.streams.stream(Purpose::Probe, 3, 0), PROBES);
        let mut mean = vec![0.0; probes.x.len()];
        for member in fields.predictions(&probes.x, &probes.t).chunks_exact(mean.len()) {
            mean.iter_mut().zip(member).for_each(|(m, y)| *m += y / fields.len() as f64);
        }
        let fit = spectrum.against(&probes.x, &probes.t, &mean)?;
        let nearest = fit.nearest();
        let known = training_time(network);
        let time = known.unwrap_or(nearest.time);
        let laziness = laziness(problem, network, fields, metric)?;
        bar.advance(1);
        let record = LinearisedRecord {
            features: truncation.rank,
            effective_features: spectrum.effective_features(time),
            truncation: truncation.missed,
            mixing: truncation.mixing,
            time,
            time_fitted: known.is_none(),
            misfit: fit.misfit(time),
            nearest_time: nearest.time,
            nearest_misfit: nearest.misfit,
            kernel_drift: laziness.kernel,
            parameter_movement: laziness.parameters,
        };
        Ok(Self { flow: Flow::new(statistics, time, initial, problem, ctx)?, record })
    }
}

/// A kernel's features, what they miss, and those of the initial function where the closures have it.
struct Chosen {
    features: Arc<dyn FeatureMap>,
    truncation: Truncation,
    initial: Option<Arc<dyn FeatureMap>>,
}

/// The kernel of infinite width, which all networks share.
fn infinite(problem: &Problem, task: &Task) -> Result<Chosen> {
    let (training, cloud) = (task.training(), &problem.cloud);
    let embedding = task.embedding().clone();
    let model = NetworkModel::new(task.arch(), embedding, training.prediction, training.weight)?;
    let features = |kernel| {
        NetworkFeatures::new(&model, kernel, cloud, &NystromSpec::default(), problem.streams).map(Arc::new)
    };
    let tangent = features(NetworkKernel::Ntk)?;
    let own = tangent.truncation();
    let initial = (!training.centred).then(|| features(NetworkKernel::Nngp)).transpose()?;
    Ok(Chosen {
        features: tangent,
        truncation: Truncation { rank: own.rank, missed: own.missed, mixing: 0.0 },
        initial: initial.map(|f| f as Arc<dyn FeatureMap>),
    })
}

/// The networks' own kernels at initialisation, averaged: each has one, and what they learn on average goes with the average.
fn own(problem: &Problem, network: &Network, metric: Metric, ctx: &Context) -> Result<Chosen> {
    let task = &network.task;
    let spec = KernelFeatureSpec { metric, most: MOST_FEATURES, ..KernelFeatureSpec::default() };
    let mut truncation = Truncation { rank: 0, missed: 0.0, mixing: 0.0 };
    let mut kernels: Vec<Arc<dyn FeatureMap>> = Vec::new();
    let different: BTreeMap<u64, _> = network.members.iter().map(|m| (m.init, *m)).collect();
    let averaged = different.len().min((AVERAGED_UNITS / task.arch().width).clamp(1, MOST_AVERAGED));
    for member in different.values().take(averaged) {
        ctx.interrupt.check()?;
        let Some(weights) = Trainer::initial_weights(task, problem.streams, &[*member]).pop() else {
            continue;
        };
        let features = KernelFeatures::new(task, weights, &spec, problem.streams)?;
        let own = features.truncation();
        truncation.rank += own.rank;
        truncation.missed += own.missed / averaged as f64;
        truncation.mixing += own.mixing / averaged as f64;
        kernels.push(Arc::new(features));
    }
    let features = Arc::new(JoinedFeatures::new(kernels)?);
    Ok(Chosen { features, truncation, initial: None })
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
    let mut inputs = vec![0.0; KERNEL_PROBES * task.inputs()];
    task.embedding().fill_points(&probes.x, &probes.t, &mut inputs);
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
