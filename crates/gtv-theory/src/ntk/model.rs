//! A score model around an infinitely wide network: y = skip_t x + out_t F(inputs(x, t)). The kernel of its gradient flow is
//! K(z, z') = out_t Θ(i(z), i(z')) out_t'; that of its initial function has the NNGP in the place of Θ.

use super::{Embedding, Frame, InfiniteNetwork, MlpSpec};
use crate::error::Result;
use crate::problem::Objective;
use std::ops::Deref;

/// Which kernel of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkKernel {
    /// Θ, the kernel of gradient flow.
    #[default]
    Ntk,
    /// That of the function at initialisation.
    Nngp,
}

/// An infinitely wide network in its frame.
#[derive(Debug, Clone)]
pub struct NetworkModel {
    arch: MlpSpec,
    network: InfiniteNetwork,
    frame: Frame,
}

impl NetworkModel {
    /// The limit of `spec` on the inputs of `embedding`, trained on an objective; the preconditioning is the embedding's.
    ///
    /// # Errors
    /// Those of [`InfiniteNetwork::new`].
    pub fn new(spec: &MlpSpec, embedding: Embedding, objective: &Objective) -> Result<Self> {
        let network = InfiniteNetwork::new(spec, embedding.inputs())?;
        Ok(Self { arch: spec.clone(), network, frame: Frame::new(embedding, objective) })
    }

    /// The architecture.
    pub fn arch(&self) -> &MlpSpec {
        &self.arch
    }

    /// The network.
    pub fn network(&self) -> &InfiniteNetwork {
        &self.network
    }

    /// A kernel of F between inputs, out_t not included; unchecked: inputs that are not finite give values that are not.
    ///
    /// # Shapes
    /// `a`: n × inputs; `b`: m × inputs; result n × m.
    pub fn kernel(&self, kernel: NetworkKernel, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut ntk = vec![0.0; a.len() * b.len() / self.frame.embedding().inputs().pow(2)];
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

/// Inputs, outputs and weights are the frame's.
impl Deref for NetworkModel {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}
