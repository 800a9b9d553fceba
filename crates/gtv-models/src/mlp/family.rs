//! Networks as a family: gradient flow on their linearisation stands for them.
//!
//! A member's file holds `layers.0.weight` (out × in, float32), `layers.0.bias`, …, `readout.weight`, as `torch.nn.Linear` stores
//! them, multipliers inside; with `model.mlp.centred` also `initial.layers.0.weight`, … of the network that is subtracted.
//!
//! Beside it, `optimizer-….safetensors` holds Adam's final v̂ under the same names ([`files`]).
//!
//! The metadata hold the rest of the score: y = skip_t x + out_t F(inputs), ŝ = a_t y + b_t x. The inputs are c_in(t) x, and
//! then cos ω₀u, sin ω₀u, cos ω₁u, … with ω in `time_frequencies` (u itself where there are none), u the log-SNR
//! ln(α²/σ²), held within ±20 (t itself for `time = raw`), mapped to [−1, 1] over the two numbers of `clock`.

use super::run::{self, Log};
use super::{MlpField, NoiseDraws, OneRunSettings, StepRule, Task, files, linearised, one_run};
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::family::{
    Effort, Facts, Family, LearnerRecord, MULTIPLICATION, Member, MemberFiles, Members, Need, Resolution,
    of_each,
};
use crate::watch::Session;
use gtv_theory::dynamics::Sampling;
use gtv_theory::learner::Learner;
use gtv_theory::problem::TrainingProblem;
use gtv_theory::{Preconditioning, ScoreField};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kernel that stands for networks in their closures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelName {
    /// The tangent kernel of the networks themselves at initialisation, averaged over them.
    #[default]
    Initial,
    /// The tangent kernel in the limit of infinite width.
    Infinite,
    /// The tangent kernel of trained networks, in the metric of their optimiser, through its own steps: one-run.
    Trained,
}

/// Networks of one architecture, trained on a device.
#[derive(Clone)]
pub struct MlpFamily {
    /// What each member learns, and how.
    pub task: Task,
    /// Where they are trained.
    pub device: Backend,
    /// The kernel that stands for them.
    pub kernel: KernelName,
    /// What laws from single runs are made from.
    pub one_run: OneRunSettings,
    /// Whether each training draws its own initial parameters.
    pub own_start: bool,
    /// Steps between two lines of the log.
    pub log_every: u64,
    /// Steps between checkpoints; none for a minute.
    pub checkpoint: Option<u64>,
    /// How samples are drawn that show along training what is memorized.
    pub sampling: Sampling,
}

/// Trained networks, and what was measured along the way.
pub struct MlpMembers {
    fields: Vec<MlpField>,
    /// What each was drawn from.
    draws: Vec<Member>,
    log: Log,
    /// What a member's file says of the score around its tensors.
    about: BTreeMap<String, String>,
    /// What its optimizer's file says of the training.
    optimizer: BTreeMap<String, String>,
}

/// Members up to this width are trained together on a CPU: wider ones fill it alone.
const WIDEST_TOGETHER: usize = 512;
/// Bytes that a group may take; a number of its own, so that groups do not depend on the machine.
const GROUP_BYTES: f64 = (1u64 << 30) as f64;

impl MlpFamily {
    /// Parameters of one member.
    pub fn parameters(&self) -> usize {
        self.task.arch().parameters(self.task.inputs(), self.task.dim())
    }

    /// Members of an ensemble that are trained together. Depends on the settings alone: results may depend on it in their last bits.
    pub fn group_size(&self, members: usize) -> usize {
        if self.device.on_cpu() && self.task.arch().width > WIDEST_TOGETHER {
            return 1;
        }
        let fits = (GROUP_BYTES / self.bytes_in_training()) as usize;
        fits.clamp(1, members.max(1))
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
        let samples = self.task.problem().samples() as f64;
        let rows = match training.noise {
            NoiseDraws::Fixed => samples,
            NoiseDraws::Fresh => 4.0 * samples,
        };
        let numbers = (self.task.inputs() + self.task.dim() + 2) as f64;
        let activations = 4.0 * self.task.batch_size() as f64 * (arch.width * arch.depth.max(1)) as f64;
        4.0 * (arrays * self.parameters() as f64 + activations + rows * numbers)
    }

    /// What evaluating a member needs beside its tensors.
    fn about(&self) -> Result<BTreeMap<String, String>> {
        let (task, embedding) = (&self.task, self.task.embedding());
        let text = |value: serde_json::Result<serde_json::Value>| match value {
            Ok(serde_json::Value::String(name)) => Ok(name),
            Ok(other) => Ok(other.to_string()),
            Err(e) => Err(Error::Member { reason: e.to_string() }),
        };
        let (precondition, data_std) = match embedding.preconditioning() {
            Preconditioning::None => ("none", String::new()),
            Preconditioning::Edm { data_std } => ("edm", data_std.to_string()),
        };
        let entries = [
            ("activation", text(serde_json::to_value(task.arch().activation))?),
            ("prediction", text(serde_json::to_value(task.problem().objective().prediction))?),
            ("time", text(serde_json::to_value(embedding.kind()))?),
            ("time_frequencies", text(serde_json::to_value(embedding.frequencies()))?),
            ("clock", text(serde_json::to_value(embedding.clock_range()))?),
            ("precondition", precondition.to_owned()),
            ("data_std", data_std),
        ];
        Ok(entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }
}

impl Family for MlpFamily {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn problem(&self) -> &TrainingProblem {
        self.task.problem()
    }

    fn device(&self) -> &'static str {
        self.device.name()
    }

    fn prepare(&self) -> Result<()> {
        self.device.open().map(drop)
    }

    fn describe(&self) -> String {
        let (arch, steps) = (self.task.arch(), self.task.training().steps);
        format!("mlp, {} layers of {} {}, {steps} steps", arch.depth, arch.width, arch.activation.name())
    }

    fn effort(&self, initialisations: usize) -> Effort {
        let (training, parameters) = (self.task.training(), self.parameters() as f64);
        let triples = training.steps as f64 * self.task.batch_size() as f64;
        let (features, node) = linearised::effort(self.task.arch(), initialisations);
        Effort {
            member: 3.0 * 0.5 * MULTIPLICATION * triples * parameters,
            evaluation: MULTIPLICATION * parameters,
            features,
            node,
            product_node: node,
            anchor: one_run::seconds(self.one_run.directions, parameters, &self.task),
            along: one_run::along_seconds(self.one_run.directions, parameters, &self.task),
        }
    }

    fn needs(&self, members: usize) -> Vec<Need> {
        let networks = if self.task.training().centred { 2.0 } else { 1.0 };
        let trained = 4.0 * networks * members as f64 * self.parameters() as f64;
        let mut needs = vec![
            Need {
                what: "the trained networks",
                bytes: trained,
                formula: "4 bytes x N x parameters, twice with model.mlp.centred",
                advice: "lower ensemble.members or model.mlp.width",
            },
            Need {
                what: "training",
                bytes: trained + self.group_size(members) as f64 * self.bytes_in_training(),
                formula: "4 bytes x N x parameters, and for each member of a group its optimizer's arrays, activations and triples",
                advice: "lower model.mlp.width, training.batch or model.samples",
            },
        ];
        if self.kernel == KernelName::Trained {
            needs.push(one_run::need(&self.one_run, self.parameters()));
        }
        needs
    }

    fn train(&self, kind: &str, members: &[Member], session: Session<'_>) -> Result<Box<dyn Members>> {
        let (fields, log) = run::train(self, kind, members, session)?;
        Ok(Box::new(MlpMembers { log, ..MlpMembers::new(self, members.to_vec(), fields)? }))
    }

    fn on(&self, problem: TrainingProblem) -> Box<dyn Family> {
        Box::new(Self { task: self.task.on(problem), ..self.clone() })
    }

    fn decode(&self, file: &[u8]) -> Result<Box<dyn ScoreField>> {
        Ok(Box::new(files::network(&self.task, file)?))
    }

    fn restore(&self, draws: &[Member], files: &[MemberFiles]) -> Result<Box<dyn Members>> {
        let restored = |(draw, file): (&Member, &MemberFiles)| {
            files::restored(&self.task, file).map_err(|error| match error {
                Error::Member { reason } => {
                    Error::Member { reason: format!("member {}: {reason}", draw.index) }
                }
                other => other,
            })
        };
        let fields = draws.iter().zip(files).map(restored).collect::<Result<_>>()?;
        Ok(Box::new(MlpMembers::new(self, draws.to_vec(), fields)?))
    }

    /// A wide network's paths keep every core busy, and its weights all of the cache.
    fn sampled_side_by_side(&self) -> usize {
        if self.task.arch().width > WIDEST_TOGETHER { 1 } else { usize::MAX }
    }

    fn learner_needs_members(&self) -> bool {
        true
    }

    fn learner(
        &self,
        members: Option<&dyn Members>,
        resolution: &Resolution,
        session: Session<'_>,
    ) -> Result<(Box<dyn Learner>, LearnerRecord)> {
        match self.kernel {
            KernelName::Initial | KernelName::Infinite => {
                let (learner, record) = linearised::learner(self, members, resolution, session)?;
                Ok((Box::new(learner), LearnerRecord::Linearised(record)))
            }
            KernelName::Trained => {
                let (learner, record) = one_run::learner(self, members, session)?;
                Ok((Box::new(learner), LearnerRecord::OneRun(record)))
            }
        }
    }

    fn facts(&self, members: &dyn Members) -> Facts {
        let (parameters, samples) = (self.parameters(), self.problem().samples());
        let log = MlpMembers::of(members).map(|m| m.log.clone()).unwrap_or_default();
        let measured: serde_json::Map<_, _> = ["loss", "j0", "j1", "memorized"]
            .into_iter()
            .map(|name| (name.to_owned(), serde_json::Value::from(log.final_mean(name))))
            .collect();
        let number = |name: &str| log.final_mean(name).map_or("-".to_owned(), |v| format!("{v:.4}"));
        let entries = [
            ("parameters", parameters.into()),
            ("steps", self.task.training().steps.into()),
            ("group", self.group_size(members.len()).into()),
            ("final", measured.into()),
            ("timing", serde_json::json!({ "training": log.seconds() })),
        ];
        Facts {
            entries: entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
            sentence: format!(
                "{} networks of {parameters} parameters, P = {samples}, trained in {:.1} s on {}; J0 = {}, J1 = {}, memorized {}",
                members.len(),
                log.seconds(),
                self.device.name(),
                number("j0"),
                number("j1"),
                number("memorized"),
            ),
        }
    }
}

impl MlpMembers {
    /// Networks that were trained before, as members.
    ///
    /// # Errors
    /// None for a valid family.
    pub fn new(family: &MlpFamily, draws: Vec<Member>, fields: Vec<MlpField>) -> Result<Self> {
        let (about, optimizer) = (family.about()?, files::training(&family.task)?);
        Ok(Self { fields, draws, log: Log::default(), about, optimizer })
    }

    /// Members that are networks; `None` for others.
    pub fn of(members: &dyn Members) -> Option<&Self> {
        (members as &dyn std::any::Any).downcast_ref()
    }

    /// What each was drawn from.
    pub fn draws(&self) -> &[Member] {
        &self.draws
    }

    /// The networks.
    pub fn fields(&self) -> &[MlpField] {
        &self.fields
    }
}

impl Members for MlpMembers {
    fn len(&self) -> usize {
        self.fields.len()
    }

    fn predictions(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        of_each(&self.fields, x.len(), |field, y| field.predict(x, t, y))
    }

    fn field(&self, member: usize) -> Box<dyn ScoreField> {
        Box::new(self.fields[member].clone())
    }

    fn encode(&self, member: usize, about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut all = self.about.clone();
        all.extend(about.clone());
        files::encoded(&self.fields[member], &all)
    }

    fn encode_optimizer(&self, member: usize, about: &BTreeMap<String, String>) -> Result<Option<Vec<u8>>> {
        let mut all = self.optimizer.clone();
        all.extend(about.clone());
        files::encoded_moments(&self.fields[member], &all)
    }
}
