//! How a network is trained: everything but what is learned and the architecture.

use super::optimizer::{Optimizer, RateSchedule, StepRule};
use crate::error::Result;
use gtv_theory::error::Error as TheoryError;
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

/// The training of one member.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSpec {
    /// Fixed triples, or fresh noise at each step.
    pub noise: NoiseDraws,
    /// Whether the function at initialisation is subtracted, F = f − f₀.
    pub centred: bool,
    /// The update rule.
    pub optimizer: Optimizer,
    /// η, the learning rate.
    pub rate: f64,
    /// η's course over the steps.
    pub rate_schedule: RateSchedule,
    /// Steps over which η rises from 0.
    pub warmup: u64,
    /// Steps.
    pub steps: u64,
    /// Triples of a step; all of them for `gd`.
    pub batch: usize,
    /// μ (sgd).
    pub momentum: f64,
    /// β₁, β₂ (adam).
    pub betas: (f64, f64),
    /// ε (adam).
    pub epsilon: f64,
    /// λ, decoupled.
    pub weight_decay: f64,
    /// γ of the penalty (γ/2)|θ|².
    pub ridge: f64,
    /// Longest gradient.
    pub clip: Option<f64>,
    /// Decay of the running average of the parameters that is sampled from in their place.
    pub average: Option<f64>,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            noise: NoiseDraws::default(),
            centred: false,
            optimizer: Optimizer::default(),
            rate: 5e-3,
            rate_schedule: RateSchedule::Cosine,
            warmup: 30,
            steps: 600,
            batch: 128,
            momentum: 0.9,
            betas: (0.9, 0.999),
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
        check(self.steps > 0, "steps", self.steps as f64, "at least 1")?;
        check(self.batch > 0, "batch", self.batch as f64, "at least 1")?;
        check(self.rate.is_finite() && self.rate > 0.0, "rate", self.rate, positive)?;
        check(fraction(self.momentum), "momentum", self.momentum, below_one)?;
        check(fraction(self.betas.0), "beta1", self.betas.0, below_one)?;
        check(fraction(self.betas.1), "beta2", self.betas.1, below_one)?;
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

    /// B, the triples of one step on a set of P = `samples`.
    pub fn batch_size(&self, samples: usize) -> usize {
        match (self.noise, self.optimizer) {
            (_, Optimizer::Gd) => samples,
            (NoiseDraws::Fresh, _) => self.batch,
            (NoiseDraws::Fixed, _) => self.batch.min(samples),
        }
    }

    /// The numbers of step k, counted from 0.
    pub fn rule(&self, k: u64) -> StepRule {
        StepRule {
            optimizer: self.optimizer,
            rate: self.rate * self.rate_schedule.factor(k, self.steps, self.warmup),
            momentum: if self.optimizer == Optimizer::Sgd { self.momentum } else { 0.0 },
            betas: self.betas,
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
