//! Tall matrices of directions: their products, and an orthonormal basis of what they span.

use crate::error::Result;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::{settle_vector_state, solve_spd};
use rayon::prelude::*;

/// Parameters whose products are summed in single precision.
const SUMMED: usize = 4096;

/// Bᵀ diag(d) B of a matrix B of k columns, products in single precision, sums in double.
pub(super) fn weighted_gram(basis: &[f32], k: usize, diagonal: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
    let parts: Vec<Vec<f32>> = basis
        .par_chunks(SUMMED * k)
        .enumerate()
        .map(|(b, rows)| {
            let scaled: Vec<f32> = rows
                .iter()
                .enumerate()
                .map(|(e, v)| (f64::from(*v) * diagonal(b * SUMMED + e / k)) as f32)
                .collect();
            let mut part = vec![0.0; k * k];
            let (left, right) = (
                MatRef::from_row_major_slice(rows, rows.len() / k, k),
                MatRef::from_row_major_slice(&scaled, rows.len() / k, k),
            );
            let target = MatMut::from_row_major_slice_mut(&mut part, k, k);
            matmul(target, Accum::Replace, left.transpose(), right, 1.0, Par::Seq);
            settle_vector_state();
            part
        })
        .collect();
    let mut sum = vec![0.0; k * k];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(s, p)| *s += f64::from(p));
    }
    sum
}

/// The same span with orthonormal columns, B T with TᵀBᵀBT = 1.
///
/// # Errors
/// Columns that depend on each other.
pub(super) fn orthonormal(mut basis: Vec<f32>, k: usize) -> Result<Vec<f32>> {
    let gram = weighted_gram(&basis, k, |_| 1.0);
    let factor = gtv_theory::linalg::cholesky_semidefinite(&gram, k);
    // T = L^−T: the columns of T solve Lᵀ T = 1, and so does T = (LLᵀ)⁻¹ L.
    let mut turn = factor;
    solve_spd("the span of a network's directions", "lower theory.directions", &gram, k, &mut turn)?;
    let turn: Vec<f32> = turn.iter().map(|v| *v as f32).collect();
    let turn = MatRef::from_row_major_slice(&turn, k, k);
    basis.par_chunks_mut(SUMMED * k).for_each(|rows| {
        let before = rows.to_vec();
        let left = MatRef::from_row_major_slice(&before, before.len() / k, k);
        let target = MatMut::from_row_major_slice_mut(rows, before.len() / k, k);
        matmul(target, Accum::Replace, left, turn, 1.0, Par::Seq);
        settle_vector_state();
    });
    Ok(basis)
}
