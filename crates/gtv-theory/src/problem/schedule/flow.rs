//! Flow matching's straight path.

use super::{Curves, UNTIL_ONE};

/// α = 1 − t, σ = t.
pub(super) struct FlowMatching;

impl Curves for FlowMatching {
    fn last_time(&self) -> (f64, &'static str) {
        UNTIL_ONE
    }

    fn signal(&self, t: f64) -> f64 {
        1.0 - t
    }

    fn noise_var(&self, t: f64) -> f64 {
        t * t
    }

    fn drift_rate(&self, t: f64) -> f64 {
        1.0 / (1.0 - t)
    }

    /// dσ²/dt = 2t = −2 t²/(1−t) + 2D.
    fn diffusion(&self, t: f64) -> f64 {
        t / (1.0 - t)
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        1.0 / (1.0 + (0.5 * log_snr).exp())
    }
}
