//! Song et al.'s convention of the same schedule, with β/2 in the drift.

use super::Curves;
use super::vp_linear::VpLinear;
use crate::error::Result;

/// β = D = (β_min + β_d t)/2.
pub(super) struct VpSong {
    pub(super) beta_min: f64,
    pub(super) beta_d: f64,
}

impl VpSong {
    fn halved(&self) -> VpLinear {
        VpLinear { beta_min: 0.5 * self.beta_min, beta_d: 0.5 * self.beta_d }
    }
}

impl Curves for VpSong {
    /// As for the schedule with these numbers, so that an error names the one that was given.
    fn validate(&self) -> Result<()> {
        VpLinear { beta_min: self.beta_min, beta_d: self.beta_d }.validate()
    }

    fn signal(&self, t: f64) -> f64 {
        self.halved().signal(t)
    }

    fn noise_var(&self, t: f64) -> f64 {
        self.halved().noise_var(t)
    }

    fn drift_rate(&self, t: f64) -> f64 {
        self.halved().drift_rate(t)
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        self.halved().time_at_log_snr(log_snr)
    }
}
