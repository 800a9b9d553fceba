//! Update rules and learning-rate schedules; the numbers of one step, ready for any engine.
//!
//! sgd: b ← μ b + g, θ ← θ − η b (μ = 0: gradient descent). adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
//! θ ← θ − η (m/(1 − β₁^k)) / (√(v/(1 − β₂^k)) + ε); weight decay: θ ← θ − η λ θ first (decoupled, AdamW).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Full-batch gradient descent.
    Gd,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam; with a weight decay above 0, AdamW.
    #[default]
    Adam,
}

/// η_k/η as a function of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RateSchedule {
    /// 1.
    #[default]
    Constant,
    /// ½(1 + cos πs), s the share of the steps after warm-up that are done.
    Cosine,
    /// 1 − s.
    Linear,
}

impl RateSchedule {
    /// The factor on the learning rate at step k of `steps`, counted from 0, after a linear rise over `warmup` steps.
    pub fn factor(self, k: u64, steps: u64, warmup: u64) -> f64 {
        if k < warmup {
            return (k + 1) as f64 / warmup as f64;
        }
        let share = (k - warmup) as f64 / (steps.saturating_sub(warmup)).max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (PI * share.min(1.0)).cos()),
            Self::Linear => 1.0 - share.min(1.0),
        }
    }
}

/// Everything an engine needs to know of one update, the same for all members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRule {
    /// The update rule.
    pub optimizer: Optimizer,
    /// η_k.
    pub rate: f64,
    /// μ (sgd).
    pub momentum: f64,
    /// β₁, β₂ (adam).
    pub betas: (f64, f64),
    /// ε (adam).
    pub epsilon: f64,
    /// k, counted from 1, for Adam's bias correction.
    pub count: u64,
    /// λ, decoupled.
    pub weight_decay: f64,
    /// γ of (γ/2)|θ|², part of the loss.
    pub ridge: f64,
    /// Longest gradient, over all parameters of a member; longer ones are scaled down to it.
    pub clip: Option<f64>,
    /// Weight of the past in the running average of the parameters; `None` when there is none.
    pub average: Option<f64>,
}

impl StepRule {
    /// 1 − β₁^k and 1 − β₂^k.
    pub fn bias_corrections(&self) -> (f64, f64) {
        let k = self.count as f64;
        (1.0 - self.betas.0.powf(k), 1.0 - self.betas.1.powf(k))
    }

    /// The factor on a member's gradient of length `norm` that keeps it within `clip`.
    pub fn clip_factor(&self, norm: f64) -> f64 {
        match self.clip {
            Some(longest) if norm > longest => longest / norm,
            _ => 1.0,
        }
    }

    /// Whether the rule keeps a running mean of gradients (m, or the momentum's buffer).
    pub fn has_first(optimizer: Optimizer) -> bool {
        optimizer != Optimizer::Gd
    }

    /// Whether the rule keeps a running mean of squared gradients.
    pub fn has_second(optimizer: Optimizer) -> bool {
        optimizer == Optimizer::Adam
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_schedules() {
        for schedule in [RateSchedule::Cosine, RateSchedule::Linear] {
            assert_eq!(schedule.factor(0, 100, 0), 1.0);
            assert!(schedule.factor(100, 100, 0).abs() < 1e-15);
            assert!((schedule.factor(55, 100, 10) - 0.5).abs() < 1e-12);
        }
        assert_eq!(RateSchedule::Constant.factor(70, 100, 0), 1.0);
        let rise: Vec<f64> = (0..5).map(|k| RateSchedule::Cosine.factor(k, 100, 4)).collect();
        assert_eq!(rise, [0.25, 0.5, 0.75, 1.0, 1.0]);
        // Warm-up over the whole run and longer.
        assert_eq!(RateSchedule::Linear.factor(9, 10, 10), 1.0);
        assert_eq!(RateSchedule::Linear.factor(10, 10, 10), 1.0);
    }
}
