//! `[model.mlp]`, `[model.lazy]` and `[training]`: networks and how they are trained.

use super::model::ModelKind;
use super::settle::{Misfit, Section};
use gtv_models::device::Backend;
use gtv_models::mlp::{NoiseDraws, Optimizer, RateSchedule};
use gtv_theory::ntk::{Activation, MlpSpec, Parameterisation, TimeEmbedding};
use serde::{Deserialize, Serialize};

/// How a network's inputs and outputs are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precondition {
    /// As in EDM (Karras et al. 2022): inputs, outputs and labels of size one at every time.
    #[default]
    Edm,
    /// The network predicts y itself.
    None,
}

/// `[model.mlp]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Units of each hidden layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// ρ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// How weights and learning rates scale with width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameterisation: Option<Parameterisation>,
    /// σ_w² of hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_var: Option<f64>,
    /// σ_b² of hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_var: Option<f64>,
    /// Width at which learning rates are what `training.rate` says (mup).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_width: Option<usize>,
    /// How time enters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeEmbedding>,
    /// Time inputs, two for each frequency (sinusoidal, fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_features: Option<usize>,
    /// Standard deviation of the frequencies (fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<f64>,
    /// The scaling of inputs and outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<Precondition>,
    /// σ_d; the data's where it is not given (edm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_std: Option<f64>,
    /// Whether the function at initialisation is subtracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centred: Option<bool>,
}

/// How (x, t) enters a network: what `[model.mlp]` and `[model.lazy]` say of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    pub time: TimeEmbedding,
    pub time_features: usize,
    pub time_scale: f64,
    pub precondition: Precondition,
    /// σ_d; the data's where it is not given.
    pub data_std: Option<f64>,
}

/// The same keys, to be filled in.
struct InputKeys<'a> {
    time: &'a mut Option<TimeEmbedding>,
    time_features: &'a mut Option<usize>,
    time_scale: &'a mut Option<f64>,
    precondition: &'a mut Option<Precondition>,
    data_std: &'a Option<f64>,
}

impl InputKeys<'_> {
    fn settle(self, section: Section<'_>, used: bool) -> Result<(), Misfit> {
        section.settle("time", self.time, used.then_some(TimeEmbedding::default()))?;
        section.settle("precondition", self.precondition, used.then_some(Precondition::default()))?;
        let of = |choice| if used { Section { choice, ..section } } else { section };
        let fourier = *self.time == Some(TimeEmbedding::Fourier);
        let periodic = fourier || *self.time == Some(TimeEmbedding::Sinusoidal);
        of("this time (only with time = \"sinusoidal\" or \"fourier\")").settle(
            "time_features",
            self.time_features,
            periodic.then_some(8),
        )?;
        of("this time (only with time = \"fourier\")").settle(
            "time_scale",
            self.time_scale,
            fourier.then_some(1.0),
        )?;
        let edm = *self.precondition == Some(Precondition::Edm);
        of("precondition = \"none\" (only with \"edm\")").allow("data_std", self.data_std, edm)
    }
}

impl MlpConfig {
    pub(super) fn settle(&mut self, kind: ModelKind) -> Result<(), Misfit> {
        let used = kind == ModelKind::Mlp;
        let arch = MlpSpec::default();
        let section = Section { name: "model.mlp", choice: kind.choice() };
        section.settle("width", &mut self.width, used.then_some(arch.width))?;
        section.settle("depth", &mut self.depth, used.then_some(arch.depth))?;
        section.settle("activation", &mut self.activation, used.then_some(arch.activation))?;
        section.settle(
            "parameterisation",
            &mut self.parameterisation,
            used.then_some(arch.parameterisation),
        )?;
        section.settle("weight_var", &mut self.weight_var, used.then_some(arch.weight_var))?;
        section.settle("bias_var", &mut self.bias_var, used.then_some(arch.bias_var))?;
        section.settle("centred", &mut self.centred, used.then_some(false))?;
        let mup = self.parameterisation == Some(Parameterisation::Mup);
        let choice = "this parameterisation (only with parameterisation = \"mup\")";
        (if used { Section { choice, ..section } } else { section }).settle(
            "base_width",
            &mut self.base_width,
            mup.then_some(arch.base_width),
        )?;
        InputKeys {
            time: &mut self.time,
            time_features: &mut self.time_features,
            time_scale: &mut self.time_scale,
            precondition: &mut self.precondition,
            data_std: &self.data_std,
        }
        .settle(section, used)
    }

    pub(super) fn inputs(&self) -> Inputs {
        Inputs {
            time: self.time.unwrap_or_default(),
            time_features: self.time_features.unwrap_or(2),
            time_scale: self.time_scale.unwrap_or(1.0),
            precondition: self.precondition.unwrap_or_default(),
            data_std: self.data_std,
        }
    }
}

/// `[model.lazy]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LazyConfig {
    /// Hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// ρ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// σ_w².
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_var: Option<f64>,
    /// σ_b².
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_var: Option<f64>,
    /// How time enters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeEmbedding>,
    /// Time inputs, two for each frequency (sinusoidal, fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_features: Option<usize>,
    /// Standard deviation of the frequencies (fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<f64>,
    /// The scaling of inputs and outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<Precondition>,
    /// σ_d; the data's where it is not given (edm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_std: Option<f64>,
    /// Whether the function at initialisation is subtracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centred: Option<bool>,
}

impl LazyConfig {
    pub(super) fn settle(&mut self, kind: ModelKind) -> Result<(), Misfit> {
        let used = kind == ModelKind::Lazy;
        let arch = MlpSpec::default();
        let section = Section { name: "model.lazy", choice: kind.choice() };
        section.settle("depth", &mut self.depth, used.then_some(1))?;
        section.settle("activation", &mut self.activation, used.then_some(arch.activation))?;
        section.settle("weight_var", &mut self.weight_var, used.then_some(arch.weight_var))?;
        section.settle("bias_var", &mut self.bias_var, used.then_some(arch.bias_var))?;
        section.settle("centred", &mut self.centred, used.then_some(true))?;
        InputKeys {
            time: &mut self.time,
            time_features: &mut self.time_features,
            time_scale: &mut self.time_scale,
            precondition: &mut self.precondition,
            data_std: &self.data_std,
        }
        .settle(section, used)
    }

    pub(super) fn inputs(&self) -> Inputs {
        Inputs {
            time: self.time.unwrap_or_default(),
            time_features: self.time_features.unwrap_or(2),
            time_scale: self.time_scale.unwrap_or(1.0),
            precondition: self.precondition.unwrap_or_default(),
            data_std: self.data_std,
        }
    }
}

/// `[training]`: of networks; linear models are solved, not trained by steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// The update rule (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    /// η, the learning rate (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// η's course over the steps (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_schedule: Option<RateSchedule>,
    /// Steps over which η rises from 0 (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u64>,
    /// Steps (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Triples in a step (sgd, adam).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Where a step's triples come from (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseDraws>,
    /// μ (sgd).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// β₁ (adam).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// β₂ (adam).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// ε (adam).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// λ, decoupled (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// γ of the penalty (γ/2)|θ|² (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// Longest gradient; without it none is shortened (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Decay of the running average of the parameters that is sampled from; without it the last ones are (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// τ, the time of gradient flow (lazy).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Where to train (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Backend>,
    /// Steps between checkpoints; one about every minute where it is not given (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Steps between lines of log.csv; 40 lines where it is not given (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_every: Option<u64>,
}

/// Lines of log.csv for each group of members.
const LOG_LINES: u64 = 40;

impl TrainingConfig {
    pub(super) fn settle(&mut self, kind: ModelKind) -> Result<(), Misfit> {
        let used = kind == ModelKind::Mlp;
        let section = Section { name: "training", choice: kind.model_choice() };
        section.settle("optimizer", &mut self.optimizer, used.then_some(Optimizer::default()))?;
        let optimizer = self.optimizer.unwrap_or_default();
        let rate = match optimizer {
            Optimizer::Gd | Optimizer::Sgd => 0.02,
            Optimizer::Adam => 0.005,
        };
        section.settle("rate", &mut self.rate, used.then_some(rate))?;
        section.settle("rate_schedule", &mut self.rate_schedule, used.then_some(RateSchedule::Cosine))?;
        section.settle("steps", &mut self.steps, used.then_some(600))?;
        let steps = self.steps.unwrap_or(0);
        section.settle("warmup", &mut self.warmup, used.then_some(steps / 20))?;
        section.settle("noise", &mut self.noise, used.then_some(NoiseDraws::default()))?;
        section.settle("weight_decay", &mut self.weight_decay, used.then_some(0.0))?;
        section.settle("penalty", &mut self.penalty, used.then_some(0.0))?;
        section.allow("clip", &self.clip, used)?;
        section.allow("average", &self.average, used)?;
        section.settle("device", &mut self.device, used.then_some(Backend::default()))?;
        section.allow("checkpoint", &self.checkpoint, used)?;
        section.settle("log_every", &mut self.log_every, used.then_some(steps.div_ceil(LOG_LINES).max(1)))?;
        section.settle("time", &mut self.time, (kind == ModelKind::Lazy).then_some(100.0))?;
        let of = |choice| if used { Section { choice, ..section } } else { section };
        let is = |wanted: Optimizer| used && optimizer == wanted;
        let batches = used && optimizer != Optimizer::Gd;
        of("optimizer = \"gd\", which takes all triples at every step").settle(
            "batch",
            &mut self.batch,
            batches.then_some(128),
        )?;
        of("this optimizer (only with optimizer = \"sgd\")").settle(
            "momentum",
            &mut self.momentum,
            is(Optimizer::Sgd).then_some(0.9),
        )?;
        let adam = of("this optimizer (only with optimizer = \"adam\")");
        adam.settle("beta1", &mut self.beta1, is(Optimizer::Adam).then_some(0.9))?;
        adam.settle("beta2", &mut self.beta2, is(Optimizer::Adam).then_some(0.999))?;
        adam.settle("epsilon", &mut self.epsilon, is(Optimizer::Adam).then_some(1e-8))
    }
}
