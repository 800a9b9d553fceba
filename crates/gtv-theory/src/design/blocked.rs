//! The four sums by blocks of rows of the feature matrix, wherever the rows come from.

use super::sums::Design;
use crate::linalg::{self, gemm_nn, gemm_tn, gemm_tn_lower, mirror_lower, quadratic_forms};
use rayon::prelude::*;

/// Rows in a block; fixed, so that sums do not depend on the number of threads.
pub(crate) const BLOCK: usize = 2048;
/// Blocks whose partial sums are held at once.
const WAVE: usize = 8;

/// The rows of a feature matrix Φ (Q × F), a block at a time.
pub(crate) trait RowBlocks: Send + Sync {
    /// Q.
    fn row_count(&self) -> usize;

    /// F.
    fn row_len(&self) -> usize;

    /// `work` on the rows of a block of [`BLOCK`], the last one shorter.
    fn with_block<R>(&self, block: usize, work: impl FnOnce(&[f64]) -> R) -> R;

    /// Σ over blocks of `term(block index, Φ rows)`, added in the order of the blocks.
    fn sum_blocks(&self, len: usize, term: impl Fn(usize, &[f64]) -> Vec<f64> + Sync) -> Vec<f64> {
        let mut sum = vec![0.0; len];
        let blocks: Vec<usize> = (0..self.row_count().div_ceil(BLOCK)).collect();
        for wave in blocks.chunks(WAVE) {
            let part = |block: &usize| self.with_block(*block, |rows| term(*block, rows));
            let parts: Vec<Vec<f64>> = wave.par_iter().map(part).collect();
            for part in parts {
                for (s, p) in sum.iter_mut().zip(part) {
                    *s += p;
                }
            }
        }
        sum
    }
}

impl<T: RowBlocks> Design for T {
    fn gram(&self, values: &[f64]) -> Vec<f64> {
        let f_len = self.row_len();
        let mut sum = self.sum_blocks(f_len * f_len, |block, rows| {
            let n = rows.len() / f_len;
            let values = &values[block * BLOCK..block * BLOCK + n];
            let mut out = vec![0.0; f_len * f_len];
            if values.iter().all(|v| *v == 0.0) {
                return out;
            }
            let scaled: Vec<f64> = rows
                .chunks_exact(f_len)
                .zip(values)
                .flat_map(|(row, v)| row.iter().map(move |p| p * v))
                .collect();
            gemm_tn_lower(f_len, n, rows, &scaled, &mut out);
            out
        });
        mirror_lower(&mut sum, f_len);
        sum
    }

    fn project(&self, values: &[f64], outputs: usize) -> Vec<f64> {
        let f_len = self.row_len();
        self.sum_blocks(f_len * outputs, |block, rows| {
            let n = rows.len() / f_len;
            let values = &values[block * BLOCK * outputs..(block * BLOCK + n) * outputs];
            let mut out = vec![0.0; f_len * outputs];
            gemm_tn(f_len, outputs, n, rows, values, &mut out);
            out
        })
    }

    fn apply(&self, weights: &[f64], outputs: usize) -> Vec<f64> {
        let f_len = self.row_len();
        let mut out = vec![0.0; self.row_count() * outputs];
        out.par_chunks_mut(BLOCK * outputs).enumerate().for_each(|(block, out)| {
            self.with_block(block, |rows| {
                gemm_nn(rows.len() / f_len, outputs, f_len, rows, weights, out);
            });
        });
        out
    }

    fn quadratic(&self, matrix: &[f64]) -> Vec<f64> {
        let f_len = self.row_len();
        let folded = linalg::fold(matrix, f_len);
        let mut out = vec![0.0; self.row_count()];
        out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
            self.with_block(block, |rows| quadratic_forms(rows, &folded, f_len, out));
        });
        out
    }
}
