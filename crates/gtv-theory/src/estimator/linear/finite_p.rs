//! Self-consistent leverage, valid at F/P of order one (THEORY §5, beyond the paper). With z = (x, t):
//!
//! δ(z) = (w/P) φᵀ(A_δ + γ)⁻¹φ, A_δ = E[w φφᵀ/(1+δ)],
//! W̄ = (A_δ+γ)⁻¹ E[w φ yᵀ/(1+δ)], r = y − W̄ᵀφ,
//! S_ij = (1/P)(A_δ+γ)⁻¹ {E[(w/(1+δ))² (r_i r_j + φᵀS_ijφ) φφᵀ] − γ² W̄_iW̄_jᵀ} (A_δ+γ)⁻¹; with m draws a data point, one more
//! term in the braces ([`shared`](super::shared)).
//!
//! A sample shrinks its own residual by 1/(1+δ) (leave-one-out), and the other P − 1 samples' noise shows up in it.

use super::law::{Covariance, LinearLaw, RidgeSystem, sandwich};
use super::shared::SharedPoints;
use super::{Closure, LinearStatistics, fixed_point};
use crate::error::{Error, Result};

/// The most memory that the blocks S_ij may take.
const BLOCK_LIMIT: usize = 2 << 30;

/// The solved fixed points.
pub(super) struct FiniteP {
    pub(super) system: RidgeSystem,
    pub(super) mean: Vec<f64>,
    pub(super) blocks: Vec<Vec<f64>>,
}

pub(super) fn law(statistics: &LinearStatistics) -> Result<LinearLaw> {
    let solved = solve(statistics)?;
    let covariance = Covariance::from_blocks(solved.blocks);
    Ok(LinearLaw::new(statistics, Closure::FiniteP, solved.mean, covariance))
}

pub(super) fn solve(statistics: &LinearStatistics) -> Result<FiniteP> {
    let (dim, f_len) = (statistics.dim(), statistics.features.len());
    let pairs = dim * (dim + 1) / 2;
    let bytes = pairs.saturating_mul(f_len * f_len + statistics.nodes()).saturating_mul(8);
    if bytes > BLOCK_LIMIT {
        return Err(Error::TooLarge {
            name: "the finite-p covariance (one F x F block for each pair of outputs)",
            needed_bytes: bytes as u64,
            limit_bytes: BLOCK_LIMIT as u64,
            advice: "use the closure leading in this dimension",
        });
    }
    let (system, damped, mean) = damped_mean(statistics)?;
    let residual = statistics.residual(&mean);
    let influence: Vec<f64> = residual.iter().enumerate().map(|(k, r)| damped[k / dim] * r).collect();
    let shared = SharedPoints::new(statistics, &influence, &mean)?;
    let mut blocks = Vec::with_capacity(pairs);
    for i in 0..dim {
        for j in i..dim {
            let product = |q: usize| influence[q * dim + i] * influence[q * dim + j];
            blocks.push(covariance_block(statistics, &system, &damped, product, &shared, (i, j))?);
        }
    }
    Ok(FiniteP { system, mean, blocks })
}

/// A_δ + γ, w/(1 + δ) on the nodes, and W̄.
fn damped_mean(statistics: &LinearStatistics) -> Result<(RidgeSystem, Vec<f64>, Vec<f64>)> {
    let (system, leverage) = leverage(statistics)?;
    let damped: Vec<f64> = statistics.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
    let moment = statistics.design.project(&statistics.weighted_target(|q| damped[q]), statistics.dim());
    let mean = system.solve(&moment);
    Ok((system, damped, mean))
}

/// δ on the nodes and the system A_δ + γ that belongs to it.
fn leverage(statistics: &LinearStatistics) -> Result<(RidgeSystem, Vec<f64>)> {
    let name = "the finite-p leverage (use a larger ridge or more samples)";
    let start = vec![0.0; statistics.nodes()];
    let found = fixed_point::solve(name, start, &statistics.nodes.mass, true, |leverage| {
        let damped = |q: usize| statistics.weight[q] / (1.0 + leverage[q]);
        let second_moment = statistics.design.gram(&statistics.weighted(damped));
        let system = RidgeSystem::new(second_moment, statistics.spec.ridge)?;
        let mut forms = statistics.design.quadratic(system.inverse());
        for (form, weight) in forms.iter_mut().zip(&statistics.weight) {
            *form *= weight / statistics.samples();
        }
        Ok((forms, system))
    })?;
    Ok((found.made, found.x))
}

/// One block S_ij from its linear equation; each iteration is the noise of one more generation of samples.
fn covariance_block(
    statistics: &LinearStatistics,
    system: &RidgeSystem,
    damped: &[f64],
    product: impl Fn(usize) -> f64,
    shared: &SharedPoints,
    (i, j): (usize, usize),
) -> Result<Vec<f64>> {
    let name = "the finite-p covariance (use a larger ridge or more samples)";
    let start = vec![0.0; statistics.nodes()];
    let found = fixed_point::solve(name, start, &statistics.nodes.mass, false, |forms| {
        let inner = statistics.weighted(|q| product(q) + damped[q] * damped[q] * forms[q]);
        let mut block = statistics.design.gram(&inner);
        shared.add_to(&mut block, i, j);
        let mut block = sandwich(system.inverse(), &block);
        block.iter_mut().for_each(|v| *v /= statistics.samples());
        Ok((statistics.design.quadratic(&block), block))
    })?;
    Ok(found.made)
}
