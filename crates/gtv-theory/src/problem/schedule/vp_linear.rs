//! The paper's variance-preserving schedule.

use super::{Curves, positive};
use crate::error::{Error, Result};

/// β = D = β_min + β_d t, α = exp(−(β_min t + β_d t²/2)), σ² = 1 − α².
pub(super) struct VpLinear {
    pub(super) beta_min: f64,
    pub(super) beta_d: f64,
}

impl VpLinear {
    /// ∫₀ᵗ β.
    fn integrated_rate(&self, t: f64) -> f64 {
        t * (self.beta_min + 0.5 * self.beta_d * t)
    }
}

impl Curves for VpLinear {
    fn validate(&self) -> Result<()> {
        positive("beta_min", self.beta_min)?;
        if self.beta_d.is_finite() && self.beta_d >= 0.0 {
            return Ok(());
        }
        Err(Error::OutOfRange { name: "beta_d", value: self.beta_d, expected: "a finite number, 0 or above" })
    }

    fn signal(&self, t: f64) -> f64 {
        (-self.integrated_rate(t)).exp()
    }

    fn noise_var(&self, t: f64) -> f64 {
        -(-2.0 * self.integrated_rate(t)).exp_m1()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        self.beta_min + self.beta_d * t
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let integral = 0.5 * softplus(-log_snr);
        2.0 * integral
            / (self.beta_min + (self.beta_min * self.beta_min + 2.0 * self.beta_d * integral).sqrt())
    }
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
