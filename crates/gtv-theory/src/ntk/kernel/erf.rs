//! erf, closed forms of Williams (1997): E[ρρ'] = (2/π) arcsin s, s = 2Σ/√((1 + 2q)(1 + 2q')), and
//! E[ρ̇ρ̇'] = (4/π)/√((1 + 2q)(1 + 2q')(1 − s²)).
//!
//! s = RR'c with R = √(2q/(1 + 2q)), G = 1/√(1 + 2q), so that 1 − |s| = [(R − R')² + G² + G'²]/2 + RR'(1 − |c|) is a sum of
//! positive terms: large inputs lose nothing at the first layer, where 1 − |c| is known from the chords. Behind it q is at
//! most σ_w² + σ_b², and 1 − |c| from a rounded c leaves ε(1 + 2q) relative.

use super::Pair;
use super::math::{LANES, Lanes, arcsine_ratio, lanes};
use super::rows::{FirstLayer, chords};
use crate::ntk::MlpSpec;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_PI_2, SQRT_2};

#[derive(Debug, Clone)]
pub(super) struct Erf {
    first: FirstLayer,
    depth: usize,
    weight_var: f64,
    bias_var: f64,
}

impl Erf {
    pub(super) fn new(spec: &MlpSpec, inputs: usize) -> Self {
        Self {
            first: FirstLayer::new(spec, inputs),
            depth: spec.depth,
            weight_var: spec.weight_var,
            bias_var: spec.bias_var,
        }
    }
}

impl Pair for Erf {
    fn width(&self) -> usize {
        self.first.units() + 3 * self.depth
    }

    /// (û, √q₁, R₁, G₁, 1/√q₂, R₂, G₂, …), with 0 for 1/√0.
    fn profile(&self, x: &[f64], out: &mut [f64]) -> (f64, f64) {
        let (units, rest) = out.split_at_mut(self.first.units());
        let mut root = self.first.fill(x, units);
        let (mut value, mut tangent, mut before) = (0.0, 0.0, root * root);
        for (l, layer) in rest.chunks_exact_mut(3).enumerate() {
            if l > 0 {
                root = (self.weight_var * value + self.bias_var).sqrt();
                before = self.weight_var * tangent + self.bias_var;
            }
            let full = 1f64.hypot(SQRT_2 * root);
            let inverse = if root > 0.0 { 1.0 / root } else { 0.0 };
            layer.copy_from_slice(&[if l == 0 { root } else { inverse }, SQRT_2 * root / full, 1.0 / full]);
            // arcsin(2q/(1 + 2q)) = arctan(2q/√(1 + 4q)); 1 − s² = (1 + 4q)/(1 + 2q)².
            let wide = 1f64.hypot(2.0 * root);
            value = FRAC_2_PI * (SQRT_2 * root / wide * SQRT_2 * root).atan();
            // Divided one by one: q may overflow.
            tangent = value + 2.0 * FRAC_2_PI * (before / wide);
        }
        (value, tangent)
    }

    #[inline(always)]
    fn lanes(&self, a: &[f64], b: &[Lanes]) -> (Lanes, Lanes) {
        let units = self.first.units();
        let (near, far) = chords(&a[..units], &b[..units]);
        let mut cosine = lanes(|j| 0.25 * (far[j] - near[j]));
        let mut rest = lanes(|j| 0.5 * if near[j] <= far[j] { near[j] } else { far[j] });
        let mut tangent = lanes(|j| a[units] * b[units][j] * cosine[j]);
        let mut value = [0.0; LANES];
        for (l, (a, b)) in a[units..].chunks_exact(3).zip(b[units..].chunks_exact(3)).enumerate() {
            if l > 0 {
                for j in 0..LANES {
                    tangent[j] = self.weight_var.mul_add(tangent[j], self.bias_var);
                    let sigma = self.weight_var.mul_add(value[j], self.bias_var);
                    let c = sigma * (a[0] * b[0][j]);
                    let left = 1.0 - c.abs();
                    rest[j] = if left > 0.0 { left } else { 0.0 };
                    cosine[j] = c;
                }
            }
            let r = lanes(|j| a[1] * b[1][j]);
            // |s| and 1 − |s|.
            let s = lanes(|j| r[j] * cosine[j].abs());
            let below = lanes(|j| {
                let dr = a[1] - b[1][j];
                // Plain products: the same bits whichever input comes first.
                let squares = dr.mul_add(dr, a[2] * a[2] + b[2][j] * b[2][j]);
                r[j].mul_add(rest[j], 0.5 * squares)
            });
            let large = |j: usize| s[j] > FRAC_1_SQRT_2;
            let z = lanes(|j| if large(j) { 0.5 * below[j] } else { s[j] * s[j] });
            let ratio = arcsine_ratio(&z);
            for j in 0..LANES {
                let arc = if large(j) { FRAC_PI_2 - 2.0 * z[j].sqrt() * ratio[j] } else { s[j] * ratio[j] };
                value[j] = FRAC_2_PI * arc.copysign(cosine[j]);
                let slope = 2.0 * FRAC_2_PI * (a[2] * b[2][j]) / (below[j] * (1.0 + s[j])).sqrt();
                tangent[j] = slope.mul_add(tangent[j], value[j]);
            }
        }
        (value, tangent)
    }
}
