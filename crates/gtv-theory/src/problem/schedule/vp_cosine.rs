//! Nichol and Dhariwal's cosine schedule.

use super::{Curves, UNTIL_ONE, positive};
use crate::error::Result;
use std::f64::consts::FRAC_PI_2;

/// α = cos θ_t / cos θ_0, θ_t = (π/2)(t + s)/(1 + s), σ² = 1 − α².
pub(super) struct VpCosine {
    pub(super) offset: f64,
}

impl VpCosine {
    fn angle(&self, t: f64) -> f64 {
        FRAC_PI_2 * (t + self.offset) / (1.0 + self.offset)
    }
}

impl Curves for VpCosine {
    fn validate(&self) -> Result<()> {
        positive("offset", self.offset)
    }

    fn last_time(&self) -> (f64, &'static str) {
        UNTIL_ONE
    }

    fn signal(&self, t: f64) -> f64 {
        (self.angle(t).cos() / self.angle(0.0).cos()).max(0.0)
    }

    /// 1 − cos²θ/cos²θ0 = sin(θ−θ0) sin(θ+θ0) / cos²θ0.
    fn noise_var(&self, t: f64) -> f64 {
        let (theta, theta0) = (self.angle(t), self.angle(0.0));
        (theta - theta0).sin() * (theta + theta0).sin() / theta0.cos().powi(2)
    }

    fn drift_rate(&self, t: f64) -> f64 {
        FRAC_PI_2 / (1.0 + self.offset) * self.angle(t).tan()
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        // sin²θ = sin²θ0 + σ² cos²θ0, and θ − θ0 from the difference of squares.
        let theta0 = FRAC_PI_2 * self.offset / (1.0 + self.offset);
        let var = 1.0 / (1.0 + log_snr.exp());
        let signal = (1.0 / (1.0 + (-log_snr).exp())).sqrt();
        let theta = (signal * theta0.cos()).acos();
        // acos loses digits near 0; one Newton step on sin(θ−θ0)sin(θ+θ0) = σ²cos²θ0 restores them.
        let residual = (theta - theta0).sin() * (theta + theta0).sin() - var * theta0.cos().powi(2);
        let theta = theta - residual / (2.0 * theta).sin();
        (theta - theta0) * (1.0 + self.offset) / FRAC_PI_2
    }
}
