//! Networks: `[model.mlp]` and their `[training]`, and the memory that an ensemble of them takes.

use super::InputsConfig;
use crate::config::{Config, ConfigError, KernelName, Loaded};
use crate::memory::{Budget, TooLarge};
use gtv_models::device::Backend;
use gtv_models::mlp::{Member, NoiseDraws, Optimizer, StepRule, Task, TrainingSpec};
use gtv_theory::ntk::{MlpSpec, Parameterisation};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// An ensemble of networks.
#[derive(Clone)]
pub struct Network {
    /// What each member learns, and how.
    pub task: Task,
    /// The members' draws, in order.
    pub members: Vec<Member>,
    /// Where they are trained.
    pub device: Backend,
    /// Steps between checkpoints; one about every minute where it is not given.
    pub checkpoint: Option<u64>,
    /// Steps between lines of log.csv.
    pub log_every: u64,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("arch", self.task.arch())
            .field("training", self.task.training())
            .field("members", &self.members.len())
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl MlpConfig {
    /// The ensemble.
    ///
    /// # Errors
    /// [`ConfigError`] or [`TooLarge`].
    pub(in crate::config) fn build(
        &self,
        loaded: &Loaded,
        cloud: &PointCloud,
        schedule: Schedule,
        streams: Streams,
        budget: &Budget,
    ) -> anyhow::Result<Network> {
        let Config { model, ensemble, theory, .. } = &loaded.config;
        let (net, training) = (&self.mlp, &self.training);
        if loaded.trains {
            check_device(training.device, loaded)?;
        }
        if theory.kernel == KernelName::Infinite {
            self.check_infinite(loaded)?;
        }
        let embedding = net.inputs.embedding("model.mlp", loaded, cloud, schedule, streams)?;
        let spec = TrainingSpec { centred: net.centred, ..model.objective(&embedding, &training.spec) };
        let task = Task::new(net.arch.clone(), embedding, spec, cloud.clone())
            .map_err(|e| loaded.refused_model(&["model.mlp", "model", "training"], e))?;
        check_trained(&task, ensemble.members, budget)?;
        let made = Network {
            task,
            members: ensemble.draws(),
            device: training.device,
            checkpoint: training.checkpoint,
            log_every: training.log_every,
        };
        made.check_training(budget)?;
        Ok(made)
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
    let here: Vec<&str> = Backend::ALL.into_iter().filter(|b| b.compiled()).map(Backend::name).collect();
    let reason = format!(
        "is \"{0}\", which this program was built without; build with --features {0}, or use one of: {1}",
        device.name(),
        here.join(", ")
    );
    Err(loaded.value("training.device", &reason))
}

/// Members up to this width are trained together on a CPU: wider ones fill it alone.
const WIDEST_TOGETHER: usize = 512;
/// Bytes that a group may take; a number of its own, so that groups do not depend on the machine.
const GROUP_BYTES: f64 = (1u64 << 30) as f64;

impl Network {
    /// Parameters of one member.
    pub fn parameters(&self) -> usize {
        self.task.arch().parameters(self.task.inputs(), self.task.dim())
    }

    /// Members that are trained together. Depends on the config alone: results may depend on it in their last bits.
    pub fn group_size(&self) -> usize {
        if self.device.on_cpu() && self.task.arch().width > WIDEST_TOGETHER {
            return 1;
        }
        let fits = (GROUP_BYTES / self.bytes_in_training()) as usize;
        fits.clamp(1, self.members.len().max(1))
    }

    /// Bytes that one member takes while it is trained.
    fn bytes_in_training(&self) -> f64 {
        let (arch, training) = (self.task.arch(), self.task.training());
        let count = |kept: bool| f64::from(u8::from(kept));
        // Values, gradients, two temporaries, and one copy on the host for a checkpoint.
        let arrays = 4.0
            + 2.0 * count(StepRule::has_first(training.optimizer))
            + 2.0 * count(StepRule::has_second(training.optimizer))
            + 2.0 * count(training.average.is_some())
            + count(training.centred)
            + 1.0;
        let rows = match training.noise {
            NoiseDraws::Fixed => training.samples as f64,
            NoiseDraws::Fresh => 4.0 * training.samples as f64,
        };
        let numbers = (self.task.inputs() + self.task.dim() + 2) as f64;
        let activations = 4.0 * training.batch_size() as f64 * (arch.width * arch.depth.max(1)) as f64;
        4.0 * (arrays * self.parameters() as f64 + activations + rows * numbers)
    }

    /// Refuses a group that cannot be trained beside the members that are done.
    fn check_training(&self, budget: &Budget) -> Result<(), TooLarge> {
        budget.check(
            "training",
            trained_bytes(&self.task, self.members.len()) + self.group_size() as f64 * self.bytes_in_training(),
            "4 bytes x N x parameters, and for each member of a group its optimizer's arrays, activations and triples",
            "lower model.mlp.width, training.batch or model.samples",
        )
    }
}

/// Bytes of the trained networks, with those at initialisation where they are subtracted.
fn trained_bytes(task: &Task, members: usize) -> f64 {
    let networks = if task.training().centred { 2.0 } else { 1.0 };
    4.0 * networks * members as f64 * task.arch().parameters(task.inputs(), task.dim()) as f64
}

/// Refuses an ensemble that does not fit into memory.
fn check_trained(task: &Task, members: usize, budget: &Budget) -> Result<(), TooLarge> {
    budget.check(
        "the trained networks",
        trained_bytes(task, members),
        "4 bytes x N x parameters, twice with model.mlp.centred",
        "lower ensemble.members or model.mlp.width",
    )
}
