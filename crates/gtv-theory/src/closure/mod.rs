//! Closures: from a [`Learner`] to the [`Law`] of its score over training sets.
//!
//! A closure of this crate is a file of its own and one line in [`CLOSURES`]. One from outside is any type that implements
//! [`Closure`]: see the example `own_closure`.

mod card;
mod finite_p;
mod leading;
mod one_run;
mod one_run_gap;
mod paper;
mod shot_noise;
mod sources;

pub use card::{Card, Needs, Role};
pub use finite_p::FiniteP;
pub use leading::Leading;
pub use one_run::OneRun;
pub use one_run_gap::OneRunGap;
pub use paper::Paper;
pub use shot_noise::{ShotNoise, ShotNoiseLaw};
pub use sources::{VarianceSources, variance_sources};

use crate::error::Result;
use crate::law::{Law, TotalMoments};
use crate::learner::{Learner, Rehearsal, Times};
use crate::problem::Prediction;

/// An approximation to the law of a learned score.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, closure::CLOSURES};
/// let z = At { x: &[0.3], t: 0.4 };
/// for closure in CLOSURES {
///     let law = closure.law(&ridge)?;
///     assert!(law.cov(z, z)[0] > 0.0, "{}", closure.card().name);
/// }
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub trait Closure: Send + Sync {
    /// What it is called and what it holds.
    fn card(&self) -> &'static Card;

    /// The law of the score that the learner learns.
    ///
    /// # Errors
    /// A singular second moment, a fixed point that does not converge, or more memory than is sensible in this dimension.
    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>>;

    /// Mean and total variance of the learner's prediction at points: those of [`law`](Self::law), which a closure that needs more to
    /// draw models can give sooner.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    ///
    /// # Errors
    /// As [`law`](Self::law).
    fn total_moments(
        &self,
        learner: &dyn Learner,
        prediction: Prediction,
        x: &[f64],
        t: &[f64],
    ) -> Result<TotalMoments> {
        Ok(self.law(learner)?.total_moments(prediction, x, t))
    }

    /// What a rehearsal says of the time that the law takes; `None` where only solving it tells.
    fn rehearsed(&self, _rehearsal: &Rehearsal) -> Option<Times> {
        None
    }
}

/// Every closure, in the order in which reports list them.
pub static CLOSURES: [&dyn Closure; 6] = [&Paper, &Leading, &FiniteP, &ShotNoise, &OneRunGap, &OneRun];

/// The closure of a name.
///
/// ```
/// use gtv_theory::closure::named;
/// assert!(named("shot-noise").is_some_and(|closure| closure.card().covariance_of == Some("finite-p")));
/// assert!(named("no-such-closure").is_none());
/// ```
pub fn named(name: &str) -> Option<&'static dyn Closure> {
    CLOSURES.into_iter().find(|closure| closure.card().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn identities_cards_have_names_of_their_own() {
        let names: BTreeSet<&str> = CLOSURES.iter().map(|c| c.card().name).collect();
        assert_eq!(names.len(), CLOSURES.len());
        for closure in CLOSURES {
            let card = closure.card();
            assert!(named(card.name).is_some_and(|found| found.card() == card));
            assert!(card.covariance_of.is_none_or(|name| name != card.name && names.contains(name)));
        }
        assert!(named("no-such-closure").is_none());
    }
}
