//! ReLU, closed forms of Cho and Saul (2009): with θ the angle between pre-activations of variances q, q',
//! E[ρρ'] = √(qq') κ₁(θ)/2, κ₁ = (sin θ + (π − θ) cos θ)/π, and E[ρ̇ρ̇'] = κ₀(θ)/2, κ₀ = (π − θ)/π.
//!
//! Everything is relative to √(qq'), and c = cos θ is carried as δ = 1 − c. From layer to layer, with
//! (r, g) = (σ_w√(q/2), σ_b)/√q_next a unit vector for each input:
//!   1 − c_next = [(r − r')² + (g − g')²]/2 + rr'(1 − κ₁),  1 − κ₁ = δ − (sin θ − θ cos θ)/π,
//!   Θ_next/√(q_next q'_next) = gg' + rr'(κ₁ + κ₀ Θ/√(qq')).
//! Nothing cancels but the last difference, which loses ε/θ of δ ~ θ²/2: each layer adds about ε to the absolute error of θ.

use super::Pair;
use super::math::{LANES, Lanes, arcsine_ratio, lanes, ramp_ratio};
use super::rows::{FirstLayer, chords};
use crate::ntk::MlpSpec;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

#[derive(Debug, Clone)]
pub(super) struct Relu {
    first: FirstLayer,
    depth: usize,
    weight_std: f64,
    bias_std: f64,
}

impl Relu {
    pub(super) fn new(spec: &MlpSpec, inputs: usize) -> Self {
        Self {
            first: FirstLayer::new(spec, inputs),
            depth: spec.depth,
            weight_std: spec.weight_var.sqrt(),
            bias_std: spec.bias_var.sqrt(),
        }
    }
}

impl Pair for Relu {
    fn width(&self) -> usize {
        self.first.units() + 2 * (self.depth - 1) + 1
    }

    /// (û, r₁, g₁, …, r_{L−1}, g_{L−1}, √(q_L/2)).
    fn profile(&self, x: &[f64], out: &mut [f64]) -> (f64, f64) {
        let (units, rest) = out.split_at_mut(self.first.units());
        let mut root = self.first.fill(x, units);
        // Θ/q of the input with itself, where κ₀ = κ₁ = 1.
        let mut tangent = 1.0;
        for pair in rest[..2 * (self.depth - 1)].chunks_exact_mut(2) {
            let gain = self.weight_std * root * FRAC_1_SQRT_2;
            root = gain.hypot(self.bias_std);
            (pair[0], pair[1]) = if root > 0.0 { (gain / root, self.bias_std / root) } else { (0.0, 0.0) };
            tangent = pair[1] * pair[1] + pair[0] * pair[0] * (1.0 + tangent);
        }
        let scale = root * FRAC_1_SQRT_2;
        rest[2 * (self.depth - 1)] = scale;
        (scale * scale, scale * scale * (1.0 + tangent))
    }

    #[inline(always)]
    fn lanes(&self, a: &[f64], b: &[Lanes]) -> (Lanes, Lanes) {
        let units = self.first.units();
        let (near, far) = chords(&a[..units], &b[..units]);
        // The angle, or what it lacks to π where it is obtuse: φ = 2 arcsin √z, z ≤ 1/2.
        let z = lanes(|j| 0.25 * if near[j] <= far[j] { near[j] } else { far[j] });
        let (arc, ramp) = arc_and_ramp(&z);
        let acute = |j: usize| near[j] <= far[j];
        // 1 − κ₁, κ₁ and the tangent kernel behind the activation, each over √(qq').
        let mut below = lanes(|j| if acute(j) { 2.0 * z[j] - ramp[j] } else { 1.0 - ramp[j] });
        let mut value = lanes(|j| if acute(j) { 1.0 - below[j] } else { ramp[j] });
        let mut tangent = lanes(|j| {
            let c = 1.0 - 2.0 * z[j];
            if acute(j) { (1.0 - arc[j]).mul_add(c, value[j]) } else { arc[j].mul_add(-c, value[j]) }
        });
        let (a, b) = (&a[units..], &b[units..]);
        for (a, b) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
            let (r, g) = (lanes(|j| a[0] * b[0][j]), lanes(|j| a[1] * b[1][j]));
            let z = lanes(|j| {
                let (dr, dg) = (a[0] - b[0][j], a[1] - b[1][j]);
                0.5 * r[j].mul_add(below[j], 0.5 * dr.mul_add(dr, dg * dg))
            });
            let (arc, ramp) = arc_and_ramp(&z);
            for j in 0..LANES {
                let t = r[j].mul_add(tangent[j], g[j]);
                below[j] = 2.0 * z[j] - ramp[j];
                value[j] = 1.0 - below[j];
                tangent[j] = (1.0 - arc[j]).mul_add(t, value[j]);
            }
        }
        let last = a.len() - 1;
        let scale = lanes(|j| a[last] * b[last][j]);
        (lanes(|j| scale[j] * value[j]), lanes(|j| scale[j] * tangent[j]))
    }
}

/// φ/π and (sin φ − φ cos φ)/π for φ = 2 arcsin √z.
#[inline(always)]
fn arc_and_ramp(z: &Lanes) -> (Lanes, Lanes) {
    let root = lanes(|j| FRAC_2_PI * z[j].sqrt());
    let (arc, ramp) = (arcsine_ratio(z), ramp_ratio(z));
    (lanes(|j| root[j] * arc[j]), lanes(|j| root[j] * z[j] * ramp[j]))
}
