//! What a network is asked to learn, in the form that engines see: minimise (1/2B) Σ_b |u_b F(i_b) − v_b|².
//!
//! With y = skip x + out F and weight w on y's squared error, u = √w out and v = √w (label − skip x), where the label is
//! y's target for x0, or for E[x0 | x, t] (the true score), or a mix of the two. The inputs i are those of an
//! [`Embedding`]. All of it is made on the host from the streams of the seed, so every device sees the same numbers.

use super::spec::TrainingSpec;
use crate::error::Result;
use gtv_theory::Schedule;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::ntk::{Embedding, Frame, LayerScaling, MlpSpec};
use gtv_theory::problem::{TrainingProblem, Triples};
use gtv_theory::training::DsmSampler;

/// A network, its inputs, and the training set that it is fitted to.
#[derive(Clone)]
pub struct Task {
    arch: MlpSpec,
    frame: Frame,
    training: TrainingSpec,
    problem: TrainingProblem,
}

/// Rows of examples: one for each triple.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Examples {
    /// i, n × inputs.
    pub inputs: Vec<f32>,
    /// u, n.
    pub scale: Vec<f32>,
    /// v, n × D.
    pub labels: Vec<f32>,
}

impl Task {
    /// A network trained on a problem.
    ///
    /// # Errors
    /// A number outside its domain, dimensions that differ, or two preconditionings.
    pub fn new(
        arch: MlpSpec,
        embedding: Embedding,
        training: TrainingSpec,
        problem: TrainingProblem,
    ) -> Result<Self> {
        arch.validate()?;
        training.validate()?;
        if embedding.dim() != problem.dim() {
            let (value, expected) = (embedding.dim() as f64, "the dimension of the data");
            return Err(TheoryError::OutOfRange { name: "the embedding's dimension", value, expected }.into());
        }
        if embedding.preconditioning() != problem.objective().preconditioning {
            return Err(TheoryError::Unsupported {
                what: "an embedding with another preconditioning than the training's",
                reason: "inputs and outputs of one network are scaled together",
                advice: "build both from one setting",
            }
            .into());
        }
        let frame = Frame::new(embedding, problem.objective());
        Ok(Self { arch, frame, training, problem })
    }

    /// The same network and draws on another problem of the same data, such as the true score.
    #[must_use]
    pub fn on(&self, problem: TrainingProblem) -> Self {
        Self { problem, ..self.clone() }
    }

    /// The architecture.
    pub fn arch(&self) -> &MlpSpec {
        &self.arch
    }

    /// The map to a network's inputs.
    pub fn embedding(&self) -> &Embedding {
        self.frame.embedding()
    }

    /// What stands around the network.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What is learned.
    pub fn problem(&self) -> &TrainingProblem {
        &self.problem
    }

    /// The training.
    pub fn training(&self) -> &TrainingSpec {
        &self.training
    }

    /// The sampler of training triples.
    pub fn sampler(&self) -> &DsmSampler {
        self.problem.sampler()
    }

    /// B, the triples of one step.
    pub fn batch_size(&self) -> usize {
        self.training.batch_size(self.problem.samples())
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        self.frame.schedule()
    }

    /// D, the outputs of the network.
    pub fn dim(&self) -> usize {
        self.frame.dim()
    }

    /// Inputs of the network.
    pub fn inputs(&self) -> usize {
        self.embedding().inputs()
    }

    /// The network's layers.
    pub fn layers(&self) -> Vec<LayerScaling> {
        self.arch.layers(self.inputs(), self.dim())
    }

    /// The examples of triples.
    pub fn examples(&self, triples: &Triples) -> Examples {
        let single = |values: Vec<f64>| -> Vec<f32> { values.into_iter().map(|v| v as f32).collect() };
        let mut labels = self.problem.labels(triples);
        let mut scale = Vec::with_capacity(triples.len());
        for (row, &t) in labels.chunks_exact_mut(self.dim()).zip(&triples.t) {
            let root = self.frame.target_weight(t).sqrt();
            row.iter_mut().for_each(|y| *y *= root);
            scale.push((root * self.frame.output_coefficients(t).1) as f32);
        }
        Examples { inputs: single(self.frame.inputs(&triples.x, &triples.t)), scale, labels: single(labels) }
    }
}
