//! Score fields: s(x, t) = ∇ log p(x | t), exact, learned, averaged or sampled.

mod anisotropic;
mod blocked;
mod blocked_cov;
mod bounded;
mod closed_form;
mod direct;
mod evaluation;
mod exact;
mod exact32;
mod fold;
mod mixture;
mod objective;
mod queries;
mod real;
mod screen;
mod source;

pub use anisotropic::AnisotropicScore;
pub use closed_form::ClosedForm;
pub use evaluation::{CovKind, Evaluation};
pub use exact::{ExactScore, IndexCost, Method};
pub use exact32::ExactScore32;
pub use mixture::MixtureScore;
pub use objective::{MeanEstimate, Objectives, objectives};

pub(crate) use screen::{NEAREST_BLOCK, nearest_two};
pub(crate) use source::Source;

use crate::schedule::Schedule;

/// A score over (x, t), the one thing that dynamics integrate.
///
/// A field answers in either of two equivalent forms, related by s = (α m − x)/σ²: the score itself and the
/// denoiser m(x, t), which stays well-conditioned as t → 0. Implement whichever is native and derive the other.
pub trait ScoreField: Send + Sync {
    /// D.
    fn dim(&self) -> usize;

    /// The forward process this is the score of.
    fn schedule(&self) -> &Schedule;

    /// s(x, t) for a batch of states at one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major.
    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]);

    /// m(x, t) = (x + σ² s)/α for a batch of states at one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major.
    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.score_into(x, t, out);
        let (signal, var) = (self.schedule().signal(t), self.schedule().noise_var(t));
        for (o, x) in out.iter_mut().zip(x) {
            *o = (x + var * *o) / signal;
        }
    }

    /// Chunks of [`CHUNK`](crate::dynamics::CHUNK) paths that one call of an integrator brings: more than one for a field whose
    /// calls cost more than their work, such as a function of another language. No result depends on it.
    fn chunks_a_call(&self) -> usize {
        1
    }
}
