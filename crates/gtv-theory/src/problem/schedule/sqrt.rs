//! The schedule of the paper's Figure 1.

use super::{Curves, UNTIL_ONE};

/// α = √(1 − t), σ² = t.
pub(super) struct Sqrt;

impl Curves for Sqrt {
    fn last_time(&self) -> (f64, &'static str) {
        UNTIL_ONE
    }

    fn signal(&self, t: f64) -> f64 {
        (1.0 - t).sqrt()
    }

    fn noise_var(&self, t: f64) -> f64 {
        t
    }

    fn drift_rate(&self, t: f64) -> f64 {
        0.5 / (1.0 - t)
    }

    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        1.0 / (1.0 + log_snr.exp())
    }
}
