//! Settings of a comparison: which metrics, and how finely.

use super::bootstrap::check_confidence;
use super::histogram::Axis;
use super::metrics::MetricName;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of [`compare_levels`](super::compare_levels) and [`summarize_level`](super::summarize_level).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CompareSettings {
    /// The distances to compute; those that are not defined in the data's dimension are left out.
    #[schemars(length(min = 1))]
    pub metrics: Vec<MetricName>,
    /// Histogram bins on each axis, for KL and JS; 200 in one dimension and 60 in two where it is not given.
    #[schemars(range(min = 2))]
    pub bins: Option<usize>,
    /// Range of the histogram on each axis. All samples outside share one further cell.
    #[schemars(extend("increasing" = true, "unit" = "x"))]
    pub range: [f64; 2],
    /// Bootstrap resamples, at least 2.
    #[schemars(range(min = 2))]
    pub bootstrap: usize,
    /// Random directions of sliced distances.
    #[schemars(range(min = 1))]
    pub projections: usize,
    /// Coverage of every interval.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub confidence: f64,
    /// Samples of each level in the energy distance (2D and more; all pairs of them are visited).
    #[schemars(range(min = 2))]
    pub energy_samples: usize,
    /// Multiplications (samples × data points × dimension) allowed for the search of nearest data in one level;
    /// beyond it the level's samples are thinned evenly.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub neighbour_work: f64,
    /// Distance from a datum that counts as near it; a fifth of the mean distance between neighbouring data (0.2 for data
    /// one apart) where it is not given.
    #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
    pub near_radius: Option<f64>,
    /// Height and width of a data point that is an image.
    pub image: Option<[usize; 2]>,
}

impl Default for CompareSettings {
    fn default() -> Self {
        Self {
            metrics: MetricName::all().collect(),
            bins: None,
            range: [-1.5, 1.5],
            bootstrap: 200,
            projections: 128,
            confidence: 0.95,
            energy_samples: 4096,
            neighbour_work: 5e10,
            near_radius: None,
            image: None,
        }
    }
}

impl CompareSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the key and what was expected.
    pub fn validate(&self) -> Result<()> {
        Axis::new(self.range[0], self.range[1], self.bins.unwrap_or(1))?;
        check_confidence(self.confidence)?;
        let least = |name, value: usize, least: usize, expected| {
            if value < least {
                Err(Error::OutOfRange { name, value: value as f64, expected })
            } else {
                Ok(())
            }
        };
        least("bootstrap", self.bootstrap, 2, "at least 2 resamples")?;
        least("projections", self.projections, 1, "at least 1 direction")?;
        least("energy_samples", self.energy_samples, 2, "at least 2 samples")?;
        let positive = |name, value: f64| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::OutOfRange { name, value, expected: "a finite number above 0" })
        };
        positive("neighbour_work", self.neighbour_work)?;
        positive("near_radius", self.near_radius.unwrap_or(1.0))
    }

    /// The grid for histograms of `dim`-dimensional samples, `None` above two dimensions.
    ///
    /// # Errors
    /// As [`Axis::new`].
    pub fn grid(&self, dim: usize) -> Result<Option<Vec<Axis>>> {
        match dim {
            1 | 2 => Ok(Some(vec![Axis::new(self.range[0], self.range[1], self.bins_in(dim))?; dim])),
            _ => Ok(None),
        }
    }

    /// Histogram bins on each of `dim` axes.
    pub fn bins_in(&self, dim: usize) -> usize {
        self.bins.unwrap_or(if dim > 1 { 60 } else { 200 })
    }
}
