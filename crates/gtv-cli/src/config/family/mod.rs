//! The families of models: what a config says of each, and what is made of it.

mod inputs;
mod lazy;
mod linear;
mod mlp;

pub use inputs::{InputsConfig, Precondition};
pub use lazy::{LazyConfig, LazyNet, LazyTraining};
pub use linear::{FeatureTime, FeaturesConfig, GridFeatures, LinearConfig, RandomFeatures};
pub use mlp::{MlpConfig, MlpNet, MlpTraining};

use super::Loaded;
use super::build::Ground;
use gtv_models::Family;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sections of a family: `[model.features]`, `[model.lazy]`, `[model.mlp]`, and its `[training]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(extend("about kind" = "The family of the models."))]
pub enum FamilyConfig {
    /// Linear in fixed features, by ridge regression.
    Linear(LinearConfig),
    /// Infinite-width network in the lazy regime.
    Lazy(LazyConfig),
    /// Multilayer perceptron.
    Mlp(MlpConfig),
}

impl Default for FamilyConfig {
    fn default() -> Self {
        Self::Linear(LinearConfig::default())
    }
}

impl FamilyConfig {
    /// The features of a linear model; networks make their own.
    pub(super) fn features(&self) -> Option<&FeaturesConfig> {
        match self {
            Self::Linear(linear) => Some(&linear.features),
            Self::Lazy(_) | Self::Mlp(_) => None,
        }
    }

    /// The family.
    ///
    /// # Errors
    /// A setting that cannot be.
    pub(super) fn build(&self, loaded: &Loaded, ground: Ground) -> anyhow::Result<Box<dyn Family>> {
        Ok(match self {
            Self::Linear(linear) => Box::new(linear.build(loaded, ground)?),
            Self::Lazy(lazy) => Box::new(lazy.build(loaded, ground)?),
            Self::Mlp(mlp) => Box::new(mlp.build(loaded, ground)?),
        })
    }
}
