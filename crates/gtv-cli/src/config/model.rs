//! `[model]`: what is trained.

use super::network::{LazyConfig, MlpConfig};
use super::settle::{Misfit, Section};
use gtv_theory::features::{AxisBasis, RandomFourier, Separable};
use gtv_theory::rng::Streams;
use gtv_theory::{Features, LossWeight, Prediction, Result, Schedule};
use serde::{Deserialize, Serialize};

/// The family of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Linear in fixed features, by ridge regression.
    #[default]
    Linear,
    /// Infinite-width network in the lazy regime.
    Lazy,
    /// Multilayer perceptron.
    Mlp,
}

/// The label that a model is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "\"proxy\", \"true-score\" or a number from 0 (proxy) to 1 (true score)")]
pub enum Target {
    /// By name.
    Named(TargetName),
    /// Share η of the true score: label = (1 − η)·proxy + η·true.
    Mix(f64),
}

/// The two ends of [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetName {
    /// Denoising score matching, J1.
    Proxy,
    /// The true score, J0: label noise removed.
    TrueScore,
}

impl ModelKind {
    /// The setting that chooses it, for messages.
    pub(super) fn choice(self) -> &'static str {
        match self {
            Self::Linear => "kind = \"linear\"",
            Self::Lazy => "kind = \"lazy\"",
            Self::Mlp => "kind = \"mlp\"",
        }
    }

    /// The same where the section does not say whose kind it is.
    pub(super) fn model_choice(self) -> &'static str {
        match self {
            Self::Linear => "model.kind = \"linear\"",
            Self::Lazy => "model.kind = \"lazy\"",
            Self::Mlp => "model.kind = \"mlp\"",
        }
    }
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The family.
    pub kind: ModelKind,
    /// What the model predicts.
    pub prediction: Prediction,
    /// λ_t, the weight of the score's squared error.
    pub weight: LossWeight,
    /// P, training triples of each model: points x draws where `points` is given, else 1,024.
    pub samples: Option<usize>,
    /// n, independent data points that each model is trained on; `samples` follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// m, triples that share a data point (1: every triple has its own, as in the paper).
    pub draws: usize,
    /// γ, on the sample-averaged second moment (linear); networks have `training.penalty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    /// The label.
    pub target: Target,
    /// φ (linear).
    #[serde(skip_serializing_if = "is_default")]
    pub features: FeaturesConfig,
    /// The network (mlp).
    #[serde(skip_serializing_if = "is_default")]
    pub mlp: MlpConfig,
    /// The network (lazy).
    #[serde(skip_serializing_if = "is_default")]
    pub lazy: LazyConfig,
}

/// Whether a section has nothing in it: the kind chosen does not use it.
pub(super) fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::default(),
            prediction: Prediction::default(),
            weight: LossWeight::default(),
            samples: None,
            points: None,
            draws: 1,
            ridge: None,
            target: Target::Named(TargetName::Proxy),
            features: FeaturesConfig::default(),
            mlp: MlpConfig::default(),
            lazy: LazyConfig::default(),
        }
    }
}

impl ModelConfig {
    pub(super) fn settle(&mut self) -> std::result::Result<(), Misfit> {
        let section = Section { name: "model", choice: "" };
        let given = self.points.map(|n| n.saturating_mul(self.draws));
        match (given, self.samples) {
            (Some(product), Some(samples)) if product != samples => {
                let reason =
                    format!("is {samples}, but points x draws = {product}; leave one of the two out");
                Err(section.misfit("samples", reason))
            }
            _ => {
                self.samples = self.samples.or(given).or(Some(1024));
                let section = Section { choice: self.kind.choice(), ..section };
                section.settle("ridge", &mut self.ridge, (self.kind == ModelKind::Linear).then_some(0.1))?;
                self.features.settle(self.kind)?;
                self.mlp.settle(self.kind)?;
                self.lazy.settle(self.kind)
            }
        }
    }

    /// P.
    pub fn triples(&self) -> usize {
        // `settle` has filled it in.
        self.samples.unwrap_or_default()
    }
}

/// The family of the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureKind {
    /// Normal densities on a grid.
    #[default]
    Gaussian,
    /// Cosines and sines.
    Fourier,
    /// Legendre polynomials.
    Polynomial,
    /// Random Fourier features, whose number does not grow with the dimension.
    RandomFourier,
}

/// How time enters random Fourier features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureTime {
    /// As ln(α²/σ²).
    LogSnr,
    /// As t.
    Raw,
}

/// `[model.features]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeaturesConfig {
    /// The family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<FeatureKind>,
    /// Functions on each coordinate (gaussian, fourier, polynomial).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<usize>,
    /// Functions of time, over [t_min, t_max] (gaussian, fourier, polynomial).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t: Option<usize>,
    /// Range of each coordinate (gaussian, fourier, polynomial).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// F (random-fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Length of the kernel in units of x (random-fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_scale: Option<f64>,
    /// Length of the kernel in units of the time variable (random-fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<f64>,
    /// The time variable (random-fourier).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<FeatureTime>,
}

impl FeaturesConfig {
    pub(super) fn settle(&mut self, model: ModelKind) -> std::result::Result<(), Misfit> {
        let used = model == ModelKind::Linear;
        let section = Section { name: "model.features", choice: model.choice() };
        section.settle("kind", &mut self.kind, used.then_some(FeatureKind::default()))?;
        let random = self.kind == Some(FeatureKind::RandomFourier);
        let grid = used && !random;
        let choice = match self.kind {
            None => model.choice(),
            Some(FeatureKind::Gaussian) => "kind = \"gaussian\"",
            Some(FeatureKind::Fourier) => "kind = \"fourier\"",
            Some(FeatureKind::Polynomial) => "kind = \"polynomial\"",
            Some(FeatureKind::RandomFourier) => "kind = \"random-fourier\"",
        };
        let section = Section { choice, ..section };
        section.settle("x", &mut self.x, grid.then_some(16))?;
        section.settle("t", &mut self.t, grid.then_some(16))?;
        section.settle("range", &mut self.range, grid.then_some([-1.5, 1.5]))?;
        section.settle("count", &mut self.count, random.then_some(1024))?;
        section.settle("length_scale", &mut self.length_scale, random.then_some(0.5))?;
        section.settle("time", &mut self.time, random.then_some(FeatureTime::LogSnr))?;
        let time_scale = if self.time == Some(FeatureTime::Raw) { 0.2 } else { 2.0 };
        section.settle("time_scale", &mut self.time_scale, random.then_some(time_scale))
    }

    /// F before anything is allocated; infinite-safe, for the memory estimate.
    pub(super) fn size(&self, dim: usize) -> f64 {
        match self.kind {
            Some(FeatureKind::RandomFourier) => self.count.unwrap_or(0) as f64,
            _ => (self.x.unwrap_or(0) as f64).powf(dim as f64) * self.t.unwrap_or(0) as f64,
        }
    }

    pub(super) fn build(&self, dim: usize, schedule: &Schedule, streams: Streams) -> Result<Features> {
        // `settle` has filled in what the kind uses.
        let [lo, hi] = self.range.unwrap_or([f64::NAN; 2]);
        let (start, end) = (schedule.t_min(), schedule.t_max());
        let (x, t) = (self.x.unwrap_or(0), self.t.unwrap_or(0));
        let axes = match self.kind.unwrap_or_default() {
            FeatureKind::Gaussian => {
                (AxisBasis::Gaussian { lo, hi, len: x }, AxisBasis::Gaussian { lo: start, hi: end, len: t })
            }
            FeatureKind::Fourier => {
                (AxisBasis::Fourier { lo, hi, len: x }, AxisBasis::Fourier { lo: start, hi: end, len: t })
            }
            FeatureKind::Polynomial => {
                (AxisBasis::Legendre { lo, hi, len: x }, AxisBasis::Legendre { lo: start, hi: end, len: t })
            }
            FeatureKind::RandomFourier => {
                return Ok(Features::RandomFourier(RandomFourier::new(
                    dim,
                    self.count.unwrap_or(0),
                    self.length_scale.unwrap_or(f64::NAN),
                    self.time_scale.unwrap_or(f64::NAN),
                    (self.time == Some(FeatureTime::LogSnr)).then_some(*schedule),
                    streams,
                )?));
            }
        };
        Ok(Features::Separable(Separable::uniform(dim, axes.0, axes.1)?))
    }
}
