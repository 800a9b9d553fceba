//! Step times of sampling, from T down to ε.

use super::Schedule;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sampling times are spread between T and ε.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "grid", rename_all = "kebab-case")]
#[schemars(extend("about grid" = "How step times are spread between T and ε."))]
pub enum TimeGrid {
    /// Equal steps in t (the paper's).
    #[default]
    Uniform,
    /// Equal steps in (σ/α)^{1/ρ} (Karras et al., ρ = 7).
    EdmRho {
        /// The exponent ρ.
        #[serde(default = "rho")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        rho: f64,
    },
    /// Equal steps in log-SNR.
    LogSnr,
}

fn rho() -> f64 {
    7.0
}

impl Schedule {
    /// `steps + 1` times from T down to ε, both ends exact.
    ///
    /// # Errors
    /// [`Error::Empty`] when `steps` is 0; [`Error::Unsupported`] when a grid in log-SNR is asked of a schedule
    /// with α_T = 0, whose log-SNR is −∞ there; [`Error::OutOfRange`] for a non-positive ρ.
    pub fn grid(&self, kind: TimeGrid, steps: usize) -> Result<Vec<f64>> {
        if steps == 0 {
            return Err(Error::Empty { name: "the time grid (steps)" });
        }
        let fraction = |k: usize| k as f64 / steps as f64;
        let lerp = |from: f64, to: f64, u: f64| from + (to - from) * u;
        let (l_start, l_end) = (self.log_snr(self.t_max), self.log_snr(self.t_min));
        if kind != TimeGrid::Uniform && !l_start.is_finite() {
            return Err(Error::Unsupported {
                what: "a time grid in log-SNR from a time with no signal left",
                reason: "the log-SNR at t_max is -inf",
                advice: "use the uniform grid or a t_max below 1",
            });
        }
        let mut times: Vec<f64> = match kind {
            TimeGrid::Uniform => (0..=steps).map(|k| lerp(self.t_max, self.t_min, fraction(k))).collect(),
            TimeGrid::LogSnr => {
                (0..=steps).map(|k| self.time_at_log_snr(lerp(l_start, l_end, fraction(k)))).collect()
            }
            TimeGrid::EdmRho { rho } => {
                if !(rho.is_finite() && rho > 0.0) {
                    return Err(Error::OutOfRange {
                        name: "rho",
                        value: rho,
                        expected: "a finite number above 0",
                    });
                }
                let root = |l: f64| (-0.5 * l / rho).exp();
                (0..=steps)
                    .map(|k| {
                        let ratio_root = lerp(root(l_start), root(l_end), fraction(k));
                        self.time_at_log_snr(-2.0 * rho * ratio_root.ln())
                    })
                    .collect()
            }
        };
        times[0] = self.t_max;
        times[steps] = self.t_min;
        Ok(times)
    }
}
