//! A Gaussian vector drawn one entry after another: ξ = L n, where the factor L, L Lᵀ = Cov ξ, gains a row with each entry.
//!
//! The row is L_r· = (Cov[ξ_r, ξ_c] − Σ_{m<c} L_rm L_cm)/L_cc for c < r and L_rr = √(Var ξ_r − Σ_c L_rc²): the regression of ξ_r on
//! the earlier entries' independent parts n, and the standard deviation that is left given them. Entries are held to
//! |L_rc| ≤ √(Var ξ_r − Σ_{m<c} L_rm²). An exact covariance obeys that anyway. One that is known to a few digits only may have small
//! negative eigenvalues; held so, it still gives ξ_r at most its variance.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// The share of independent noise in every vector that has a past: Cov[ξ_k, ξ_k] counts (1 + NUGGET)-fold.
///
/// A smooth process is determined by its past to fewer digits than f64 has: without pivoting, the error of a conditional
/// variance is about ε |A⁻¹| with A the past's correlations, which is all of the variance once A is singular to rounding. With
/// the nugget |A⁻¹| ≤ 1/NUGGET, so that conditional variances are right to 1e-5 of the variance; standard deviations grow by 5e-11.
const NUGGET: f64 = 1e-10;

/// A conditional variance below this share of the variance is rounding: a direction that a vector's own covariance excludes.
const NEGLIGIBLE: f64 = 1e-12;

/// The growing factor and the normals drawn so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    /// Rows of L, each up to its diagonal, one after another.
    factor: Vec<f64>,
    normals: Vec<f64>,
}

impl Sequence {
    pub fn with_capacity(entries: usize) -> Self {
        let factor = Vec::with_capacity(entries * (entries + 1) / 2);
        Self { factor, normals: Vec::with_capacity(entries) }
    }

    pub fn restart(&mut self) {
        self.factor.clear();
        self.normals.clear();
    }

    /// Draws the next D entries given all earlier ones, and adds them to `out`.
    ///
    /// # Shapes
    /// `cov`: (k + 1) × D × D, covariances of the new vector (rows) with vectors 0 … k, the last being itself; `out`: D.
    pub fn add_next<R: Rng + ?Sized>(&mut self, cov: &[f64], rng: &mut R, out: &mut [f64]) {
        let dim = out.len();
        for (i, out) in out.iter_mut().enumerate() {
            let row = self.normals.len();
            let start = self.factor.len();
            let entry = |c: usize| {
                let own = if row >= dim && c / dim == row / dim { 1.0 + NUGGET } else { 1.0 };
                own * cov[((c / dim) * dim + i) * dim + c % dim]
            };
            let variance = entry(row);
            let mut left = variance;
            for c in 0..row {
                let (earlier, new) = self.factor.split_at(start);
                let column = &earlier[c * (c + 1) / 2..][..=c];
                let value = match column[c] {
                    0.0 => 0.0,
                    pivot => {
                        let most = left.max(0.0).sqrt();
                        let value = (entry(c) - dot(new, &column[..c])) / pivot;
                        // Written so that a NaN, the mark of a diverged path, goes through.
                        if value > most {
                            most
                        } else if value < -most {
                            -most
                        } else {
                            value
                        }
                    }
                };
                left -= value * value;
                self.factor.push(value);
            }
            let new = &self.factor[start..];
            let pivot = if left <= NEGLIGIBLE * variance { 0.0 } else { left.sqrt() };
            let normal: f64 = StandardNormal.sample(rng);
            *out += dot(new, &self.normals) + pivot * normal;
            self.factor.push(pivot);
            self.normals.push(normal);
        }
    }
}

/// Σ a_i b_i in four interleaved sums, which do not wait for each other.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(4), b.chunks_exact(4));
    let tail: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a.zip(b) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    sums[0] + sums[1] + (sums[2] + sums[3]) + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};

    /// Cov = B Bᵀ for B of `size` × `rank`.
    fn gram(size: usize, rank: usize) -> Vec<f64> {
        let wave = |i: usize, k: usize| ((i * 7 + k * 3) as f64 * 0.61 + (i * k) as f64 * 0.13).sin();
        let b = |i: usize, k: usize| if i == k { 2.0 } else { wave(i, k) };
        (0..size * size).map(|e| (0..rank).map(|k| b(e / size, k) * b(e % size, k)).sum()).collect()
    }

    /// The factor of a sequence of `dim`-vectors with the given covariance, as a square matrix.
    fn factor(cov: &[f64], size: usize, dim: usize) -> Vec<f64> {
        let mut rng = Streams::new(1).stream(Purpose::PathNoise, 0, 0);
        let mut sequence = Sequence::with_capacity(size);
        for k in 0..size / dim {
            let blocks: Vec<f64> = (0..=k)
                .flat_map(|l| (0..dim * dim).map(move |e| (k * dim + e / dim, l * dim + e % dim)))
                .map(|(row, column)| cov[row * size + column])
                .collect();
            sequence.add_next(&blocks, &mut rng, &mut vec![0.0; dim]);
        }
        (0..size * size)
            .map(|e| {
                let (row, column) = (e / size, e % size);
                if column <= row { sequence.factor[row * (row + 1) / 2 + column] } else { 0.0 }
            })
            .collect()
    }

    #[test]
    fn identities_factor_reproduces_the_covariance() {
        // Of full rank, and of rank 3, where what is left of most variances is the nugget; 12e-10 of the largest entry, 16.
        for rank in [12, 3] {
            for dim in [1, 2, 3] {
                let cov = gram(12, rank);
                let l = factor(&cov, 12, dim);
                for e in 0..144 {
                    let found: f64 = (0..12).map(|k| l[e / 12 * 12 + k] * l[e % 12 * 12 + k]).sum();
                    assert!((found - cov[e]).abs() < 2e-9, "rank {rank}: {found} {}", cov[e]);
                }
            }
        }
    }

    #[test]
    fn limits_noise_stays_in_the_span_of_its_covariance() {
        // Vectors (a, 2a) with a smooth a: exactly on the line, although a itself soon has nothing left but the nugget.
        let kernel = |k: usize, l: usize| (-((k as f64 - l as f64) / 20.0).powi(2)).exp();
        let mut rng = Streams::new(1).stream(Purpose::PathNoise, 0, 0);
        let mut sequence = Sequence::default();
        for k in 0..60 {
            let cov: Vec<f64> =
                (0..=k).flat_map(|l| [1.0, 2.0, 2.0, 4.0].map(|c| c * kernel(k, l))).collect();
            let mut out = [0.0; 2];
            sequence.add_next(&cov, &mut rng, &mut out);
            assert!((out[1] - 2.0 * out[0]).abs() < 1e-10, "{out:?}");
        }
    }

    #[test]
    fn monte_carlo_smooth_processes_keep_their_variance() {
        // 60 values of a process that 20 determine to rounding. Var of a sample variance: 2/n; 4 standard errors.
        let kernel = |k: usize, l: usize| (-((k as f64 - l as f64) / 20.0).powi(2)).exp();
        let mut rng = Streams::new(2).stream(Purpose::PathNoise, 0, 0);
        let (n, mut sum) = (4000, [0.0; 60]);
        let mut sequence = Sequence::default();
        for _ in 0..n {
            sequence.restart();
            for (k, sum) in sum.iter_mut().enumerate() {
                let cov: Vec<f64> = (0..=k).map(|l| kernel(k, l)).collect();
                let mut out = [0.0];
                sequence.add_next(&cov, &mut rng, &mut out);
                *sum += out[0] * out[0];
            }
        }
        let bound = 4.0 * (2.0 / n as f64).sqrt();
        assert!(sum.iter().all(|s| (s / n as f64 - 1.0).abs() < bound), "{sum:?}");
    }

    #[test]
    fn limits_no_variance_draws_zero_and_nan_goes_through() {
        let mut rng = Streams::new(1).stream(Purpose::PathNoise, 0, 0);
        let mut sequence = Sequence::default();
        let mut out = [1.5, -2.0];
        sequence.add_next(&[0.0; 4], &mut rng, &mut out);
        assert_eq!(out, [1.5, -2.0]);
        sequence.add_next(&[f64::NAN; 8], &mut rng, &mut out);
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
