//! `[model]`: what is regressed on, from how many samples, by which family.

use super::family::FamilyConfig;
use gtv_theory::{LossWeight, Prediction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The label that a model is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Target {
    /// By name.
    Named(TargetName),
    /// Share η of the true score: label = (1 − η)·proxy + η·true.
    Mix(#[schemars(range(min = 0.0, max = 1.0))] f64),
}

/// The two ends of [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetName {
    /// Denoising score matching, J1.
    Proxy,
    /// The true score, J0: label noise removed.
    TrueScore,
}

impl Target {
    /// η, the share of the true score.
    pub fn mix(self) -> f64 {
        match self {
            Self::Named(TargetName::Proxy) => 0.0,
            Self::Named(TargetName::TrueScore) => 1.0,
            Self::Mix(share) => share,
        }
    }
}

/// `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelConfig {
    /// The family, with what it alone is asked for.
    #[serde(flatten)]
    pub family: FamilyConfig,
    /// What the model predicts.
    pub prediction: Prediction,
    /// λ_t, the weight of the score's squared error.
    pub weight: LossWeight,
    /// P, training triples of each model.
    #[schemars(range(min = 1), extend("derived" = "points x draws where points is given, else 1024"))]
    pub samples: usize,
    /// n, independent data points that each model is trained on; P follows from it.
    #[schemars(range(min = 1))]
    pub points: Option<usize>,
    /// m, triples that share a data point (1: every triple has its own, as in the paper).
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// The label: "proxy" (J1), "true-score" (J0), or the share of the true score from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target: Target,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            family: FamilyConfig::default(),
            prediction: Prediction::default(),
            weight: LossWeight::default(),
            samples: 1024,
            points: None,
            draws: 1,
            target: Target::Named(TargetName::Proxy),
        }
    }
}
