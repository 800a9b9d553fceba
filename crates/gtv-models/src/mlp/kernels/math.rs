//! Activations in single precision to a few units in the last place, without branches, so that loops over them vectorise.
//!
//! e^x = 2^k (1 + p), x = k ln 2 + r, p = r + r² q(r); silu u = u/(1 + e^{−u}); tanh u = t/(t + 2), t = e^{2u} − 1;
//! erf u = u + u P(u²) for |u| < 0.95 and 1 − e^{Q(u)} above, with minimax polynomials q, P, Q. A NaN stays a NaN.

/// An activation with its derivative.
pub(crate) trait Rho {
    /// ρ(u) and ρ'(u). Inlined, so that what is not used is not computed.
    fn with_slope(u: f32) -> (f32, f32);
}

/// max(0, u), with slope 0 at 0.
pub(crate) struct Relu;
/// u / (1 + e^{−u}).
pub(crate) struct Silu;
/// tanh u.
pub(crate) struct Tanh;
/// erf u.
pub(crate) struct Erf;

/// (2^k, p) with e^x = 2^k (1 + p), for x held to where 2^k is a normal number.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    // Adding 1.5·2²³ rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in a part whose product with k is exact, and the rest.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    let q = horner(r, [0.5, 1.666_651_4e-1, 4.166_619e-2, 8.369_531e-3, 1.395_156_3e-3]);
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (scale, r + r * r * q)
}

/// Σ c_i x^i.
#[inline(always)]
fn horner<const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + c[i];
    }
    sum
}

#[inline(always)]
fn exp(x: f32) -> f32 {
    let (scale, p) = exp_parts(x);
    scale + scale * p
}

impl Rho for Relu {
    #[inline(always)]
    fn with_slope(u: f32) -> (f32, f32) {
        // Not max(u, 0), which would hide a NaN.
        (if u < 0.0 { 0.0 } else { u }, if u > 0.0 { 1.0 } else { 0.0 })
    }
}

impl Rho for Silu {
    #[inline(always)]
    fn with_slope(u: f32) -> (f32, f32) {
        let e = exp(-u);
        let sigmoid = 1.0 / (1.0 + e);
        let value = u * sigmoid;
        // 1 − σ = e^{−u} σ.
        (value, sigmoid + value * (e * sigmoid))
    }
}

/// t = e^{2|u|} − 1, without cancellation at small u, and with 2|u| held to where tanh has long been 1.
#[inline(always)]
fn expm1_twice(u: f32) -> f32 {
    let x = 2.0 * u.abs();
    let (scale, p) = exp_parts(if x > 40.0 { 40.0 } else { x });
    scale * p + (scale - 1.0)
}

impl Rho for Tanh {
    #[inline(always)]
    fn with_slope(u: f32) -> (f32, f32) {
        let t = expm1_twice(u);
        let inverse = 1.0 / (t + 2.0);
        ((t * inverse).copysign(u), 4.0 * (t + 1.0) * inverse * inverse)
    }
}

impl Rho for Erf {
    #[inline(always)]
    fn with_slope(u: f32) -> (f32, f32) {
        let (x, s) = (u.abs(), u * u);
        let small = horner(
            s,
            [
                1.283_791_7e-1,
                -3.761_263_2e-1,
                1.128_367_3e-1,
                -2.685_810_4e-2,
                5.197_797e-3,
                -8.105_966e-4,
                8.215_424e-5,
            ],
        );
        let log_rest = horner(
            if x > 4.0 { 4.0 } else { x },
            [
                -1.774_872_5e-4,
                -1.127_749_6,
                -6.370_597e-1,
                -1.040_374_2e-1,
                2.227_711_7e-2,
                -3.055_615_7e-3,
                1.971_826_2e-4,
            ],
        );
        let large = (1.0 - exp(log_rest)).copysign(u);
        let value = if x < 0.95 { u + u * small } else { large };
        (value, std::f32::consts::FRAC_2_SQRT_PI * exp(-s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every exponent, both signs, many mantissas.
    fn arguments() -> impl Iterator<Item = f32> {
        let grid = (0..400_000).map(|i| (i as f32 - 200_000.0) * 2.5e-4);
        let small = (-120..0).flat_map(|e| [1.0, 1.37, -1.9].map(|m: f32| m * 2f32.powi(e)));
        grid.chain(small)
    }

    /// The largest |f − f32| against max(|f|, floor), in units of 2⁻²⁴ (half of a last place of 1).
    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, floor: f64) -> f64 {
        let error = |u: f32| {
            let truth = exact(f64::from(u));
            (f64::from(f(u)) - truth).abs() / truth.abs().max(floor)
        };
        arguments().map(error).fold(0.0, f64::max) * 2f64.powi(24)
    }

    #[test]
    fn oracle_values_against_double_precision() {
        // Relative to the value itself however small: what half a dozen roundings can add up to.
        let tiny = 1e-30;
        assert!(worst(|u| Silu::with_slope(u).0, |u| u / (1.0 + (-u).exp()), tiny) < 4.0);
        assert!(worst(|u| Tanh::with_slope(u).0, f64::tanh, tiny) < 4.0);
        assert!(worst(|u| Erf::with_slope(u).0, libm::erf, tiny) < 4.0);
    }

    #[test]
    fn oracle_slopes_against_double_precision() {
        // The slope of silu passes through 0, those of the others fall as exponentials whose argument is itself rounded:
        // relative to a tenth of their largest value.
        let sigmoid = |u: f64| 1.0 / (1.0 + (-u).exp());
        let silu = |u: f64| sigmoid(u) * (1.0 + u * (1.0 - sigmoid(u)));
        assert!(worst(|u| Silu::with_slope(u).1, silu, 0.1) < 8.0);
        assert!(worst(|u| Tanh::with_slope(u).1, |u| u.cosh().powi(-2), 0.1) < 8.0);
        let gauss = |u: f64| std::f64::consts::FRAC_2_SQRT_PI * (-u * u).exp();
        assert!(worst(|u| Erf::with_slope(u).1, gauss, 0.1) < 8.0);
    }

    #[test]
    fn limits_saturation_and_not_a_number() {
        for u in [90.0f32, 1e4, 1e30, f32::INFINITY] {
            assert_eq!((Tanh::with_slope(u).0, Tanh::with_slope(-u).0), (1.0, -1.0));
            assert_eq!((Erf::with_slope(u).0, Erf::with_slope(-u).0), (1.0, -1.0));
            assert_eq!(Silu::with_slope(u).0, u);
            assert!(u.is_infinite() || Silu::with_slope(-u).0.abs() < 1e-7 * u);
            for slope in [Tanh::with_slope(u).1, Erf::with_slope(u).1] {
                assert!((0.0..1e-15).contains(&slope), "{u}: {slope}");
            }
        }
        for f in [Relu::with_slope, Silu::with_slope, Tanh::with_slope, Erf::with_slope] {
            assert!(f(f32::NAN).0.is_nan());
        }
    }
}
