//! The trained ensemble of a config: members in parallel, each saved as soon as it is done.

use crate::config::{Lookup, Problem};
use crate::context::Context;
use crate::run_dir::PartStore;
use anyhow::Result;
use gtv_models::lazy::LazyEnsemble;
use gtv_models::memo::MemoField;
use gtv_models::mlp::MlpField;
use gtv_models::{DsmSampler, LinearEnsemble, LinearTrainer, Members};
use gtv_theory::ScoreField;
use gtv_theory::estimator::{EmpiricalFields, EmpiricalLinear, FieldLaw, LinearSpec};
use gtv_theory::score::ExactScore;
use rayon::prelude::*;
use std::sync::Arc;

/// A trained ensemble of any family.
pub enum Trained {
    /// Linear models.
    Linear(Box<LinearEnsemble>),
    /// Infinitely wide networks.
    Lazy(Box<LazyEnsemble>),
    /// Networks.
    Networks(Vec<MlpField>),
}

/// Most evaluations of a network in sampling the Gaussian with an ensemble's own moments, where each path asks all members.
const MOST_EVALUATIONS: usize = 30_000_000;
/// Most numbers of members' tables that are remembered.
const REMEMBERED: usize = 200_000_000;

impl Trained {
    /// The members.
    pub fn members(&self) -> &dyn Members {
        match self {
            Self::Linear(ensemble) => ensemble.as_ref(),
            Self::Lazy(ensemble) => ensemble.as_ref(),
            Self::Networks(fields) => fields,
        }
    }

    /// The Gaussian law with the members' own mean and covariance, and how many paths to draw from each of its models.
    ///
    /// # Errors
    /// Fewer than two members.
    pub fn own_moments(&self, problem: &Problem) -> Result<(Box<dyn FieldLaw>, usize)> {
        let paths = problem.config.theory.paths;
        match self {
            Self::Linear(ensemble) => {
                let members: Vec<&[f64]> = ensemble.members().collect();
                let features = Arc::new(problem.spec.features.clone());
                let (prediction, schedule) = (problem.spec.prediction, problem.schedule);
                let law = EmpiricalLinear::new(features, prediction, schedule, &members)?
                    .with_preconditioning(problem.spec.preconditioning);
                Ok((Box::new(law), paths))
            }
            Self::Lazy(_) | Self::Networks(_) => {
                let members = self.members();
                // Tables ask every member for the same points once; otherwise each path of each model asks all members.
                let most = REMEMBERED / members.len();
                let fields = (0..members.len())
                    .map(|i| Box::new(MemoField::new(members.field(i), most)) as Box<dyn ScoreField>);
                let one = members.len() * problem.times.len() * problem.config.theory.models;
                let paths = match problem.config.sampling.lookup {
                    Lookup::Grid { .. } => paths,
                    Lookup::Exact => paths.min((MOST_EVALUATIONS / one).max(100)),
                };
                Ok((Box::new(EmpiricalFields::new(fields.collect())?), paths))
            }
        }
    }
}

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
