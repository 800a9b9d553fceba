//! The features of a linearised network, exactly: φ(z) = out_t √r_a ∂F_i/∂θ_a /√D over all parameters a and outputs i.
//!
//! The model y_k = skip_t x + W_kᵀφ that the linear estimator fits has weights of its own for each output; its kernel is
//! the average (1/D) Σ_i Θ_ii. In one dimension that is the linearised network itself.

use super::tangent::{Tangent, TangentMetric};
use crate::error::Result;
use crate::mlp::{Task, Weights};
use gtv_theory::error::Error as TheoryError;
use gtv_theory::features::FeatureMap;
use gtv_theory::ntk::Frame;

/// More features than this are not formed: a closure would need their Gram matrix.
const MOST: usize = 1 << 14;

/// Exact tangent features of a small network.
#[derive(Debug, Clone, PartialEq)]
pub struct JacobianFeatures {
    tangent: Tangent,
    frame: Frame,
}

impl JacobianFeatures {
    /// The features of the task's network with the given parameters.
    ///
    /// # Errors
    /// Weights of another architecture; more than 16,384 features.
    pub fn new(task: &Task, weights: Weights, metric: TangentMetric) -> Result<Self> {
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
        Ok(Self { tangent, frame: task.frame().clone() })
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
        self.tangent.scaled_jacobian_into(&self.frame.inputs(x, t), out);
        let share = 1.0 / (self.tangent.dim() as f64).sqrt();
        for (row, &t) in out.chunks_exact_mut(self.len()).zip(t) {
            let scale = share * self.frame.output_coefficients(t).1;
            row.iter_mut().for_each(|v| *v *= scale);
        }
    }
}
