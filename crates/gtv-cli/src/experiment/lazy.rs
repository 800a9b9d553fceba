//! Infinitely wide networks: the theory of their training, and the ensemble that is trained.

use super::theory::Flow;
use crate::config::{Lazy, Problem};
use crate::context::Context;
use crate::record::LazyRecord;
use crate::run_dir::PartStore;
use anyhow::Result;
use gtv_models::lazy::{IterativeSpec, LazyEnsemble, LazyMember, LazyTrainer};
use gtv_models::mlp::Member;
use gtv_theory::estimator::LazyStatistics;
use gtv_theory::features::FeatureMap;
use gtv_theory::ntk::{NetworkFeatures, NetworkKernel, NystromSpec};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Leading eigenvalues that the record keeps.
const SHOWN: usize = 64;

/// The training problem of the theory, and what is known of it.
pub struct Kernel {
    /// Gradient flow on the kernel's features.
    pub flow: Flow,
    /// For the report.
    pub record: LazyRecord,
}

/// The trainer that the config describes.
///
/// # Errors
/// Features of the initial function that are not finite.
pub fn trainer(problem: &Problem, lazy: &Lazy, ctx: &Context) -> Result<LazyTrainer> {
    let trainer = LazyTrainer::of_task(&lazy.task, lazy.time, NystromSpec::default(), problem.streams)?;
    let interrupt = ctx.interrupt.clone();
    let spec = IterativeSpec::default();
    Ok(trainer.with_iterative(IterativeSpec {
        // The rest is for what else a member needs.
        held: ctx.memory.limit().map_or(spec.held, |bytes| bytes / 2),
        stop: Arc::new(move || interrupt.raised()),
        ..spec
    }))
}

impl Kernel {
    /// The modes of the tangent kernel over the training distribution.
    ///
    /// # Errors
    /// A quadrature that is too large, a kernel that is not finite, an interrupt.
    pub fn of(problem: &Problem, trainer: &LazyTrainer, ctx: &Context) -> Result<Self> {
        let bar = ctx.progress("kernel", 3);
        let Problem { schedule, cloud, quadrature, streams, .. } = problem;
        let (model, spec) = (trainer.model(), NystromSpec::default());
        bar.message(|| "features".to_owned());
        let features = NetworkFeatures::new(model, NetworkKernel::Ntk, cloud, &spec, *streams)?;
        let truncation = features.truncation().missed;
        bar.advance(1);
        ctx.interrupt.check()?;
        bar.message(|| format!("statistics of {} features", features.len()));
        let linear = trainer.linear_spec(Arc::new(features));
        let statistics = LazyStatistics::new(&linear, schedule, cloud, quadrature, *streams)?;
        bar.advance(1);
        ctx.interrupt.check()?;
        bar.message(|| "modes".to_owned());
        let time = trainer.spec().time;
        let initial = trainer.initial().map(|f| f.clone() as Arc<dyn FeatureMap>);
        let flow = Flow::new(statistics, time, initial, problem, ctx)?;
        bar.advance(1);
        let spectrum = flow.statistics.spectrum();
        let record = LazyRecord {
            time: time.is_finite().then_some(time),
            modes: spectrum.values().len(),
            effective_features: spectrum.effective_features(time),
            truncation,
            spectrum: spectrum.values().iter().take(SHOWN).copied().collect(),
            split: BTreeMap::new(),
        };
        Ok(Self { flow, record })
    }
}

/// Trains every member that the store does not hold yet; parts are saved under `kind`.
///
/// # Errors
/// Too little memory, an interrupt, or a part that cannot be written; finished members are kept.
pub fn train(
    problem: &Problem,
    trainer: &LazyTrainer,
    members: &[Member],
    kind: &str,
    store: &PartStore,
    ctx: &Context,
) -> Result<LazyEnsemble> {
    ctx.memory.check(
        "training",
        LazyEnsemble::estimate_bytes(trainer, members.len(), 1) as f64,
        if trainer.is_iterative() {
            "8 bytes x P^2 where that is less than half of the memory, 8000 x P x D, and 8 x N x P x (inputs + 2 D + 1)"
        } else {
            "40 bytes x P^2 for each thread, and 8 x N x P x (inputs + 2 D + 1)"
        },
        "lower model.samples, ensemble.members or --threads",
    )?;
    let bar = ctx.progress("training", members.len() as u64);
    let one = |member: &Member| -> Result<LazyMember> {
        let key = format!("{kind}-{:05}", member.index);
        let trained = match store.load(&key, ctx).and_then(|values| unpack(trainer, &values)) {
            Some(trained) => trained,
            None => {
                ctx.interrupt.check()?;
                let trained = trainer.train(problem.streams, *member).or_else(|e| {
                    // An iteration ends early on an interrupt.
                    ctx.interrupt.check()?;
                    Err(anyhow::Error::new(e))
                })?;
                store.save(&key, &pack(&trained))?;
                trained
            }
        };
        bar.advance(1);
        Ok(trained)
    };
    let mut trained = Vec::with_capacity(members.len());
    for group in members.chunks(trainer.side_by_side()) {
        trained.extend(group.par_iter().map(one).collect::<Result<Vec<_>>>()?);
    }
    Ok(LazyEnsemble::from_members(trainer, trained)?)
}

/// A member's numbers, end to end.
fn pack(member: &LazyMember) -> Vec<f64> {
    [&member.x[..], &member.t, &member.coefficients, &member.initial].concat()
}

/// Their inverse; none for another number of them.
fn unpack(trainer: &LazyTrainer, values: &[f64]) -> Option<LazyMember> {
    let (samples, dim) = (trainer.spec().samples, trainer.model().dim());
    let (x, rest) = values.split_at_checked(samples * dim)?;
    let (t, rest) = rest.split_at_checked(samples)?;
    let (coefficients, initial) = rest.split_at_checked(samples * dim)?;
    let fits = initial.len() == trainer.initial().map_or(0, |f| f.len() * dim);
    fits.then(|| LazyMember {
        x: Arc::new(x.to_vec()),
        t: Arc::new(t.to_vec()),
        coefficients: coefficients.to_vec(),
        initial: Arc::new(initial.to_vec()),
    })
}
