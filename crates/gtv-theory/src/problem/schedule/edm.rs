//! Karras et al.'s schedule.

use super::Curves;

/// β = 0, D = t, σ = t.
pub(super) struct Edm;

impl Curves for Edm {
    fn signal(&self, _t: f64) -> f64 {
        1.0
    }

    fn noise_var(&self, t: f64) -> f64 {
        t * t
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        t
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        (-0.5 * log_snr).exp()
    }
}
