//! Quadrature over the training distribution ρ(x0, t, x): t ~ U(ε, T), x0 ~ p_data, x = α_t x0 + σ_t n.
//!
//! In one and two dimensions: Gauss–Legendre in s, t = ε + (T − ε)s², so that nodes crowd towards ε where weights like
//! α²/σ² are steep, times every data point, times the trapezoidal rule in the standardised noise n, which converges
//! exponentially for Gaussian-like integrands but needs a spacing well below a feature's width at every t.
//! In more dimensions, or for many points: scrambled Sobol points over (t, x0, n) (Owen scrambling, independent replicates).

mod gauss_legendre;
mod nodes;
mod normal;
mod quasi_random;

pub use gauss_legendre::gauss_legendre;
pub use nodes::{Nodes, TensorBlock};
pub use normal::normal_quantile;

use crate::data::PointCloud;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Resolution of the quadrature over the training distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QuadratureSpec {
    /// Gauss–Legendre nodes in time (tensor rule).
    #[schemars(range(min = 2))]
    pub times: usize,
    /// Spacing of the standardised noise (tensor rule).
    #[schemars(range(max = 0.5), extend("exclusiveMinimum" = 0.0))]
    pub noise_spacing: f64,
    /// The noise covers [−range, range] standard deviations (tensor rule).
    #[schemars(range(min = 3.0, max = 12.0))]
    pub noise_range: f64,
    /// Nodes of the quasi-random rule; a multiple of 2,048 is best.
    #[schemars(range(min = 64))]
    pub quasi_nodes: usize,
    /// Data sets with more points than this use the quasi-random rule also in one and two dimensions.
    pub tensor_points: usize,
}

impl Default for QuadratureSpec {
    fn default() -> Self {
        Self { times: 128, noise_spacing: 0.05, noise_range: 5.5, quasi_nodes: 32_768, tensor_points: 64 }
    }
}

impl QuadratureSpec {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] naming the first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let check = |ok: bool, name, value, expected| {
            if ok { Ok(()) } else { Err(Error::OutOfRange { name, value, expected }) }
        };
        // Finding Gauss–Legendre nodes takes a time that grows with the square of their number.
        let times = "between 2 and 10000";
        check((2..=10_000).contains(&self.times), "times", self.times as f64, times)?;
        check(
            self.noise_spacing > 0.0 && self.noise_spacing <= 0.5,
            "noise_spacing",
            self.noise_spacing,
            "above 0, at most 0.5 (the trapezoidal rule is exact to rounding for a Gaussian there)",
        )?;
        check(
            self.noise_range >= 3.0 && self.noise_range <= 12.0,
            "noise_range",
            self.noise_range,
            "between 3 and 12 standard deviations",
        )?;
        check(self.quasi_nodes >= 64, "quasi_nodes", self.quasi_nodes as f64, "at least 64")
    }

    /// Noise values on either side of 0 (tensor rule); any number, for settings that are not validated.
    pub(crate) fn half_grid(&self) -> f64 {
        (self.noise_range / self.noise_spacing).ceil()
    }

    /// Q, the number of nodes for a data set.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 2^24.
    pub fn count(&self, cloud: &PointCloud) -> Result<usize> {
        /// 16 M nodes in 2D take about 0.7 GB.
        const MOST: usize = 1 << 24;
        let dim = cloud.dim();
        let nodes = if self.is_tensor(cloud) {
            let live = cloud.weights().iter().filter(|w| **w > 0.0).count();
            self.times as f64 * live as f64 * (2.0 * self.half_grid() + 1.0).powi(dim as i32)
        } else {
            self.quasi_nodes as f64
        };
        if nodes <= MOST as f64 {
            return Ok(nodes as usize);
        }
        // Places of many quasi-random nodes are made where they are needed.
        let held = if self.is_tensor(cloud) { dim + 4 } else { 4 };
        let bytes = |n: f64| (n * held as f64 * 8.0) as u64;
        Err(Error::TooLarge {
            name: "the quadrature over (t, x0, x)",
            needed_bytes: bytes(nodes),
            limit_bytes: bytes(MOST as f64),
            advice: if self.is_tensor(cloud) {
                "raise noise_spacing, lower times, or lower tensor_points to use the quasi-random rule"
            } else {
                "lower quasi_nodes"
            },
        })
    }

    /// Whether the tensor rule suits the dimension and the number of points.
    pub fn is_tensor(&self, cloud: &PointCloud) -> bool {
        cloud.dim() <= 2 && cloud.len() <= self.tensor_points
    }

    /// The same rule at about half the resolution in every direction: the second resolution that tells the error.
    pub fn coarser(&self) -> Self {
        Self {
            times: (self.times * 2 / 3).max(2),
            noise_spacing: (1.5 * self.noise_spacing).min(0.5),
            quasi_nodes: (self.quasi_nodes / 2).max(64),
            ..*self
        }
    }
}
