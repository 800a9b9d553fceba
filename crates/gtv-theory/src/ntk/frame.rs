//! What stands around a network F: y = skip_t x + out_t F(inputs(x, t)) and ŝ = a_t y + b_t x.

use super::Embedding;
use crate::problem::{Objective, Prediction, Schedule};

/// How (x, t) reaches a network, and what its output stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    embedding: Embedding,
    objective: Objective,
}

impl Frame {
    /// Inputs by an embedding, outputs by an objective; the preconditioning is the embedding's.
    pub fn new(embedding: Embedding, objective: &Objective) -> Self {
        let objective = Objective { preconditioning: embedding.preconditioning(), ..*objective };
        Self { embedding, objective }
    }

    /// The map to the network's inputs.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// What is regressed on.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        self.embedding.schedule()
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.embedding.dim()
    }

    /// The inputs of points, each at its own time.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; result n × inputs.
    pub fn inputs(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let mut inputs = vec![0.0; t.len() * self.embedding.inputs()];
        self.embedding.fill_points(x, t, &mut inputs);
        inputs
    }

    /// (skip_t, out_t).
    pub fn output_coefficients(&self, t: f64) -> (f64, f64) {
        self.objective.output_coefficients(self.schedule(), t)
    }

    /// w_t, the weight of y's squared error.
    pub fn target_weight(&self, t: f64) -> f64 {
        self.objective.target_weight(self.schedule(), t)
    }

    /// √w_t out_t, the factor on F in the loss.
    pub fn loss_scale(&self, t: f64) -> f64 {
        self.target_weight(t).sqrt() * self.output_coefficients(t).1
    }

    /// y → ŝ in place, at states x of one time.
    pub fn score_in_place(&self, x: &[f64], t: f64, y: &mut [f64]) {
        let (a, b) = self.objective.score_coefficients(self.schedule(), t);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = a * *y + b * x);
    }

    /// y → m̂ in place, at states x of one time: y = c m + d x for the field's own m.
    pub fn denoiser_in_place(&self, x: &[f64], t: f64, y: &mut [f64]) {
        if self.objective.prediction != Prediction::Denoiser {
            let (c, d) = self.objective.prediction.target_coefficients(self.schedule(), t);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (*y - d * x) / c);
        }
    }
}
