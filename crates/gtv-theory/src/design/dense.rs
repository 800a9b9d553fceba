//! The feature matrix on nodes without structure, stored.

use super::blocked::{BLOCK, RowBlocks};
use super::sums::Design;
use crate::error::{Error, Result};
use crate::features::Features;
use crate::quadrature::Nodes;
use rayon::prelude::*;
use std::ops::Range;

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
        let (q_len, f_len) = (nodes.len(), features.len());
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
        phi.par_chunks_mut(BLOCK * f_len).zip(nodes.t.par_chunks(BLOCK)).enumerate().for_each(
            |(block, (out, t))| features.fill(&nodes.x(block * BLOCK..block * BLOCK + t.len()), t, out),
        );
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
}

impl RowBlocks for DenseDesign {
    fn row_count(&self) -> usize {
        self.phi.len() / self.features
    }

    fn row_len(&self) -> usize {
        self.features
    }

    fn with_block<R>(&self, block: usize, work: impl FnOnce(&[f64]) -> R) -> R {
        let first = block * BLOCK;
        work(self.rows(first..self.row_count().min(first + BLOCK)))
    }
}
