//! Principal axes by subspace iteration: Q ← orth(Sᵀ S Q) for a sample S of the centred data, then Rayleigh–Ritz.
//!
//! Bounds hold for any orthonormal axes; good ones only make them sharp. So a sample and two iterations are enough for them.

use crate::linalg::{gemm_nn, gemm_nt, gemm_tn, symmetric_eigen};
use crate::rng::{Purpose, Streams};
use rand::RngExt;

/// Iterations that make bounds sharp.
pub(super) const FOR_BOUNDS: usize = 2;

/// `count` orthonormal rows of length D, in the order of the sample's variance along them.
///
/// # Shapes
/// `sample`: N × D, centred. Returns `count` × D.
pub(crate) fn principal_axes(sample: &[f64], dim: usize, count: usize, iterations: usize) -> Vec<f64> {
    let n = sample.len() / dim;
    let mut rng = Streams::new(0).stream(Purpose::Probe, 0, 0);
    let mut noise = || rng.random::<f64>() - 0.5;
    let mut basis: Vec<f64> = (0..count * dim).map(|_| noise()).collect();
    orthonormalise(&mut basis, dim, &mut noise);
    let mut seen = vec![0.0; n * count];
    for _ in 0..iterations {
        gemm_nt(n, count, dim, sample, &basis, &mut seen);
        gemm_tn(count, dim, n, &seen, sample, &mut basis);
        orthonormalise(&mut basis, dim, &mut noise);
    }
    gemm_nt(n, count, dim, sample, &basis, &mut seen);
    let mut gram = vec![0.0; count * count];
    gemm_tn(count, count, n, &seen, &seen, &mut gram);
    let Ok((_, vectors)) = symmetric_eigen("the data's covariance", &gram, count) else {
        return basis;
    };
    // Largest first: the eigenvalues ascend.
    let rotation: Vec<f64> =
        (0..count * count).map(|i| vectors[i % count * count + (count - 1 - i / count)]).collect();
    let mut axes = vec![0.0; count * dim];
    gemm_nn(count, dim, count, &rotation, &basis, &mut axes);
    axes
}

/// Gram–Schmidt on rows, each direction removed twice ("twice is enough"); rows without anything of their own start
/// again from noise.
fn orthonormalise(rows: &mut [f64], dim: usize, mut noise: impl FnMut() -> f64) {
    let count = rows.len() / dim;
    let mut overlaps = vec![0.0; count];
    for i in 0..count {
        let (before, rest) = rows.split_at_mut(i * dim);
        let row = &mut rest[..dim];
        for attempt in 0..4 {
            if attempt > 0 {
                row.iter_mut().for_each(|v| *v = noise());
            }
            let length = norm(row);
            if !(length > 0.0 && length.is_finite()) {
                continue;
            }
            row.iter_mut().for_each(|v| *v /= length);
            if i > 0 {
                for _ in 0..2 {
                    gemm_nt(1, i, dim, row, before, &mut overlaps[..i]);
                    for (c, q) in overlaps.iter().zip(before.chunks_exact(dim)) {
                        row.iter_mut().zip(q).for_each(|(v, q)| *v -= c * q);
                    }
                }
            }
            let left = norm(row);
            row.iter_mut().for_each(|v| *v /= left);
            if left > 1e-10 {
                break;
            }
        }
    }
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The axes' Gram matrix is the identity to rounding, whatever the rank of the data.
    #[test]
    fn identities_axes_are_orthonormal() {
        for rank in [0usize, 1, 5, 40] {
            let (n, dim, count) = (200, 40, 12);
            let sample: Vec<f64> = (0..n * dim)
                .map(|i| {
                    (0..rank)
                        .map(|r| ((i / dim * (r + 3)) as f64).sin() * ((i % dim * (r + 7)) as f64).cos())
                        .sum()
                })
                .collect();
            let axes = principal_axes(&sample, dim, count, FOR_BOUNDS);
            let mut gram = vec![0.0; count * count];
            gemm_nt(count, count, dim, &axes, &axes, &mut gram);
            for (i, g) in gram.iter().enumerate() {
                let expected = if i % (count + 1) == 0 { 1.0 } else { 0.0 };
                assert!((g - expected).abs() < 1e-13, "rank {rank} entry {i}: {g}");
            }
        }
    }
}
