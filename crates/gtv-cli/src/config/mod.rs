//! The config of an experiment: one TOML file, every key with a default, unknown keys refused.
//!
//! [`Loaded::read`] parses the file and the `--set` changes into a [`Config`] whose every key is explicit;
//! [`Loaded::swept`] reads `[sweep]`, which is about several runs and no part of one's config;
//! [`Loaded::build`] makes the objects of gtv-theory from it, so that whatever can be wrong is found before work starts.

mod build;
mod build_network;
mod data;
mod ensemble;
mod error;
mod load;
mod model;
mod network;
mod problem;
mod schedule;
mod settle;
mod study;
mod sweep;
#[cfg(test)]
mod tests;

pub use data::{DataConfig, Duplicates, FileData, file_cloud};
pub use ensemble::{EnsembleConfig, Vary};
pub use error::{Choices, ConfigError, Place};
pub use load::{Change, Loaded};
pub use model::{FeatureKind, FeatureTime, FeaturesConfig, ModelConfig, ModelKind, Target, TargetName};
pub use network::{LazyConfig, MlpConfig, Precondition, TrainingConfig};
pub use problem::{Family, Lazy, Network, Problem};
pub use schedule::{ScheduleConfig, ScheduleName};
pub use study::{GridName, KernelName, Lookup, SamplingConfig, TheoryConfig, TheoryName};
pub use sweep::Swept;

use gtv_theory::compare::CompareSettings;
use serde::{Deserialize, Serialize};

/// A whole experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Title of the report.
    pub title: String,
    /// Seed of every random number, at most 2⁶³ − 1 (TOML's largest integer); `--seed` overrides it.
    pub seed: u64,
    /// p_data.
    pub data: DataConfig,
    /// The forward process.
    pub schedule: ScheduleConfig,
    /// The models that are trained.
    pub model: ModelConfig,
    /// How networks are trained.
    #[serde(skip_serializing_if = "model::is_default")]
    pub training: TrainingConfig,
    /// How many models, and what differs between them.
    pub ensemble: EnsembleConfig,
    /// The reverse process.
    pub sampling: SamplingConfig,
    /// The predictions.
    pub theory: TheoryConfig,
    /// The comparison.
    pub compare: CompareSettings,
}
