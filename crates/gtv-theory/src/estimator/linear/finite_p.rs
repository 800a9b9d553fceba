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
use super::{Closure, LinearStatistics};
use crate::error::{Error, Result};

/// Relative change at which a fixed point counts as reached.
const TOLERANCE: f64 = 1e-10;
/// Iterations after which a fixed point is given up.
const CAP: usize = 2_000;
/// Weight of the new iterate: the undamped map δ ↦ δ(A_δ) is decreasing in δ and oscillates at large load.
const DAMPING: f64 = 0.6;
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
    let (system, leverage) = leverage(statistics)?;
    let damped: Vec<f64> = statistics.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
    let moment = statistics.design.project(&statistics.weighted_target(|q| damped[q]), dim);
    let mean = system.solve(&moment);
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

/// δ on the nodes and the system A_δ + γ that belongs to it.
fn leverage(statistics: &LinearStatistics) -> Result<(RidgeSystem, Vec<f64>)> {
    let mut leverage = vec![0.0; statistics.nodes()];
    let mut residual = f64::INFINITY;
    for _ in 0..CAP {
        let second_moment =
            statistics.design.gram(&statistics.weighted(|q| statistics.weight[q] / (1.0 + leverage[q])));
        let system = RidgeSystem::new(second_moment, statistics.spec.ridge)?;
        let forms = statistics.design.quadratic(system.inverse());
        // Relative change in the load-weighted mean norm: E[w |δ' − δ|/(1+δ)] / E[w δ'/(1+δ)].
        let (mut change, mut size) = (0.0, f64::MIN_POSITIVE);
        for q in 0..leverage.len() {
            let next = statistics.weight[q] / statistics.samples() * forms[q];
            let scale = statistics.nodes.mass[q] / (1.0 + leverage[q]);
            change += scale * (next - leverage[q]).abs();
            size += scale * next;
            leverage[q] += DAMPING * (next - leverage[q]);
        }
        residual = change / size;
        if residual < TOLERANCE {
            return Ok((system, leverage));
        }
    }
    Err(Error::NotConverged {
        name: "the finite-p leverage (use a larger ridge or more samples)",
        iterations: CAP,
        residual,
        tolerance: TOLERANCE,
    })
}

/// One block S_ij by iterating its linear equation from S = 0; each term is the noise of one more generation of samples.
fn covariance_block(
    statistics: &LinearStatistics,
    system: &RidgeSystem,
    damped: &[f64],
    product: impl Fn(usize) -> f64,
    shared: &SharedPoints,
    (i, j): (usize, usize),
) -> Result<Vec<f64>> {
    let mut forms = vec![0.0; statistics.nodes()];
    let mut residual = f64::INFINITY;
    for _ in 0..CAP {
        let inner = statistics.weighted(|q| product(q) + damped[q] * damped[q] * forms[q]);
        let mut block = statistics.design.gram(&inner);
        shared.add_to(&mut block, i, j);
        let mut block = sandwich(system.inverse(), &block);
        block.iter_mut().for_each(|v| *v /= statistics.samples());
        let next = statistics.design.quadratic(&block);
        let (mut change, mut size) = (0.0, f64::MIN_POSITIVE);
        for ((old, new), rho) in forms.iter().zip(&next).zip(&statistics.nodes.mass) {
            change += rho * (new - old).abs();
            size += rho * new.abs();
        }
        residual = change / size;
        forms = next;
        if residual < TOLERANCE {
            return Ok(block);
        }
    }
    Err(Error::NotConverged {
        name: "the finite-p covariance (use a larger ridge or more samples)",
        iterations: CAP,
        residual,
        tolerance: TOLERANCE,
    })
}
