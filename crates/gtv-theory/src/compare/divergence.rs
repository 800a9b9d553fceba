//! Divergences between histograms, in nats: KL(a ‖ b) = Σ_c a_c ln(a_c / b_c) and
//! JS(a, b) = ½ KL(a ‖ m) + ½ KL(b ‖ m), m = (a + b)/2.
//!
//! Empty cells are no problem for JS. KL is infinite as soon as b misses a cell that a has, which with finitely many samples
//! says nothing. [`smooth`] adds half a sample to every cell on both sides (Jeffreys' prior, Krichevsky–Trofimov), a sample of
//! the *smaller* set. The same law on both sides then still gives zero, and the bias that remains shows in the resampling floor,
//! which is smoothed alike.

use crate::error::{Error, Result, check_len};

/// Samples that [`smooth`] adds to each cell.
pub const PSEUDO_COUNT: f64 = 0.5;

/// KL(a ‖ b) of two probability vectors; infinite when b vanishes where a does not.
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`], [`Error::Weights`] for entries that are negative or not finite, or a sum
/// off one by more than 1e-9.
///
/// ```
/// use gtv_theory::compare::kl;
/// assert!((kl(&[1.0, 0.0], &[0.5, 0.5])? - 2.0f64.ln()).abs() < 1e-15);
/// assert_eq!(kl(&[0.5, 0.5], &[1.0, 0.0])?, f64::INFINITY);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn kl(a: &[f64], b: &[f64]) -> Result<f64> {
    check_pair(a, b)?;
    Ok(kl_unchecked(a, b))
}

/// JS(a, b) of two probability vectors, between 0 and ln 2.
///
/// # Errors
/// As [`kl`].
///
/// ```
/// use gtv_theory::compare::js;
/// // Nothing in common: ln 2.
/// assert!((js(&[1.0, 0.0], &[0.0, 1.0])? - 2.0f64.ln()).abs() < 1e-15);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn js(a: &[f64], b: &[f64]) -> Result<f64> {
    check_pair(a, b)?;
    Ok(js_unchecked(a, b))
}

/// (n p_c + ½)/(n + C/2): half a sample is added to each of the C cells of a histogram of `samples` samples.
///
/// # Errors
/// [`Error::OutOfRange`] unless `samples` is positive.
///
/// ```
/// use gtv_theory::compare::smooth;
/// assert_eq!(smooth(&[1.0, 0.0], 9.0)?, [0.95, 0.05]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn smooth(p: &[f64], samples: f64) -> Result<Vec<f64>> {
    if !(samples > 0.0 && samples.is_finite()) {
        return Err(Error::OutOfRange {
            name: "samples",
            value: samples,
            expected: "a finite number above 0",
        });
    }
    let total = samples + PSEUDO_COUNT * p.len() as f64;
    Ok(p.iter().map(|p| (p * samples + PSEUDO_COUNT) / total).collect())
}

fn kl_unchecked(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).filter(|(a, _)| **a > 0.0).map(|(a, b)| a * (a / b).ln()).sum();
    // Gibbs' inequality holds exactly; rounding may not.
    sum.max(0.0)
}

/// KL(smooth(a) ‖ smooth(b)) without building either.
pub(super) fn kl_smoothed(a: &[f64], b: &[f64], samples: f64) -> f64 {
    let extra = PSEUDO_COUNT / samples;
    let sum = sum_cells(a, b, |a, b| {
        let (a, b) = (a + extra, b + extra);
        a * ln_positive(a / b)
    });
    (sum / (1.0 + extra * a.len() as f64)).max(0.0)
}

pub(super) fn js_unchecked(a: &[f64], b: &[f64]) -> f64 {
    // The smallest normal number stands in for 0, whose term p ln p then vanishes as it should.
    let term = |p: f64, mean: f64| p * ln_positive(p.max(f64::MIN_POSITIVE) / mean.max(f64::MIN_POSITIVE));
    let sum = sum_cells(a, b, |a, b| {
        let mean = 0.5 * (a + b);
        term(a, mean) + term(b, mean)
    });
    (0.5 * sum).clamp(0.0, std::f64::consts::LN_2)
}

const LANES: usize = 8;

/// Σ f(a_c, b_c), in lanes that vectorise for the instruction set at hand; the order of the sum is the same for all.
fn sum_cells(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let (a8, b8) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| f(*a, *b)).sum();
            let mut lanes = [0.0; LANES];
            for (a, b) in a8.zip(b8) {
                for k in 0..LANES {
                    lanes[k] += f(a[k], b[k]);
                }
            }
            lanes.iter().sum::<f64>() + rest
        },
    )
}

/// ln x of a positive normal number to 2e-16, relative where |ln x| > 0.35 and absolute below, without branches:
/// x = 2^k m, √½ ≤ m < √2, ln m = 2 artanh s, s = (m − 1)/(m + 1).
#[inline(always)]
fn ln_positive(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let offset = x.to_bits().wrapping_sub(SQRT_HALF);
    // k as a float by way of the bits of 2^52 + 2^51 + k: integer conversions of 64 bits do not vectorise everywhere.
    let k = f64::from_bits(((offset as i64 >> 52) as u64).wrapping_add(0x4338_0000_0000_0000));
    let k = k - 6_755_399_441_055_744.0;
    let m = f64::from_bits((offset & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    // s² ≤ 0.0295: the first term left out, z^10/21, is 2e-17.
    let series = z
        * (1.0 / 3.0
            + z * (1.0 / 5.0
                + z * (1.0 / 7.0
                    + z * (1.0 / 9.0
                        + z * (1.0 / 11.0
                            + z * (1.0 / 13.0 + z * (1.0 / 15.0 + z * (1.0 / 17.0 + z * (1.0 / 19.0)))))))));
    k * std::f64::consts::LN_2 + 2.0 * (s + s * series)
}

fn check_pair(a: &[f64], b: &[f64]) -> Result<()> {
    if a.is_empty() {
        return Err(Error::Empty { name: "the histogram" });
    }
    check_len("the second histogram", a.len(), b.len())?;
    for p in [a, b] {
        if let Some((i, v)) = p.iter().enumerate().find(|(_, v)| !(**v >= 0.0 && v.is_finite())) {
            return Err(Error::Weights {
                reason: format!("cell {i} holds {v}; shares are finite and at least 0"),
            });
        }
        let total: f64 = p.iter().sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(Error::Weights { reason: format!("the shares sum to {total}, expected 1") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalised(v: Vec<f64>) -> Vec<f64> {
        let total: f64 = v.iter().sum();
        v.into_iter().map(|x| x / total).collect()
    }

    #[test]
    fn identities_known_histograms() {
        // KL((½,½) ‖ (¼,¾)) = ½ ln 2 + ½ ln ⅔ = ½ ln (4/3).
        let (a, b) = ([0.5, 0.5], [0.25, 0.75]);
        assert!((kl(&a, &b).unwrap() - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-15);
        // Disjoint supports: KL is infinite, JS is ln 2.
        assert_eq!(kl(&[1.0, 0.0], &[0.0, 1.0]).unwrap(), f64::INFINITY);
        assert!((js(&[1.0, 0.0], &[0.0, 1.0]).unwrap() - 2.0f64.ln()).abs() < 1e-15);
        // One sample in two cells: (1.5, 0.5)/2.
        assert_eq!(smooth(&[1.0, 0.0], 1.0).unwrap(), vec![0.75, 0.25]);
    }

    proptest! {
        #[test]
        fn oracle_logarithm(mantissa in 1.0..2.0f64, exponent in -1000i32..1000) {
            let x = mantissa * 2f64.powi(exponent);
            prop_assert!((ln_positive(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(0.35), "{x:e}");
            prop_assert_eq!(ln_positive(1.0), 0.0);
            prop_assert!(ln_positive(f64::MIN_POSITIVE) < -708.3);
        }
    }

    #[test]
    fn identities_smoothing_on_the_fly_is_smoothing_first() {
        let (a, b) = ([0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.7, 0.0]);
        let want = kl(&smooth(&a, 30.0).unwrap(), &smooth(&b, 30.0).unwrap()).unwrap();
        assert!((kl_smoothed(&a, &b, 30.0) - want).abs() < 1e-14 && want.is_finite());
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(kl(&[], &[]).is_err() && kl(&[1.0], &[0.5, 0.5]).is_err());
        assert!(js(&[0.5, 0.4], &[0.5, 0.5]).is_err() && js(&[f64::NAN, 1.0], &[0.5, 0.5]).is_err());
        assert!(kl(&[1.5, -0.5], &[0.5, 0.5]).is_err() && smooth(&[1.0], 0.0).is_err());
    }

    proptest! {
        #[test]
        fn identities_of_divergences(
            a in prop::collection::vec(0.001..1.0f64, 12), b in prop::collection::vec(0.0..1.0f64, 12),
        ) {
            let (a, b) = (normalised(a), normalised(b));
            prop_assert_eq!(kl(&a, &a).unwrap(), 0.0);
            prop_assert!(kl(&b, &a).unwrap() >= 0.0);
            prop_assert!((js(&a, &b).unwrap() - js(&b, &a).unwrap()).abs() < 1e-15);
            prop_assert!(js(&a, &b).unwrap() <= 2.0f64.ln());
            // Pinsker: KL ≥ ½ (Σ|a − b|)².
            let l1: f64 = a.iter().zip(&b).map(|(x, y)| (x - y).abs()).sum();
            prop_assert!(kl(&b, &a).unwrap() >= 0.5 * l1 * l1 - 1e-14);
        }
    }
}
