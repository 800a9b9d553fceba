//! What a kernel needs to know of each input, computed once: a profile of W numbers, the first of them the unit vector
//! û = (σ_w x/√d, σ_b)/√q, q = σ_w²|x|²/d + σ_b².
//!
//! Two inputs meet as the chords |û − v̂|² = 2(1 − c) and |û + v̂|² = 2(1 + c) of their unit vectors. Both are sums of
//! squares: the angle between the inputs is known to a few ε *absolutely*, also where it is 0 or π and where the arccosine of a
//! rounded c would leave √ε.

use super::math::{LANES, Lanes, lanes};
use crate::ntk::MlpSpec;

/// The map from inputs to the first layer's pre-activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FirstLayer {
    inputs: usize,
    weight_std: f64,
    bias_std: f64,
}

impl FirstLayer {
    pub(super) fn new(spec: &MlpSpec, inputs: usize) -> Self {
        Self { inputs, weight_std: spec.weight_var.sqrt(), bias_std: spec.bias_var.sqrt() }
    }

    /// Length of û: one more than the inputs where there is a bias.
    pub(super) fn units(&self) -> usize {
        self.inputs + usize::from(self.bias_std > 0.0)
    }

    /// Writes û and returns √q. Where q = 0, û = 0.
    pub(super) fn fill(&self, x: &[f64], out: &mut [f64]) -> f64 {
        // Scaled by the largest entry, so that no square overflows or vanishes.
        let gain = self.weight_std / (self.inputs as f64).sqrt();
        let largest = x.iter().fold(self.bias_std / gain, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            out.fill(0.0);
            return 0.0;
        }
        for (o, x) in out.iter_mut().zip(x) {
            *o = x / largest;
        }
        if self.bias_std > 0.0 {
            out[self.inputs] = self.bias_std / gain / largest;
        }
        let norm = out.iter().map(|v| v * v).sum::<f64>().sqrt();
        out.iter_mut().for_each(|o| *o /= norm);
        norm * largest * gain
    }
}

/// |û − v̂|² and |û + v̂|² of one input with sixteen.
#[inline(always)]
pub(super) fn chords(a: &[f64], b: &[Lanes]) -> (Lanes, Lanes) {
    let (mut near, mut far) = ([0.0; LANES], [0.0; LANES]);
    for (a, b) in a.iter().zip(b) {
        for j in 0..LANES {
            let (minus, plus) = (a - b[j], a + b[j]);
            near[j] = minus.mul_add(minus, near[j]);
            far[j] = plus.mul_add(plus, far[j]);
        }
    }
    (near, far)
}

/// a · b of one input with sixteen.
#[inline(always)]
pub(super) fn dots(a: &[f64], b: &[Lanes]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        sum = lanes(|j| a.mul_add(b[j], sum[j]));
    }
    sum
}

/// Profiles laid out for lanes: number k of inputs 16c, …, 16c + 15 at `[c · width + k]`, zeros behind the last.
pub(super) fn pack(profiles: &[f64], width: usize) -> Vec<Lanes> {
    let rows = profiles.len() / width;
    let mut out = vec![[0.0; LANES]; rows.div_ceil(LANES) * width];
    for (i, row) in profiles.chunks_exact(width).enumerate() {
        for (k, v) in row.iter().enumerate() {
            out[i / LANES * width + k][i % LANES] = *v;
        }
    }
    out
}
