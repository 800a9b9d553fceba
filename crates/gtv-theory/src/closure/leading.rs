//! Leading order in 1/P, with the actual residual (THEORY §5 and §6).

use super::{Card, Closure, Role};
use crate::error::Result;
use crate::law::Law;
use crate::learner::{Learner, Order};

/// Leading order in 1/P.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leading;

static CARD: Card = Card {
    name: "leading",
    label: "leading order",
    meaning: "first order in 1/P, with the actual residual",
    role: Role::Perturbative,
    completeness: 1,
    covariance_of: None,
};

impl Closure for Leading {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(learner.expansion(Order::First)?))
    }
}
