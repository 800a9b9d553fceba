//! What levels are compared by, and how finely.

use super::bootstrap::check_confidence;
use super::histogram::Axis;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A distance between two levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// W₁, in one dimension, in units of x.
    W1,
    /// Sliced W₂, in two dimensions and more, in units of x.
    SlicedW2,
    /// KL(a ‖ b) on the stated grid with half a sample added to each cell, in one and two dimensions, in nats.
    Kl,
    /// Jensen–Shannon divergence on the stated grid, in one and two dimensions, in nats.
    Js,
    /// Energy distance 2E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖, in units of x.
    Energy,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::W1, Self::SlicedW2, Self::Kl, Self::Js, Self::Energy];

    /// The name in configs and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::SlicedW2 => "sliced_w2",
            Self::Kl => "kl",
            Self::Js => "js",
            Self::Energy => "energy",
        }
    }

    /// Whether it is defined in D dimensions.
    pub fn applies(self, dim: usize) -> bool {
        match self {
            Self::W1 => dim == 1,
            Self::SlicedW2 => dim >= 2,
            Self::Kl | Self::Js => dim <= 2,
            Self::Energy => true,
        }
    }
}

/// Settings of [`compare_levels`](super::compare_levels) and [`summarize_level`](super::summarize_level).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CompareSettings {
    /// Distances to compute; those that are not defined in the data's dimension are left out.
    pub metrics: Vec<Metric>,
    /// Cells per axis of the grid for KL and JS; unset means 200 in one dimension and 60 in two.
    pub bins: Option<usize>,
    /// Range of that grid, the same on each axis. All samples outside share one further cell.
    pub range: [f64; 2],
    /// Bootstrap resamples, at least 2.
    pub bootstrap: usize,
    /// Level of the intervals.
    pub confidence: f64,
    /// Random directions of the sliced distance.
    pub projections: usize,
    /// Samples per level for the energy distance in two dimensions and more (all pairs of them are visited).
    pub energy_samples: usize,
    /// Multiplications (samples × data points × dimension) allowed for the search of nearest data in one level;
    /// beyond it the level's samples are thinned evenly.
    pub neighbour_work: f64,
    /// Radius about a datum that counts as near it; unset means one fifth of the mean distance between neighbouring
    /// data (0.2 for data one apart).
    pub near_radius: Option<f64>,
}

impl Default for CompareSettings {
    fn default() -> Self {
        Self {
            metrics: Metric::ALL.to_vec(),
            bins: None,
            range: [-1.5, 1.5],
            bootstrap: 400,
            confidence: 0.95,
            projections: 64,
            energy_samples: 4096,
            neighbour_work: 5e10,
            near_radius: None,
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
        let bins = match dim {
            1 => self.bins.unwrap_or(200),
            2 => self.bins.unwrap_or(60),
            _ => return Ok(None),
        };
        Ok(Some(vec![Axis::new(self.range[0], self.range[1], bins)?; dim]))
    }

    /// Whether a metric is asked for and defined in D dimensions.
    pub fn wants(&self, metric: Metric, dim: usize) -> bool {
        metric.applies(dim) && self.metrics.contains(&metric)
    }
}
