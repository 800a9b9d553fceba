//! p_data: a built-in set, or points from a file.

use gtv_theory::data::BuiltIn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DataConfig {
    /// Points from a file: x0 = scale · value + offset.
    File(FileData),
    /// Named sets of gtv-theory, with their parameters.
    #[serde(untagged)]
    BuiltIn(BuiltIn),
}

impl Default for DataConfig {
    fn default() -> Self {
        Self::BuiltIn(BuiltIn::ThreePoints {})
    }
}

/// What to do with points that are in a file twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// Stop with the first pair of identical points.
    #[default]
    Refuse,
    /// One point, with the sum of the weights, for those that lie closer than the noise at t_min.
    Merge,
}

/// `[data]` with `kind = "file"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileData {
    /// The points, shape (M, …): .npy, .npz or .csv; relative to the config.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// The array's name in an npz file that holds several; the only one of two and more axes where it is not given.
    #[serde(default)]
    pub key: Option<String>,
    /// The weights π_m, shape (M); equal if absent.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    pub weights: Option<PathBuf>,
    /// Factor on every value; not 0.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added to every value after scaling.
    #[serde(default)]
    #[schemars(extend("unit" = "x"))]
    pub offset: f64,
    /// Use the first so many points only; all of them if absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub limit: Option<usize>,
    /// Reads an array of three and more dimensions as one point for each entry of its first axis.
    #[serde(default)]
    pub flatten: bool,
    /// What to do with identical points.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// Held-out points in the same form, whose log-likelihood under every level is reported; none if absent.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    pub test: Option<PathBuf>,
}

fn one() -> f64 {
    1.0
}
