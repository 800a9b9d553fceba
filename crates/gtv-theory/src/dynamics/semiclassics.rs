//! Average distributions at small noise in one dimension: [q] ≈ E N(F, Σ), and the paper's Eq. 18.
//!
//! Both stand on the same paths. Linear noise: [q](x0) ≈ ∫ p(x_T) N(x0; F(x_T), Σ(x_T)) dx_T. Eq. 18: [q](x0) ≈ p(x0|ε) ·
//! (∂²S_cl/∂x_T²/κ)^{−1/2} with S_cl/κ = (x0 − F)²/(2Σ), normalised: at F(x_T) = x0 the second derivative is F'²/Σ, so that a
//! path's own mass p(x_T) dx_T = p(x0|ε) dx0 is multiplied by √Σ/|F'|. Eq. 18 therefore broadens nothing. It moves mass to
//! where noise is strong and the flow contracts.

use super::small_noise::{LinearNoise, NoisePath};
use crate::error::{Error, Result};
use crate::score::ScoreField;
use rayon::prelude::*;

/// Ends, slopes and variances of paths that start on nodes of N(0, σ_T²).
#[derive(Debug, Clone, PartialEq)]
pub struct SmallNoise1d {
    /// Share of p(x_T) that a path stands for.
    pub weights: Vec<f64>,
    /// F(x_T).
    pub ends: Vec<f64>,
    /// F'(x_T) = J(0←T).
    pub slopes: Vec<f64>,
    /// Σ(x_T).
    pub variances: Vec<f64>,
}

impl SmallNoise1d {
    /// Paths from `nodes` equidistant starts over ±`reach`·σ_T, the variance of each by `variance`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless D = 1; [`Error::OutOfRange`] for a reach that is not positive;
    /// [`Error::Empty`] for fewer than two nodes; as [`LinearNoise::path`].
    pub fn new<F: ScoreField + ?Sized>(
        mean_score: &F,
        paths: &LinearNoise<'_, F>,
        nodes: usize,
        reach: f64,
        variance: impl Fn(&NoisePath) -> f64 + Sync,
    ) -> Result<Self> {
        if mean_score.dim() != 1 {
            return Err(Error::Unsupported {
                what: "a small-noise distribution in more than one dimension",
                reason: "its starts are a grid",
                advice: "use LinearNoise on sampled starts",
            });
        }
        if !(reach.is_finite() && reach > 0.0) {
            return Err(Error::OutOfRange {
                name: "reach",
                value: reach,
                expected: "a finite number above 0",
            });
        }
        if nodes < 2 {
            return Err(Error::Empty { name: "the starts of small-noise paths (at least two)" });
        }
        let schedule = mean_score.schedule();
        let std = schedule.noise_std(schedule.t_max());
        let start = |i: usize| reach * (2.0 * i as f64 / (nodes - 1) as f64 - 1.0);
        let found: Vec<[f64; 4]> = (0..nodes)
            .into_par_iter()
            .map(|i| {
                let z = start(i);
                let path = paths.path(&[std * z])?;
                Ok([(-0.5 * z * z).exp(), path.end()[0], path.tangent()[0], variance(&path).max(0.0)])
            })
            .collect::<Result<_>>()?;
        let column = |j: usize| -> Vec<f64> { found.iter().map(|row| row[j]).collect() };
        Ok(Self { weights: normalised(column(0)), ends: column(1), slopes: column(2), variances: column(3) })
    }

    /// The same paths with every variance multiplied by `factor`: another κ.
    pub fn scaled(&self, factor: f64) -> Self {
        let variances = self.variances.iter().map(|v| factor * v).collect();
        Self { variances, ..self.clone() }
    }

    /// Masses of E N(F, Σ) between consecutive `edges`.
    ///
    /// # Shapes
    /// `edges`: bins + 1, ascending; returns bins.
    pub fn linear_noise_masses(&self, edges: &[f64]) -> Vec<f64> {
        let below = |x: f64| -> f64 {
            let share = |((w, end), var): ((&f64, &f64), &f64)| {
                let cdf = if *var > 0.0 {
                    0.5 * libm::erfc((end - x) / (2.0 * var).sqrt())
                } else {
                    f64::from(*end < x)
                };
                w * cdf
            };
            self.weights.iter().zip(&self.ends).zip(&self.variances).map(share).sum()
        };
        let cumulative: Vec<f64> = edges.iter().map(|e| below(*e)).collect();
        cumulative.windows(2).map(|c| c[1] - c[0]).collect()
    }

    /// Masses of Eq. 18 between consecutive `edges`.
    ///
    /// # Shapes
    /// `edges`: bins + 1, ascending; returns bins.
    pub fn semiclassical_masses(&self, edges: &[f64]) -> Vec<f64> {
        let weights = self.semiclassical_weights();
        let below = |x: f64| -> f64 {
            weights.iter().zip(&self.ends).filter(|(_, end)| **end < x).map(|(w, _)| w).sum()
        };
        let cumulative: Vec<f64> = edges.iter().map(|e| below(*e)).collect();
        cumulative.windows(2).map(|c| c[1] - c[0]).collect()
    }

    /// The share of each path in Eq. 18, ∝ p(x_T) √Σ/|F'|; p(x_T) itself where there is no noise at all (κ = 0, M = 1).
    pub fn semiclassical_weights(&self) -> Vec<f64> {
        if self.variances.iter().all(|v| *v == 0.0) {
            return self.weights.clone();
        }
        let factors = self.variances.iter().zip(&self.slopes).map(|(v, slope)| v.sqrt() / slope.abs());
        normalised(self.weights.iter().zip(factors).map(|(w, f)| w * f).collect())
    }
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}
