//! Features in other coordinates: φ'(z) = Rᵀφ(z), R of F × K; or the leading ones, scaled.

use super::{FeatureMap, Features};
use crate::linalg::gemm_nn;
use std::sync::Arc;

/// Points evaluated at a time, which bounds the memory for the features before the rotation.
const BLOCK: usize = 2048;

/// Rᵀφ.
#[derive(Debug, Clone)]
pub(crate) struct RotatedFeatures {
    inner: Arc<Features>,
    /// R, F × K.
    rotation: Vec<f64>,
    len: usize,
}

impl RotatedFeatures {
    /// Rᵀφ for R of F × K, K at least 1.
    pub(crate) fn new(inner: Arc<Features>, rotation: Vec<f64>) -> Self {
        let len = rotation.len() / inner.len();
        Self { inner, rotation, len }
    }
}

impl FeatureMap for RotatedFeatures {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn everywhere(&self) -> bool {
        self.inner.everywhere()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (len, dim) = (self.inner.len(), self.inner.dim());
        let mut phi = vec![0.0; BLOCK.min(t.len()) * len];
        let blocks = x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)).zip(out.chunks_mut(BLOCK * self.len));
        for ((x, t), out) in blocks {
            let phi = &mut phi[..t.len() * len];
            self.inner.fill(x, t, phi);
            gemm_nn(t.len(), self.len, len, phi, &self.rotation, out);
        }
    }
}

/// s_i φ_i, i over the leading K.
#[derive(Debug, Clone)]
pub(crate) struct ScaledFeatures {
    inner: Arc<dyn FeatureMap>,
    /// s, K.
    scale: Vec<f64>,
}

impl ScaledFeatures {
    /// The leading features, as many as there are scales.
    pub(crate) fn new(inner: Arc<dyn FeatureMap>, scale: Vec<f64>) -> Self {
        Self { inner, scale }
    }
}

impl FeatureMap for ScaledFeatures {
    fn len(&self) -> usize {
        self.scale.len()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn everywhere(&self) -> bool {
        self.inner.everywhere()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let len = self.inner.len();
        let mut phi = vec![0.0; t.len() * len];
        self.inner.fill(x, t, &mut phi);
        for (out, phi) in out.chunks_exact_mut(self.scale.len()).zip(phi.chunks_exact(len)) {
            out.iter_mut().zip(phi).zip(&self.scale).for_each(|((o, p), s)| *o = p * s);
        }
    }
}
