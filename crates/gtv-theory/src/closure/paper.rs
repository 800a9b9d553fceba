//! The paper's limit (Props. 5.1 and 5.2): s_avg → s, V from label noise alone, as if the model were unbiased and expressive.

use super::{Card, Closure, Needs, Role};
use crate::error::Result;
use crate::law::Law;
use crate::learner::{Learner, Order};

/// The paper's limit.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{Closure, ScoreField, closure::Paper};
/// let (mean, [mut learned, mut exact]) = (Paper.law(&ridge)?.mean_score(), [[0.0]; 2]);
/// mean.score_into(&[0.3], 0.4, &mut learned);
/// problem.exact().score_into(&[0.3], 0.4, &mut exact);
/// assert_eq!(learned, exact);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper;

static CARD: Card = Card {
    name: "paper",
    label: "theory: paper",
    meaning: "effective dynamics; V in the unbiased, expressive limit (paper, Prop. 5.1–5.2)",
    role: Role::Limit,
    completeness: Some(0),
    needs: Needs::Learner,
    covariance_of: None,
};

impl Closure for Paper {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(learner.expansion(Order::Limit)?))
    }
}
