//! Estimators: the statistics of a learned score ŝ(x, t) over training randomness.
//!
//! s_avg = E ŝ and V(z, z') = D_t Cov[ŝ(z), ŝ(z')] D_t' (Prop. 3.1) are all that the effective dynamics need in the
//! Gaussian closure; estimators whose law has finite rank also draw whole fields.

mod empirical;
mod empirical_fields;
mod in_time;
pub mod lazy;
pub mod linear;
mod naive;
mod path_cov;

pub use empirical::EmpiricalLinear;
pub use empirical_fields::EmpiricalFields;
pub use in_time::{InTime, TimeCorrelation};
pub use lazy::{FlowSpectrum, InitialFunction, LazyStatistics, VarianceSplit};
pub use linear::{Closure, LinearField, LinearLaw, LinearSpec, LinearStatistics};
pub use naive::{Naive, StepLength};
pub use path_cov::{PathCov, Response};

use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use std::sync::Arc;

/// A point z = (x, t).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct At<'a> {
    /// x, D values.
    pub x: &'a [f64],
    /// t.
    pub t: f64,
}

/// The law of a learned score over training randomness, up to its second moments.
pub trait Estimator: Send + Sync {
    /// s_avg(x, t) = E ŝ(x, t).
    fn mean_score(&self) -> Arc<dyn ScoreField>;

    /// Cov[ŝ(z), ŝ(z')], D × D row-major: rows belong to z. Multiply by D_t D_t' for V.
    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64>;

    /// The same covariance along up to `paths` paths of up to `points` points each, one time after another.
    ///
    /// The default asks [`Estimator::cov`] for every pair; laws that can share work between pairs do.
    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        Box::new(path_cov::Pairwise::new(self, response, paths, points))
    }
}

/// An estimator whose law has finite rank, so that a whole field can be drawn: all paths of one draw see one model.
pub trait FieldLaw: Estimator {
    /// One draw of the whole field ŝ.
    fn sample_field(&self, rng: &mut ChaCha8Rng) -> Box<dyn ScoreField>;
}

impl<E: Estimator + ?Sized> Estimator for &E {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        (**self).mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        (**self).cov(z, other)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        (**self).path_cov(response, paths, points)
    }
}
