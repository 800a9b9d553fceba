//! What a closed-form score knows at (x, t): s = S⁻¹(αm − x), log p(x|t), m, Γ and C = α² S⁻¹ Γ S⁻¹.

use super::blocked::Moments;
use crate::error::{Error, Result, check_finite};
use serde::{Deserialize, Serialize};

/// How much of the covariances Γ and C to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CovKind {
    /// Neither.
    #[default]
    None,
    /// Their traces, one number a query.
    Trace,
    /// The D × D matrices.
    Full,
}

impl CovKind {
    /// Numbers a query: 0, 1 or D².
    pub fn values(self, dim: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Trace => 1,
            Self::Full => dim * dim,
        }
    }
}

/// The closed-form quantities of a batch of Q queries at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// D.
    pub dim: usize,
    /// What the covariances hold.
    pub kind: CovKind,
    /// s(x, t), Q × D.
    pub score: Vec<f64>,
    /// log p(x | t), Q, in nats.
    pub log_density: Vec<f64>,
    /// Bound on the share of the posterior's mass that was left out of the sums, Q: the log-density is low by at most
    /// −ln(1 − share), m is off by at most this share of the data's diameter, s by α/σ² times that.
    pub left_out: Vec<f64>,
    /// m(x, t) = E[x0 | x, t], Q × D.
    pub posterior_mean: Vec<f64>,
    /// Γ = Cov[x0 | x, t]: Q × D × D for `Full`, traces (Q) for `Trace`, empty for `None`.
    pub posterior_cov: Vec<f64>,
    /// C = Cov[s̃ | x, t] = α² S⁻¹ Γ S⁻¹: Q × D × D for `Full`, traces (Q) for `Trace`, empty for `None`.
    pub proxy_score_cov: Vec<f64>,
}

impl Evaluation {
    pub(super) fn zeros(queries: usize, dim: usize, kind: CovKind) -> Self {
        Self {
            dim,
            kind,
            score: vec![0.0; queries * dim],
            log_density: vec![0.0; queries],
            left_out: vec![0.0; queries],
            posterior_mean: vec![0.0; queries * dim],
            posterior_cov: vec![0.0; queries * kind.values(dim)],
            proxy_score_cov: vec![0.0; queries * kind.values(dim)],
        }
    }

    /// What the moments of all queries are written to.
    pub(super) fn moments(&mut self) -> Moments<'_> {
        Moments {
            mean: &mut self.posterior_mean,
            log_sum: &mut self.log_density,
            left_out: &mut self.left_out,
            cov: &mut self.posterior_cov,
            nearest: &mut [],
        }
    }

    /// Fills score and C from m and Γ for isotropic noise: s = (αm − x)/σ², C = (α/σ²)² Γ.
    pub(super) fn finish_isotropic(&mut self, x: &[f64], signal: f64, var: f64) {
        for ((s, m), x) in self.score.iter_mut().zip(&self.posterior_mean).zip(x) {
            *s = (signal * m - x) / var;
        }
        self.proxy_score_cov_isotropic(signal, var);
    }

    /// Fills C = (α/σ²)² Γ for isotropic noise.
    pub(super) fn proxy_score_cov_isotropic(&mut self, signal: f64, var: f64) {
        // (α/σ²)² would overflow for σ² below 1e-154 although C does not: two factors, one after the other.
        let factor = signal / var;
        for (c, gamma) in self.proxy_score_cov.iter_mut().zip(&self.posterior_cov) {
            *c = factor * gamma * factor;
        }
    }

    /// Adds the queries of `other`, of the same dimension and kind, after these.
    pub(super) fn append(&mut self, other: Self) {
        self.score.extend(other.score);
        self.log_density.extend(other.log_density);
        self.left_out.extend(other.left_out);
        self.posterior_mean.extend(other.posterior_mean);
        self.posterior_cov.extend(other.posterior_cov);
        self.proxy_score_cov.extend(other.proxy_score_cov);
    }

    /// Q.
    pub fn len(&self) -> usize {
        self.log_density.len()
    }

    /// True for a batch without queries.
    pub fn is_empty(&self) -> bool {
        self.log_density.is_empty()
    }

    /// tr C of each query; empty when no covariance was asked for.
    pub fn proxy_score_cov_trace(&self) -> Vec<f64> {
        match self.kind {
            CovKind::None => vec![],
            CovKind::Trace => self.proxy_score_cov.clone(),
            CovKind::Full => {
                let stride = self.dim + 1;
                let trace = |c: &[f64]| c.iter().step_by(stride).sum();
                self.proxy_score_cov.chunks_exact(self.dim * self.dim).map(trace).collect()
            }
        }
    }

    /// tr C / (tr C + |s|²) of each query, the quantity of Figure 1: the share of the proxy score's mean square
    /// that is noise around the true score. Empty when no covariance was asked for.
    ///
    /// Between 0 and 1 and finite wherever the inputs are: where C and s both vanish (M = 1 at its mean, or both
    /// below the smallest f64) the proxy score has no noise and the ratio is 0.
    pub fn uncertainty_ratio(&self) -> Vec<f64> {
        let norms = self.score.chunks_exact(self.dim).map(|s| s.iter().map(|v| v * v).sum::<f64>());
        self.proxy_score_cov_trace().into_iter().zip(norms).map(|(c, s2)| ratio(c, s2)).collect()
    }
}

fn ratio(trace: f64, norm: f64) -> f64 {
    if trace == 0.0 { 0.0 } else { trace / (trace + norm) }
}

/// Validates the input of an evaluation.
pub(super) fn check_queries(queries: &[f64], dim: usize, t: f64) -> Result<()> {
    if !(t.is_finite() && t > 0.0) {
        return Err(Error::OutOfRange {
            name: "t",
            value: t,
            expected: "a finite time above 0: the score of discrete data is singular at 0",
        });
    }
    if !queries.len().is_multiple_of(dim) {
        let expected = queries.len().div_ceil(dim) * dim;
        return Err(Error::Shape { name: "queries", expected, found: queries.len() });
    }
    check_finite("queries", queries, dim)
}
