//! Divergences between histograms, in nats: KL(a ‖ b) = Σ_c a_c ln(a_c / b_c) and
//! JS(a, b) = ½ KL(a ‖ m) + ½ KL(b ‖ m), m = (a + b)/2.
//!
//! Empty cells: JS needs nothing. KL is infinite as soon as b misses a cell that a has, which with finitely many
//! samples says nothing; [`smooth`] adds half a sample to every cell (Jeffreys' prior, Krichevsky–Trofimov), the
//! sample being one of the *smaller* set, on both sides. The same law on both sides then still gives zero, and
//! the bias that remains shows in the resampling floor, which is smoothed alike.

use crate::error::{Error, Result, check_len};

/// Samples that [`smooth`] adds to each cell.
pub const PSEUDO_COUNT: f64 = 0.5;

/// KL(a ‖ b) of two probability vectors; infinite when b vanishes where a does not.
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`], [`Error::Weights`] for entries that are negative or not finite, or a sum
/// off one by more than 1e-9.
pub fn kl(a: &[f64], b: &[f64]) -> Result<f64> {
    check_pair(a, b)?;
    Ok(kl_unchecked(a, b))
}

/// JS(a, b) of two probability vectors, between 0 and ln 2.
///
/// # Errors
/// As [`kl`].
pub fn js(a: &[f64], b: &[f64]) -> Result<f64> {
    check_pair(a, b)?;
    Ok(js_unchecked(a, b))
}

/// (n p_c + ½)/(n + C/2): half a sample is added to each of the C cells of a histogram of `samples` samples.
///
/// # Errors
/// [`Error::OutOfRange`] unless `samples` is positive.
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
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a + extra) * ((a + extra) / (b + extra)).ln()).sum();
    (sum / (1.0 + extra * a.len() as f64)).max(0.0)
}

pub(super) fn js_unchecked(a: &[f64], b: &[f64]) -> f64 {
    let term = |p: f64, m: f64| if p > 0.0 { p * (p / m).ln() } else { 0.0 };
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| term(a, 0.5 * (a + b)) + term(b, 0.5 * (a + b))).sum();
    (0.5 * sum).max(0.0)
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
