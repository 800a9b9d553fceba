//! The linear model that stands for a trained network in the theory: the features of its tangent kernel at initialisation,
//! averaged over initialisations, learned by gradient flow for the time that training took.
//!
//! Under gradient descent that time is Σ_k η_k (over 1 − μ with momentum). Adam has no such time; there it is the one whose
//! mean prediction is nearest to the ensemble's, and the closures are then predictions of everything but that one number.

use super::{KernelName, MlpFamily, MlpMembers, Optimizer, Trainer};
use crate::error::Result;
use crate::family::{LinearisedRecord, MULTIPLICATION, Member, Members, Resolution};
use crate::linearize::{
    JoinedFeatures, KernelFeatureSpec, KernelFeatures, Laziness, Tangent, TangentMetric, Truncation,
};
use crate::watch::Session;
use gtv_theory::Error as TheoryError;
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::Flow;
use gtv_theory::ntk::{MlpSpec, NetworkFeatures, NetworkKernel, NetworkModel, NystromSpec};
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

/// Gradient flow on the linearisation of trained networks, and what is known of its fitness.
///
/// # Errors
/// No members; a kernel that is not finite, a quadrature that is too large, an interrupt.
pub(super) fn learner(
    family: &MlpFamily,
    members: Option<&dyn Members>,
    resolution: &Resolution,
    session: Session<'_>,
) -> Result<(Flow, LinearisedRecord)> {
    let (task, problem) = (&family.task, family.task.problem());
    let Some(members) = members.and_then(MlpMembers::of).filter(|members| !members.is_empty()) else {
        return Err(TheoryError::Unsupported {
            what: "the theory of networks without trained ones",
            reason: "their linearisation is matched to what was learned",
            advice: "train them first",
        }
        .into());
    };
    let stage = session.watch.stage("linearisation", 3);
    stage.message(&|| "features of the kernel".to_owned());
    let metric = match task.training().optimizer {
        Optimizer::Adam => TangentMetric::Euclidean,
        Optimizer::Sgd | Optimizer::Gd => TangentMetric::GradientDescent,
    };
    let Chosen { features, truncation, initial } = match family.kernel {
        KernelName::Infinite => infinite(family)?,
        KernelName::Initial | KernelName::Trained => own(family, members.draws(), metric, session)?,
    };
    stage.advance(1);
    session.check()?;
    stage.message(&|| "statistics".to_owned());
    let flow = Flow::new(problem, Features::Mapped(features), 0.0, &resolution.quadrature)?;
    stage.advance(1);
    session.check()?;

    stage.message(&|| "matching the time of training".to_owned());
    let probes = problem.probes(3, PROBES);
    let mut mean = vec![0.0; probes.x.len()];
    for member in members.predictions(&probes.x, &probes.t).chunks_exact(mean.len()) {
        mean.iter_mut().zip(member).for_each(|(m, y)| *m += y / members.len() as f64);
    }
    let fit = flow.spectrum().against(&probes.x, &probes.t, &mean)?;
    let nearest = fit.nearest();
    let known = training_time(family);
    let time = known.unwrap_or(nearest.time);
    let laziness = laziness(family, members, metric)?;
    stage.advance(1);
    let record = LinearisedRecord {
        features: truncation.rank,
        effective_features: flow.spectrum().effective_features(time),
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
    let flow = flow.at(time)?;
    let flow = match initial {
        Some(features) => flow.starting_from(features)?,
        None => flow,
    };
    Ok((flow.remembering(resolution.remembered)?, record))
}

/// A kernel's features, what they miss, and those of the initial function where the closures have it.
struct Chosen {
    features: Arc<dyn FeatureMap>,
    truncation: Truncation,
    initial: Option<Arc<dyn FeatureMap>>,
}

/// The kernel of infinite width, which all networks share.
fn infinite(family: &MlpFamily) -> Result<Chosen> {
    let (task, problem) = (&family.task, family.task.problem());
    let model = NetworkModel::new(task.arch(), task.embedding().clone(), problem.objective())?;
    let features = |kernel| {
        let (cloud, streams) = (problem.cloud(), problem.streams());
        NetworkFeatures::new(&model, kernel, cloud, &NystromSpec::default(), streams).map(Arc::new)
    };
    let tangent = features(NetworkKernel::Ntk)?;
    let own = tangent.truncation();
    let initial = (!task.training().centred).then(|| features(NetworkKernel::Nngp)).transpose()?;
    Ok(Chosen {
        features: tangent,
        truncation: Truncation { rank: own.rank, missed: own.missed, mixing: 0.0 },
        initial: initial.map(|f| f as Arc<dyn FeatureMap>),
    })
}

/// The networks' own kernels at initialisation, averaged: each has one, and what they learn on average goes with the average.
fn own(family: &MlpFamily, inits: &[Member], metric: TangentMetric, session: Session<'_>) -> Result<Chosen> {
    let (task, streams) = (&family.task, family.task.problem().streams());
    let spec = KernelFeatureSpec { metric, most: MOST_FEATURES, ..KernelFeatureSpec::default() };
    let mut truncation = Truncation { rank: 0, missed: 0.0, mixing: 0.0 };
    let mut kernels: Vec<Arc<dyn FeatureMap>> = Vec::new();
    let different: BTreeMap<u64, Member> = inits.iter().map(|m| (m.init, *m)).collect();
    let averaged = averaged(task.arch(), different.len());
    for member in different.values().take(averaged) {
        session.check()?;
        let Some(weights) = Trainer::initial_weights(task, streams, &[*member]).pop() else { continue };
        let features = KernelFeatures::new(task, weights, &spec, streams)?;
        let own = features.truncation();
        truncation.rank += own.rank;
        truncation.missed += own.missed / averaged as f64;
        truncation.mixing += own.mixing / averaged as f64;
        kernels.push(Arc::new(features));
    }
    Ok(Chosen { features: Arc::new(JoinedFeatures::new(kernels)?), truncation, initial: None })
}

/// How many kernels are averaged, of so many different initialisations.
fn averaged(arch: &MlpSpec, initialisations: usize) -> usize {
    initialisations.min((AVERAGED_UNITS / arch.width).clamp(1, MOST_AVERAGED))
}

/// Seconds of one evaluation of the features, and of one node of a closure besides.
pub(super) fn effort(arch: &MlpSpec, initialisations: usize) -> (f64, f64) {
    /// Multiplications that a unit's derivatives cost.
    const UNIT: f64 = 4.0;
    let averaged = averaged(arch, initialisations) as f64;
    let landmark = UNIT * (2 * arch.depth * arch.width + MOST_FEATURES) as f64;
    let landmarks = averaged * KernelFeatureSpec::default().landmarks as f64;
    (MULTIPLICATION * landmarks * landmark, 3.0 * MULTIPLICATION * (averaged * MOST_FEATURES as f64).powi(2))
}

/// Σ_k η_k/(1 − μ), the time of gradient flow that training is; none for Adam.
fn training_time(family: &MlpFamily) -> Option<f64> {
    let training = family.task.training();
    (training.optimizer != Optimizer::Adam).then(|| {
        let rates: f64 = (0..training.steps).map(|k| training.rule(k).rate).sum();
        rates / (1.0 - training.rule(0).momentum)
    })
}

/// How far the first members have left their linearisations, on average.
fn laziness(family: &MlpFamily, members: &MlpMembers, metric: TangentMetric) -> Result<Laziness> {
    let task = &family.task;
    let probes = task.problem().probes(4, KERNEL_PROBES);
    let inputs = task.frame().inputs(&probes.x, &probes.t);
    let count = DRIFTING.min(members.len());
    let initial = Trainer::initial_weights(task, task.problem().streams(), &members.draws()[..count]);
    let layers = task.layers();
    let mut mean = Laziness { kernel: 0.0, parameters: 0.0 };
    for (start, field) in initial.into_iter().zip(members.fields()) {
        let trained = field.weights().clone().from_effective(&layers);
        let tangent = |weights| Tangent::new(task.arch(), task.inputs(), task.dim(), weights, metric);
        let one = Laziness::between::<f32>(&tangent(start)?, &tangent(trained)?, &inputs);
        mean.kernel += one.kernel / count as f64;
        mean.parameters += one.parameters / count as f64;
    }
    Ok(mean)
}
