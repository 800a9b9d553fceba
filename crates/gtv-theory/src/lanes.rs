//! exp, sine and cosine on arrays: eˣ = 2ᵏ eʳ, k = round(x / ln 2), |r| ≤ ln 2 / 2, eʳ by a Taylor polynomial; angles in turns,
//! reduced to a quarter turn either way.
//!
//! Plain loops over fixed-size lanes, which the compiler vectorises for whatever instruction set the caller was
//! dispatched to (`pulp::Arch`). No fused multiply-add: every instruction set gives the same bits.

/// Width of all lane arrays: one AVX-512 register of f64, two of AVX2.
pub(crate) const LANES: usize = 8;

/// Below this, e^x is taken as 0 (the smallest normal f64 is e^−708.4).
const LOWEST_F64: f64 = -708.0;
/// Below this, e^x is taken as 0 in f32 (the smallest normal f32 is e^−87.3).
const LOWEST_F32: f32 = -87.0;

/// e^x for x ≤ 0 to 3e-16 relative; 0 below −708. NaN gives NaN.
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f64) -> f64 {
    // Adding and subtracting 1.5·2^52 rounds to the nearest integer, which is then in the low bits.
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    // ln 2 in two pieces; the first has enough trailing zeros for k·LN2_HIGH to be exact.
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let clamped = if x < LOWEST_F64 { LOWEST_F64 } else { x };
    let shifted = clamped * std::f64::consts::LOG2_E + ROUNDER;
    let k = shifted - ROUNDER;
    let r = (clamped - k * LN2_HIGH) - k * LN2_LOW;
    // Degree 13: the first term left out is below 4e-18. Even and odd parts run in parallel (shorter chain).
    let r2 = r * r;
    let even = 1.0
        + r2 * (1.0 / 2.0
            + r2 * (1.0 / 24.0
                + r2 * (1.0 / 720.0
                    + r2 * (1.0 / 40_320.0 + r2 * (1.0 / 3_628_800.0 + r2 * (1.0 / 479_001_600.0))))));
    let odd = 1.0
        + r2 * (1.0 / 6.0
            + r2 * (1.0 / 120.0
                + r2 * (1.0 / 5_040.0
                    + r2 * (1.0 / 362_880.0 + r2 * (1.0 / 39_916_800.0 + r2 * (1.0 / 6_227_020_800.0))))));
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = (even + r * odd) * scale;
    if x < LOWEST_F64 { 0.0 } else { value }
}

/// e^x for x ≤ 0 to 3e-7 relative; 0 below −87. NaN gives NaN.
#[inline(always)]
pub(crate) fn exp_nonpositive_f32(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < LOWEST_F32 { LOWEST_F32 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let k = shifted - ROUNDER;
    let r = (clamped - k * LN2_HIGH) - k * LN2_LOW;
    // Degree 7: the first term left out is below 6e-9.
    let value = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0
                    + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5_040.0)))))));
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < LOWEST_F32 { 0.0 } else { value * scale }
}

/// sin 2πf and cos 2πf to 4e-16, f in turns. NaN and ±∞ give NaN.
#[inline(always)]
pub(crate) fn sin_cos_turns(f: f64) -> (f64, f64) {
    let f = f - f.round_ties_even();
    let size = f.abs();
    let folded = if size > 0.25 { 0.5 - size } else { size };
    (sin_quarter(folded).copysign(f), sin_quarter(0.25 - size))
}

/// cos 2πf alone.
#[inline(always)]
pub(crate) fn cos_turns(f: f64) -> f64 {
    sin_quarter(0.25 - (f - f.round_ties_even()).abs())
}

/// cos 2πf alone to 3e-7, f in turns: Taylor's polynomial of degree 11 leaves out less than 6e-8.
#[inline(always)]
pub(crate) fn cos_turns_f32(f: f32) -> f32 {
    let a = std::f32::consts::TAU * (0.25 - (f - f.round_ties_even()).abs());
    let b = a * a;
    let series =
        -1.0 / 6.0 + b * (1.0 / 120.0 + b * (-1.0 / 5_040.0 + b * (1.0 / 362_880.0 - b / 39_916_800.0)));
    a + a * b * series
}

/// sin 2πg for |g| ≤ 1/4: Taylor's polynomial of degree 21 leaves out less than 2e-18.
#[inline(always)]
fn sin_quarter(g: f64) -> f64 {
    let a = std::f64::consts::TAU * g;
    let b = a * a;
    let series = -1.0 / 6.0
        + b * (1.0 / 120.0
            + b * (-1.0 / 5_040.0
                + b * (1.0 / 362_880.0
                    + b * (-1.0 / 39_916_800.0
                        + b * (1.0 / 6_227_020_800.0
                            + b * (-1.0 / 1_307_674_368_000.0
                                + b * (1.0 / 355_687_428_096_000.0
                                    + b * (-1.0 / 121_645_100_408_832_000.0
                                        + b / 51_090_942_171_709_440_000.0))))))));
    a + a * b * series
}

/// Largest value; −∞ when all are −∞ or NaN. The length must be a multiple of [`LANES`].
#[inline(always)]
pub(crate) fn max_of(values: &[f64]) -> f64 {
    let mut lanes = [f64::NEG_INFINITY; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for j in 0..LANES {
            lanes[j] = if chunk[j] > lanes[j] { chunk[j] } else { lanes[j] };
        }
    }
    lanes.iter().fold(f64::NEG_INFINITY, |acc, v| if *v > acc { *v } else { acc })
}

/// Σ a_j b_j with a fixed order of summation. The length must be a multiple of [`LANES`].
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for j in 0..LANES {
            lanes[j] += a[j] * b[j];
        }
    }
    sum_lanes(&lanes)
}

/// Σ a_j with a fixed order of summation. The length must be a multiple of [`LANES`].
#[inline(always)]
pub(crate) fn sum_of(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for j in 0..LANES {
            lanes[j] += chunk[j];
        }
    }
    sum_lanes(&lanes)
}

#[inline(always)]
fn sum_lanes(l: &[f64; LANES]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_exponentials_match_the_standard_library() {
        let (mut worst, mut worst_f32) = (0.0f64, 0.0f64);
        for i in 0..200_000 {
            let x = -700.0 * (i as f64 / 200_000.0).powi(3);
            worst = worst.max((exp_nonpositive(x) / x.exp() - 1.0).abs());
            let y = (x * 0.124) as f32;
            worst_f32 = worst_f32.max((f64::from(exp_nonpositive_f32(y)) / f64::from(y).exp() - 1.0).abs());
        }
        assert!(worst < 4e-16, "{worst:e}");
        assert!(worst_f32 < 3e-7, "{worst_f32:e}");
    }

    #[test]
    fn oracle_sine_and_cosine_match_the_standard_library() {
        for i in -40_000..40_000 {
            // Exact in binary, so that the angle is the only rounding of the comparison: half an ulp of 2πf' ≤ π.
            let f = f64::from(i) / 16_384.0;
            let (sin, cos) = sin_cos_turns(f);
            let (want_sin, want_cos) = (std::f64::consts::TAU * (f - f.round())).sin_cos();
            assert!((sin - want_sin).abs() < 8e-16 && (cos - want_cos).abs() < 8e-16, "{f}: {sin} {cos}");
            assert_eq!(cos_turns(f), cos);
            assert!((f64::from(cos_turns_f32(f as f32)) - want_cos).abs() < 3e-7, "{f}: {want_cos}");
        }
        for f in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(sin_cos_turns(f).0.is_nan() && cos_turns(f).is_nan());
        }
    }

    #[test]
    fn limits_of_the_exponentials() {
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(-0.0), 1.0);
        assert_eq!(exp_nonpositive(-709.0), 0.0);
        assert_eq!(exp_nonpositive(f64::NEG_INFINITY), 0.0);
        assert!(exp_nonpositive(f64::NAN).is_nan());
        assert_eq!(exp_nonpositive_f32(0.0), 1.0);
        assert_eq!(exp_nonpositive_f32(f32::NEG_INFINITY), 0.0);
        assert!(exp_nonpositive_f32(f32::NAN).is_nan());
    }
}
