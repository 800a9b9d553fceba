//! Lanes of f64 and the two functions that the closed forms need: A(z) = arcsin(√z)/√z and
//! G(z) = (√(1 − z) − (1 − 2z) A(z))/z, for 0 ≤ z ≤ 1/2.
//!
//! With z = sin²(θ/2), θ the angle between two vectors: θ = 2√z A(z) and sin θ − θ cos θ = 2√z z G(z), so one square root
//! and two polynomials in z give everything that the arc-cosine kernels need, without a difference that cancels at
//! θ → 0. Both functions are analytic up to z = 1; interpolation at Chebyshev nodes of [0, 1/2] (60 digits) leaves 3e-18
//! at degree 19 (A) and 7e-18 at degree 17 (G), relative.
//!
//! Plain loops over lanes, compiled for each instruction set by `pulp`. Sums are fused multiply-adds throughout, which
//! are correctly rounded with or without an instruction for them: every processor gives the same bits.

/// Width of all lane arrays: two AVX-512 registers of f64, whose dependent chains overlap, or four of AVX2.
pub(super) const LANES: usize = 16;

/// One number for each of sixteen pairs of inputs.
pub(super) type Lanes = [f64; LANES];

/// The lanes f(0), f(1), …
#[inline(always)]
pub(super) fn lanes(f: impl Fn(usize) -> f64) -> Lanes {
    let mut out = [0.0; LANES];
    for (j, o) in out.iter_mut().enumerate() {
        *o = f(j);
    }
    out
}

const A: [f64; 20] = [
    1.0,
    0.16666666666666963,
    0.07499999999921601,
    0.044642857225198236,
    0.030381939881651884,
    0.022372313173181127,
    0.017349310312271254,
    0.014019172263170341,
    0.010929346635853876,
    0.015091814736796418,
    -0.0263164457345533,
    0.18095803245665062,
    -0.6641256932106286,
    2.001609832222466,
    -4.5358038577774416,
    7.7681843194784745,
    -9.66968089598488,
    8.325000162955533,
    -4.438824542769799,
    1.1264209926865336,
];

const G: [f64; 18] = [
    1.3333333333333333,
    0.13333333333334071,
    0.042857142855561046,
    0.019841269975387814,
    0.011047973819689498,
    0.00688390284163942,
    0.004624524001883984,
    0.0033215468800710402,
    0.0021131204510012646,
    0.00395765969916778,
    -0.00885239703187803,
    0.03920029738003809,
    -0.10397147674249287,
    0.21454920875130376,
    -0.3122950880168801,
    0.31349954158866994,
    -0.19244639033549243,
    0.05683073479823028,
];

/// Σ c_i z^i as four interleaved sums in z⁴, which do not wait for each other.
#[inline(always)]
fn polynomial<const N: usize>(z: &Lanes, c: &[f64; N]) -> Lanes {
    let z2 = lanes(|j| z[j] * z[j]);
    let z4 = lanes(|j| z2[j] * z2[j]);
    let mut sums = [[0.0; LANES]; 4];
    for (r, sum) in sums.iter_mut().enumerate() {
        let last = (N - 1 - r) / 4 * 4 + r;
        *sum = [c[last]; LANES];
        let mut i = last;
        while i >= 4 {
            i -= 4;
            for j in 0..LANES {
                sum[j] = sum[j].mul_add(z4[j], c[i]);
            }
        }
    }
    lanes(|j| {
        let even = sums[2][j].mul_add(z2[j], sums[0][j]);
        let odd = sums[3][j].mul_add(z2[j], sums[1][j]);
        odd.mul_add(z[j], even)
    })
}

/// arcsin(√z)/√z for 0 ≤ z ≤ 1/2.
#[inline(always)]
pub(super) fn arcsine_ratio(z: &Lanes) -> Lanes {
    polynomial(z, &A)
}

/// (sin θ − θ cos θ)/(2 z √z), z = sin²(θ/2) ≤ 1/2.
#[inline(always)]
pub(super) fn ramp_ratio(z: &Lanes) -> Lanes {
    polynomial(z, &G)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole range, with every order of magnitude down to 2⁻¹⁰⁰⁰.
    fn arguments() -> impl Iterator<Item = f64> {
        let grid = (0..=400_000).map(|i| 0.5 * f64::from(i) / 400_000.0);
        grid.chain((1..1000).flat_map(|e| [0.51, 0.77, 0.999].map(|m: f64| m * 2f64.powi(-e))))
    }

    #[test]
    fn oracle_arcsine_matches_the_standard_library() {
        for z in arguments() {
            let y = z.sqrt();
            let found = y * arcsine_ratio(&[z; LANES])[3];
            // Two roundings here, those of y (which reach asin with a condition of at most 1.28) and of the library.
            assert!((found - y.asin()).abs() <= 4.0 * f64::EPSILON * y.asin(), "{z:e}: {found:e}");
        }
    }

    #[test]
    fn oracle_ramp_matches_its_definition_and_its_series() {
        for z in arguments() {
            let (y, found) = (z.sqrt(), ramp_ratio(&[z; LANES])[5]);
            if z > 0.05 {
                let direct = ((1.0 - z).sqrt() - (1.0 - 2.0 * z) * y.asin() / y) / z;
                // The difference cancels: it is a third of z or more, its terms at most 1.
                assert!((found - direct).abs() < 4.0 * f64::EPSILON / z, "{z}: {found} {direct}");
            } else {
                // √(1 − z) = Σ b_k z^k and A(z) = Σ a_k z^k with their binomial coefficients; 0.05^14 < 1e-18.
                let (mut a, mut b, mut power, mut series) = (1.0, 1.0, 1.0, 0.0);
                for k in 1..15 {
                    let (n, before) = (f64::from(k), a);
                    a *= (2.0 * n - 1.0).powi(2) / (2.0 * n * (2.0 * n + 1.0));
                    b *= (2.0 * n - 3.0) / (2.0 * n);
                    series += (b - a + 2.0 * before) * power;
                    power *= z;
                }
                assert!((found / series - 1.0).abs() < 4.0 * f64::EPSILON, "{z:e}: {found} {series}");
            }
        }
    }

    #[test]
    fn limits_at_zero_are_exact() {
        assert_eq!(arcsine_ratio(&[0.0; LANES]), [1.0; LANES]);
        assert_eq!(ramp_ratio(&[0.0; LANES]), [4.0 / 3.0; LANES]);
        assert!(arcsine_ratio(&[f64::NAN; LANES])[0].is_nan());
    }
}
