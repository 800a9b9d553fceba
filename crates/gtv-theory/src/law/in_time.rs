//! The same equal-time covariance with another correlation in time.
//!
//! Cov'[ŝ(z), ŝ(z')] = Cov[ŝ(z), ŝ(z')] c(t, t') with c(t, t) = 1: c = δ_{t t'} is white, c = e^{−|t−t'|/ℓ} is damped. Both c are
//! covariances themselves, so the product is one (Schur). With them one can ask whether the correlation in time fills gaps.
//!
//! White noise of a fixed equal-time covariance vanishes with the step: K steps of length Δ add variances V Δ² each, KVΔ² = O(Δ)
//! in all, so its results belong to one number of steps. The matched variant keeps the integrated strength instead:
//! Cov'[ŝ(z), ŝ(z)] = (τ/Δ) Cov[ŝ(z), ŝ(z)], τ(x, t) = ∫_ε^T tr V(x, t; x, t') dt' / tr V(x, t; x, t), V = D_t Cov D_t', which has a
//! limit as Δ → 0, the Itô equation with noise τ V per unit time. Where V is anticorrelated so much that τ < 0, τ = 0.

use super::{At, Law, PathCov, Response, StepLength};
use crate::error::{Error, Result};
use crate::quadrature::gauss_legendre;
use crate::schedule::Schedule;
use crate::score::ScoreField;
use std::sync::Arc;

/// How a law's noise is correlated between times.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeCorrelation {
    /// Independent at different times; unchanged at equal times, also between states.
    White,
    /// Independent at different times, as strong as the noise integrated over the time lag, in steps of the given length.
    MatchedWhite(StepLength),
    /// The covariance times e^{−|t−t'|/ℓ}.
    Damped {
        /// ℓ, in units of t; above 0, where infinity changes nothing.
        correlation_time: f64,
    },
}

/// A law with another correlation in time.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, Law, closure::Leading, law::{InTime, TimeCorrelation}};
/// let coloured = Leading.law(&ridge)?;
/// let white = InTime::new(&*coloured, TimeCorrelation::White)?;
/// let (now, later) = (At { x: &[0.3], t: 0.4 }, At { x: &[0.3], t: 0.3 });
/// assert_eq!(white.cov(now, now), coloured.cov(now, now));
/// assert_eq!(white.cov(now, later), [0.0]);
/// assert!(coloured.cov(now, later)[0] > 0.0);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct InTime<E> {
    inner: E,
    correlation: TimeCorrelation,
    field: Arc<dyn ScoreField>,
}

impl<E: Law> InTime<E> {
    /// `inner`'s mean and equal-time covariance, correlated in time as stated.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a correlation time that is not above 0.
    pub fn new(inner: E, correlation: TimeCorrelation) -> Result<Self> {
        match correlation {
            TimeCorrelation::Damped { correlation_time: value } if value.is_nan() || value <= 0.0 => {
                Err(Error::OutOfRange { name: "correlation time", value, expected: "a time above 0" })
            }
            // A law that is white already has its own strength.
            TimeCorrelation::MatchedWhite(_) if inner.path_cov(Response::Score, 1, 1).is_white() => {
                Ok(Self { field: inner.mean_score(), inner, correlation: TimeCorrelation::White })
            }
            _ => Ok(Self { field: inner.mean_score(), inner, correlation }),
        }
    }

    fn schedule(&self) -> &Schedule {
        self.field.schedule()
    }
}

impl<E: Law> Law for InTime<E> {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.field.clone()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        let dim = self.field.dim();
        let factor = match &self.correlation {
            TimeCorrelation::Damped { correlation_time } => (-(z.t - other.t).abs() / correlation_time).exp(),
            _ if z.t != other.t => return vec![0.0; dim * dim],
            TimeCorrelation::White => 1.0,
            TimeCorrelation::MatchedWhite(step) => {
                // Between different states the geometric mean of their factors keeps the covariance semidefinite.
                let mut path = self.inner.path_cov(Response::Score, 2, 1);
                let x = [z.x, other.x].concat();
                let (mut sums, mut blocks) = ([0.0; 2], vec![0.0; 2 * dim * dim]);
                path.advance(&x, z.t, &mut blocks);
                path.sum_over_lags(&x, z.t, &lag_rule(self.schedule(), Response::Score), &mut sums);
                let diffusion = self.schedule().diffusion(z.t);
                let mut times = blocks
                    .chunks_exact(dim * dim)
                    .zip(sums)
                    .map(|(block, sum)| correlation_time(sum, block, dim, diffusion));
                let product = times.next().unwrap_or(0.0) * times.next().unwrap_or(0.0);
                product.sqrt() / step.at(z.t)
            }
        };
        let mut cov = self.inner.cov(z, other);
        cov.iter_mut().for_each(|c| *c *= factor);
        cov
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        let dim = self.field.dim();
        match &self.correlation {
            TimeCorrelation::Damped { correlation_time } => Box::new(DampedPathCov {
                inner: self.inner.path_cov(response, paths, points),
                correlation_time: *correlation_time,
                dim,
                times: Vec::with_capacity(points),
            }),
            correlation => Box::new(WhitePathCov {
                inner: self.inner.path_cov(response, paths, 1),
                dim,
                matched: match correlation {
                    TimeCorrelation::MatchedWhite(step) => Some(Matched {
                        step,
                        schedule: self.schedule(),
                        response,
                        rule: lag_rule(self.schedule(), response),
                        sums: vec![0.0; paths],
                    }),
                    _ => None,
                },
            }),
        }
    }
}

struct DampedPathCov<'a> {
    inner: Box<dyn PathCov + 'a>,
    correlation_time: f64,
    dim: usize,
    times: Vec<f64>,
}

impl PathCov for DampedPathCov<'_> {
    fn restart(&mut self) {
        self.inner.restart();
        self.times.clear();
    }

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        self.inner.advance(x, t, out);
        if self.inner.is_white() {
            return;
        }
        self.times.push(t);
        let square = self.dim * self.dim;
        for row in out.chunks_exact_mut(self.times.len() * square) {
            for (block, earlier) in row.chunks_exact_mut(square).zip(&self.times) {
                let factor = (-(t - earlier).abs() / self.correlation_time).exp();
                block.iter_mut().for_each(|c| *c *= factor);
            }
        }
    }

    fn is_white(&self) -> bool {
        self.inner.is_white()
    }
}

struct WhitePathCov<'a> {
    inner: Box<dyn PathCov + 'a>,
    dim: usize,
    matched: Option<Matched<'a>>,
}

/// What matching the integrated strength needs.
struct Matched<'a> {
    step: &'a StepLength,
    schedule: &'a Schedule,
    response: Response,
    rule: Vec<(f64, f64)>,
    sums: Vec<f64>,
}

impl PathCov for WhitePathCov<'_> {
    fn restart(&mut self) {}

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        self.inner.restart();
        self.inner.advance(x, t, out);
        if let Some(Matched { step, schedule, response, rule, sums }) = &mut self.matched {
            let sums = &mut sums[..x.len() / self.dim];
            self.inner.sum_over_lags(x, t, rule, sums);
            // Both are of the response, which stands once in the sum and twice in the block.
            let scale = schedule.diffusion(t) / response.of_score(schedule, t);
            for (block, sum) in out.chunks_exact_mut(self.dim * self.dim).zip(sums) {
                let factor = correlation_time(*sum, block, self.dim, scale) / step.at(t);
                block.iter_mut().for_each(|c| *c *= factor);
            }
        }
    }

    fn is_white(&self) -> bool {
        true
    }
}

/// The rule of the integral over the time lag: nodes t' of [ε, T], and weights that hold D_t' and undo the response's factor.
///
/// Gauss–Legendre: learned scores vary in t on the scale of a feature's width, (T − ε)/30 with 16 features.
fn lag_rule(schedule: &Schedule, response: Response) -> Vec<(f64, f64)> {
    const NODES: usize = 48;
    let (middle, half) =
        (0.5 * (schedule.t_max() + schedule.t_min()), 0.5 * (schedule.t_max() - schedule.t_min()));
    let node = |(u, w): (f64, f64)| {
        let t = middle + half * u;
        (t, half * w * schedule.diffusion(t) / response.of_score(schedule, t))
    };
    gauss_legendre(NODES).into_iter().map(node).collect()
}

/// τ from ∫ D_t' tr Cov dt' and the equal-time covariance, at least 0; 0 where there is no noise at all.
fn correlation_time(integral: f64, equal_time: &[f64], dim: usize, diffusion: f64) -> f64 {
    let now = diffusion * equal_time.iter().step_by(dim + 1).sum::<f64>();
    if now > 0.0 { (integral / now).max(0.0) } else { 0.0 }
}
