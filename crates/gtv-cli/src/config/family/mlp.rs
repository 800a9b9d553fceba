//! Networks: `[model.mlp]` and their `[training]`.

use super::InputsConfig;
use crate::config::build::Ground;
use crate::config::{ConfigError, Loaded};
use gtv_models::MlpFamily;
use gtv_models::device::Backend;
use gtv_models::mlp::{KernelName, NoiseDraws, Optimizer, RateSchedule, Task, TrainingSpec};
use gtv_theory::ntk::{MlpSpec, Parameterisation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network and its training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MlpConfig {
    /// The network.
    pub mlp: MlpNet,
    /// How networks are trained: mlp by steps, lazy by gradient flow.
    pub training: MlpTraining,
}

/// `[model.mlp]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MlpNet {
    /// The layers.
    #[serde(flatten)]
    pub arch: MlpSpec,
    /// How (x, t) enters.
    #[serde(flatten)]
    pub inputs: InputsConfig,
    /// Whether the function at initialisation is subtracted.
    pub centred: bool,
}

/// `[training]` of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MlpTraining {
    /// The update rule.
    #[serde(flatten)]
    pub optimizer: OptimizerConfig,
    /// η's course over the steps.
    pub rate_schedule: RateSchedule,
    /// Steps over which η rises from 0.
    #[schemars(extend("derived" = "a twentieth of steps"))]
    pub warmup: u64,
    /// Steps in all.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Where a step's triples come from.
    pub noise: NoiseDraws,
    /// λ, decoupled weight decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// γ of the penalty (γ/2)|θ|².
    #[schemars(range(min = 0.0))]
    pub penalty: f64,
    /// Longest gradient; without it none is shortened.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub clip: Option<f64>,
    /// Decay of the running average of the parameters that is sampled from; without it the last ones are.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub average: Option<f64>,
    /// Where to train; `gtv-cli devices` lists what there is.
    pub device: Backend,
    /// Steps between checkpoints; one about every minute where it is not given.
    #[schemars(range(min = 1))]
    pub checkpoint: Option<u64>,
    /// Steps between lines of log.csv.
    #[schemars(range(min = 1), extend("derived" = "a fortieth of steps"))]
    pub log_every: u64,
}

impl Default for MlpTraining {
    fn default() -> Self {
        let spec = TrainingSpec::default();
        Self {
            optimizer: OptimizerConfig::default(),
            rate_schedule: spec.rate_schedule,
            warmup: spec.warmup,
            steps: spec.steps,
            noise: spec.noise,
            weight_decay: spec.weight_decay,
            penalty: spec.ridge,
            clip: spec.clip,
            average: spec.average,
            device: Backend::default(),
            checkpoint: None,
            log_every: 15,
        }
    }
}

/// The update rule, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "optimizer", rename_all = "kebab-case")]
#[schemars(extend("about optimizer" = "The update rule."))]
pub enum OptimizerConfig {
    /// Full-batch gradient descent.
    Gd {
        /// η, the learning rate.
        #[serde(default = "defaults::descent")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        rate: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// η, the learning rate.
        #[serde(default = "defaults::descent")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        rate: f64,
        /// Triples in a step.
        #[serde(default = "defaults::batch")]
        #[schemars(range(min = 1))]
        batch: usize,
        /// μ, the share of the last step that is kept.
        #[serde(default = "defaults::momentum")]
        #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
        momentum: f64,
    },
    /// Adam; with a weight decay above 0, AdamW.
    Adam {
        /// η, the learning rate.
        #[serde(default = "defaults::adam")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        rate: f64,
        /// Triples in a step.
        #[serde(default = "defaults::batch")]
        #[schemars(range(min = 1))]
        batch: usize,
        /// β₁, decay of the mean gradient.
        #[serde(default = "defaults::beta1")]
        #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
        beta1: f64,
        /// β₂, decay of the mean squared gradient.
        #[serde(default = "defaults::beta2")]
        #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
        beta2: f64,
        /// ε, added to the root of the mean squared gradient.
        #[serde(default = "defaults::epsilon")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        epsilon: f64,
    },
}

/// The numbers of gtv-models' own default, and a rate for (stochastic) gradient descent.
mod defaults {
    use super::TrainingSpec;

    pub(super) fn descent() -> f64 {
        0.02
    }
    pub(super) fn adam() -> f64 {
        TrainingSpec::default().rate
    }
    pub(super) fn batch() -> usize {
        TrainingSpec::default().batch
    }
    pub(super) fn momentum() -> f64 {
        TrainingSpec::default().momentum
    }
    pub(super) fn beta1() -> f64 {
        TrainingSpec::default().betas.0
    }
    pub(super) fn beta2() -> f64 {
        TrainingSpec::default().betas.1
    }
    pub(super) fn epsilon() -> f64 {
        TrainingSpec::default().epsilon
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        use defaults::{adam, batch, beta1, beta2, epsilon};
        Self::Adam { rate: adam(), batch: batch(), beta1: beta1(), beta2: beta2(), epsilon: epsilon() }
    }
}

impl OptimizerConfig {
    /// A training with this update rule.
    fn within(self, spec: TrainingSpec) -> TrainingSpec {
        match self {
            Self::Gd { rate } => TrainingSpec { optimizer: Optimizer::Gd, rate, ..spec },
            Self::Sgd { rate, batch, momentum } => {
                TrainingSpec { optimizer: Optimizer::Sgd, rate, batch, momentum, ..spec }
            }
            Self::Adam { rate, batch, beta1, beta2, epsilon } => {
                let (optimizer, betas) = (Optimizer::Adam, (beta1, beta2));
                TrainingSpec { optimizer, rate, batch, betas, epsilon, ..spec }
            }
        }
    }
}

impl MlpConfig {
    /// The family.
    pub(in crate::config) fn build(&self, loaded: &Loaded, ground: Ground) -> anyhow::Result<MlpFamily> {
        let (net, training, kernel) = (&self.mlp, &self.training, loaded.config.theory.kernel);
        if loaded.trains {
            check_device(training.device, loaded)?;
        }
        if kernel == KernelName::Infinite {
            self.check_infinite(loaded)?;
        }
        let embedding = net.inputs.embedding("model.mlp", loaded, &ground)?;
        let spec = training.optimizer.within(TrainingSpec {
            noise: training.noise,
            centred: net.centred,
            rate_schedule: training.rate_schedule,
            warmup: training.warmup,
            steps: training.steps,
            weight_decay: training.weight_decay,
            ridge: training.penalty,
            clip: training.clip,
            average: training.average,
            ..TrainingSpec::default()
        });
        let problem = ground.problem(loaded, embedding.preconditioning())?;
        let task = Task::new(net.arch.clone(), embedding, spec, problem)
            .map_err(|e| loaded.refused_model(&["model.mlp", "model", "training"], e))?;
        let (device, sampling) = (training.device, loaded.config.sampling.integration);
        let MlpTraining { log_every, checkpoint, .. } = *training;
        Ok(MlpFamily { task, device, kernel, log_every, checkpoint, sampling })
    }

    /// What the kernel of infinite width needs, to stand for networks that are trained.
    fn check_infinite(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let refuse = |why: &str| {
            let reason = format!("is \"infinite\", {why}; use \"initial\"");
            Err(loaded.value("theory.kernel", &reason))
        };
        if self.mlp.arch.parameterisation != Parameterisation::Ntk {
            return refuse("which is the limit of networks with parameterisation = \"ntk\" alone");
        }
        if matches!(self.training.optimizer, OptimizerConfig::Adam { .. }) {
            return refuse("the kernel of gradient descent (sgd, gd); adam moves in another one");
        }
        loaded.check_initial_function(self.mlp.centred)
    }
}

/// Refuses a device that the program has no backend for.
fn check_device(device: Backend, loaded: &Loaded) -> Result<(), ConfigError> {
    if device.compiled() {
        return Ok(());
    }
    let here: Vec<&str> = Backend::ALL.into_iter().filter(|b| b.compiled()).map(Backend::name).collect();
    let reason = format!(
        "is \"{0}\", which this program was built without; build with --features {0}, or use one of: {1}",
        device.name(),
        here.join(", ")
    );
    Err(loaded.value("training.device", &reason))
}
