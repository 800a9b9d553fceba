//! The trained ensemble of a config: members in parallel, each saved as soon as it is done.

use crate::config::Problem;
use crate::context::Context;
use crate::run_dir::PartStore;
use anyhow::Result;
use gtv_models::{DsmSampler, LinearEnsemble, LinearTrainer};
use gtv_theory::ScoreField;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::score::ExactScore;
use rayon::prelude::*;
use std::sync::Arc;

/// The trainer that the config describes.
///
/// # Errors
/// A model that cannot be trained on these data.
pub fn trainer(problem: &Problem) -> Result<LinearTrainer> {
    let truth = (problem.spec.target_mix > 0.0)
        .then(|| Arc::new(ExactScore::new(problem.cloud.clone(), problem.schedule)) as Arc<dyn ScoreField>);
    Ok(LinearTrainer::new(problem.spec.clone(), sampler(problem)?, truth)?)
}

/// The trainer of the same models on the true score: label noise removed.
///
/// # Errors
/// As [`trainer`].
pub fn true_score_trainer(problem: &Problem) -> Result<LinearTrainer> {
    let truth = Arc::new(ExactScore::new(problem.cloud.clone(), problem.schedule)) as Arc<dyn ScoreField>;
    let spec = LinearSpec { target_mix: 1.0, ..problem.spec.clone() };
    Ok(LinearTrainer::new(spec, sampler(problem)?, Some(truth))?)
}

fn sampler(problem: &Problem) -> Result<DsmSampler> {
    Ok(DsmSampler::new(problem.cloud.clone(), problem.schedule).with_draws(problem.spec.draws)?)
}

/// Trains every member that the store does not hold yet.
///
/// # Errors
/// A member whose system is singular, an interrupt, or a part that cannot be written; finished members are kept.
pub fn train(problem: &Problem, store: &PartStore, ctx: &Context) -> Result<LinearEnsemble> {
    let trainer = trainer(problem)?;
    train_with(&trainer, "weights", problem, store, ctx, |member| {
        Ok(trainer.weights(problem.streams, member)?)
    })
}

/// As many members as the ensemble has, by `fit(member)`, saved under `kind`.
///
/// # Errors
/// As [`train`].
pub fn train_with(
    trainer: &LinearTrainer,
    kind: &str,
    problem: &Problem,
    store: &PartStore,
    ctx: &Context,
    fit: impl Fn(u64) -> Result<Vec<f64>> + Sync,
) -> Result<LinearEnsemble> {
    let members = problem.config.ensemble.members;
    let bar = ctx.progress(if kind == "weights" { "training" } else { kind }, members as u64);
    let weights: Vec<Vec<f64>> = (0..members)
        .into_par_iter()
        .map(|member| -> Result<Vec<f64>> {
            let key = format!("{kind}-{member:05}");
            let weights = match store.load(&key, ctx) {
                Some(weights) => weights,
                None => {
                    ctx.interrupt.check()?;
                    let weights = fit(member as u64)?;
                    store.save(&key, &weights)?;
                    weights
                }
            };
            bar.advance(1);
            Ok(weights)
        })
        .collect::<Result<_>>()?;
    Ok(LinearEnsemble::from_weights(trainer, weights.concat())?)
}
