//! Sums over nodes without structure: blocks of the dense feature matrix and GEMM.

use super::sums::Design;
use crate::error::{Error, Result};
use crate::features::Features;
use crate::linalg::{gemm_nn, gemm_tn};
use crate::quadrature::Nodes;
use rayon::prelude::*;
use std::ops::Range;

/// Rows evaluated at a time; fixed, so that sums do not depend on the number of threads.
pub(crate) const BLOCK: usize = 2048;
/// Blocks whose partial sums are held at once.
const WAVE: usize = 8;
/// The most memory that the stored feature matrix may take.
const STORE_LIMIT: usize = 3 << 30;

/// The feature matrix Φ (Q × F), stored.
pub(crate) struct DenseDesign {
    phi: Vec<f64>,
    features: usize,
}

impl DenseDesign {
    /// Evaluates the features on all the nodes.
    pub(crate) fn new(features: &Features, nodes: &Nodes) -> Result<Self> {
        let (q_len, f_len, dim) = (nodes.len(), features.len(), nodes.dim());
        let bytes = q_len.saturating_mul(f_len).saturating_mul(8);
        if bytes > STORE_LIMIT {
            return Err(Error::TooLarge {
                name: "the matrix of features on quadrature nodes",
                needed_bytes: bytes as u64,
                limit_bytes: STORE_LIMIT as u64,
                advice: "lower the number of quasi-random nodes or the number of features",
            });
        }
        let mut phi = vec![0.0; q_len * f_len];
        phi.par_chunks_mut(BLOCK * f_len)
            .zip(nodes.x.par_chunks(BLOCK * dim).zip(nodes.t.par_chunks(BLOCK)))
            .for_each(|(out, (x, t))| features.fill(x, t, out));
        Ok(Self { phi, features: f_len })
    }

    /// Φ R for R of F × K: the features in other coordinates.
    pub(crate) fn rotated(&self, rotation: &[f64]) -> Self {
        let features = rotation.len() / self.features;
        Self { phi: self.apply(rotation, features), features }
    }

    /// The first columns, each times a number.
    pub(crate) fn leading_columns(&self, scale: &[f64]) -> Self {
        let rows = self.phi.chunks_exact(self.features);
        let phi = rows.flat_map(|row| row.iter().zip(scale).map(|(p, s)| p * s)).collect();
        Self { phi, features: scale.len() }
    }

    /// Φ on some of the nodes.
    pub(crate) fn rows(&self, range: Range<usize>) -> &[f64] {
        &self.phi[range.start * self.features..range.end * self.features]
    }

    /// Σ over blocks of [`BLOCK`] rows of `term(block index, Φ rows)`, added in the order of the blocks.
    pub(crate) fn sum_blocks(&self, len: usize, term: impl Fn(usize, &[f64]) -> Vec<f64> + Sync) -> Vec<f64> {
        let mut sum = vec![0.0; len];
        let blocks: Vec<&[f64]> = self.phi.chunks(BLOCK * self.features).collect();
        for (wave, group) in blocks.chunks(WAVE).enumerate() {
            let parts: Vec<Vec<f64>> =
                group.par_iter().enumerate().map(|(i, rows)| term(wave * WAVE + i, rows)).collect();
            for part in parts {
                for (s, p) in sum.iter_mut().zip(part) {
                    *s += p;
                }
            }
        }
        sum
    }
}

impl Design for DenseDesign {
    fn gram(&self, values: &[f64]) -> Vec<f64> {
        let f_len = self.features;
        self.sum_blocks(f_len * f_len, |block, rows| {
            let n = rows.len() / f_len;
            let values = &values[block * BLOCK..block * BLOCK + n];
            let scaled: Vec<f64> = rows
                .chunks_exact(f_len)
                .zip(values)
                .flat_map(|(row, v)| row.iter().map(move |p| p * v))
                .collect();
            let mut out = vec![0.0; f_len * f_len];
            gemm_tn(f_len, f_len, n, rows, &scaled, &mut out);
            out
        })
    }

    fn project(&self, values: &[f64], outputs: usize) -> Vec<f64> {
        let f_len = self.features;
        self.sum_blocks(f_len * outputs, |block, rows| {
            let n = rows.len() / f_len;
            let values = &values[block * BLOCK * outputs..(block * BLOCK + n) * outputs];
            let mut out = vec![0.0; f_len * outputs];
            gemm_tn(f_len, outputs, n, rows, values, &mut out);
            out
        })
    }

    fn apply(&self, weights: &[f64], outputs: usize) -> Vec<f64> {
        let f_len = self.features;
        let mut out = vec![0.0; self.phi.len() / f_len * outputs];
        out.par_chunks_mut(BLOCK * outputs).zip(self.phi.par_chunks(BLOCK * f_len)).for_each(
            |(out, rows)| {
                gemm_nn(rows.len() / f_len, outputs, f_len, rows, weights, out);
            },
        );
        out
    }

    fn quadratic(&self, matrix: &[f64]) -> Vec<f64> {
        let f_len = self.features;
        let mut out = vec![0.0; self.phi.len() / f_len];
        out.par_chunks_mut(BLOCK).zip(self.phi.par_chunks(BLOCK * f_len)).for_each(|(out, rows)| {
            let mut product = vec![0.0; rows.len()];
            gemm_nn(out.len(), f_len, f_len, rows, matrix, &mut product);
            for ((o, row), image) in
                out.iter_mut().zip(rows.chunks_exact(f_len)).zip(product.chunks_exact(f_len))
            {
                *o = row.iter().zip(image).map(|(a, b)| a * b).sum();
            }
        });
        out
    }
}
