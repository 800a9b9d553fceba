//! The score field of one linear model: ŝ = a_t (skip_t x + Wᵀφ(x, t)) + b_t x.

use crate::features::Features;
use crate::problem::{Objective, Prediction};
use crate::schedule::Schedule;
use crate::score::ScoreField;
use std::sync::Arc;

/// A linear model with given weights, optionally added to another field's prediction.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{ScoreField, law::LinearField};
/// // Without weights the denoiser is 0, and the score −x/σ².
/// let field = LinearField::new(ridge.features().clone(), problem.objective(), schedule, vec![0.0; 16]);
/// let mut score = [0.0];
/// field.score_into(&[0.3], 0.4, &mut score);
/// assert!((score[0] + 0.3 / schedule.noise_var(0.4)).abs() < 1e-14);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Clone)]
pub struct LinearField {
    features: Arc<Features>,
    objective: Objective,
    schedule: Schedule,
    /// F × D.
    weights: Vec<f64>,
    base: Option<Arc<dyn ScoreField>>,
}

impl LinearField {
    /// ŝ = a (skip_t x + Wᵀφ) + b x.
    ///
    /// # Shapes
    /// `weights`: F × D, row-major.
    ///
    /// # Panics
    /// When `weights` has another length: a programming error.
    pub fn new(
        features: Arc<Features>,
        objective: &Objective,
        schedule: Schedule,
        weights: Vec<f64>,
    ) -> Self {
        assert_eq!(weights.len(), features.len() * features.dim(), "weights must be F x D");
        Self { features, objective: *objective, schedule, weights, base: None }
    }

    /// ŝ = base + a Wᵀφ: W holds deviations from a field that is not itself linear; there is no skip.
    pub fn with_base(mut self, base: Arc<dyn ScoreField>) -> Self {
        self.base = Some(base);
        self
    }

    /// W, F × D.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// y(x, t) = skip_t x + Wᵀφ, the raw prediction; around a base Wᵀφ, its deviation. `x`, `out`: n × D.
    pub fn prediction_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.features.apply(&self.weights, self.features.dim(), x, t, out);
        let skip = self.objective.skip(&self.schedule, t);
        if skip != 0.0 && self.base.is_none() {
            out.iter_mut().zip(x).for_each(|(o, x)| *o += skip * x);
        }
    }
}

impl LinearField {
    /// m = (x + σ² ŝ)/α = (σ²/α) a y + (1 + σ² b)/α x; for a denoiser exactly y.
    fn denoiser_coefficients(&self, t: f64) -> (f64, f64) {
        let (signal, var) = (self.schedule.signal(t), self.schedule.noise_var(t));
        let (a, b) = self.objective.score_coefficients(&self.schedule, t);
        match self.objective.prediction {
            Prediction::Denoiser => (1.0, 0.0),
            Prediction::Score | Prediction::Noise | Prediction::Velocity => {
                (var * a / signal, (1.0 + var * b) / signal)
            }
        }
    }
}

impl ScoreField for LinearField {
    fn dim(&self) -> usize {
        self.features.dim()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.prediction_into(x, t, out);
        let (a, b) = self.objective.score_coefficients(&self.schedule, t);
        match &self.base {
            None => out.iter_mut().zip(x).for_each(|(o, x)| *o = a * *o + b * x),
            Some(base) => {
                let mut score = vec![0.0; out.len()];
                base.score_into(x, t, &mut score);
                out.iter_mut().zip(score).for_each(|(o, s)| *o = a * *o + s);
            }
        }
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.prediction_into(x, t, out);
        let (on_y, on_x) = self.denoiser_coefficients(t);
        match &self.base {
            None => out.iter_mut().zip(x).for_each(|(o, x)| *o = on_y * *o + on_x * x),
            Some(base) => {
                let mut mean = vec![0.0; out.len()];
                base.denoiser_into(x, t, &mut mean);
                out.iter_mut().zip(mean).for_each(|(o, m)| *o = on_y * *o + m);
            }
        }
    }

    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        self.features.apply_derivative(&self.weights, self.features.dim(), (x, directions), t, out);
        let (on_y, on_x) = self.denoiser_coefficients(t);
        match &self.base {
            None => {
                let on_v = on_y * self.objective.skip(&self.schedule, t) + on_x;
                out.iter_mut().zip(directions).for_each(|(o, v)| *o = on_y * *o + on_v * v);
            }
            Some(base) => {
                let mut rest = vec![0.0; out.len()];
                base.denoiser_derivative_into(x, t, directions, &mut rest);
                out.iter_mut().zip(rest).for_each(|(o, r)| *o = on_y * *o + r);
            }
        }
    }
}
