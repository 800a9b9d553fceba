//! Mean E x and covariance E x xᵀ − E x E xᵀ of a set of samples, each weighted 1/n.

use super::wasserstein::check_samples;
use crate::error::Result;
use rayon::prelude::*;

const CHUNK: usize = 1 << 14;

/// Mean and covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// D.
    pub mean: Vec<f64>,
    /// D × D, row-major; division by n, the samples being the distribution itself.
    pub cov: Vec<f64>,
}

/// Mean and covariance of samples, in parallel and independent of the number of threads.
///
/// # Shapes
/// `samples`: n × `dim`, row-major.
///
/// # Errors
/// [`crate::Error::Empty`], [`crate::Error::Shape`], [`crate::Error::NotFinite`].
///
/// ```
/// use gtv_theory::compare::moments;
/// let found = moments(&[-1.0, 0.0, 1.0, 0.0], 2)?;
/// assert_eq!((found.mean, found.cov), (vec![0.0, 0.0], vec![1.0, 0.0, 0.0, 0.0]));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn moments(samples: &[f64], dim: usize) -> Result<Moments> {
    check_samples("samples", samples, dim)?;
    let n = (samples.len() / dim) as f64;
    // Second moments about the first sample would do for rounding if it were typical; about the mean they always do.
    let zero = vec![0.0; dim];
    let mean: Vec<f64> = about(samples, &zero, false)[..dim].iter().map(|s| s / n).collect();
    let sums = about(samples, &mean, true);
    let mut cov = vec![0.0; dim * dim];
    let mut upper = sums[dim..].iter();
    for i in 0..dim {
        for (j, s) in (i..dim).zip(upper.by_ref()) {
            let value = s / n - (sums[i] / n) * (sums[j] / n);
            cov[i * dim + j] = value;
            cov[j * dim + i] = value;
        }
    }
    Ok(Moments { mean, cov })
}

/// Σ (x − c), followed, when `second`, by the upper triangle of Σ (x − c)(x − c)ᵀ in row-major order.
pub(super) fn about(samples: &[f64], centre: &[f64], second: bool) -> Vec<f64> {
    let dim = centre.len();
    let len = dim + if second { dim * (dim + 1) / 2 } else { 0 };
    let partial: Vec<Vec<f64>> = samples
        .par_chunks(CHUNK * dim)
        .map(|chunk| {
            let mut sums = vec![0.0; len];
            let mut y = vec![0.0; dim];
            for x in chunk.chunks_exact(dim) {
                for (y, (x, c)) in y.iter_mut().zip(x.iter().zip(centre)) {
                    *y = x - c;
                }
                let (first, upper) = sums.split_at_mut(dim);
                first.iter_mut().zip(&y).for_each(|(s, y)| *s += y);
                if second {
                    let mut upper = upper.iter_mut();
                    for i in 0..dim {
                        for (s, v) in upper.by_ref().take(dim - i).zip(&y[i..]) {
                            *s += y[i] * v;
                        }
                    }
                }
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0; len];
    for p in partial {
        sums.iter_mut().zip(p).for_each(|(s, p)| *s += p);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_moments_of_a_hand_computed_set_far_from_the_origin() {
        let far = 1e6;
        let samples = [far, 0.0, far + 2.0, 0.0, far, 4.0, far + 2.0, 4.0];
        let m = moments(&samples, 2).unwrap();
        assert_eq!(m.mean, vec![far + 1.0, 2.0]);
        for (got, want) in m.cov.iter().zip([1.0, 0.0, 0.0, 4.0]) {
            assert!((got - want).abs() < 1e-9);
        }
        assert!(moments(&[], 1).is_err() && moments(&[1.0, f64::INFINITY], 1).is_err());
    }
}
