//! Thin wrappers around faer for row-major slices: products, Cholesky and symmetric eigendecompositions.

use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};

/// Puts this thread's vector registers back into the state that scalar code expects; call it after using faer directly.
///
/// faer's x86 kernels return without `vzeroupper`. While the upper halves of the registers are dirty, every legacy SSE
/// instruction waits on them: glibc's `exp` was measured 60 times slower (0.18 against 10.7 ms for 32,768 values)
/// from the first product on. The functions of this module do it themselves.
#[inline]
pub fn settle_vector_state() {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx")]
        fn clear() {
            std::arch::x86_64::_mm256_zeroupper();
        }
        if is_x86_feature_detected!("avx") {
            // SAFETY: AVX was just detected.
            unsafe { clear() };
        }
    }
}

/// [`settle_vector_state`] on this thread and, as soon as each is free, on the pool's: for calls that faer
/// spreads over rayon's threads.
fn settle_pool() {
    settle_vector_state();
    rayon::spawn_broadcast(|_| settle_vector_state());
}

/// C = A B for row-major A (m × k), B (k × n), C (m × n), on the calling thread.
pub fn gemm_nn<T: ComplexField>(m: usize, n: usize, k: usize, a: &[T], b: &[T], c: &mut [T]) {
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, k, n);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a, b, T::one_impl(), Par::Seq);
    settle_vector_state();
}

/// C = A Bᵀ for row-major A (m × k), B (n × k), C (m × n), on the calling thread.
pub fn gemm_nt<T: ComplexField>(m: usize, n: usize, k: usize, a: &[T], b: &[T], c: &mut [T]) {
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, n, k);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a, b.transpose(), T::one_impl(), Par::Seq);
    settle_vector_state();
}

/// C = Aᵀ B for row-major A (k × m), B (k × n), C (m × n), on the calling thread.
pub fn gemm_tn(m: usize, n: usize, k: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let a = MatRef::from_row_major_slice(a, k, m);
    let b = MatRef::from_row_major_slice(b, k, n);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, Accum::Replace, a.transpose(), b, 1.0, Par::Seq);
    settle_vector_state();
}

/// The lower triangle of C = Aᵀ B for row-major A, B (k × n), C (n × n), on the calling thread: half of the product's work where
/// it is symmetric. What is above the diagonal of C is left as it was.
pub fn gemm_tn_lower<T: ComplexField>(n: usize, k: usize, a: &[T], b: &[T], c: &mut [T]) {
    let a = MatRef::from_row_major_slice(a, k, n);
    let b = MatRef::from_row_major_slice(b, k, n);
    let c = MatMut::from_row_major_slice_mut(c, n, n);
    let full = BlockStructure::Rectangular;
    let lower = BlockStructure::TriangularLower;
    triangular::matmul(c, lower, Accum::Replace, a.transpose(), full, b, full, T::one_impl(), Par::Seq);
    settle_vector_state();
}

/// Copies the lower triangle of an n × n matrix to the upper one.
pub fn mirror_lower(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            matrix[j * n + i] = matrix[i * n + j];
        }
    }
}

/// φᵀMφ of each row φ of `rows` (m × n) for M given by its [`fold`], on the calling thread: a triangular product, at half the work
/// of a full one.
pub fn quadratic_forms(rows: &[f64], folded: &[f64], n: usize, out: &mut [f64]) {
    let image = triangular_images(rows, folded, n, out.len());
    for ((out, row), image) in out.iter_mut().zip(rows.chunks_exact(n)).zip(image.chunks_exact(n)) {
        *out = row.iter().zip(image).map(|(a, b)| a * b).sum::<f64>();
    }
}

/// [`quadratic_forms`] by products in single precision, with a relative error of about 1e-6 of |φ|² times M's largest eigenvalue.
pub fn rough_quadratic_forms(rows: &[f32], folded: &[f32], n: usize, out: &mut [f64]) {
    let image = triangular_images(rows, folded, n, out.len());
    for ((out, row), image) in out.iter_mut().zip(rows.chunks_exact(n)).zip(image.chunks_exact(n)) {
        *out = row.iter().zip(image).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    }
}

/// φᵀT of each row φ of `rows` (m × n), T lower triangular, m × n.
fn triangular_images<T: ComplexField + Copy>(rows: &[T], folded: &[T], n: usize, m: usize) -> Vec<T> {
    let mut image = vec![T::zero_impl(); m * n];
    {
        let rows = MatRef::from_row_major_slice(rows, m, n);
        let folded = MatRef::from_row_major_slice(folded, n, n);
        let image = MatMut::from_row_major_slice_mut(&mut image, m, n);
        let full = BlockStructure::Rectangular;
        let lower = BlockStructure::TriangularLower;
        triangular::matmul(image, full, Accum::Replace, rows, full, folded, lower, T::one_impl(), Par::Seq);
        settle_vector_state();
    }
    image
}

/// The lower triangular T with φᵀTφ = φᵀMφ for every φ: T_ij = M_ij + M_ji below the diagonal, M_ii on it.
pub fn fold(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            out[i * n + j] = matrix[i * n + j] + matrix[j * n + i];
        }
        out[i * n + i] = matrix[i * n + i];
    }
    out
}

/// In single precision.
pub(crate) fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
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
    settle_pool();
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
    let found = eigen(name, matrix, n, Par::Seq);
    settle_vector_state();
    found
}

/// [`symmetric_eigen`] for large matrices, spread over rayon's threads.
///
/// The work is cut into a fixed number of parts, so that the result does not depend on how many threads share them.
///
/// # Shapes
/// `matrix`: n × n, row-major, lower triangle read.
///
/// # Errors
/// As [`symmetric_eigen`].
pub fn symmetric_eigen_parallel(
    name: &'static str,
    matrix: &[f64],
    n: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    const PARTS: usize = 8;
    let found = eigen(name, matrix, n, Par::rayon(PARTS));
    settle_pool();
    found
}

fn eigen(name: &'static str, matrix: &[f64], n: usize, par: Par) -> Result<(Vec<f64>, Vec<f64>)> {
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
    let mut vectors = faer::Mat::<f64>::zeros(n, n);
    let mut values = faer::diag::Diag::<f64>::zeros(n);
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, par, faer::Spec::default());
    self_adjoint_evd(
        MatRef::from_row_major_slice(matrix, n, n),
        values.as_mut(),
        Some(vectors.as_mut()),
        par,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::Spec::default(),
    )
    .map_err(|_| Error::NotConverged {
        name,
        iterations: 0,
        residual: f64::NAN,
        tolerance: f64::EPSILON,
        advice: "look for numbers that are far too large in what it is made from",
    })?;
    let values = (0..n).map(|i| values[i]).collect();
    let vectors = (0..n * n).map(|i| vectors[(i / n, i % n)]).collect();
    Ok((values, vectors))
}

/// The Moore–Penrose inverse of a symmetric positive semidefinite matrix: eigenvalues below `cutoff` times the largest
/// count as zero.
///
/// # Shapes
/// `matrix`: n × n, row-major, lower triangle read.
///
/// # Errors
/// [`Error::NotConverged`] when the eigendecomposition fails, which needs values that are not finite.
pub fn pseudo_inverse(matrix: &[f64], n: usize, cutoff: f64) -> Result<Vec<f64>> {
    let (values, vectors) = symmetric_eigen("the matrix to invert", matrix, n)?;
    let largest = values.iter().fold(0.0f64, |m, v| m.max(*v));
    let scaled: Vec<f64> = vectors
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let value = values[i % n];
            if value > cutoff * largest { v / value } else { 0.0 }
        })
        .collect();
    let mut out = vec![0.0; n * n];
    gemm_nt(n, n, n, &scaled, &vectors, &mut out);
    Ok(out)
}

/// A lower-triangular L with L Lᵀ = M for a symmetric positive *semi*definite M (row-major, lower triangle read).
///
/// Covariances are often singular to rounding. Cholesky is tried first as it stands, then with the smallest multiple
/// of the largest diagonal entry (from 1e-14 up) that makes it succeed: a relative change of the standard deviations
/// of at most its square root, in directions that carry none.
pub fn cholesky_semidefinite(matrix: &[f64], n: usize) -> Vec<f64> {
    let largest = (0..n).fold(0.0f64, |m, i| m.max(matrix[i * n + i]));
    if largest <= 0.0 {
        return vec![0.0; n * n];
    }
    if n == 1 {
        return vec![matrix[0].sqrt()];
    }
    let mut shifted = matrix.to_vec();
    let mut jitter = 0.0;
    loop {
        let view = MatRef::from_row_major_slice(&shifted, n, n);
        if let Ok(factor) = faer::linalg::solvers::Llt::new(view, faer::Side::Lower) {
            settle_pool();
            let lower = factor.L();
            return (0..n * n).map(|k| if k % n <= k / n { lower[(k / n, k % n)] } else { 0.0 }).collect();
        }
        jitter = if jitter == 0.0 { 1e-14 } else { 10.0 * jitter };
        for i in 0..n {
            shifted[i * n + i] = matrix[i * n + i] + jitter * largest;
        }
    }
}
