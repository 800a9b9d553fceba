//! `naive`: the naive estimator of Prop. 4.1, white noise κ D C D.

use super::DerivedLevel;
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::{Card, Role};
use gtv_theory::dynamics::{self, NaiveNoise, NaivePaths, Samples};
use gtv_theory::rng::Streams;

/// The naive estimator.
#[derive(Debug, Clone, Copy)]
pub struct Naive;

static CARD: Card = Card {
    name: "naive",
    label: "naive estimator, white noise",
    meaning: "one fresh proxy score a step (Prop. 4.1): noise κ D C D, white in time (Itô)",
    role: Role::NaiveNoise,
    completeness: None,
    of_ridge: false,
    covariance_of: None,
};

impl DerivedLevel for Naive {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn is_path_wise(&self) -> bool {
        true
    }

    fn is_one_dimensional(&self) -> bool {
        false
    }

    fn has_base(&self) -> bool {
        false
    }

    fn is_a_base(&self) -> bool {
        true
    }

    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        progress: dynamics::Progress<'_>,
    ) -> Result<Samples> {
        let (problem, sampling) = (theory.study.problem(), &theory.study.sampling.integration);
        let (kappa, noise) = (theory.kappa(), NaiveNoise::Posterior);
        let naive = NaivePaths::new(problem.cloud(), problem.schedule(), kappa, noise, sampling)?;
        Ok(naive.sample(paths, streams, 0, progress))
    }
}
