//! The mean of gradient flow on finite training sets, to first order in 1/P.
//!
//! On a training set, ȧ = −Z(I + X) a + Z(c + x), Z = diag ζ, X_ij = E_μ[w e_i e_j] − δ_ij. X fluctuates together with the
//! coefficients and so moves their mean: ȧ₂ = −Z a₂ − Z X a₁, where a₁ = E_δ[w e R] is the first order
//! ([`response`](super::response)). So
//!
//! E a_i = r_i c_i − (1/P) ∫₀^τ ζ_i e^{−ζ_i(τ−s)} B_i(s) ds, B_i(s) = E_q[w² e_i Σ_j e_j² R_j(s)] − c_i ζ_i s e^{−ζ_i s}:
//!
//! w Σ_j e_j² R_j/P is what a triple does to the prediction at its own place. The rule of the integral is exact where B is linear
//! between times in geometric progression.

use super::Flow;
use super::response::{Influence, phi1};
use super::reused::Targets;
use super::spectrum::learned;
use crate::design::{BLOCK, Design};
use rayon::prelude::*;

/// The first time at which B is evaluated, in units of 1/ζ_1, and the ratio between times.
const FIRST: f64 = 0.05;
const RATIO: f64 = 1.6;

impl Flow {
    /// E c to first order in 1/P for independent triples, c the weights of the features r_i e_i that a law at this time has.
    pub(super) fn corrected_mean(&self) -> Vec<f64> {
        let (values, dim, kept, time) = (self.spectrum.values(), self.dim(), self.kept(), self.time);
        let mut mean = self.spectrum.coefficients()[..kept * dim].to_vec();
        let samples = self.on_modes.samples();
        if time == 0.0 {
            return mean;
        }
        if time == f64::INFINITY {
            let end = self.pull(time);
            mean.iter_mut().zip(end).for_each(|(m, b)| *m -= b / samples);
            return mean;
        }
        let times = grid(values[0], time);
        let mut before = self.pull(0.0);
        for pair in times.windows(2) {
            let here = self.pull(pair[1]);
            for (k, m) in mean.iter_mut().enumerate() {
                let (on_first, on_last) = weights(values[k / dim], time, pair[0], pair[1]);
                *m -= (on_first * before[k] + on_last * here[k]) / samples;
            }
            before = here;
        }
        mean
    }

    /// B(s), K × D.
    fn pull(&self, time: f64) -> Vec<f64> {
        let (values, dim) = (self.spectrum.values(), self.dim());
        let (count, c) = (values.len(), self.spectrum.coefficients());
        let rates: Vec<f64> = values.iter().map(|v| learned(*v, time)).collect();
        let targets = Targets { coefficients: c, initial: None };
        let influence = Influence::of_labels(self, count, time, self.on_modes.target(), targets);
        let mut own = vec![0.0; self.nodes() * dim];
        own.par_chunks_mut(BLOCK * dim).enumerate().for_each(|(block, own)| {
            let from = block * BLOCK;
            let modes = self.modes.rows(from..from + own.len() / dim);
            for d in 0..dim {
                let rows = influence.rows(from, modes, d);
                let rows = rows.chunks_exact(count).zip(modes.chunks_exact(count));
                for (k, (row, e)) in rows.enumerate() {
                    let sum: f64 = row.iter().zip(e).zip(&rates).map(|((g, e), r)| g * e * r).sum();
                    let q = from + k;
                    own[k * dim + d] = sum * self.on_modes.nodes.mass[q].sqrt() * self.on_modes.weight[q];
                }
            }
        });
        let mut pull = self.modes.project(&own, dim);
        for (k, b) in pull.iter_mut().enumerate() {
            let exponent = values[k / dim] * time;
            if exponent.is_finite() {
                *b -= c[k] * exponent * (-exponent).exp();
            }
        }
        pull
    }
}

/// 0, then times in geometric progression up to the last one.
fn grid(fastest: f64, time: f64) -> Vec<f64> {
    let first = (FIRST / fastest).min(time);
    let steps = ((time / first).ln() / RATIO.ln()).ceil().max(0.0) as usize;
    let mut times = vec![0.0];
    times.extend((0..steps).map(|k| first * (time / first).powf(k as f64 / steps as f64)));
    times.push(time);
    times
}

/// ∫_a^b ζ e^{−ζ(τ−s)} (1 − u, u) ds / (1 − e^{−ζτ}), u = (s − a)/(b − a).
fn weights(value: f64, time: f64, a: f64, b: f64) -> (f64, f64) {
    let (width, exponent) = (b - a, value * (b - a));
    // φ₁(ζτ) τ = r/ζ; e^{−ζ(τ−b)} times ∫₀^1 e^{−x(1−u)} (·) du.
    let scale = width * (-value * (time - b)).exp() / (time * phi1(value * time));
    let total = phi1(exponent);
    // ∫₀¹ u e^{−x(1−u)} du = (1 − φ₁(x))/x.
    let last = if exponent < 1e-4 { 0.5 - exponent / 6.0 } else { (1.0 - total) / exponent };
    (scale * (total - last), scale * last)
}
