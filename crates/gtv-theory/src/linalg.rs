//! Thin wrappers around faer for row-major slices: products, Cholesky and symmetric eigendecompositions.

use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// C = A B for row-major A (m × k), B (k × n), C (m × n), on the calling thread.
pub fn gemm_nn(m: usize, n: usize, k: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, k, n);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// C = A Bᵀ for row-major A (m × k), B (n × k), C (m × n), on the calling thread.
pub fn gemm_nt(m: usize, n: usize, k: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, n, k);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

/// C = Aᵀ B for row-major A (k × m), B (k × n), C (m × n), on the calling thread.
pub fn gemm_tn(m: usize, n: usize, k: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, k, m);
    let b = MatRef::from_row_major_slice(b, k, n);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a.transpose(), b, 1.0, Par::Seq);
}

/// Solves M X = B for a symmetric positive definite M given by its lower triangle, by Cholesky.
///
/// # Shapes
/// `matrix`: n × n, row-major, lower triangle read; `rhs`: n × k, row-major, overwritten with X.
///
/// # Errors
/// [`Error::NotPositiveDefinite`], naming `name`, when a pivot is not positive.
pub fn solve_spd(
    name: &'static str,
    advice: &'static str,
    matrix: &[f64],
    n: usize,
    rhs: &mut [f64],
) -> Result<()> {
    use faer::linalg::solvers::{Llt, SolveCore};
    let view = MatRef::from_row_major_slice(matrix, n, n);
    let factor = Llt::new(view, faer::Side::Lower).map_err(|e| {
        let faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index } = e;
        Error::NotPositiveDefinite { name, pivot: index, size: n, advice }
    })?;
    let columns = rhs.len() / n;
    let rhs = MatMut::from_row_major_slice_mut(rhs, n, columns);
    factor.solve_in_place_with_conj(faer::Conj::No, rhs);
    Ok(())
}

/// Eigendecomposition A = U diag(λ) Uᵀ of a symmetric matrix given by its lower triangle, on the calling thread.
///
/// Returns λ in ascending order and U, n × n row-major, with the eigenvectors as columns.
///
/// # Shapes
/// `matrix`: n × n, row-major, lower triangle read.
///
/// # Errors
/// [`Error::NotConverged`], naming `name`, when the iteration fails (it does not for finite input).
pub fn symmetric_eigen(name: &'static str, matrix: &[f64], n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
    let mut vectors = faer::Mat::<f64>::zeros(n, n);
    let mut values = faer::diag::Diag::<f64>::zeros(n);
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, faer::Spec::default());
    self_adjoint_evd(
        MatRef::from_row_major_slice(matrix, n, n),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::Spec::default(),
    )
    .map_err(|_| Error::NotConverged {
        name,
        iterations: 0,
        residual: f64::NAN,
        tolerance: f64::EPSILON,
    })?;
    let values = (0..n).map(|i| values[i]).collect();
    let vectors = (0..n * n).map(|i| vectors[(i / n, i % n)]).collect();
    Ok((values, vectors))
}
