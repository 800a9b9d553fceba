//! Linear-noise approximation (section 6): Σ(x_T) = ∬ J(0←t) V(t, t') J(0←t')ᵀ dt dt' along the path of the mean drift.
//!
//! The mean drift dx/dt = −βx − D s_avg has the deterministic paths; J(0←t) carries a small displacement at t to the path's
//! end at ε; V = D_t Cov[ŝ, ŝ'] D_t'. To second order in the noise the end is N(F(x_T), Σ(x_T)), exactly so where the
//! drift is linear and the noise does not depend on the state. Path and tangent flow by Heun's method, whose tangent
//! is differentiated exactly, integrals by the trapezoidal rule on the same grid: order 2 in the steps.

use super::sampling::{Form, Sampling};
use crate::error::{Result, check_finite, check_len};
use crate::law::At;
use crate::linalg::{gemm_nn, gemm_nt};
use crate::schedule::TimeGrid;
use crate::score::ScoreField;

/// Deterministic paths of a mean score, and the noise around them.
#[derive(Debug)]
pub struct LinearNoise<'a, F: ScoreField + ?Sized> {
    mean_score: &'a F,
    times: Vec<f64>,
}

/// One deterministic path with its tangent flow.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisePath {
    dim: usize,
    /// K + 1 times from T down to ε.
    times: Vec<f64>,
    /// (K + 1) × D.
    states: Vec<f64>,
    /// J(0←t_k), (K + 1) × D × D.
    tangents: Vec<f64>,
    /// D_t at each time.
    diffusions: Vec<f64>,
}

impl<'a, F: ScoreField + ?Sized> LinearNoise<'a, F> {
    /// Paths on `steps` steps of `grid`.
    ///
    /// # Errors
    /// As [`Sampling::times`] in the time form.
    pub fn new(mean_score: &'a F, grid: TimeGrid, steps: usize) -> Result<Self> {
        let settings = Sampling { grid, steps, form: Form::Time, ..Sampling::default() };
        Ok(Self { mean_score, times: settings.times(mean_score.schedule())? })
    }

    /// The path from x_T = `start`.
    ///
    /// # Errors
    /// A `start` that does not have D finite values; [`Error::NotFinite`](crate::Error::NotFinite) for a path that diverges.
    pub fn path(&self, start: &[f64]) -> Result<NoisePath> {
        let dim = self.mean_score.dim();
        check_len("the start", dim, start.len())?;
        check_finite("the start", start, dim)?;
        let mut drift = LinearisedDrift::new(self.mean_score);
        let (square, count) = (dim * dim, self.times.len());
        let mut states = start.to_vec();
        let mut propagators = vec![0.0; (count - 1) * square];
        let (mut jacobian, mut ahead) = (vec![0.0; square], vec![0.0; square]);
        let (mut slope, mut slope_ahead) = (vec![0.0; dim], vec![0.0; dim]);
        for (k, t) in self.times.windows(2).enumerate() {
            let h = t[1] - t[0];
            let x = states[k * dim..].to_vec();
            drift.evaluate(&x, t[0], &mut slope, &mut jacobian);
            let predicted: Vec<f64> = x.iter().zip(&slope).map(|(x, f)| x + h * f).collect();
            drift.evaluate(&predicted, t[1], &mut slope_ahead, &mut ahead);
            states.extend((0..dim).map(|i| x[i] + 0.5 * h * (slope[i] + slope_ahead[i])));
            // ∂(step)/∂x = I + h/2 (A + Ã (I + hA)), the exact derivative of Heun's step.
            let step = &mut propagators[k * square..(k + 1) * square];
            gemm_nn(dim, dim, dim, &ahead, &jacobian, step);
            for (i, p) in step.iter_mut().enumerate() {
                let identity = if i % (dim + 1) == 0 { 1.0 } else { 0.0 };
                *p = identity + 0.5 * h * (jacobian[i] + ahead[i] + h * *p);
            }
        }
        check_finite("the deterministic path", &states, dim)?;
        let mut tangents = vec![0.0; count * square];
        for i in 0..dim {
            tangents[(count - 1) * square + i * (dim + 1)] = 1.0;
        }
        for k in (0..count - 1).rev() {
            let (before, after) = tangents.split_at_mut((k + 1) * square);
            let step = &propagators[k * square..(k + 1) * square];
            gemm_nn(dim, dim, dim, &after[..square], step, &mut before[k * square..]);
        }
        let schedule = self.mean_score.schedule();
        let diffusions = self.times.iter().map(|t| schedule.diffusion(*t)).collect();
        Ok(NoisePath { dim, times: self.times.clone(), states, tangents, diffusions })
    }
}

/// The drift f = −βx − D s and its derivative ∂f/∂x, by central differences of the score.
struct LinearisedDrift<'a, F: ScoreField + ?Sized> {
    field: &'a F,
    shifted: Vec<f64>,
    scores: Vec<f64>,
}

impl<'a, F: ScoreField + ?Sized> LinearisedDrift<'a, F> {
    /// Relative to σ_t, the scale on which a score varies: truncation 1e-8 and rounding 1e-12 relative.
    const SHIFT: f64 = 1e-4;

    fn new(field: &'a F) -> Self {
        let len = (2 * field.dim() + 1) * field.dim();
        Self { field, shifted: vec![0.0; len], scores: vec![0.0; len] }
    }

    fn evaluate(&mut self, x: &[f64], t: f64, drift: &mut [f64], jacobian: &mut [f64]) {
        let (dim, schedule) = (x.len(), self.field.schedule());
        let shift = Self::SHIFT * schedule.noise_std(t);
        for (row, shifted) in self.shifted.chunks_exact_mut(dim).enumerate() {
            shifted.copy_from_slice(x);
            match row.checked_sub(1) {
                None => {}
                Some(j) if j < dim => shifted[j] += shift,
                Some(j) => shifted[j - dim] -= shift,
            }
        }
        self.field.score_into(&self.shifted, t, &mut self.scores);
        let (rate, diffusion) = (schedule.drift_rate(t), schedule.diffusion(t));
        let score = |row: usize, i: usize| self.scores[row * dim + i];
        for i in 0..dim {
            drift[i] = -rate * x[i] - diffusion * score(0, i);
            for j in 0..dim {
                let slope = (score(1 + j, i) - score(1 + dim + j, i)) / (2.0 * shift);
                jacobian[i * dim + j] = -diffusion * slope - if i == j { rate } else { 0.0 };
            }
        }
    }
}

impl NoisePath {
    /// F(x_T), the path's end.
    pub fn end(&self) -> &[f64] {
        &self.states[self.states.len() - self.dim..]
    }

    /// J(0←T) = ∂F/∂x_T, D × D.
    pub fn tangent(&self) -> &[f64] {
        &self.tangents[..self.dim * self.dim]
    }

    /// Σ from a two-point covariance Cov[ŝ(z), ŝ(z')], D × D row-major: a [`Law::cov`](crate::law::Law::cov).
    pub fn covariance(&self, cov: impl Fn(At<'_>, At<'_>) -> Vec<f64>) -> Vec<f64> {
        let (dim, square) = (self.dim, self.dim * self.dim);
        let mut sum = vec![0.0; square];
        let (mut half, mut term) = (vec![0.0; square], vec![0.0; square]);
        for k in 0..self.times.len() {
            for l in 0..=k {
                let block = cov(self.at(k), self.at(l));
                gemm_nn(dim, dim, dim, self.tangent_at(k), &block, &mut half);
                gemm_nt(dim, dim, dim, &half, self.tangent_at(l), &mut term);
                let weight = self.weight(k) * self.diffusions[k] * self.weight(l) * self.diffusions[l];
                for i in 0..dim {
                    for j in 0..dim {
                        // The pair (l, k) contributes the transpose.
                        let transposed = if k == l { 0.0 } else { term[j * dim + i] };
                        sum[i * dim + j] += weight * (term[i * dim + j] + transposed);
                    }
                }
            }
        }
        sum
    }

    /// Σ = ∫ J B Jᵀ dt of white noise with covariance B(x, t) per unit time, D × D row-major (κ D C D for the naive estimator).
    pub fn white_covariance(&self, spread: impl Fn(At<'_>) -> Vec<f64>) -> Vec<f64> {
        let (dim, square) = (self.dim, self.dim * self.dim);
        let mut sum = vec![0.0; square];
        let (mut half, mut term) = (vec![0.0; square], vec![0.0; square]);
        for k in 0..self.times.len() {
            gemm_nn(dim, dim, dim, self.tangent_at(k), &spread(self.at(k)), &mut half);
            gemm_nt(dim, dim, dim, &half, self.tangent_at(k), &mut term);
            let weight = self.weight(k);
            sum.iter_mut().zip(&term).for_each(|(s, t)| *s += weight * t);
        }
        sum
    }

    fn at(&self, k: usize) -> At<'_> {
        At { x: &self.states[k * self.dim..(k + 1) * self.dim], t: self.times[k] }
    }

    fn tangent_at(&self, k: usize) -> &[f64] {
        let square = self.dim * self.dim;
        &self.tangents[k * square..(k + 1) * square]
    }

    /// The trapezoidal rule's weight of node k.
    fn weight(&self, k: usize) -> f64 {
        let later = self.times[(k + 1).min(self.times.len() - 1)];
        let earlier = self.times[k.saturating_sub(1)];
        0.5 * (earlier - later)
    }
}
