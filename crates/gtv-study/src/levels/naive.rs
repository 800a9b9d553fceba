//! `naive`: the naive estimator of Prop. 4.1, white noise κ D C D.

use super::{DerivedCard, DerivedLevel};
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::Role;
use gtv_theory::dynamics::{self, NaiveNoise, NaivePaths, Samples};
use gtv_theory::rng::Streams;

/// The naive estimator.
#[derive(Debug, Clone, Copy)]
pub struct Naive;

static CARD: DerivedCard = DerivedCard {
    path_wise: true,
    is_a_base: true,
    ..DerivedCard::new(
        "naive",
        "naive estimator, white noise",
        "one fresh proxy score a step (Prop. 4.1): noise κ D C D, white in time (Itô)",
        Role::NaiveNoise,
    )
};

impl DerivedLevel for Naive {
    fn card(&self) -> &DerivedCard {
        &CARD
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
