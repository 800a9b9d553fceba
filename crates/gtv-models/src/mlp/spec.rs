//! How a network is trained: everything but the data and the architecture.

use super::optimizer::{Optimizer, RateSchedule, StepRule};
use crate::error::Result;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::training::check_training_set;
use gtv_theory::{LossWeight, Preconditioning, Prediction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a step's triples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseDraws {
    /// P triples (n points × m draws), drawn once for each member: what the theory describes.
    #[default]
    Fixed,
    /// n data points, drawn once for each member; every step noises them anew.
    Fresh,
}

/// The training of one member. What is regressed on (prediction to draws) is no part of its serialised form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TrainingSpec {
    /// What y is.
    #[serde(skip)]
    pub prediction: Prediction,
    /// λ_t.
    #[serde(skip)]
    pub weight: LossWeight,
    /// skip, out and c_in.
    #[serde(skip)]
    pub preconditioning: Preconditioning,
    /// η: 0 is DSM (J1), 1 trains on the true score (J0).
    #[serde(skip)]
    pub target_mix: f64,
    /// P.
    #[serde(skip)]
    pub samples: usize,
    /// m, triples that share a data point.
    #[serde(skip)]
    pub draws: usize,
    /// Whether the function at initialisation is subtracted, F = f − f₀.
    #[serde(skip)]
    pub centred: bool,
    /// The update rule.
    pub optimizer: Optimizer,
    /// η, the learning rate.
    #[schemars(extend("derived" = "0.005 with adam, 0.02 with gd and sgd", "exclusiveMinimum" = 0.0))]
    pub rate: f64,
    /// η's course over the steps.
    pub rate_schedule: RateSchedule,
    /// Steps over which η rises from 0.
    #[schemars(extend("derived" = "a twentieth of steps"))]
    pub warmup: u64,
    /// Steps in all.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Triples in a step; gradient descent takes all of them.
    #[schemars(range(min = 1), extend("when" = {"optimizer": ["sgd", "adam"]}))]
    pub batch: usize,
    /// Where a step's triples come from.
    pub noise: NoiseDraws,
    /// μ, the share of the last step that is kept.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0, "when" = {"optimizer": ["sgd"]}))]
    pub momentum: f64,
    /// β₁, decay of the mean gradient.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0, "when" = {"optimizer": ["adam"]}))]
    pub beta1: f64,
    /// β₂, decay of the mean squared gradient.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0, "when" = {"optimizer": ["adam"]}))]
    pub beta2: f64,
    /// ε, added to the root of the mean squared gradient.
    #[schemars(extend("exclusiveMinimum" = 0.0, "when" = {"optimizer": ["adam"]}))]
    pub epsilon: f64,
    /// λ, decoupled weight decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// γ of the penalty (γ/2)|θ|².
    #[serde(rename = "penalty")]
    #[schemars(range(min = 0.0))]
    pub ridge: f64,
    /// Longest gradient; without it none is shortened.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub clip: Option<f64>,
    /// Decay of the running average of the parameters that is sampled from; without it the last ones are.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub average: Option<f64>,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            prediction: Prediction::default(),
            weight: LossWeight::default(),
            preconditioning: Preconditioning::default(),
            target_mix: 0.0,
            samples: 1024,
            draws: 1,
            centred: false,
            optimizer: Optimizer::default(),
            rate: 5e-3,
            rate_schedule: RateSchedule::Cosine,
            warmup: 30,
            steps: 600,
            batch: 128,
            noise: NoiseDraws::default(),
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            ridge: 0.0,
            clip: None,
            average: None,
        }
    }
}

impl TrainingSpec {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`TheoryError::OutOfRange`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let check = |ok: bool, name, value, expected| {
            if ok { Ok(()) } else { Err(TheoryError::OutOfRange { name, value, expected }) }
        };
        let fraction = |v: f64| (0.0..1.0).contains(&v);
        let below_one = "at least 0 and below 1";
        let not_negative = "a finite number, 0 or above";
        let positive = "a finite number above 0";
        check_training_set(self.samples, self.draws, self.target_mix)?;
        self.preconditioning.validate()?;
        check(self.steps > 0, "steps", self.steps as f64, "at least 1")?;
        check(self.batch > 0, "batch", self.batch as f64, "at least 1")?;
        check(self.rate.is_finite() && self.rate > 0.0, "rate", self.rate, positive)?;
        check(fraction(self.momentum), "momentum", self.momentum, below_one)?;
        check(fraction(self.beta1), "beta1", self.beta1, below_one)?;
        check(fraction(self.beta2), "beta2", self.beta2, below_one)?;
        check(self.epsilon.is_finite() && self.epsilon > 0.0, "epsilon", self.epsilon, positive)?;
        for (name, value) in [("weight_decay", self.weight_decay), ("penalty", self.ridge)] {
            check(value.is_finite() && value >= 0.0, name, value, not_negative)?;
        }
        if let Some(clip) = self.clip {
            check(clip.is_finite() && clip > 0.0, "clip", clip, positive)?;
        }
        if let Some(average) = self.average {
            check(fraction(average), "average", average, below_one)?;
        }
        Ok(())
    }

    /// B, the triples of one step.
    pub fn batch_size(&self) -> usize {
        match (self.noise, self.optimizer) {
            (NoiseDraws::Fresh, Optimizer::Gd) => self.samples,
            (NoiseDraws::Fresh, _) => self.batch,
            (NoiseDraws::Fixed, Optimizer::Gd) => self.samples,
            (NoiseDraws::Fixed, _) => self.batch.min(self.samples),
        }
    }

    /// The numbers of step k, counted from 0.
    pub fn rule(&self, k: u64) -> StepRule {
        StepRule {
            optimizer: self.optimizer,
            rate: self.rate * self.rate_schedule.factor(k, self.steps, self.warmup),
            momentum: if self.optimizer == Optimizer::Sgd { self.momentum } else { 0.0 },
            betas: (self.beta1, self.beta2),
            epsilon: self.epsilon,
            count: k + 1,
            weight_decay: self.weight_decay,
            ridge: self.ridge,
            clip: self.clip,
            // A short past is averaged over less, or the start would weigh for 1/(1 − decay) steps.
            average: self.average.map(|decay| decay.min((k + 1) as f64 / (k + 10) as f64)),
        }
    }
}
