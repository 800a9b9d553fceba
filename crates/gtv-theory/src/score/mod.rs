//! Score fields: s(x, t) = ∇ log p(x | t), exact, learned, averaged or sampled.

mod anisotropic;
mod blocked;
mod blocked_cov;
mod bounded;
mod closed_form;
mod columns;
mod direct;
mod evaluation;
mod exact;
mod exact32;
mod fold;
mod mixture;
mod narrow;
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

pub(crate) use screen::{NEAREST_BLOCK, nearest_two, principal_axes};
pub(crate) use source::Source;

use crate::derivative::central;
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

    /// s(x, t) at points that each have their own time, for fields whose calls cost more than their work.
    ///
    /// The default asks [`ScoreField::score_into`] for each run of points of one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major; `t`: n.
    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (dim, mut first) = (self.dim(), 0);
        for same in t.chunk_by(|a, b| a == b) {
            let rows = first * dim..(first + same.len()) * dim;
            self.score_into(&x[rows.clone()], same[0], &mut out[rows]);
            first += same.len();
        }
    }

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

    /// (∂m/∂x) v, the denoiser's derivative along a direction of each state's own.
    ///
    /// The default takes central differences over 10⁻⁵ σ²/(σ + α), well below the width on which a posterior changes: good to about
    /// 10⁻⁷ of the denoiser's own scale for fields in 64 bits.
    ///
    /// # Shapes
    /// `x`, `directions`, `out`: n × D, row-major.
    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        const STEP: f64 = 1e-5;
        let (signal, std) = (self.schedule().signal(t), self.schedule().noise_std(t));
        let step = STEP * std * std / (std + signal);
        central(|x, out| self.denoiser_into(x, t, out), x, directions, step, out);
    }

    /// div m = Σ_i ∂m_i/∂x_i of each state.
    ///
    /// The default asks [`ScoreField::denoiser_derivative_into`] along every axis.
    ///
    /// # Shapes
    /// `x`: n × D; `out`: n.
    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.dim();
        let (mut axis, mut image) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        out.fill(0.0);
        for i in 0..dim {
            axis.iter_mut().enumerate().for_each(|(k, v)| *v = if k % dim == i { 1.0 } else { 0.0 });
            self.denoiser_derivative_into(x, t, &axis, &mut image);
            out.iter_mut().zip(image.chunks_exact(dim)).for_each(|(o, row)| *o += row[i]);
        }
    }
}
