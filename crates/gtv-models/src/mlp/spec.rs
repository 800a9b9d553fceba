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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TrainingSpec {
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
    /// Fixed triples, or fresh noise at each step.
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
        // Networks are trained in 32-bit floats: what is 0 or infinite there is another number than the one given.
        let single = |v: f64| (v as f32).is_normal() && v > 0.0;
        let not_negative = "0, or a number from 1.2e-38 to 3.4e38 (networks are trained in 32-bit floats)";
        let positive = "a number from 1.2e-38 to 3.4e38 (networks are trained in 32-bit floats)";
        check(self.steps > 0, "steps", self.steps as f64, "at least 1")?;
        check(self.batch > 0, "batch", self.batch as f64, "at least 1")?;
        check(single(self.rate), "rate", self.rate, positive)?;
        check(fraction(self.momentum), "momentum", self.momentum, below_one)?;
        check(fraction(self.beta1), "beta1", self.beta1, below_one)?;
        check(fraction(self.beta2), "beta2", self.beta2, below_one)?;
        if self.optimizer == Optimizer::Adam {
            // Beside the root of a square that is 0 in 32 bits, a gradient is at most √1.2e-38.
            let roots = "a number from 1.1e-19 to 3.4e38 (squares of gradients are 32-bit floats)";
            let square = self.epsilon * self.epsilon;
            let fits = single(self.epsilon) && square >= f64::from(f32::MIN_POSITIVE);
            check(fits, "epsilon", self.epsilon, roots)?;
        }
        for (name, value) in [("weight_decay", self.weight_decay), ("penalty", self.ridge)] {
            check(value == 0.0 || single(value), name, value, not_negative)?;
        }
        if let Some(clip) = self.clip {
            check(single(clip), "clip", clip, positive)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Change<'a> = &'a dyn Fn(&mut TrainingSpec);

    fn adam(epsilon: f64) -> TrainingSpec {
        TrainingSpec { epsilon, ..TrainingSpec::default() }
    }

    #[test]
    fn numbers_that_32_bits_do_not_hold_are_refused_by_their_key() {
        let of = |change: Change<'_>| {
            let mut spec = TrainingSpec::default();
            change(&mut spec);
            spec.validate()
        };
        for value in [1e-60, 1e-39, 1e39, f64::MAX, f64::INFINITY, f64::NAN] {
            let changes: [(&str, Change<'_>); 5] = [
                ("rate", &|s| s.rate = value),
                ("epsilon", &|s| s.epsilon = value),
                ("weight_decay", &|s| s.weight_decay = value),
                ("penalty", &|s| s.ridge = value),
                ("clip", &|s| s.clip = Some(value)),
            ];
            for (key, change) in changes {
                let refused = of(change).unwrap_err().to_string();
                assert!(refused.contains(key) && refused.contains("32-bit"), "{key} = {value}: {refused}");
            }
        }
        assert!(of(&|s| s.weight_decay = 0.0).is_ok() && of(&|s| s.ridge = 0.0).is_ok());
        // Only Adam divides by it.
        assert!(of(&|s| (s.optimizer, s.epsilon) = (Optimizer::Sgd, 0.0)).is_ok());
    }

    proptest! {
        /// ε that is let through bounds the first step of Adam, η g/(√g² + ε), by η, for every gradient of 32 bits.
        #[test]
        fn limits_no_gradient_makes_a_long_first_step(power in -60.0f64..40.0, bits in any::<u32>()) {
            let gradient = f32::from_bits(bits);
            let epsilon = 10f64.powf(power);
            prop_assume!(gradient.is_finite() && (gradient * gradient).is_finite() && adam(epsilon).validate().is_ok());
            let step = gradient / ((gradient * gradient).sqrt() + epsilon as f32);
            prop_assert!(step.abs() <= 1.0 + 1e-6, "{gradient:e} {epsilon:e}: {step:e}");
        }
    }
}
