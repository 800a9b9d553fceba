//! Closures of gradient flow at a time τ, as laws of the weights c of the features r_i e_i, i over the modes that have begun
//! to be learned (THEORY §6).
//!
//! `paper` (Prop. 5.2): mean f̄_τ = skip x + Σ r_i c_i e_i, Cov = (1/P) E''[w'' k C_y k], k(z, z'') = Σ r_i e_i(z) e_i(z''): label
//! noise alone, as if the residual were at its end from the start. `leading`: mean and covariance to first order in 1/P, with the
//! residual along training ([`mean`](super::mean), [`response`](super::response)); where triples share data points
//! (m > 1) its mean is f̄_τ.
//! `finite-p` and `shot-noise` are those of the ridge regression that has the same mean.

use super::LazyStatistics;
use super::response::Influence;
use super::spectrum::{check_time, learned};
use crate::error::Result;
use crate::estimator::{Closure, LinearLaw, LinearSpec};
use crate::features::Features;

impl LazyStatistics {
    /// The law of the model trained for a time τ in [0, ∞], in one closure.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for a time that is negative or NaN (for `finite-p` and `shot-noise` also one at which
    /// nothing is learned); more memory than is sensible; fixed points that do not converge.
    pub fn law(&self, closure: Closure, time: f64) -> Result<LinearLaw> {
        check_time(time)?;
        match closure {
            Closure::FiniteP | Closure::ShotNoise => self.stand_in(time)?.law(closure),
            Closure::Paper | Closure::Leading => {
                let kept = self.spectrum.touched(time);
                let blocks = self.data_covariance(closure, time)?;
                let features = self.spectrum.scaled_modes(kept, |value| learned(value, time));
                let of = &self.on_modes;
                let spec = LinearSpec { features: Features::Mapped(features), ..of.spec.clone() };
                let mean = self.mean_weights(closure, time);
                Ok(LinearLaw::from_parts(closure, spec, of.schedule, mean, blocks))
            }
        }
    }

    /// E c of the features r_i e_i, kept × D.
    pub(super) fn mean_weights(&self, closure: Closure, time: f64) -> Vec<f64> {
        if closure == Closure::Leading && self.on_modes.spec.draws == 1 {
            return self.corrected_mean(time);
        }
        self.spectrum.coefficients()[..self.spectrum.touched(time) * self.dim()].to_vec()
    }

    /// Blocks S_ab of the covariance of c, kept × kept, a ≤ b; `paper` or else `leading`.
    pub(super) fn data_covariance(&self, closure: Closure, time: f64) -> Result<Vec<Vec<f64>>> {
        let kept = self.spectrum.touched(time);
        let influence = match closure {
            Closure::Paper => Influence::of_noise(self, kept),
            _ => Influence::of_labels(self, kept, time, &self.on_modes.target, self.spectrum.coefficients()),
        };
        influence.covariance()
    }
}
