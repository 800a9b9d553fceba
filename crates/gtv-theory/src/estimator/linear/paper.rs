//! The paper's limit (Prop. 5.1): s_avg → s and, with k(z, z'') = φ(z)ᵀA⁻¹φ(z''),
//!
//! Cov y = (1/P) E''[w''² k(z, z'') C_y(z'') k(z'', z')]: unbiased, expressive, no ridge, label noise only.
//!
//! Directions of feature space that the training distribution does not see have no inverse: eigenvalues of A below
//! `CUTOFF` of the largest are dropped, which is the γ → 0 limit on the rest.

use super::law::{Covariance, LinearLaw, RidgeSystem};
use super::{Closure, LinearStatistics};
use crate::error::Result;

/// Relative size below which an eigenvalue of A counts as zero.
const CUTOFF: f64 = 1e-10;

pub(super) fn law(statistics: &LinearStatistics) -> Result<LinearLaw> {
    let second_moment = statistics.design.gram(&statistics.weighted(|q| statistics.weight[q]));
    let system = RidgeSystem::pseudo_inverse(second_moment, CUTOFF)?;
    let dim = statistics.dim();
    let mut influence = statistics.label_noise();
    for (r, w) in influence.chunks_exact_mut(dim).zip(&statistics.weight) {
        r.iter_mut().for_each(|r| *r *= w);
    }
    let zero = vec![0.0; statistics.features.len() * dim];
    let covariance = Covariance::of_influence(statistics, &system, influence, &zero)?;
    Ok(LinearLaw::new(statistics, Closure::Paper, zero, covariance).around(statistics.exact.clone()))
}
