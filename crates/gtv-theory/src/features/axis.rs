//! One-dimensional bases, the factors of separable features.

use crate::error::{Error, Result};
use crate::lanes::{LANES, exp_nonpositive, sin_cos_turns};
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

/// Values at [`LANES`] points side by side.
pub(super) type Lanes = [f64; LANES];

/// One value made for each lane.
#[inline(always)]
fn lanes(value: impl Fn(usize) -> f64) -> Lanes {
    std::array::from_fn(value)
}

impl AxisBasis {
    /// All n values at [`LANES`] points: [`AxisBasis::fill`] to within 1e-13 of the largest function, in operations that vectorise.
    /// Far outside the grid of `Gaussian`, where the densities fall below 2e-22 of their peak, they stay there.
    ///
    /// # Shapes
    /// `out`: n.
    #[inline(always)]
    pub(super) fn fill_lanes(&self, z: &Lanes, out: &mut [Lanes]) {
        match *self {
            Self::Gaussian { lo, hi, len } => {
                let spacing = (hi - lo) / (len - 1) as f64;
                let place = lanes(|j| (z[j] - lo) / spacing);
                let norm = 2.0 / (spacing * TAU.sqrt());
                for (part, out) in out.chunks_mut(PART).enumerate() {
                    fill_gaussian_part(&place, part * PART + out.len() / 2, norm, out);
                }
            }
            Self::Fourier { lo, hi, len } => {
                let sines = (len - 1) / 2;
                let cosines = len - 1 - sines;
                let (mut sin_1, mut cos_1) = ([0.0; LANES], [0.0; LANES]);
                for j in 0..LANES {
                    (sin_1[j], cos_1[j]) = sin_cos_turns(z[j] / (hi - lo));
                }
                // Turned by one angle more each time; rounding errors grow like k.
                let (mut sin, mut cos) = (sin_1, cos_1);
                out[0] = [1.0; LANES];
                for k in 1..=cosines {
                    out[k] = cos;
                    if k <= sines {
                        out[cosines + k] = sin;
                    }
                    (sin, cos) = (
                        lanes(|j| sin[j] * cos_1[j] + cos[j] * sin_1[j]),
                        lanes(|j| cos[j] * cos_1[j] - sin[j] * sin_1[j]),
                    );
                }
            }
            Self::Legendre { lo, hi, len } => {
                let u = lanes(|j| (2.0 * z[j] - lo - hi) / (hi - lo));
                out[0] = [1.0; LANES];
                if len > 1 {
                    out[1] = u;
                }
                for k in 2..len {
                    let n = k as f64;
                    let (a, b) = ((2.0 * n - 1.0) / n, (n - 1.0) / n);
                    out[k] = lanes(|j| a * u[j] * out[k - 1][j] - b * out[k - 2][j]);
                }
            }
        }
    }
}

/// Centres that share their exponentials in [`AxisBasis::fill_lanes`].
const PART: usize = 16;

/// Gaussian densities around centre `middle` of a uniform grid, from one exponential and one quotient more.
///
/// With v = place − middle, centre middle + k has e^{−2(v−k)²} = e^{−2v²} (e^{4v})^k e^{−2k²}. |v| is cut at 13, and the power that
/// decays at e^{−28}: whatever that changes is below 2e-22, and nothing is then subnormal. Rounding: −2v² and 4kv are wrong by
/// half a unit in their last place, which for |v| ≤ 9, |k| ≤ 8 are relative errors of the densities of at most 6e-14.
#[inline(always)]
fn fill_gaussian_part(place: &Lanes, middle: usize, norm: f64, out: &mut [Lanes]) {
    const FARTHEST: f64 = 13.0;
    /// e^{−28}.
    const SLOWEST: f64 = 6.914_400_106_940_203e-13;
    let cut = |v: f64| {
        let v = if v > FARTHEST { FARTHEST } else { v };
        if v < -FARTHEST { -FARTHEST } else { v }
    };
    let v = lanes(|j| cut(place[j] - middle as f64));
    let peak = lanes(|j| norm * exp_nonpositive(-2.0 * v[j] * v[j]));
    let away = lanes(|j| exp_nonpositive(-4.0 * v[j].abs()));
    let towards = lanes(|j| 1.0 / away[j]);
    let away = lanes(|j| if away[j] < SLOWEST { SLOWEST } else { away[j] });
    let up = lanes(|j| if v[j] > 0.0 { towards[j] } else { away[j] });
    let down = lanes(|j| if v[j] > 0.0 { away[j] } else { towards[j] });
    let centre = out.len() / 2;
    out[centre] = peak;
    let mut value = peak;
    for (k, o) in out[centre + 1..].iter_mut().enumerate() {
        value = lanes(|j| value[j] * up[j]);
        *o = lanes(|j| value[j] * DECAYS[k]);
    }
    let mut value = peak;
    for (k, o) in out[..centre].iter_mut().rev().enumerate() {
        value = lanes(|j| value[j] * down[j]);
        *o = lanes(|j| value[j] * DECAYS[k]);
    }
}

/// e^{−2k²} for k = 1 … 8.
const DECAYS: [f64; PART / 2] = [
    1.353_352_832_366_127e-1,
    3.354_626_279_025_118_5e-4,
    1.522_997_974_471_263e-8,
    1.266_416_554_909_417_6e-14,
    1.928_749_847_963_918e-22,
    5.380_186_160_021_138e-32,
    2.748_785_007_910_215e-43,
    2.572_209_372_642_415e-56,
];

impl AxisBasis {
    /// The derivatives of all n functions at z.
    ///
    /// # Shapes
    /// `out`: n.
    pub fn fill_derivative(&self, z: f64, out: &mut [f64]) {
        self.fill(z, out);
        match *self {
            Self::Gaussian { lo, hi, len } => {
                let spacing = (hi - lo) / (len - 1) as f64;
                let width = 0.5 * spacing;
                for (i, o) in out.iter_mut().enumerate() {
                    *o *= -(z - (lo + spacing * i as f64)) / (width * width);
                }
            }
            Self::Fourier { lo, hi, len } => {
                let sines = (len - 1) / 2;
                let cosines = len - 1 - sines;
                out[0] = 0.0;
                for k in 1..=cosines {
                    let frequency = TAU * k as f64 / (hi - lo);
                    let (sin, cos) = (frequency * z).sin_cos();
                    out[k] = -frequency * sin;
                    if k <= sines {
                        out[cosines + k] = frequency * cos;
                    }
                }
            }
            Self::Legendre { lo, hi, len } => {
                // P'_{k+1} = P'_{k−1} + (2k + 1) P_k, in u = (2z − lo − hi)/(hi − lo).
                let scale = 2.0 / (hi - lo);
                let (mut before, mut here) = (0.0, 0.0);
                for (k, o) in out.iter_mut().enumerate().take(len) {
                    let next = before + (2 * k + 1) as f64 * *o;
                    *o = scale * here;
                    (before, here) = (here, next);
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
    fn oracle_lanes_are_the_functions_one_by_one() {
        for (lo, hi) in [(-1.5, 1.5), (-700.0, 1300.0)] {
            for len in [2, 5, 10, 16, 17, 40] {
                let bases = [
                    AxisBasis::Gaussian { lo, hi, len },
                    AxisBasis::Fourier { lo, hi, len },
                    AxisBasis::Legendre { lo, hi, len },
                ];
                for basis in bases {
                    let (mut out, mut want) = (vec![[0.0; LANES]; len], vec![0.0; len]);
                    for i in 0..400 {
                        // From one range's length below the range to one above it.
                        let z: Lanes = std::array::from_fn(|j| {
                            lo + (hi - lo) * (-1.0 + 3.0 * (8 * i + j) as f64 / 3200.0)
                        });
                        basis.fill_lanes(&z, &mut out);
                        for j in 0..LANES {
                            basis.fill(z[j], &mut want);
                            let largest = match basis {
                                AxisBasis::Gaussian { .. } => {
                                    2.0 * (len - 1) as f64 / ((hi - lo) * TAU.sqrt())
                                }
                                AxisBasis::Fourier { .. } => 1.0,
                                AxisBasis::Legendre { .. } => {
                                    want.iter().fold(1.0, |m: f64, w| m.max(w.abs()))
                                }
                            };
                            for (k, (o, w)) in out.iter().zip(&want).enumerate() {
                                assert!(
                                    (o[j] - w).abs() < 1e-13 * largest,
                                    "{basis:?} {} {k}: {} {w}",
                                    z[j],
                                    o[j]
                                );
                            }
                        }
                    }
                    let mut odd = [lo; LANES];
                    odd[3] = f64::NAN;
                    basis.fill_lanes(&odd, &mut out);
                    assert!(out[len - 1][3].is_nan() && out[len - 1][4].is_finite());
                }
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
    fn identities_derivatives_are_those_of_the_functions() {
        for basis in [
            AxisBasis::Gaussian { lo: -1.0, hi: 2.0, len: 7 },
            AxisBasis::Fourier { lo: -1.0, hi: 2.0, len: 6 },
            AxisBasis::Legendre { lo: -1.0, hi: 2.0, len: 6 },
        ] {
            let [mut slope, mut ahead, mut behind] = [(); 3].map(|()| vec![0.0; basis.len()]);
            let (z, h) = (0.37, 1e-5);
            basis.fill_derivative(z, &mut slope);
            basis.fill(z + h, &mut ahead);
            basis.fill(z - h, &mut behind);
            for ((d, a), b) in slope.iter().zip(&ahead).zip(&behind) {
                // A sixth of h² times third derivatives of up to a few thousand.
                assert!((d - (a - b) / (2.0 * h)).abs() < 1e-6, "{basis:?}: {d} {}", (a - b) / (2.0 * h));
            }
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
