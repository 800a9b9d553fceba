//! A linear-in-features score model: y(x, t) = skip_t x + Wᵀφ(x, t), fitted by ridge regression on P training triples.

use crate::error::{Error, Result};
use crate::features::Features;
use crate::prediction::{LossWeight, Preconditioning, Prediction};
use crate::schedule::Schedule;
use crate::training::check_training_set;

/// Everything but the data that defines a trained linear model's law.
///
/// Objective: (1/P) Σ_n w_n/2 |y_n − skip_n x_n − Wᵀφ_n|² + (γ/2)|W|², w_t = λ_t a_t²; so Ŵ = (Â + γI)⁻¹ b̂ with
/// Â = (1/P) Σ w φφᵀ, b̂ = (1/P) Σ w φ (y − skip x)ᵀ (Prop. 5.1; skip = 0 there).
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSpec {
    /// φ.
    pub features: Features,
    /// What y is.
    pub prediction: Prediction,
    /// λ_t.
    pub weight: LossWeight,
    /// γ, on the sample-averaged second moment.
    pub ridge: f64,
    /// P, the number of training triples.
    pub samples: usize,
    /// m, triples that share one data point: P = n·m triples come from n independent draws of x0 (1: all independent).
    pub draws: usize,
    /// η: the label is (1 − η)·(target of x0) + η·(its conditional mean): 0 is DSM (J1), 1 trains on the true score (J0).
    pub target_mix: f64,
    /// skip_t, the part of y that is not learned: labels lose skip_t x and predictions get it back. A network's out_t belongs
    /// into its features.
    pub preconditioning: Preconditioning,
}

impl LinearSpec {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_training_set(self.samples, self.draws, self.target_mix)?;
        if !(self.ridge.is_finite() && self.ridge >= 0.0) {
            let expected = "a finite number, 0 or above";
            return Err(Error::OutOfRange { name: "ridge", value: self.ridge, expected });
        }
        self.preconditioning.validate()
    }

    /// κ = F/P, features per sample.
    pub fn load(&self) -> f64 {
        self.features.len() as f64 / self.samples as f64
    }

    /// (c_t, d_t) in c_t x0 + d_t x = y − skip_t x, what Wᵀφ is fitted to.
    pub fn label_coefficients(&self, schedule: &Schedule, t: f64) -> (f64, f64) {
        let (on_x0, on_x) = self.prediction.target_coefficients(schedule, t);
        (on_x0, on_x - self.skip(schedule, t))
    }

    /// skip_t.
    pub fn skip(&self, schedule: &Schedule, t: f64) -> f64 {
        self.preconditioning.output_coefficients(self.prediction, schedule, t).0
    }

    /// w_t, the weight of y's squared error.
    pub fn target_weight(&self, schedule: &Schedule, t: f64) -> f64 {
        self.weight.of_target(schedule, self.prediction, t)
    }
}
