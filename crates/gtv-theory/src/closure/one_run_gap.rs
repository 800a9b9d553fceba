//! One run's law without its optimiser: ridge regression in its directions, as strong as its generalisation gap says.

use super::{Card, Closure, Needs, Role};
use crate::error::Result;
use crate::law::Law;
use crate::learner::Learner;

/// The law of the ridge regression that has a trained model's generalisation gap.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, closure::{Leading, OneRunGap}};
/// // Of ridge regression, it is the leading order.
/// let z = At { x: &[0.3], t: 0.4 };
/// assert_eq!(OneRunGap.law(&ridge)?.cov(z, z), Leading.law(&ridge)?.cov(z, z));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneRunGap;

static CARD: Card = Card {
    name: "one-run-gap",
    label: "theory: one-run-gap",
    meaning: "as one-run, with the ridge that has the networks' generalisation gap in place of the optimiser's steps",
    role: Role::OneRunGap,
    completeness: Some(1),
    needs: Needs::TrainedModels,
    covariance_of: None,
};

impl Closure for OneRunGap {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        learner.one_run_gap()
    }
}
