//! The reverse process: how distributions are made of learned fields.

use gtv_theory::dynamics::{LookupGrid, Sampling};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[sampling]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SamplingSpec {
    /// The integration.
    #[serde(flatten)]
    pub integration: Sampling,
    /// Paths drawn from each trained model.
    #[schemars(range(min = 1))]
    pub paths: usize,
    /// How learned fields are evaluated.
    #[serde(flatten)]
    pub lookup: Lookup,
}

impl Default for SamplingSpec {
    fn default() -> Self {
        Self { integration: Sampling::default(), paths: 100_000, lookup: Lookup::default() }
    }
}

/// How a learned field is evaluated during sampling.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "lookup", rename_all = "kebab-case")]
#[schemars(extend("about lookup" = "How a learned field is evaluated during sampling."))]
pub enum Lookup {
    /// At the state itself.
    #[default]
    Exact,
    /// From a table on a grid, at the first node not below the state (the paper's procedure).
    Grid {
        /// Nodes of the table on each axis.
        #[serde(default = "points")]
        #[schemars(range(min = 2, max = 1048576))]
        grid_points: usize,
        /// First and last node of the table on each axis.
        #[serde(default = "range")]
        #[schemars(extend("increasing" = true, "unit" = "x"))]
        grid_range: [f64; 2],
    },
}

fn points() -> usize {
    LookupGrid::default().len
}

fn range() -> [f64; 2] {
    let LookupGrid { lo, hi, .. } = LookupGrid::default();
    [lo, hi]
}

impl Lookup {
    /// The grid of the table, where there is one.
    pub fn grid(&self) -> Option<LookupGrid> {
        match *self {
            Self::Exact => None,
            Self::Grid { grid_points, grid_range: [lo, hi] } => Some(LookupGrid { lo, hi, len: grid_points }),
        }
    }
}
