//! Infinitely wide networks: `[model.lazy]` and their `[training]`.

use super::InputsConfig;
use crate::config::{Config, Loaded};
use crate::memory::{Budget, TooLarge};
use gtv_models::mlp::{Member, Task, TrainingSpec};
use gtv_theory::ntk::{Activation, MlpSpec, Parameterisation};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// τ, the time of gradient flow; inf fits every label.
    #[schemars(range(min = 0.0), extend("infinite" = true))]
    pub time: f64,
}

impl Default for LazyTraining {
    fn default() -> Self {
        Self { time: 100.0 }
    }
}

/// An ensemble of infinitely wide networks, trained by gradient flow.
#[derive(Clone)]
pub struct Lazy {
    /// What each member learns; of its training's settings only those of the objective count.
    pub task: Task,
    /// The members' draws, in order.
    pub members: Vec<Member>,
    /// τ.
    pub time: f64,
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("arch", self.task.arch())
            .field("members", &self.members.len())
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl LazyConfig {
    /// The ensemble.
    ///
    /// # Errors
    /// [`ConfigError`](crate::config::ConfigError) or [`TooLarge`].
    pub(in crate::config) fn build(
        &self,
        loaded: &Loaded,
        cloud: &PointCloud,
        schedule: Schedule,
        streams: Streams,
        budget: &Budget,
    ) -> anyhow::Result<Lazy> {
        let LazyNet { depth, activation, weight_var, bias_var, ref inputs, centred } = self.lazy;
        let parameterisation = Parameterisation::Ntk;
        let arch =
            MlpSpec { depth, activation, parameterisation, weight_var, bias_var, ..MlpSpec::default() };
        let embedding = inputs.embedding("model.lazy", loaded, cloud, schedule, streams)?;
        loaded.check_initial_function(centred)?;
        let Config { model, ensemble, .. } = &loaded.config;
        let training = TrainingSpec { centred, ..model.objective(&embedding, &TrainingSpec::default()) };
        let task = Task::new(arch, embedding, training, cloud.clone())
            .map_err(|e| loaded.refused_model(&["model.lazy", "model", "training"], e))?;
        let made = Lazy { task, members: ensemble.draws(), time: self.training.time };
        made.check_memory(budget)?;
        Ok(made)
    }
}

impl Lazy {
    /// Refuses an ensemble whose kernels do not fit into memory.
    fn check_memory(&self, budget: &Budget) -> Result<(), TooLarge> {
        let (samples, dim) = (self.task.training().samples as f64, self.task.dim() as f64);
        let kept = 8.0 * self.members.len() as f64 * samples * (self.task.inputs() as f64 + 2.0 * dim + 1.0);
        budget.check(
            "the trained ensemble",
            kept,
            "8 bytes x N x P x (inputs + 2 D + 1)",
            "lower ensemble.members or model.samples",
        )
    }
}
