//! The part of a training set's covariance that is not a sum over its triples: their common mean, and shared data points.
//!
//! A training set is n independent data points x0, each noised m times, P = n·m. One triple's influence on the weights is
//! (A+γ)⁻¹ g, g = φ uᵀ (u = w r, damped by 1/(1+δ) in `finite-p`), with E g = γW̄; triples of one x0 share
//! ḡ(x0) = E[g | x0]. So the covariance of (1/P) Σ g over training sets is
//!
//! (1/P) {E[g_i g_jᵀ] + (m − 1) E_{x0}[ḡ_i ḡ_jᵀ] − m γ² W̄_iW̄_jᵀ}:
//!
//! at m = 1 the independent case; as m → ∞ at fixed n, (1/n) Cov_{x0}[ḡ], which only more data points can lower.

use super::Ridge;
use crate::error::{Error, Result};
use crate::linalg::gemm_nt;
use crate::problem::TrainingProblem;

/// What must be added to E[g_i g_jᵀ].
pub(crate) struct SharedPoints {
    dim: usize,
    /// m.
    draws: f64,
    /// √((m − 1)/π_m) Σ_{q of m} ρ_q φ_q u_qᵀ, F × D for each data point; none at m = 1.
    points: Vec<Vec<f64>>,
    /// γW̄, F × D.
    mean: Vec<f64>,
}

impl SharedPoints {
    /// Refuses a two-level training set where its closures cannot be computed.
    pub(crate) fn refuse(problem: &TrainingProblem, reason: &'static str) -> Result<()> {
        if problem.draws() == 1 {
            return Ok(());
        }
        let what = "a closure for training sets that reuse data points (draws above 1)";
        Err(Error::Unsupported { what, reason })
    }

    /// Refuses nodes that do not resolve each data point, as quasi-random ones do not.
    pub(super) fn check_nodes(learner: &Ridge) -> Result<()> {
        if !learner.nodes.blocks().is_empty() {
            return Ok(());
        }
        let reason = "it needs the tensor quadrature: at most so many data points as it takes (tensor_points), in 1D or 2D";
        Self::refuse(&learner.problem, reason)
    }

    /// The term of the influences u (Q × D) whose mean is γW̄, W̄ = `mean` (F × D).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for m > 1 on quasi-random nodes, which have too few nodes of each data point.
    pub(crate) fn new(learner: &Ridge, influence: &[f64], mean: &[f64]) -> Result<Self> {
        let (dim, ridge, draws) = (learner.dim(), learner.ridge, learner.problem.draws() as f64);
        let nodes = &learner.nodes;
        let mut points = Vec::new();
        if draws > 1.0 {
            Self::check_nodes(learner)?;
            let mut values = vec![0.0; influence.len()];
            for (m, weight) in learner.problem.cloud().weights().iter().enumerate().filter(|(_, w)| **w > 0.0)
            {
                let scale = ((draws - 1.0) / weight).sqrt();
                for (q, values) in values.chunks_exact_mut(dim).enumerate() {
                    let on = if nodes.point[q] as usize == m { scale * nodes.mass[q] } else { 0.0 };
                    for (v, u) in values.iter_mut().zip(&influence[q * dim..]) {
                        *v = on * u;
                    }
                }
                points.push(learner.design.project(&values, dim));
            }
        }
        Ok(Self { dim, draws, points, mean: mean.iter().map(|w| ridge * w).collect() })
    }

    /// Adds (m − 1) E[ḡ_i ḡ_jᵀ] − m γ² W̄_iW̄_jᵀ to E[g_i g_jᵀ], F × F.
    pub(crate) fn add_to(&self, inner: &mut [f64], i: usize, j: usize) {
        let f_len = inner.len().isqrt();
        let mut add = |sign: f64, sum: &[f64]| {
            for (a, row) in inner.chunks_exact_mut(f_len).enumerate() {
                let left = sign * sum[a * self.dim + i];
                for (b, v) in row.iter_mut().enumerate() {
                    *v += left * sum[b * self.dim + j];
                }
            }
        };
        for point in &self.points {
            add(1.0, point);
        }
        add(-self.draws, &self.mean);
    }

    /// Adds the same for i = j, summed over outputs, to E[Σ_i g_i g_iᵀ], F × F.
    pub(crate) fn add_trace_to(&self, inner: &mut [f64]) {
        let f_len = inner.len().isqrt();
        let mut product = vec![0.0; inner.len()];
        let mut add = |sign: f64, sum: &[f64]| {
            gemm_nt(f_len, f_len, self.dim, sum, sum, &mut product);
            inner.iter_mut().zip(&product).for_each(|(v, p)| *v += sign * p);
        };
        for point in &self.points {
            add(1.0, point);
        }
        add(-self.draws, &self.mean);
    }
}
