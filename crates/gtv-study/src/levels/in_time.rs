//! `white`, `matched-white` and `damped`: the base law's noise with another correlation in time.

use super::{DerivedCard, DerivedLevel};
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::Role;
use gtv_theory::dynamics::{self, PathWise, Samples};
use gtv_theory::law::{InTime, StepLength, TimeCorrelation};
use gtv_theory::rng::Streams;

/// Most paths of a level whose noise is conditioned along each path: a path costs K F².
const MOST: usize = 20_000;

/// A level that differs from the base law in its correlation in time alone.
pub struct Correlated {
    card: DerivedCard,
    correlation: fn(&Theory<'_>) -> Result<TimeCorrelation>,
}

const fn card(name: &'static str, label: &'static str, meaning: &'static str, role: Role) -> DerivedCard {
    DerivedCard { path_wise: true, most_paths: MOST, ..DerivedCard::new(name, label, meaning, role) }
}

/// The base law's V at equal times, drawn anew at every step.
pub static WHITE: Correlated = Correlated {
    card: card(
        "white",
        "same V, white in time",
        "V as at equal times, independent between steps: what correlation in time does not explain",
        Role::WhiteNoise,
    ),
    correlation: |_| Ok(TimeCorrelation::White),
};

/// White noise of the base law's strength integrated over the time lag: the same whatever the number of steps.
pub static MATCHED: Correlated = Correlated {
    card: card(
        "matched-white",
        "same integrated V, white",
        "white noise of the coloured one's strength integrated over the time lag, whatever the number of steps",
        Role::MatchedNoise,
    ),
    correlation: |theory| Ok(TimeCorrelation::MatchedWhite(StepLength::on_grid(&theory.times)?)),
};

/// The base law's V times e^{−|t−t'|/ℓ}.
pub static DAMPED: Correlated = Correlated {
    card: card(
        "damped",
        "same V, correlation damped",
        "V times exp(−|t − t′|/ℓ): between white noise and the models' own correlation",
        Role::DampedNoise,
    ),
    correlation: |theory| {
        Ok(TimeCorrelation::Damped { correlation_time: theory.study.theory.correlation_time })
    },
};

impl DerivedLevel for Correlated {
    fn card(&self) -> &DerivedCard {
        &self.card
    }

    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        progress: dynamics::Progress<'_>,
    ) -> Result<Samples> {
        let base = theory.base()?;
        let law = InTime::new(base.as_ref(), (self.correlation)(theory)?)?;
        let sampler = PathWise::new(&law, &theory.study.sampling.integration)?;
        Ok(sampler.sample(paths, streams, 0, progress))
    }
}
