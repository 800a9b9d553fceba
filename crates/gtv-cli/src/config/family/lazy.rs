//! Infinitely wide networks: `[model.lazy]` and their `[training]`.

use super::InputsConfig;
use crate::config::Loaded;
use crate::config::build::Ground;
use gtv_models::lazy::InitialFunctions;
use gtv_models::{LazyFamily, LazyTrainer};
use gtv_theory::ntk::{Activation, MlpSpec, NystromSpec, Parameterisation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An infinitely wide network and its training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LazyConfig {
    /// The infinitely wide network.
    pub lazy: LazyNet,
    /// How networks are trained: mlp by steps, lazy by gradient flow.
    pub training: LazyTraining,
}

/// `[model.lazy]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LazyNet {
    /// Hidden layers.
    #[schemars(range(max = 64))]
    pub depth: usize,
    /// ρ, the activation.
    pub activation: Activation,
    /// σ_w², the variance of hidden layers' weights; the readout has 1.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub weight_var: f64,
    /// σ_b², the variance of hidden layers' biases; the readout has none.
    #[schemars(range(min = 0.0))]
    pub bias_var: f64,
    /// How (x, t) enters.
    #[serde(flatten)]
    pub inputs: InputsConfig,
    /// Whether the function at initialisation is subtracted.
    pub centred: bool,
}

impl Default for LazyNet {
    fn default() -> Self {
        let MlpSpec { activation, weight_var, bias_var, .. } = MlpSpec::default();
        Self { depth: 1, activation, weight_var, bias_var, inputs: InputsConfig::default(), centred: true }
    }
}

/// `[training]` of an infinitely wide network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LazyTraining {
    /// τ, the time of gradient flow; inf is the end of training.
    #[schemars(range(min = 0.0), extend("infinite" = true))]
    pub time: f64,
    /// Modes of a member's kernel below this share of the largest are not learned; P · 2.2e-16, what rounding resolves, where it is not given.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub cutoff: Option<f64>,
}

impl Default for LazyTraining {
    fn default() -> Self {
        Self { time: 100.0, cutoff: None }
    }
}

impl LazyConfig {
    /// The family.
    pub(super) fn build(&self, loaded: &Loaded, ground: Ground) -> anyhow::Result<LazyFamily> {
        let LazyNet { depth, activation, weight_var, bias_var, ref inputs, centred } = self.lazy;
        let parameterisation = Parameterisation::Ntk;
        let arch =
            MlpSpec { depth, activation, parameterisation, weight_var, bias_var, ..MlpSpec::default() };
        let embedding = inputs.embedding("model.lazy", loaded, &ground)?;
        loaded.check_initial_function(centred)?;
        let initial = match centred {
            true => InitialFunctions::Centred,
            false => InitialFunctions::Drawn(NystromSpec::default(), ground.streams),
        };
        let problem = ground.problem(loaded, embedding.preconditioning())?;
        let trainer =
            LazyTrainer::new(&arch, embedding, problem, self.training.time, initial).and_then(|trainer| {
                match self.training.cutoff {
                    None => Ok(trainer),
                    Some(cutoff) => trainer.with_cutoff(cutoff),
                }
            });
        let sections = ["model.lazy", "model", "training"];
        Ok(LazyFamily::new(trainer.map_err(|e| loaded.refused_model(&sections, e))?))
    }
}
