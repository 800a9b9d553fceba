//! One-dimensional bases, the factors of separable features.

use crate::error::{Error, Result};
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// A family of n functions of one variable z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AxisBasis {
    /// Normal densities N(z; c_i, w²), centres c_i on a uniform grid over [lo, hi], w = half the grid spacing.
    Gaussian {
        /// First centre.
        lo: f64,
        /// Last centre.
        hi: f64,
        /// Number of centres, at least 2.
        len: usize,
    },
    /// {1, cos(2πkz/L) for k = 1…, sin(2πkz/L) for k = 1…}, cosines first, ⌊(n−1)/2⌋ sines, L = hi − lo.
    Fourier {
        /// Start of the range.
        lo: f64,
        /// End of the range.
        hi: f64,
        /// Number of functions.
        len: usize,
    },
    /// Legendre polynomials of degree 0 … n−1 in the variable that maps [lo, hi] to [−1, 1].
    Legendre {
        /// Start of the range.
        lo: f64,
        /// End of the range.
        hi: f64,
        /// Number of polynomials.
        len: usize,
    },
}

impl AxisBasis {
    /// Checks the parameters once, so that evaluation cannot fail.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty range or too few functions.
    pub fn validate(&self) -> Result<()> {
        let (lo, hi) = self.range();
        if !(lo.is_finite() && hi.is_finite() && hi > lo) {
            return Err(Error::OutOfRange {
                name: "features.range",
                value: hi,
                expected: "finite ends, the second above the first",
            });
        }
        let least = if matches!(self, Self::Gaussian { .. }) { 2 } else { 1 };
        if self.len() < least {
            return Err(Error::OutOfRange {
                name: "features (number on one axis)",
                value: self.len() as f64,
                expected: "at least 1 (2 for gaussian features, whose width is half their spacing)",
            });
        }
        Ok(())
    }

    /// n, the number of functions.
    pub fn len(&self) -> usize {
        match *self {
            Self::Gaussian { len, .. } | Self::Fourier { len, .. } | Self::Legendre { len, .. } => len,
        }
    }

    /// Whether there is no function at all (refused by [`AxisBasis::validate`]).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The range [lo, hi] on which the family lives.
    pub fn range(&self) -> (f64, f64) {
        match *self {
            Self::Gaussian { lo, hi, .. } | Self::Fourier { lo, hi, .. } | Self::Legendre { lo, hi, .. } => {
                (lo, hi)
            }
        }
    }

    /// A length below which the functions do not vary: node spacings of quadratures are chosen well below it.
    pub fn resolution(&self) -> f64 {
        let (lo, hi) = self.range();
        match *self {
            Self::Gaussian { len, .. } => 0.5 * (hi - lo) / (len - 1) as f64,
            // Shortest wavelength / 2π.
            Self::Fourier { len, .. } => (hi - lo) / (TAU * (len / 2).max(1) as f64),
            Self::Legendre { len, .. } => (hi - lo) / (2 * len) as f64,
        }
    }

    /// All n values at z.
    ///
    /// # Shapes
    /// `out`: n.
    pub fn fill(&self, z: f64, out: &mut [f64]) {
        debug_assert_eq!(out.len(), self.len());
        match *self {
            Self::Gaussian { lo, hi, len } => fill_gaussian(z, lo, hi, len, out),
            Self::Fourier { lo, hi, len } => {
                let sines = (len - 1) / 2;
                let cosines = len - 1 - sines;
                out[0] = 1.0;
                for k in 1..=cosines {
                    let (sin, cos) = (TAU * k as f64 * z / (hi - lo)).sin_cos();
                    out[k] = cos;
                    if k <= sines {
                        out[cosines + k] = sin;
                    }
                }
            }
            Self::Legendre { lo, hi, len } => {
                let u = (2.0 * z - lo - hi) / (hi - lo);
                out[0] = 1.0;
                if len > 1 {
                    out[1] = u;
                }
                for k in 2..len {
                    let n = k as f64;
                    out[k] = ((2.0 * n - 1.0) * u * out[k - 1] - (n - 1.0) * out[k - 2]) / n;
                }
            }
        }
    }
}

/// Gaussian densities on a uniform grid from two exponentials.
///
/// With u the distance to the nearest centre in widths, the centre k places on lies at u − 2k, and
/// exp(−(u − 2k)²/2) = exp(−u²/2) (e^{2u})^k e^{−2k²}: powers of e^{2u} with |2u| ≤ 2, and a table. Rounding errors grow
/// like k, to 20 units in the last place where the density itself underflows.
fn fill_gaussian(z: f64, lo: f64, hi: f64, len: usize, out: &mut [f64]) {
    let spacing = (hi - lo) / (len - 1) as f64;
    let width = 0.5 * spacing;
    let norm = 1.0 / (width * TAU.sqrt());
    let place = (z - lo) / spacing;
    let nearest = place.round();
    if !(nearest >= 0.0 && nearest <= (len - 1) as f64) {
        // Outside the grid the nearest centre may be arbitrarily far away.
        for (i, o) in out.iter_mut().enumerate() {
            let u = 2.0 * (place - i as f64);
            *o = norm * (-0.5 * u * u).exp();
        }
        return;
    }
    let u = 2.0 * (place - nearest);
    let (peak, up) = (norm * (-0.5 * u * u).exp(), (2.0 * u).exp());
    let down = 1.0 / up;
    let centre = nearest as usize;
    out[centre] = peak;
    let (below, above) = out.split_at_mut(centre);
    let decay = |outwards: &mut dyn Iterator<Item = &mut f64>, ratio: f64| {
        let mut value = peak;
        for (k, o) in outwards.enumerate() {
            value *= ratio;
            *o = value * DECAY.get(k).copied().unwrap_or(0.0);
        }
    };
    decay(&mut above[1..].iter_mut(), up);
    decay(&mut below.iter_mut().rev(), down);
}

/// e^{−2k²} for k = 1, 2, …, as far as it is not zero.
static DECAY: LazyLock<Vec<f64>> =
    LazyLock::new(|| (1..=19).map(|k| (-2.0 * f64::from(k * k)).exp()).collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_matches_its_formula() {
        let basis = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 16 };
        let mut out = [0.0; 16];
        basis.fill(0.1, &mut out);
        // Centre 8 is at 0.1, width 0.1: the density's peak 1/(0.1 √2π).
        assert!((out[8] - 3.989_422_804_014_327).abs() < 1e-12);
        assert!((out[9] / out[8] - (-2.0f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn oracle_gaussians_from_two_exponentials() {
        let (lo, hi, len) = (-1.5, 1.7, 41);
        let width = 0.04;
        let mut out = [0.0; 41];
        for i in 0..2000 {
            let z = -3.0 + 0.003 * f64::from(i);
            AxisBasis::Gaussian { lo, hi, len }.fill(z, &mut out);
            for (k, o) in out.iter().enumerate() {
                let u = (z - (lo + 2.0 * width * k as f64)) / width;
                let want = (-0.5 * u * u).exp() / (width * TAU.sqrt());
                // u itself has a rounding error of about 1e-14, magnified by u.
                assert!((o - want).abs() <= 1e-13 * (1.0 + u.abs()) * want + 1e-300, "{z} {k}: {o} {want}");
            }
        }
    }

    #[test]
    fn fourier_order_is_cosines_then_sines() {
        let basis = AxisBasis::Fourier { lo: -1.5, hi: 1.5, len: 6 };
        let mut out = [0.0; 6];
        let z = 0.37;
        basis.fill(z, &mut out);
        let a = |k: f64| TAU * k * z / 3.0;
        let want = [1.0, a(1.0).cos(), a(2.0).cos(), a(3.0).cos(), a(1.0).sin(), a(2.0).sin()];
        for (o, w) in out.iter().zip(want) {
            assert!((o - w).abs() < 1e-14);
        }
    }

    #[test]
    fn legendre_is_orthogonal() {
        let basis = AxisBasis::Legendre { lo: 0.0, hi: 2.0, len: 5 };
        let n = 20_000;
        let mut gram = [[0.0; 5]; 5];
        let mut v = [0.0; 5];
        for i in 0..n {
            basis.fill((i as f64 + 0.5) * 2.0 / n as f64, &mut v);
            for a in 0..5 {
                for b in 0..5 {
                    gram[a][b] += v[a] * v[b] / n as f64;
                }
            }
        }
        for (a, row) in gram.iter().enumerate() {
            for (b, g) in row.iter().enumerate() {
                let want = if a == b { 1.0 / (2 * a + 1) as f64 } else { 0.0 };
                assert!((g - want).abs() < 1e-7, "{a} {b} {g}");
            }
        }
    }
}
