//! Leading order in 1/P, with the actual residual (THEORY §5 and §6).

use super::{Card, Closure, Needs, Role};
use crate::error::Result;
use crate::law::Law;
use crate::learner::{Learner, Order, Rehearsal, Times};

/// Leading order in 1/P.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, Learner, closure::Leading};
/// // The covariance falls as 1/P.
/// let more = ridge.on(problem.with_samples(200)?)?;
/// let z = At { x: &[0.3], t: 0.4 };
/// let ratio = Leading.law(&ridge)?.cov(z, z)[0] / Leading.law(more.as_ref())?.cov(z, z)[0];
/// assert!((ratio - 2.0).abs() < 1e-12);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leading;

static CARD: Card = Card {
    name: "leading",
    label: "theory: leading",
    meaning: "effective dynamics; mean and V to leading order in 1/P, residuals instead of label noise",
    role: Role::LeadingOrder,
    completeness: Some(1),
    needs: Needs::Learner,
    covariance_of: None,
};

impl Closure for Leading {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(learner.expansion(Order::First)?))
    }

    fn rehearsed(&self, rehearsal: &Rehearsal) -> Option<Times> {
        Some(rehearsal.leading)
    }
}
