//! Estimators: the statistics of a learned score ŝ(x, t) over training randomness.
//!
//! s_avg = E ŝ and V(z, z') = D_t Cov[ŝ(z), ŝ(z')] D_t' (Prop. 3.1) are all that the effective dynamics need in the
//! Gaussian closure; estimators whose law has finite rank also draw whole fields.

mod empirical;
pub mod linear;

pub use empirical::EmpiricalLinear;
pub use linear::{Closure, LinearField, LinearLaw, LinearSpec, LinearStatistics};

use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use std::sync::Arc;

/// A point z = (x, t).
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// x, D values.
    pub x: &'a [f64],
    /// t.
    pub t: f64,
}

/// The law of a learned score over training randomness.
pub trait Estimator: Send + Sync {
    /// s_avg(x, t) = E ŝ(x, t).
    fn mean_score(&self) -> Arc<dyn ScoreField>;

    /// Cov[ŝ(z), ŝ(z')], D × D row-major: rows belong to z. Multiply by D_t D_t' for V.
    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64>;

    /// One draw of the whole field ŝ.
    fn sample_field(&self, rng: &mut ChaCha8Rng) -> Box<dyn ScoreField>;
}
