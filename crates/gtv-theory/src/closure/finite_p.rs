//! Self-consistent leverage, valid at F/P of order one (THEORY §5, beyond the paper). With z = (x, t):
//!
//! δ(z) = (w/P) φᵀ(A_δ + γ)⁻¹φ, A_δ = E[w φφᵀ/(1+δ)],
//! W̄ = (A_δ+γ)⁻¹ E[w φ yᵀ/(1+δ)], r = y − W̄ᵀφ,
//! S_ij = (1/P)(A_δ+γ)⁻¹ {E[(w/(1+δ))² (r_i r_j + φᵀS_ijφ) φφᵀ] − γ² W̄_iW̄_jᵀ} (A_δ+γ)⁻¹; with m draws a data point, one more
//! term in the braces, as at leading order.
//!
//! A sample shrinks its own residual by 1/(1+δ) (leave-one-out), and the other P − 1 samples' noise shows up in it.
//!
//! In more than a few dimensions only S_tr = Σ_i S_ii is solved for: variances and correlations summed over outputs come from it, to
//! the quadrature's accuracy. Draws, and the outputs' own variances and covariances, are made from the influences of a sample of triples,
//! with the noise of the other samples from a pool of K models in the place of φᵀS_ijφ, whose share in them has a relative standard error
//! of √(2/K).

use super::{Card, Closure, Needs, Role};
use crate::error::Result;
use crate::law::{Covariance, Law, LinearLaw, Settling, TotalMoments};
use crate::learner::{Learner, Pooled, Rehearsal, Ridge, SelfConsistent, Spread, Times};
use crate::problem::Prediction;

/// Self-consistent leverage.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, Learner, closure::{FiniteP, Leading}};
/// // Leading order is its limit of many samples.
/// let z = At { x: &[0.3], t: 0.4 };
/// let apart = |learner: &dyn Learner| -> gtv_theory::Result<f64> {
///     Ok(FiniteP.law(learner)?.cov(z, z)[0] / Leading.law(learner)?.cov(z, z)[0] - 1.0)
/// };
/// let many = ridge.on(problem.clone().with_samples(100_000)?)?;
/// assert!(apart(&ridge)?.abs() > 1e-2 && apart(many.as_ref())?.abs() < 1e-3);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiniteP;

static CARD: Card = Card {
    name: "finite-p",
    label: "theory: finite-p",
    meaning: "effective dynamics; mean and V with self-consistent leverage at finite P",
    role: Role::FiniteSample,
    completeness: Some(2),
    needs: Needs::Ridge,
    covariance_of: None,
};

impl Closure for FiniteP {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(Self::of_ridge(&*learner.as_ridge()?)?))
    }

    fn total_moments(
        &self,
        learner: &dyn Learner,
        prediction: Prediction,
        x: &[f64],
        t: &[f64],
    ) -> Result<TotalMoments> {
        totals(&*learner.as_ridge()?, prediction, x, t)
    }

    fn rehearsed(&self, rehearsal: &Rehearsal) -> Option<Times> {
        Some(rehearsal.finite_p)
    }
}

impl FiniteP {
    /// The law of ridge regression.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn of_ridge(learner: &Ridge) -> Result<LinearLaw> {
        law(learner, &*learner.self_consistent()?)
    }

    /// The law as it is in many dimensions, from totals over outputs and a pool of models, in any dimension.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn pooled(learner: &Ridge) -> Result<LinearLaw> {
        law(learner, &SelfConsistent::pooled(learner)?)
    }
}

/// The Gaussian law with the mean and covariance of solved fixed points.
pub(super) fn law(learner: &Ridge, solved: &SelfConsistent) -> Result<LinearLaw> {
    match &solved.spread {
        Spread::Blocks(blocks) => Ok(of(learner, solved, Covariance::from_blocks(blocks.clone()))),
        Spread::Pooled(pooled) if !learner.features().everywhere() => Ok(of_total(learner, solved, pooled)),
        Spread::Pooled(pooled) => {
            let pool = solved.pool(learner, pooled)?;
            let settling = Settling {
                models: pool.partners.models().len(),
                generations: pool.partners.generations,
                change: pool.partners.change,
                ratio: pool.partners.ratio,
            };
            let law = of(learner, solved, Covariance::Sampled(pool.covariance));
            Ok(law.with_total(pooled.total.clone()).with_settling(settling))
        }
    }
}

fn of(learner: &Ridge, solved: &SelfConsistent, covariance: Covariance) -> LinearLaw {
    LinearLaw::new(learner.problem(), learner.features().clone(), solved.mean.clone(), covariance)
}

/// The law without a pool of models, of which totals over outputs are asked alone.
fn of_total(learner: &Ridge, solved: &SelfConsistent, pooled: &Pooled) -> LinearLaw {
    let (features, total) = (learner.features().clone(), pooled.total.clone());
    LinearLaw::of_total(learner.problem(), features, solved.mean.clone(), total)
}

/// Mean and total variance of solved fixed points, without a pool of models.
pub(super) fn totals(learner: &Ridge, prediction: Prediction, x: &[f64], t: &[f64]) -> Result<TotalMoments> {
    let solved = learner.self_consistent()?;
    let law = match &solved.spread {
        Spread::Blocks(blocks) => of(learner, &solved, Covariance::from_blocks(blocks.clone())),
        Spread::Pooled(pooled) => of_total(learner, &solved, pooled),
    };
    Ok(law.total_moments(prediction, x, t))
}
