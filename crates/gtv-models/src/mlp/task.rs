//! What a network is asked to learn, in the form that engines see: minimise (1/2B) Σ_b |u_b F(i_b) − v_b|².
//!
//! With y = skip x + out F and weight w on y's squared error, u = √w out and v = √w (label − skip x), where the label is
//! y's target for x0, or for E[x0 | x, t] (the true score), or a mix of the two. The inputs i are those of an
//! [`Embedding`]. All of it is made on the host from the streams of the seed, so every device sees the same numbers.

use super::spec::TrainingSpec;
use crate::error::Result;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::ntk::{Embedding, LayerScaling, MlpSpec};
use gtv_theory::score::ExactScore;
use gtv_theory::training::{DsmSampler, Triples};
use gtv_theory::{PointCloud, Schedule, ScoreField};

/// A network, its inputs, and the training set that it is fitted to.
#[derive(Clone)]
pub struct Task {
    arch: MlpSpec,
    embedding: Embedding,
    training: TrainingSpec,
    sampler: DsmSampler,
    truth: ExactScore,
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
    /// A network trained on p_data under the embedding's forward process.
    ///
    /// # Errors
    /// A number outside its domain, or dimensions that differ.
    pub fn new(
        arch: MlpSpec,
        embedding: Embedding,
        training: TrainingSpec,
        cloud: PointCloud,
    ) -> Result<Self> {
        arch.validate()?;
        training.validate()?;
        if embedding.dim() != cloud.dim() {
            let (value, expected) = (embedding.dim() as f64, "the dimension of the data");
            return Err(TheoryError::OutOfRange { name: "the embedding's dimension", value, expected }.into());
        }
        if embedding.preconditioning() != training.preconditioning {
            return Err(TheoryError::Unsupported {
                what: "an embedding with another preconditioning than the training's",
                reason: "inputs and outputs of one network are scaled together: build both from one setting",
            }
            .into());
        }
        let schedule = *embedding.schedule();
        let truth = ExactScore::new(cloud.clone(), schedule);
        let sampler = DsmSampler::new(cloud, schedule).with_draws(training.draws)?;
        Ok(Self { arch, embedding, training, sampler, truth })
    }

    /// The same network and draws with another mix of the true score in the labels.
    ///
    /// # Errors
    /// [`TheoryError::OutOfRange`] for a mix outside [0, 1].
    pub fn with_target_mix(&self, target_mix: f64) -> Result<Self> {
        let training = TrainingSpec { target_mix, ..self.training.clone() };
        training.validate()?;
        Ok(Self { training, ..self.clone() })
    }

    /// The architecture.
    pub fn arch(&self) -> &MlpSpec {
        &self.arch
    }

    /// The map to a network's inputs.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// The training.
    pub fn training(&self) -> &TrainingSpec {
        &self.training
    }

    /// The sampler of training triples.
    pub fn sampler(&self) -> &DsmSampler {
        &self.sampler
    }

    /// The exact score of the data.
    pub fn truth(&self) -> &ExactScore {
        &self.truth
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        self.embedding.schedule()
    }

    /// D, the outputs of the network.
    pub fn dim(&self) -> usize {
        self.embedding.dim()
    }

    /// Inputs of the network.
    pub fn inputs(&self) -> usize {
        self.embedding.inputs()
    }

    /// The network's layers.
    pub fn layers(&self) -> Vec<LayerScaling> {
        self.arch.layers(self.inputs(), self.dim())
    }

    /// The examples of triples, with the share `mix` of the true score in their labels.
    pub fn examples(&self, triples: &Triples, mix: f64) -> Examples {
        let (n, dim, inputs) = (triples.len(), self.dim(), self.inputs());
        let mut out = Examples {
            inputs: Vec::with_capacity(n * inputs),
            scale: Vec::with_capacity(n),
            labels: Vec::with_capacity(n * dim),
        };
        let (schedule, spec) = (self.schedule(), &self.training);
        let (mut input, mut clean) = (vec![0.0; inputs], vec![0.0; dim]);
        let rows = triples.x.chunks_exact(dim).zip(triples.x0.chunks_exact(dim)).zip(&triples.t);
        for ((x, x0), &t) in rows {
            self.embedding.fill(x, t, &mut input);
            out.inputs.extend(input.iter().map(|v| *v as f32));
            let root = spec.weight.of_target(schedule, spec.prediction, t).sqrt();
            let (skip, scale) = spec.preconditioning.output_coefficients(spec.prediction, schedule, t);
            out.scale.push((root * scale) as f32);
            let (c, d) = spec.prediction.target_coefficients(schedule, t);
            if mix > 0.0 {
                self.truth.denoiser_into(x, t, &mut clean);
            }
            out.labels.extend(x.iter().zip(x0).zip(&clean).map(|((x, x0), m)| {
                let x0 = if mix > 0.0 { (1.0 - mix) * x0 + mix * m } else { *x0 };
                (root * (c * x0 + (d - skip) * x)) as f32
            }));
        }
        out
    }
}
