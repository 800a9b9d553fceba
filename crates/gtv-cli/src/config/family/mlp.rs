//! Networks: `[model.mlp]` and their `[training]`.

use super::InputsConfig;
use crate::config::build::Ground;
use crate::config::{ConfigError, Loaded};
use gtv_models::MlpFamily;
use gtv_models::device::Backend;
use gtv_models::mlp::{KernelName, NoiseDraws, OneRunSettings, Optimizer, Task, TrainingSpec};
use gtv_study::spec::{TheorySpec, Vary};
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
    /// The steps.
    #[serde(flatten)]
    pub spec: TrainingSpec,
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
        Self { spec: TrainingSpec::default(), device: Backend::default(), checkpoint: None, log_every: 15 }
    }
}

impl MlpConfig {
    /// The family.
    pub(in crate::config) fn build(&self, loaded: &Loaded, ground: Ground) -> anyhow::Result<MlpFamily> {
        let (net, training, kernel) = (&self.mlp, &self.training, loaded.config.theory.kernel);
        if loaded.trains {
            check_device(training.device, loaded)?;
        }
        match kernel {
            KernelName::Initial => {}
            KernelName::Infinite => self.check_infinite(loaded)?,
            KernelName::Trained => self.check_trained(loaded)?,
        }
        let embedding = net.inputs.embedding("model.mlp", loaded, &ground)?;
        let spec = TrainingSpec { centred: net.centred, ..training.spec.clone() };
        let problem = ground.problem(loaded, embedding.preconditioning())?;
        let task = Task::new(net.arch.clone(), embedding, spec, problem)
            .map_err(|e| loaded.refused_model(&["model.mlp", "model", "training"], e))?;
        let (device, sampling) = (training.device, loaded.config.sampling.integration);
        let MlpTraining { log_every, checkpoint, .. } = *training;
        let TheorySpec { anchors, directions, residuals, .. } = loaded.config.theory;
        let one_run = OneRunSettings { anchors, directions, residuals };
        let own_start = loaded.config.ensemble.spec.varies(Vary::Init);
        Ok(MlpFamily { task, device, kernel, one_run, own_start, log_every, checkpoint, sampling })
    }

    /// What the unrolled filter of trained networks needs of their training.
    fn check_trained(&self, loaded: &Loaded) -> Result<(), ConfigError> {
        let training = &self.training.spec;
        if training.clip.is_some() {
            let reason = "is set, but shortened gradients have no linear filter, which theory.kernel = \"trained\" unrolls; remove it";
            return Err(loaded.value("training.clip", reason));
        }
        if training.noise == NoiseDraws::Fresh {
            let reason =
                "is \"fresh\", but theory.kernel = \"trained\" is about one training set; use \"fixed\"";
            return Err(loaded.value("training.noise", reason));
        }
        Ok(())
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
        if self.training.spec.optimizer == Optimizer::Adam {
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
    let reason =
        format!("is \"{}\", which this program was built without; {}", device.name(), device.advice());
    Err(loaded.value("training.device", &reason))
}
