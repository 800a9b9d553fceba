//! The features of a linearised network, exactly: φ(z) = out_t √r_a ∂F_i/∂θ_a /√D over all parameters a and outputs i.
//!
//! The model y_k = skip_t x + W_kᵀφ that the linear estimator fits has weights of its own for each output; its kernel is
//! the average (1/D) Σ_i Θ_ii. In one dimension that is the linearised network itself.

use super::tangent::{Metric, Tangent};
use crate::error::Result;
use crate::mlp::{Task, Weights};
use gtv_theory::error::Error as TheoryError;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::ntk::Embedding;
use gtv_theory::{LossWeight, Prediction};
use std::sync::Arc;

/// The linear model that stands for a task's networks: y = skip_t x + Wᵀφ on the same triples, labels and weights. Gradient flow
/// takes a ridge of 0.
pub fn linear_spec(task: &Task, features: Arc<dyn FeatureMap>, ridge: f64) -> LinearSpec {
    let training = task.training();
    LinearSpec {
        features: Features::Mapped(features),
        prediction: training.prediction,
        weight: training.weight,
        ridge,
        samples: training.samples,
        draws: training.draws,
        target_mix: training.target_mix,
        preconditioning: training.preconditioning,
    }
}

/// More features than this are not formed: a closure would need their Gram matrix.
const MOST: usize = 1 << 14;

/// How (x, t) reaches a network, and what its output stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub embedding: Embedding,
    prediction: Prediction,
    weight: LossWeight,
}

impl Form {
    pub(super) fn of(task: &Task) -> Self {
        let training = task.training();
        Self { embedding: task.embedding().clone(), prediction: training.prediction, weight: training.weight }
    }

    /// The inputs of each point, n × I.
    pub(super) fn inputs(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let mut inputs = vec![0.0; t.len() * self.embedding.inputs()];
        self.embedding.fill_points(x, t, &mut inputs);
        inputs
    }

    /// out_t.
    pub(super) fn output_scale(&self, t: f64) -> f64 {
        let schedule = self.embedding.schedule();
        self.embedding.preconditioning().output_coefficients(self.prediction, schedule, t).1
    }

    /// √w_t out_t, the factor on F in the loss.
    pub(super) fn loss_scale(&self, t: f64) -> f64 {
        let weight = self.weight.of_target(self.embedding.schedule(), self.prediction, t);
        weight.sqrt() * self.output_scale(t)
    }
}

/// Exact tangent features of a small network.
#[derive(Debug, Clone, PartialEq)]
pub struct JacobianFeatures {
    tangent: Tangent,
    form: Form,
}

impl JacobianFeatures {
    /// The features of the task's network with the given parameters.
    ///
    /// # Errors
    /// Weights of another architecture; more than 16,384 features.
    pub fn new(task: &Task, weights: Weights, metric: Metric) -> Result<Self> {
        let tangent = Tangent::new(task.arch(), task.inputs(), task.dim(), weights, metric)?;
        let len = tangent.parameters().saturating_mul(tangent.dim());
        if len > MOST {
            return Err(TheoryError::TooLarge {
                name: "the second moment of a network's tangent features",
                needed_bytes: (len as u64).saturating_mul(len as u64).saturating_mul(8),
                limit_bytes: (MOST * MOST * 8) as u64,
                advice: "use features of its kernel on landmark points",
            }
            .into());
        }
        Ok(Self { tangent, form: Form::of(task) })
    }

    /// The network.
    pub fn tangent(&self) -> &Tangent {
        &self.tangent
    }
}

impl FeatureMap for JacobianFeatures {
    fn len(&self) -> usize {
        self.tangent.parameters() * self.tangent.dim()
    }

    fn dim(&self) -> usize {
        self.tangent.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.tangent.scaled_jacobian_into(&self.form.inputs(x, t), out);
        let share = 1.0 / (self.tangent.dim() as f64).sqrt();
        for (row, &t) in out.chunks_exact_mut(self.len()).zip(t) {
            let scale = share * self.form.output_scale(t);
            row.iter_mut().for_each(|v| *v *= scale);
        }
    }
}
