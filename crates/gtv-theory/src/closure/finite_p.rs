//! Self-consistent leverage, valid at F/P of order one (THEORY §5, beyond the paper). With z = (x, t):
//!
//! δ(z) = (w/P) φᵀ(A_δ + γ)⁻¹φ, A_δ = E[w φφᵀ/(1+δ)],
//! W̄ = (A_δ+γ)⁻¹ E[w φ yᵀ/(1+δ)], r = y − W̄ᵀφ,
//! S_ij = (1/P)(A_δ+γ)⁻¹ {E[(w/(1+δ))² (r_i r_j + φᵀS_ijφ) φφᵀ] − γ² W̄_iW̄_jᵀ} (A_δ+γ)⁻¹; with m draws a data point, one more
//! term in the braces, as at leading order.
//!
//! A sample shrinks its own residual by 1/(1+δ) (leave-one-out), and the other P − 1 samples' noise shows up in it.

use super::{Card, Closure, Role};
use crate::error::{Error, Result};
use crate::fixed_point;
use crate::law::{Covariance, Law, LinearLaw};
use crate::learner::{Learner, Ridge, RidgeSystem, SharedPoints, sandwich};

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
    of_ridge: true,
    covariance_of: None,
};

impl Closure for FiniteP {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(Self::of_ridge(&*learner.as_ridge()?)?))
    }
}

impl FiniteP {
    /// The law of ridge regression.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn of_ridge(learner: &Ridge) -> Result<LinearLaw> {
        Ok(solve(learner)?.law(learner))
    }
}

/// The most memory that the blocks S_ij may take.
const BLOCK_LIMIT: usize = 2 << 30;

/// The solved fixed points.
pub(super) struct Solved {
    pub(super) system: RidgeSystem,
    pub(super) mean: Vec<f64>,
    pub(super) blocks: Vec<Vec<f64>>,
}

impl Solved {
    /// The Gaussian law with their mean and covariance.
    pub(super) fn law(&self, learner: &Ridge) -> LinearLaw {
        let covariance = Covariance::from_blocks(self.blocks.clone());
        LinearLaw::new(learner.problem(), learner.features().clone(), self.mean.clone(), covariance)
    }
}

pub(super) fn solve(learner: &Ridge) -> Result<Solved> {
    let (dim, f_len) = (learner.dim(), learner.features.len());
    let pairs = dim * (dim + 1) / 2;
    let bytes = pairs.saturating_mul(f_len * f_len + learner.nodes.len()).saturating_mul(8);
    if bytes > BLOCK_LIMIT {
        return Err(Error::TooLarge {
            name: "the finite-p covariance (one F x F block for each pair of outputs)",
            needed_bytes: bytes as u64,
            limit_bytes: BLOCK_LIMIT as u64,
            advice: "use the closure leading in this dimension",
        });
    }
    let (system, damped, mean) = damped_mean(learner)?;
    let residual = learner.residual(&mean);
    let influence: Vec<f64> = residual.iter().enumerate().map(|(k, r)| damped[k / dim] * r).collect();
    let shared = SharedPoints::new(learner, &influence, &mean)?;
    let mut blocks = Vec::with_capacity(pairs);
    for i in 0..dim {
        for j in i..dim {
            let product = |q: usize| influence[q * dim + i] * influence[q * dim + j];
            blocks.push(covariance_block(learner, &system, &damped, product, &shared, (i, j))?);
        }
    }
    Ok(Solved { system, mean, blocks })
}

/// A_δ + γ, w/(1 + δ) on the nodes, and W̄.
fn damped_mean(learner: &Ridge) -> Result<(RidgeSystem, Vec<f64>, Vec<f64>)> {
    let (system, leverage) = leverage(learner)?;
    let damped: Vec<f64> = learner.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
    let mean = system.solve(&learner.target_moment(|q| damped[q]));
    Ok((system, damped, mean))
}

/// δ on the nodes and the system A_δ + γ that belongs to it.
fn leverage(learner: &Ridge) -> Result<(RidgeSystem, Vec<f64>)> {
    let name = "the finite-p leverage (use a larger ridge or more samples)";
    let start = vec![0.0; learner.nodes.len()];
    let found = fixed_point::solve(name, start, &learner.nodes.mass, true, |leverage| {
        let second_moment = learner.second_moment(|q| learner.weight[q] / (1.0 + leverage[q]));
        let system = RidgeSystem::new(second_moment, learner.features.len(), learner.ridge)?;
        let mut forms = learner.design.quadratic(system.inverse());
        for (form, weight) in forms.iter_mut().zip(&learner.weight) {
            *form *= weight / learner.samples();
        }
        Ok((forms, system))
    })?;
    Ok((found.made, found.x))
}

/// One block S_ij from its linear equation; each iteration is the noise of one more generation of samples.
fn covariance_block(
    learner: &Ridge,
    system: &RidgeSystem,
    damped: &[f64],
    product: impl Fn(usize) -> f64,
    shared: &SharedPoints,
    (i, j): (usize, usize),
) -> Result<Vec<f64>> {
    let name = "the finite-p covariance (use a larger ridge or more samples)";
    let start = vec![0.0; learner.nodes.len()];
    let found = fixed_point::solve(name, start, &learner.nodes.mass, false, |forms| {
        let mut inner = learner.second_moment(|q| product(q) + damped[q] * damped[q] * forms[q]);
        shared.add_to(&mut inner, i, j);
        let mut block = sandwich(system.inverse(), &inner, learner.features.len());
        block.iter_mut().for_each(|v| *v /= learner.samples());
        Ok((learner.design.quadratic(&block), block))
    })?;
    Ok(found.made)
}
