//! The two precisions of the blocked path, and their row kernels: l ↦ l + b with its maximum, l ↦ e^{l − max} with
//! its sum.

use super::lanes::{LANES, exp_nonpositive, exp_nonpositive_f32};
use faer::traits::ComplexField;

/// f32 or f64.
pub(super) trait Real: ComplexField + Copy + Default + Send + Sync + 'static {
    /// Unit roundoff.
    const ROUNDOFF: f64;
    /// Error of a logit (estimated from roundoff) above which logits are recomputed by direct differences in f64.
    const LOGIT_TOLERANCE: f64;

    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// row += bias; returns the maximum (−∞ if all are NaN).
    fn add_and_max(row: &mut [Self], bias: &[Self]) -> Self;
    /// row ← e^{row − max}; returns the sum, accumulated in f64 over lane sums of one row.
    fn exp_and_sum(row: &mut [Self], max: Self) -> f64;
}

macro_rules! impl_real {
    ($real:ty, $exp:path, $width:expr, $tolerance:expr) => {
        impl Real for $real {
            const ROUNDOFF: f64 = 0.5 * <$real>::EPSILON as f64;
            const LOGIT_TOLERANCE: f64 = $tolerance;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $real
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn add_and_max(row: &mut [Self], bias: &[Self]) -> Self {
                let mut lanes = [<$real>::NEG_INFINITY; $width];
                let mut chunks = row.chunks_exact_mut($width);
                let mut biases = bias.chunks_exact($width);
                for (chunk, bias) in (&mut chunks).zip(&mut biases) {
                    for j in 0..$width {
                        chunk[j] += bias[j];
                        lanes[j] = if chunk[j] > lanes[j] { chunk[j] } else { lanes[j] };
                    }
                }
                let mut max = lanes.iter().fold(<$real>::NEG_INFINITY, |a, v| if *v > a { *v } else { a });
                for (l, b) in chunks.into_remainder().iter_mut().zip(biases.remainder()) {
                    *l += b;
                    max = if *l > max { *l } else { max };
                }
                max
            }

            #[inline(always)]
            fn exp_and_sum(row: &mut [Self], max: Self) -> f64 {
                let mut lanes = [0.0; $width];
                let mut chunks = row.chunks_exact_mut($width);
                for chunk in &mut chunks {
                    for j in 0..$width {
                        chunk[j] = $exp(chunk[j] - max);
                        lanes[j] += chunk[j];
                    }
                }
                let mut sum: f64 = lanes.iter().map(|v| f64::from(*v)).sum();
                for l in chunks.into_remainder() {
                    *l = $exp(*l - max);
                    sum += f64::from(*l);
                }
                sum
            }
        }
    };
}

impl_real!(f64, exp_nonpositive, LANES, 1e-11);
// Two AVX-512 registers: an f32 exponential is short, so more of them are kept in flight.
impl_real!(f32, exp_nonpositive_f32, 4 * LANES, 3e-4);
