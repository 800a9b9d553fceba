//! (A + γ)⁻¹, formed once: closures need it in sandwiches and quadratic forms on all nodes.

use crate::error::Result;
use crate::linalg::{self, gemm_nn};
use rayon::prelude::*;

/// γ over the size of A from which on products in single precision are good enough: their error of about 1e-7 of A's size is then below
/// one per cent of γ.
const ROUGH: f64 = 2e-5;

/// (A + γ)⁻¹ or its limit γ → 0.
pub(crate) struct RidgeSystem {
    inverse: Vec<f64>,
    size: usize,
    precision: Precision,
}

/// Of products of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Single,
    Double,
}

impl RidgeSystem {
    /// The inverse of A + γ, A = `second_moment` (size × size).
    pub(crate) fn new(mut second_moment: Vec<f64>, size: usize, ridge: f64) -> Result<Self> {
        let mut inverse = vec![0.0; size * size];
        let norm = second_moment.iter().map(|a| a * a).sum::<f64>().sqrt();
        let precision = if ridge >= ROUGH * norm { Precision::Single } else { Precision::Double };
        for i in 0..size {
            second_moment[i * size + i] += ridge;
            inverse[i * size + i] = 1.0;
        }
        let advice = "features that are the same, or zero, at the training points leave it singular, and polynomials outside \
                      their range leave it so beside any ridge: raise the ridge, use fewer features, or widen their range";
        linalg::solve_spd("the features' second moment", advice, &second_moment, size, &mut inverse)?;
        Ok(Self { inverse, size, precision })
    }

    /// The pseudo-inverse of A; eigenvalues below `cutoff` of the largest count as zero.
    pub(crate) fn pseudo_inverse(second_moment: &[f64], size: usize, cutoff: f64) -> Result<Self> {
        let inverse = linalg::pseudo_inverse(second_moment, size, cutoff)?;
        Ok(Self { inverse, size, precision: Precision::Double })
    }

    /// The precision that products of features need beside this ridge.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn inverse(&self) -> &[f64] {
        &self.inverse
    }

    /// (A + γ)⁻¹ B for B of F × K.
    pub(crate) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; rhs.len()];
        gemm_nn(self.size, rhs.len() / self.size, self.size, &self.inverse, rhs, &mut out);
        out
    }
}

/// M B M for symmetric M (n × n), over rayon's threads.
pub(crate) fn sandwich(outer: &[f64], inner: &[f64], n: usize) -> Vec<f64> {
    /// Rows of a product that one thread makes at a time.
    const ROWS: usize = 64;
    let product = |a: &[f64], b: &[f64]| {
        let mut out = vec![0.0; n * n];
        out.par_chunks_mut(ROWS * n)
            .zip(a.par_chunks(ROWS * n))
            .for_each(|(out, a)| gemm_nn(a.len() / n, n, n, a, b, out));
        out
    };
    product(outer, &product(inner, outer))
}
