//! Where the ensemble comes from: trained here, or brought in files.

use gtv_study::spec::EnsembleSpec;
use gtv_theory::Prediction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[ensemble]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnsembleConfig {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: OriginConfig,
    /// How many models are trained, and what differs between them.
    #[serde(flatten)]
    pub spec: EnsembleSpec,
}

/// Where the ensemble comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(extend("about kind" = "Where the ensemble comes from."))]
pub enum OriginConfig {
    /// gtv trains it.
    #[default]
    Trained,
    /// It was trained elsewhere: samples of its members, or what they predict at given points (docs/own-models.md).
    File(FileEnsemble),
    /// Networks in ONNX files, which gtv asks and samples itself (docs/own-models.md); needs a build with `--features onnx`.
    Onnx(OnnxEnsemble),
}

/// `[ensemble]` with `kind = "file"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileEnsemble {
    /// An .npz with `samples` (N, n, D), or `x`, `t` and one of `score`, `denoiser`, `noise`, `velocity` (N, Q, D), or both, and what
    /// the theory is to predict from, `features` (N0, Q, F) or `gram` (Q, Q); or a pattern such as "members/*.npy", one file of samples a member; relative to the config.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
}

/// `[ensemble]` with `kind = "onnx"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OnnxEnsemble {
    /// An .onnx file of a network with the inputs `x` (n, D) and `t` (n) and one output (n, D), or a pattern such as "members/*.onnx", one
    /// file a member; relative to the config.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// What the networks answer.
    #[serde(default = "score")]
    pub prediction: Prediction,
}

fn score() -> Prediction {
    Prediction::Score
}
