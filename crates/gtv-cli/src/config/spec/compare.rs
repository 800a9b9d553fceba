//! The comparison: which distances, and how finely.

use gtv_theory::compare::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[compare]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CompareConfig {
    /// The distances to compute.
    #[schemars(length(min = 1))]
    pub metrics: Vec<Metric>,
    /// Histogram bins on each axis; 200 in one dimension and 60 in two where it is not given.
    #[schemars(range(min = 2))]
    pub bins: Option<usize>,
    /// Range of the histogram on each axis.
    #[schemars(extend("increasing" = true, "unit" = "x"))]
    pub range: [f64; 2],
    /// Bootstrap resamples of members.
    #[schemars(range(min = 2))]
    pub bootstrap: usize,
    /// Random directions of sliced distances.
    #[schemars(range(min = 1))]
    pub projections: usize,
    /// Coverage of every interval.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub confidence: f64,
    /// Samples of each level in the energy distance (2D and more).
    #[schemars(range(min = 2))]
    pub energy_samples: usize,
    /// Distance from a datum that counts as near it; a fifth of the mean distance between neighbouring data where it is
    /// not given.
    #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
    pub near_radius: Option<f64>,
    /// Height and width of a data point that is an image; data are no images where it is not given.
    pub image: Option<[usize; 2]>,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self {
            metrics: Metric::ALL.to_vec(),
            image: None,
            bins: None,
            range: [-1.5, 1.5],
            bootstrap: 200,
            projections: 128,
            confidence: 0.95,
            energy_samples: 4096,
            near_radius: None,
        }
    }
}
