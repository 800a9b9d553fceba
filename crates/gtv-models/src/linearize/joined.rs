//! The features of an average of kernels: φ = [φ₁, …, φ_K]/√K has φ·φ' = (1/K) Σ_k φ_k·φ_k'.
//!
//! Networks of finite width have a tangent kernel each, their initialisation's own; what an ensemble learns on average goes with the
//! average kernel.

use gtv_theory::error::{Error, Result};
use gtv_theory::features::FeatureMap;
use std::sync::Arc;

/// Feature maps side by side.
#[derive(Debug, Clone)]
pub struct JoinedFeatures {
    parts: Vec<Arc<dyn FeatureMap>>,
    len: usize,
}

impl JoinedFeatures {
    /// The average of the parts' kernels.
    ///
    /// # Errors
    /// [`Error::Empty`] without parts; [`Error::Shape`] for parts of different dimensions.
    pub fn new(parts: Vec<Arc<dyn FeatureMap>>) -> Result<Self> {
        let Some(first) = parts.first() else { return Err(Error::Empty { name: "the kernels to average" }) };
        for part in &parts {
            if part.dim() != first.dim() {
                let name = "features (coordinates of x)";
                return Err(Error::Shape { name, expected: first.dim(), found: part.dim() });
            }
        }
        let len = parts.iter().map(|p| p.len()).sum();
        Ok(Self { parts, len })
    }
}

impl FeatureMap for JoinedFeatures {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.parts[0].dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let scale = 1.0 / (self.parts.len() as f64).sqrt();
        let mut offset = 0;
        let mut own = Vec::new();
        for part in &self.parts {
            let len = part.len();
            own.resize(t.len() * len, 0.0);
            part.fill(x, t, &mut own);
            for (row, values) in out.chunks_exact_mut(self.len).zip(own.chunks_exact(len)) {
                row[offset..offset + len].iter_mut().zip(values).for_each(|(o, v)| *o = scale * v);
            }
            offset += len;
        }
    }
}
