//! Leading order in 1/P, at finite ridge and with the actual residual (THEORY §5):
//!
//! W̄ = (A+γ)⁻¹ b, r = y − W̄ᵀφ, Cov(W_i, W_j) = (1/P)(A+γ)⁻¹ {E[w² r_i r_j φφᵀ] − γ² W̄_i W̄_jᵀ} (A+γ)⁻¹; with m draws a data
//! point, one more term in the braces ([`shared`](super::shared)).

use super::law::{Covariance, LinearLaw, RidgeSystem};
use super::{Closure, LinearStatistics};
use crate::error::Result;

pub(super) fn law(statistics: &LinearStatistics) -> Result<LinearLaw> {
    let second_moment = statistics.design.gram(&statistics.weighted(|q| statistics.weight[q]));
    let system = RidgeSystem::new(second_moment, statistics.spec.ridge)?;
    let moment =
        statistics.design.project(&statistics.weighted_target(|q| statistics.weight[q]), statistics.dim());
    let mean = system.solve(&moment);
    let mut influence = statistics.residual(&mean);
    let dim = statistics.dim();
    for (r, w) in influence.chunks_exact_mut(dim).zip(&statistics.weight) {
        r.iter_mut().for_each(|r| *r *= w);
    }
    let covariance = Covariance::of_influence(statistics, &system, influence, &mean)?;
    Ok(LinearLaw::new(statistics, Closure::Leading, mean, covariance))
}
