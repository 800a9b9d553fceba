//! Error bars from one training run (THEORY §6b): linear about the trained parameters, in the metric of the optimiser, through its steps.

use super::{Card, Closure, Needs, Role};
use crate::error::Result;
use crate::law::Law;
use crate::learner::Learner;

/// The law that a trained model tells of its own retrainings.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, closure::{Leading, OneRun}};
/// // Of a model that is linear in its parameters, it is the leading order.
/// let z = At { x: &[0.3], t: 0.4 };
/// assert_eq!(OneRun.law(&ridge)?.cov(z, z), Leading.law(&ridge)?.cov(z, z));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneRun;

static CARD: Card = Card {
    name: "one-run",
    label: "theory: one-run",
    meaning: "effective dynamics about trained networks; V from their own training, in the optimiser's metric, with no free parameter",
    role: Role::OneRun,
    completeness: Some(2),
    needs: Needs::TrainedModels,
    covariance_of: None,
};

impl Closure for OneRun {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        learner.one_run()
    }
}
