//! From `[model.mlp]`, `[training]` and `[ensemble]` to an ensemble of networks, and the memory that it takes.

use super::error::ConfigError;
use super::network::Inputs;
use super::{KernelName, Lazy, Loaded, Network, Precondition, TheoryName};
use crate::memory::{Budget, TooLarge};
use gtv_models::Error as ModelError;
use gtv_models::device::Backend;
use gtv_models::mlp::{NoiseDraws, Optimizer, StepRule, Task, TrainingSpec};
use gtv_theory::ntk::{Embedding, MlpSpec, Parameterisation};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Preconditioning, Schedule};

impl Loaded {
    /// The ensemble that the config describes. Everything that it reads `settle` has filled in.
    pub(super) fn network(
        &self,
        cloud: &PointCloud,
        schedule: Schedule,
        streams: Streams,
        budget: &Budget,
    ) -> anyhow::Result<Network> {
        let (mlp, training) = (&self.config.model.mlp, &self.config.training);
        if let Some(device) = training.device {
            self.check_device(device)?;
        }
        let arch = MlpSpec {
            width: mlp.width.unwrap_or_default(),
            depth: mlp.depth.unwrap_or_default(),
            activation: mlp.activation.unwrap_or_default(),
            parameterisation: mlp.parameterisation.unwrap_or_default(),
            weight_var: mlp.weight_var.unwrap_or(f64::NAN),
            bias_var: mlp.bias_var.unwrap_or(f64::NAN),
            base_width: mlp.base_width.unwrap_or(MlpSpec::default().base_width),
        };
        arch.validate().map_err(|e| self.refused("model.mlp", e))?;
        if self.config.theory.kernel == Some(KernelName::Infinite) {
            self.check_infinite()?;
        }
        let embedding = self.embedding("model.mlp", mlp.inputs(), cloud, schedule, streams)?;
        let task = self.task(arch, embedding, mlp.centred, cloud)?;
        check_trained(&task, self.config.ensemble.members, budget)?;
        let made = Network {
            task,
            members: self.config.ensemble.draws(),
            device: training.device.unwrap_or_default(),
        };
        made.check_training(budget)?;
        Ok(made)
    }

    /// The infinitely wide network that the config describes, and the draws of its ensemble.
    pub(super) fn lazy(
        &self,
        cloud: &PointCloud,
        schedule: Schedule,
        streams: Streams,
        budget: &Budget,
    ) -> anyhow::Result<Lazy> {
        let lazy = &self.config.model.lazy;
        let arch = MlpSpec {
            depth: lazy.depth.unwrap_or_default(),
            activation: lazy.activation.unwrap_or_default(),
            parameterisation: Parameterisation::Ntk,
            weight_var: lazy.weight_var.unwrap_or(f64::NAN),
            bias_var: lazy.bias_var.unwrap_or(f64::NAN),
            ..MlpSpec::default()
        };
        arch.validate().map_err(|e| self.refused("model.lazy", e))?;
        let embedding = self.embedding("model.lazy", lazy.inputs(), cloud, schedule, streams)?;
        let time = self.config.training.time.unwrap_or_default();
        if time.is_nan() || time < 0.0 {
            let reason = format!("is {time}, expected a time of 0 or above, or inf");
            return Err(self.value("training.time", &reason).into());
        }
        self.check_initial_function(lazy.centred)?;
        let task = self.task(arch, embedding, lazy.centred, cloud)?;
        let made = Lazy { task, members: self.config.ensemble.draws(), time };
        made.check_memory(budget)?;
        Ok(made)
    }

    /// Refuses closures that have no initial function where it is not subtracted.
    fn check_initial_function(&self, centred: Option<bool>) -> Result<(), ConfigError> {
        if centred == Some(false) {
            let data_only = |name: &&TheoryName| matches!(name, TheoryName::FiniteP | TheoryName::ShotNoise);
            if let Some(name) = self.config.theory.closures.iter().find(data_only) {
                let reason = format!(
                    "names \"{}\", which has no initial function; set centred = true, or use \"paper\" and \"leading\"",
                    name.name()
                );
                return Err(self.value("theory.closures", &reason));
            }
        }
        Ok(())
    }

    /// What the kernel of infinite width needs, to stand for networks that are trained.
    fn check_infinite(&self) -> Result<(), ConfigError> {
        let (mlp, training) = (&self.config.model.mlp, &self.config.training);
        let refuse = |why: &str| {
            let reason = format!("is \"infinite\", {why}; use \"initial\"");
            Err(self.value("theory.kernel", &reason))
        };
        if mlp.parameterisation != Some(Parameterisation::Ntk) {
            return refuse("which is the limit of networks with parameterisation = \"ntk\" alone");
        }
        if training.optimizer == Some(Optimizer::Adam) {
            return refuse("the kernel of gradient descent (sgd, gd); adam moves in another one");
        }
        self.check_initial_function(mlp.centred)
    }

    fn embedding(
        &self,
        section: &str,
        inputs: Inputs,
        cloud: &PointCloud,
        schedule: Schedule,
        streams: Streams,
    ) -> Result<Embedding, ConfigError> {
        let preconditioning = match inputs.precondition {
            Precondition::None => Preconditioning::None,
            Precondition::Edm => Preconditioning::Edm { data_std: inputs.data_std.unwrap_or(rms_std(cloud)) },
        };
        preconditioning.validate().map_err(|e| self.refused(section, e))?;
        let Inputs { time, time_features, time_scale, .. } = inputs;
        Embedding::new(cloud.dim(), schedule, preconditioning, time, time_features, time_scale, streams)
            .map_err(|e| self.refused(section, e))
    }

    fn task(
        &self,
        arch: MlpSpec,
        embedding: Embedding,
        centred: Option<bool>,
        cloud: &PointCloud,
    ) -> anyhow::Result<Task> {
        let training = self.training(embedding.preconditioning(), centred);
        Task::new(arch, embedding, training, cloud.clone()).map_err(|e| match e {
            ModelError::Theory(e) => self.refused("training", e).into(),
            other => other.into(),
        })
    }

    fn training(&self, preconditioning: Preconditioning, centred: Option<bool>) -> TrainingSpec {
        let (model, training) = (&self.config.model, &self.config.training);
        let defaults = TrainingSpec::default();
        TrainingSpec {
            prediction: model.prediction,
            weight: model.weight,
            preconditioning,
            target_mix: model.target.mix(),
            samples: model.triples(),
            draws: model.draws,
            noise: training.noise.unwrap_or_default(),
            centred: centred.unwrap_or_default(),
            optimizer: training.optimizer.unwrap_or_default(),
            rate: training.rate.unwrap_or(defaults.rate),
            rate_schedule: training.rate_schedule.unwrap_or_default(),
            warmup: training.warmup.unwrap_or_default(),
            steps: training.steps.unwrap_or(defaults.steps),
            batch: training.batch.unwrap_or(defaults.batch),
            momentum: training.momentum.unwrap_or(defaults.momentum),
            betas: (training.beta1.unwrap_or(defaults.betas.0), training.beta2.unwrap_or(defaults.betas.1)),
            epsilon: training.epsilon.unwrap_or(defaults.epsilon),
            weight_decay: training.weight_decay.unwrap_or_default(),
            ridge: training.penalty.unwrap_or_default(),
            clip: training.clip,
            average: training.average,
        }
    }

    fn check_device(&self, device: Backend) -> Result<(), ConfigError> {
        if device.compiled() {
            return Ok(());
        }
        let here: Vec<&str> = Backend::ALL.into_iter().filter(|b| b.compiled()).map(Backend::name).collect();
        let reason = format!(
            "is \"{0}\", which this program was built without; build with --features {0}, or use one of: {1}",
            device.name(),
            here.join(", ")
        );
        Err(self.value("training.device", &reason))
    }
}

/// √((1/D) Σ_d Var x0_d), or 1 for data that do not vary.
fn rms_std(cloud: &PointCloud) -> f64 {
    let (dim, mean) = (cloud.dim(), cloud.mean());
    let spread = |x: &[f64]| x.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
    let points = cloud.points().chunks_exact(dim).zip(cloud.weights());
    let std = (points.map(|(x, w)| w * spread(x)).sum::<f64>() / dim as f64).sqrt();
    if std > 0.0 { std } else { 1.0 }
}

/// Members up to this width are trained together on a CPU: wider ones fill it alone.
const WIDEST_TOGETHER: usize = 512;
/// Bytes that a group may take; a number of its own, so that groups do not depend on the machine.
const GROUP_BYTES: f64 = (1u64 << 30) as f64;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_data_std_is_that_of_the_coordinates() {
        // The second coordinate of the plane does not vary; weights move both mean and spread.
        let line = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
        assert!((rms_std(&line) - (2.0f64 / 3.0).sqrt()).abs() < 1e-15);
        let plane = PointCloud::new(vec![-1.0, 5.0, 1.0, 5.0], 2).unwrap();
        assert!((rms_std(&plane) - 0.5f64.sqrt()).abs() < 1e-15);
        let weighted = PointCloud::with_weights(vec![0.0, 1.0], 1, vec![0.25, 0.75]).unwrap();
        assert!((rms_std(&weighted) - (3.0f64 / 16.0).sqrt()).abs() < 1e-15);
        assert_eq!(rms_std(&PointCloud::new(vec![3.0, 4.0], 2).unwrap()), 1.0);
    }
}
