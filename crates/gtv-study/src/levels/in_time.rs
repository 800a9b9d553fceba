//! `white`, `matched-white` and `damped`: the base law's noise with another correlation in time.

use super::DerivedLevel;
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::{Card, Role};
use gtv_theory::dynamics::{self, PathWise, Samples};
use gtv_theory::law::{InTime, StepLength, TimeCorrelation};
use gtv_theory::rng::Streams;

/// Most paths of a level whose noise is conditioned along each path: a path costs K F².
const MOST: usize = 20_000;

/// The base law's V at equal times, drawn anew at every step.
#[derive(Debug, Clone, Copy)]
pub struct White;

/// White noise of the base law's strength integrated over the time lag: the same whatever the number of steps.
#[derive(Debug, Clone, Copy)]
pub struct MatchedWhite;

/// The base law's V times e^{−|t−t'|/ℓ}.
#[derive(Debug, Clone, Copy)]
pub struct Damped;

const fn card(name: &'static str, label: &'static str, meaning: &'static str, role: Role) -> Card {
    Card { name, label, meaning, role, completeness: None, of_ridge: false, covariance_of: None }
}

static WHITE: Card = card(
    "white",
    "same V, white in time",
    "V as at equal times, independent between steps: what correlation in time does not explain",
    Role::WhiteNoise,
);
static MATCHED: Card = card(
    "matched-white",
    "same integrated V, white",
    "white noise of the coloured one's strength integrated over the time lag, whatever the number of steps",
    Role::MatchedNoise,
);
static DAMPED: Card = card(
    "damped",
    "same V, correlation damped",
    "V times exp(−|t − t′|/ℓ): between white noise and the models' own correlation",
    Role::DampedNoise,
);

/// Samples of the base law with another correlation.
fn correlated(
    theory: &Theory<'_>,
    correlation: TimeCorrelation,
    paths: usize,
    streams: Streams,
    progress: dynamics::Progress<'_>,
) -> Result<Samples> {
    let base = theory.base()?;
    let law = InTime::new(base.as_ref(), correlation)?;
    let sampler = PathWise::new(&law, &theory.study.sampling.integration)?;
    Ok(sampler.sample(paths, streams, 0, progress))
}

/// What these levels have in common: `correlation(theory)` is their own.
macro_rules! level {
    ($level:ty, $card:ident, $correlation:expr) => {
        impl DerivedLevel for $level {
            fn card(&self) -> &'static Card {
                &$card
            }

            fn is_path_wise(&self) -> bool {
                true
            }

            fn is_one_dimensional(&self) -> bool {
                false
            }

            fn has_base(&self) -> bool {
                true
            }

            fn most_paths(&self) -> usize {
                MOST
            }

            fn sample(
                &self,
                theory: &Theory<'_>,
                paths: usize,
                streams: Streams,
                progress: dynamics::Progress<'_>,
            ) -> Result<Samples> {
                let correlation: fn(&Theory<'_>) -> Result<TimeCorrelation> = $correlation;
                correlated(theory, correlation(theory)?, paths, streams, progress)
            }
        }
    };
}

level!(White, WHITE, |_| Ok(TimeCorrelation::White));
level!(MatchedWhite, MATCHED, |theory| Ok(TimeCorrelation::MatchedWhite(StepLength::on_grid(
    &theory.times
)?)));
level!(Damped, DAMPED, |theory| {
    Ok(TimeCorrelation::Damped { correlation_time: theory.study.theory.correlation_time })
});
