//! The variance-exploding schedule.

use super::{Curves, positive};
use crate::error::{Error, Result};

/// β = 0, σ² = σ_min²((σ_max/σ_min)^{2t} − 1).
pub(super) struct Ve {
    pub(super) sigma_min: f64,
    pub(super) sigma_max: f64,
}

impl Ve {
    fn growth(&self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }
}

impl Curves for Ve {
    fn validate(&self) -> Result<()> {
        positive("sigma_min", self.sigma_min)?;
        if self.sigma_max.is_finite() && self.sigma_max > self.sigma_min {
            return Ok(());
        }
        let (value, expected) = (self.sigma_max, "a finite number above sigma_min");
        Err(Error::OutOfRange { name: "sigma_max", value, expected })
    }

    fn signal(&self, _t: f64) -> f64 {
        1.0
    }

    fn noise_var(&self, t: f64) -> f64 {
        self.sigma_min * self.sigma_min * (2.0 * t * self.growth()).exp_m1()
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.sigma_min * self.sigma_min * self.growth() * (2.0 * t * self.growth()).exp()
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        ((-log_snr).exp() / (self.sigma_min * self.sigma_min)).ln_1p() / (2.0 * self.growth())
    }
}
