//! The config of an experiment: one TOML file, every key with a default, unknown keys refused.
//!
//! [`Loaded::read`] holds the file and the `--set` changes against the [`keys`] that there are, fills in what is not said
//! and puts every section into the spec that is used ([`Config`]); [`Loaded::swept`] reads `[sweep]`, which is about
//! several runs and no part of one's config; [`Loaded::build`] makes the objects of gtv-theory from it, so that whatever can
//! be wrong is found before work starts. To add a key, add a field to its spec: reader, `gtv-cli explain`, docs/config.md and
//! the JSON Schema follow.

mod build;
mod check;
mod data;
mod derived;
mod error;
mod family;
mod fit;
mod keys;
mod load;
mod manual;
mod model;
mod networks;
mod outside;
mod problem;
mod rules;
mod spec;
mod sweep;
#[cfg(test)]
mod tests;

pub use check::Settings;
pub use data::file_cloud;
pub use error::{Choices, ConfigError, Place};
pub use family::{
    FamilyConfig, FeatureTime, FeaturesConfig, GridFeatures, InputsConfig, LazyConfig, LazyNet, LazyTraining,
    LinearConfig, MlpConfig, MlpNet, MlpTraining, Precondition, RandomFeatures,
};
pub use fit::Chosen;
pub use keys::{Choice, Condition, Default as KeyDefault, Key, Keys, Range, Type, keys};
pub use load::{Change, Loaded};
pub use manual::{commented, explained, json_schema, listed, markdown};
pub use model::{ModelConfig, Target, TargetName};
pub use networks::ONNX;
pub use problem::Problem;
pub use spec::{
    DataConfig, Duplicates, EnsembleConfig, FileData, FileEnsemble, OnnxEnsemble, OriginConfig,
    ScheduleConfig, ScheduleForm, TableFile,
};
pub use sweep::{Sweep, Swept};

use gtv_study::spec::{SamplingSpec, TheorySpec};
use gtv_theory::compare::CompareSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A whole experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Title of the report.
    pub title: String,
    /// Seed of every random number, at most 2⁶³ − 1 (TOML's largest integer); `--seed` overrides it.
    pub seed: u64,
    /// p_data: the points that models learn.
    pub data: DataConfig,
    /// The forward process.
    pub schedule: ScheduleConfig,
    /// The models that are trained.
    pub model: ModelConfig,
    /// The ensemble: where it comes from, how many models, and what differs between them.
    pub ensemble: EnsembleConfig,
    /// The reverse process, from noise to samples.
    pub sampling: SamplingSpec,
    /// The predictions.
    pub theory: TheorySpec,
    /// The comparison.
    pub compare: CompareSettings,
}
