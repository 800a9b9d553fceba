//! Laws of a learned score ŝ(x, t) over training randomness.
//!
//! s_avg = E ŝ and V(z, z') = D_t Cov[ŝ(z), ŝ(z')] D_t' (Prop. 3.1) are all that the effective dynamics need in the
//! Gaussian closure; laws of finite rank also draw whole fields.

mod drawn;
mod empirical;
mod empirical_fields;
mod field;
mod in_time;
mod linear;
mod naive;
mod one_run;
mod pairwise;
mod path_cov;
mod sampled_covariance;
mod weight_paths;

pub use drawn::{DrawnCovariance, drawn_covariance};
pub use empirical::EmpiricalLinear;
pub use empirical_fields::EmpiricalFields;
pub use field::LinearField;
pub use in_time::{InTime, TimeCorrelation};
pub(crate) use linear::DENSE_LIMIT;
pub use linear::{BlockCovariance, Covariance, LinearLaw};
pub use naive::{Naive, StepLength};
pub use one_run::OneRunLaw;
pub(crate) use one_run::{AnchorLaw, images, moved};
pub use path_cov::{PathCov, Response};
pub use sampled_covariance::SampledCovariance;

use crate::problem::Prediction;
use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use rayon::prelude::*;
use std::sync::Arc;

/// A point z = (x, t).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct At<'a> {
    /// x, D values.
    pub x: &'a [f64],
    /// t.
    pub t: f64,
}

/// Mean and variance of the prediction y at given points.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionMoments {
    /// E y, n × D.
    pub mean: Vec<f64>,
    /// Var y_i, n × D.
    pub variance: Vec<f64>,
}

/// Mean and total variance of the prediction y at given points.
#[derive(Debug, Clone, PartialEq)]
pub struct TotalMoments {
    /// E y, n × D.
    pub mean: Vec<f64>,
    /// tr Var y, n.
    pub variance: Vec<f64>,
}

/// How well a pool of models, from which a law takes part of its noise, has settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settling {
    /// Models in the pool.
    pub models: usize,
    /// Generations of them.
    pub generations: usize,
    /// Relative change of their variance in the last one.
    pub change: f64,
    /// The variance that they had by themselves, over the law's, to which they were brought.
    pub ratio: f64,
}

/// The law of a learned score over training randomness: its first two moments, and draws where it has finite rank.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, closure::Leading};
/// let law = Leading.law(&ridge)?;
/// let (z, other) = (At { x: &[0.3], t: 0.4 }, At { x: &[-0.2], t: 0.1 });
/// // V(z, z') = D_t Cov[ŝ(z), ŝ(z')] D_t', a kernel.
/// let v = |z: At<'_>, other: At<'_>| schedule.diffusion(z.t) * law.cov(z, other)[0] * schedule.diffusion(other.t);
/// assert!((v(z, other) - v(other, z)).abs() < 1e-12 * v(z, z));
/// assert!(v(z, other).powi(2) < v(z, z) * v(other, other));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub trait Law: Send + Sync {
    /// s_avg(x, t) = E ŝ(x, t).
    fn mean_score(&self) -> Arc<dyn ScoreField>;

    /// Cov[ŝ(z), ŝ(z')], D × D row-major: rows belong to z. Multiply by D_t D_t' for V.
    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64>;

    /// Cov[ŝ(z_i), ŝ(z'_i)] of the i-th points of two lists, n × D × D.
    ///
    /// The default asks [`Law::cov`] pair by pair.
    ///
    /// # Shapes
    /// Of each list (x, t), `x`: n × D; `t`: n.
    fn covs(&self, (x, t): (&[f64], &[f64]), (y, u): (&[f64], &[f64])) -> Vec<f64> {
        let dim = x.len() / t.len().max(1);
        let row = |i: usize| i * dim..(i + 1) * dim;
        let pair = |i| self.cov(At { x: &x[row(i)], t: t[i] }, At { x: &y[row(i)], t: u[i] });
        (0..t.len()).into_par_iter().map(pair).collect::<Vec<_>>().concat()
    }

    /// E y and Var y of a prediction type at points, y = (ŝ − b x)/a.
    ///
    /// The default asks [`Law::mean_score`] and [`Law::cov`] point by point.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    fn prediction_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> PredictionMoments {
        let field = self.mean_score();
        let dim = field.dim();
        let (mut mean, mut variance) = (vec![0.0; x.len()], Vec::with_capacity(x.len()));
        for ((x, &t), mean) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact_mut(dim)) {
            let (on_y, on_x) = prediction.score_coefficients(field.schedule(), t);
            field.score_into(x, t, mean);
            mean.iter_mut().zip(x).for_each(|(m, x)| *m = (*m - on_x * x) / on_y);
            let cov = self.cov(At { x, t }, At { x, t });
            variance.extend(cov.iter().step_by(dim + 1).map(|v| v / (on_y * on_y)));
        }
        PredictionMoments { mean, variance }
    }

    /// E y and tr Var y of a prediction type at points: all that maps and ratios of variances ask for, which some laws know at once and
    /// better than the outputs' own variances.
    ///
    /// The default sums [`Law::prediction_moments`] over outputs.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    fn total_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> TotalMoments {
        let PredictionMoments { mean, variance } = self.prediction_moments(prediction, x, t);
        let dim = x.len() / t.len().max(1);
        let variance = variance.chunks_exact(dim.max(1)).map(|v| v.iter().sum()).collect();
        TotalMoments { mean, variance }
    }

    /// tr Cov[ŝ(z), ŝ(z')].
    fn cov_trace(&self, z: At<'_>, other: At<'_>) -> f64 {
        self.cov(z, other).iter().step_by(z.x.len() + 1).sum()
    }

    /// tr Cov[ŝ(z_i), ŝ(z_j)] of all pairs of points, n × n.
    ///
    /// The default asks [`Law::cov_trace`] pair by pair.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    fn cov_traces(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (count, dim) = (t.len(), x.len() / t.len().max(1));
        let at = |i: usize| At { x: &x[i * dim..(i + 1) * dim], t: t[i] };
        let row = |i: usize| (0..=i).map(|j| self.cov_trace(at(i), at(j))).collect();
        let rows: Vec<Vec<f64>> = (0..count).into_par_iter().map(row).collect();
        (0..count * count).map(|e| (e / count, e % count)).map(|(i, j)| rows[i.max(j)][i.min(j)]).collect()
    }

    /// The pool of models that the law is made from, where there is one.
    fn settling(&self) -> Option<Settling> {
        None
    }

    /// One draw of the whole field ŝ, the same for all paths; `None` for a law that is only known at two points at a time.
    fn draw(&self, _rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        None
    }

    /// The covariance along up to `paths` paths of up to `points` points each, one time after another.
    ///
    /// The default asks [`Law::cov`] for every pair; laws that can share work between pairs do.
    fn path_cov(&self, response: Response, _paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        let cov = Box::new(|z: At<'_>, other: At<'_>| self.cov(z, other));
        Box::new(pairwise::Pairwise::new(cov, self.mean_score(), response, points))
    }
}

/// A reference to a law is one.
impl<L: Law + ?Sized> Law for &L {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        (**self).mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        (**self).cov(z, other)
    }

    fn covs(&self, points: (&[f64], &[f64]), others: (&[f64], &[f64])) -> Vec<f64> {
        (**self).covs(points, others)
    }

    fn prediction_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> PredictionMoments {
        (**self).prediction_moments(prediction, x, t)
    }

    fn total_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> TotalMoments {
        (**self).total_moments(prediction, x, t)
    }

    fn cov_trace(&self, z: At<'_>, other: At<'_>) -> f64 {
        (**self).cov_trace(z, other)
    }

    fn cov_traces(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        (**self).cov_traces(x, t)
    }

    fn settling(&self) -> Option<Settling> {
        (**self).settling()
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        (**self).draw(rng)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        (**self).path_cov(response, paths, points)
    }
}
