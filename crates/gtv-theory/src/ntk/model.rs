//! A score model around an infinitely wide network: y = skip_t x + out_t F(inputs(x, t)), with the kernel of what is learned,
//! K(z, z') = out_t Θ(i(z), i(z')) out_t', and of what it starts from, the same of the NNGP.

use super::{Embedding, InfiniteNetwork, MlpSpec};
use crate::error::Result;
use crate::problem::Objective;
use crate::schedule::Schedule;

/// Which kernel of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkKernel {
    /// Θ, in which gradient flow moves.
    #[default]
    Ntk,
    /// That of the function at initialisation.
    Nngp,
}

/// An infinitely wide network with its inputs and outputs.
#[derive(Debug, Clone)]
pub struct NetworkModel {
    network: InfiniteNetwork,
    embedding: Embedding,
    objective: Objective,
}

impl NetworkModel {
    /// The limit of `spec` on the inputs of `embedding`, trained on an objective; the preconditioning is the embedding's.
    ///
    /// # Errors
    /// Those of [`InfiniteNetwork::new`].
    pub fn new(spec: &MlpSpec, embedding: Embedding, objective: &Objective) -> Result<Self> {
        let network = InfiniteNetwork::new(spec, embedding.inputs())?;
        let objective = Objective { preconditioning: embedding.preconditioning(), ..*objective };
        Ok(Self { network, embedding, objective })
    }

    /// The network.
    pub fn network(&self) -> &InfiniteNetwork {
        &self.network
    }

    /// The map to its inputs.
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

    /// A kernel of F between inputs, out_t not included; unchecked: inputs that are not finite give values that are not.
    ///
    /// # Shapes
    /// `a`: n × inputs; `b`: m × inputs; result n × m.
    pub fn kernel(&self, kernel: NetworkKernel, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut ntk = vec![0.0; a.len() * b.len() / self.embedding.inputs().pow(2)];
        match kernel {
            NetworkKernel::Ntk => {
                self.network.ntk_into(a, b, &mut ntk);
                ntk
            }
            NetworkKernel::Nngp => {
                let mut nngp = vec![0.0; ntk.len()];
                self.network.kernels_into(a, b, &mut nngp, &mut ntk);
                nngp
            }
        }
    }

    /// A kernel of F of each input with itself, n values.
    ///
    /// # Errors
    /// Inputs that are not finite.
    pub fn diagonal(&self, kernel: NetworkKernel, a: &[f64]) -> Result<Vec<f64>> {
        let both = self.network.diagonal(a)?;
        Ok(match kernel {
            NetworkKernel::Ntk => both.ntk,
            NetworkKernel::Nngp => both.nngp,
        })
    }
}
