//! The four sums by blocks of rows of the feature matrix, wherever the rows come from.

use super::sums::Design;
use crate::linalg::{
    self, gemm_nn, gemm_tn, gemm_tn_lower, mirror_lower, quadratic_forms, rough_quadratic_forms, single,
};
use crate::progress::{self, Step};
use rayon::prelude::*;
use std::ops::Range;

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

    /// Σ over blocks of `term(first row, Φ rows)`, added in the order of the blocks.
    fn sum_blocks(&self, len: usize, term: impl Fn(usize, &[f64]) -> Vec<f64> + Sync) -> Vec<f64> {
        let of_block =
            |range: Range<usize>| self.with_block(range.start / BLOCK, |rows| term(range.start, rows));
        sum_in_blocks(self.row_count(), len, of_block)
    }

    /// `work` on the rows of a block in single precision.
    fn with_rough_block<R>(&self, block: usize, work: impl FnOnce(&[f32]) -> R) -> R {
        self.with_block(block, |rows| work(&single(rows)))
    }
}

/// Blocks of `count` rows.
pub(crate) fn blocks(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(BLOCK).map(move |first| first..count.min(first + BLOCK))
}

/// Σ over blocks of rows of a term of `len` numbers, added in the order of the blocks.
pub(crate) fn sum_in_blocks(
    count: usize,
    len: usize,
    term: impl Fn(Range<usize>) -> Vec<f64> + Sync,
) -> Vec<f64> {
    let mut sum = vec![0.0; len];
    let all: Vec<Range<usize>> = blocks(count).collect();
    for wave in all.chunks(WAVE) {
        let parts: Vec<Vec<f64>> = wave.par_iter().map(|range| term(range.clone())).collect();
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
        }
        let done = wave.last().map_or(count, |range| range.end);
        progress::report(Step::Nodes { done, total: count });
    }
    sum
}

impl<T: RowBlocks> Design for T {
    fn gram(&self, values: &[f64]) -> Vec<f64> {
        let f_len = self.row_len();
        let mut sum = self.sum_blocks(f_len * f_len, |first, rows| {
            let n = rows.len() / f_len;
            let values = &values[first..first + n];
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
        self.sum_blocks(f_len * outputs, |first, rows| {
            let n = rows.len() / f_len;
            let values = &values[first * outputs..(first + n) * outputs];
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

    fn rough_gram(&self, values: &[f64]) -> Vec<f64> {
        let f_len = self.row_len();
        let mut sum = sum_in_blocks(self.row_count(), f_len * f_len, |range| {
            self.with_rough_block(range.start / BLOCK, |rows| {
                let scaled: Vec<f32> = rows
                    .chunks_exact(f_len)
                    .zip(&values[range.clone()])
                    .flat_map(|(row, v)| row.iter().map(move |p| p * *v as f32))
                    .collect();
                let mut out = vec![0.0f32; f_len * f_len];
                gemm_tn_lower(f_len, range.len(), rows, &scaled, &mut out);
                out.into_iter().map(f64::from).collect()
            })
        });
        mirror_lower(&mut sum, f_len);
        sum
    }

    fn rough_quadratic(&self, matrix: &[f64]) -> Vec<f64> {
        let f_len = self.row_len();
        let folded = single(&linalg::fold(matrix, f_len));
        let mut out = vec![0.0; self.row_count()];
        out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
            self.with_rough_block(block, |rows| rough_quadratic_forms(rows, &folded, f_len, out));
        });
        out
    }

    fn rough_squares(&self, weights: &[f64], outputs: usize) -> Vec<f64> {
        let (f_len, weights) = (self.row_len(), single(weights));
        let mut out = vec![0.0; self.row_count()];
        out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
            let mut images = vec![0.0f32; out.len() * outputs];
            self.with_rough_block(block, |rows| {
                gemm_nn(out.len(), outputs, f_len, rows, &weights, &mut images);
            });
            for (out, image) in out.iter_mut().zip(images.chunks_exact(outputs)) {
                *out = image.iter().map(|v| f64::from(v * v)).sum();
            }
        });
        out
    }
}
