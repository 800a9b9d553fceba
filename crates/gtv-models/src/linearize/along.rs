//! The derivative of a network along directions of its parameters, and backwards, without the Jacobian.
//!
//! Along one, at the cost of three evaluations: u̇ = a (ḣ W + h Ẇ) + c ḃ, ḣ' = ρ'(u) ∘ u̇.
//!
//! Along many, ∂F_i/∂W_l = a_l h^l (δ_l^i)ᵀ is contracted with their Ẇ_l (fan_in × fan_out × K) from the left first, for all outputs at
//! once: Σ_j δ_j^i (Σ_m h_m Ẇ_mj).
//!
//! Backwards, Σ_n r_n ∂F_n/∂W_l = a_l Hᵀ E with the rows E_n = Σ_i r_ni δ_l^i.

use super::tangent::{Points, ROWS, Tangent};
use super::trace::{Trace, activate, product};
use crate::mlp::Weights;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::settle_vector_state;
use rayon::prelude::*;
use std::ops::Range;

/// Traces that are differentiated backwards together; fixed, so that memory does not depend on the number of threads.
const TOGETHER: usize = 4;
/// Numbers of a contraction at a time: what stays in cache; and units at least, over which the products with the signals sum.
const CONTRACTED: usize = 1 << 20;
const FEWEST: usize = 16;

impl Tangent {
    /// Σ_a ∂F/∂θ_a · direction_a.
    ///
    /// # Shapes
    /// `inputs`: n × I; `out`: n × D.
    ///
    /// # Panics
    /// When the direction is of another architecture: a programming error.
    pub fn along(&self, direction: &Weights, inputs: &[f64], out: &mut [f64]) {
        let (width, dim) = (self.inputs(), self.dim());
        for (inputs, out) in inputs.chunks(ROWS * width).zip(out.chunks_mut(ROWS * dim)) {
            self.along_block(direction, inputs, out);
        }
    }

    fn along_block(&self, direction: &Weights, inputs: &[f64], out: &mut [f64]) {
        let rows = inputs.len() / self.inputs();
        let mut value: Vec<f32> = inputs.iter().map(|v| *v as f32).collect();
        let mut change: Option<Vec<f32>> = None;
        let hidden = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let (weights, direction) = (&self.weights.layers[l], &direction.layers[l]);
            let matrix = |w| MatRef::from_row_major_slice(w, layer.fan_in, layer.fan_out);
            let mut moved = vec![0.0f32; rows * layer.fan_out];
            product(rows, &value, matrix(&direction.weight), layer.weight_scale, &mut moved);
            if let Some(change) = &change {
                let mut carried = vec![0.0f32; moved.len()];
                product(rows, change, matrix(&weights.weight), layer.weight_scale, &mut carried);
                moved.iter_mut().zip(carried).for_each(|(m, c)| *m += c);
            }
            if l == hidden {
                out.iter_mut().zip(moved).for_each(|(o, m)| *o = f64::from(m));
                return;
            }
            let mut u = vec![0.0f32; moved.len()];
            product(rows, &value, matrix(&weights.weight), layer.weight_scale, &mut u);
            let shift = layer.bias.map_or(0.0, |(c, _)| c);
            let biases = weights.bias.iter().zip(&direction.bias);
            let biases: Vec<(f64, f64)> =
                biases.map(|(b, d)| (shift * f64::from(*b), shift * f64::from(*d))).collect();
            for (u, moved) in u.chunks_exact_mut(layer.fan_out).zip(moved.chunks_exact_mut(layer.fan_out)) {
                for ((u, moved), (b, d)) in u.iter_mut().zip(moved).zip(&biases) {
                    let (value, slope) = activate(self.activation, f64::from(*u) + b);
                    *moved = (slope * (f64::from(*moved) + d)) as f32;
                    *u = value as f32;
                }
            }
            (value, change) = (u, Some(moved));
        }
    }

    /// Each layer's parameters among all: its W, and its b where it has one.
    pub(super) fn places(&self) -> Vec<(Range<usize>, Option<Range<usize>>)> {
        let mut end = 0;
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        let place = |layer: &gtv_theory::ntk::LayerScaling| {
            (next(layer.fan_in * layer.fan_out), layer.bias.map(|_| next(layer.fan_out)))
        };
        self.layers.iter().map(place).collect()
    }

    /// Σ_a ∂F_i/∂θ_a · directions_a at the points of a trace.
    ///
    /// # Shapes
    /// `directions`: parameters × K; the result: rows × D × K.
    pub(super) fn along_all(&self, trace: &Trace<f32>, directions: &[f32], k: usize) -> Vec<f64> {
        let dim = self.dim();
        let mut sum = vec![0.0f64; trace.rows * dim * k];
        let mut part = vec![0.0f32; sum.len()];
        for (l, (layer, (weights, biases))) in self.layers.iter().zip(self.places()).enumerate() {
            part.fill(0.0);
            let directions = |place: Range<usize>| &directions[place.start * k..place.end * k];
            let all = MatRef::from_row_major_slice(directions(weights), layer.fan_in, layer.fan_out * k);
            let inputs = MatRef::from_row_major_slice(&trace.activations[l], trace.rows, layer.fan_in);
            let together = (CONTRACTED / (trace.rows * k)).max(FEWEST).min(layer.fan_out);
            let mut contracted = vec![0.0f32; trace.rows * together * k];
            for first in (0..layer.fan_out).step_by(together) {
                let units = first..layer.fan_out.min(first + together);
                let columns = units.len() * k;
                let target = &mut contracted[..trace.rows * columns];
                let right = all.subcols(first * k, columns);
                let out = MatMut::from_row_major_slice_mut(target, trace.rows, columns);
                matmul(out, Accum::Replace, inputs, right, layer.weight_scale as f32, Par::Seq);
                match trace.signals.get(l) {
                    // The last layer's units are the outputs.
                    None => {
                        for (out, row) in part.chunks_exact_mut(dim * k).zip(target.chunks_exact(columns)) {
                            out[first * k..][..columns].iter_mut().zip(row).for_each(|(o, v)| *o += v);
                        }
                    }
                    Some(signals) => {
                        let points =
                            part.chunks_exact_mut(dim * k).zip(signals.chunks_exact(dim * layer.fan_out));
                        for ((out, signals), row) in points.zip(target.chunks_exact(columns)) {
                            let signals = MatRef::from_row_major_slice(signals, dim, layer.fan_out);
                            let row = MatRef::from_row_major_slice(row, units.len(), k);
                            let out = MatMut::from_row_major_slice_mut(out, dim, k);
                            let signals = signals.subcols(first, units.len());
                            matmul(out, Accum::Add, signals, row, 1.0, Par::Seq);
                        }
                    }
                }
            }
            if let (Some(place), Some(signals), Some((scale, _))) = (biases, trace.signals.get(l), layer.bias)
            {
                let signals = MatRef::from_row_major_slice(signals, trace.rows * dim, layer.fan_out);
                let right = MatRef::from_row_major_slice(directions(place), layer.fan_out, k);
                let out = MatMut::from_row_major_slice_mut(&mut part, trace.rows * dim, k);
                matmul(out, Accum::Add, signals, right, scale as f32, Par::Seq);
            }
            settle_vector_state();
            sum.iter_mut().zip(&part).for_each(|(s, p)| *s += f64::from(*p));
        }
        sum
    }

    /// Σ_n Σ_i residual_ni ∂F_ni/∂θ, in the order of [`Weights`].
    ///
    /// # Shapes
    /// `residuals`: n × D; the result: parameters.
    pub(super) fn backwards(&self, points: &Points<f32>, residuals: &[f64]) -> Vec<f64> {
        let dim = self.dim();
        let places = self.places();
        let of_trace = |(trace, residuals): (&Trace<f32>, &[f64])| {
            let mut gradient = vec![0.0f32; self.parameters()];
            for (l, (layer, (weights, biases))) in self.layers.iter().zip(&places).enumerate() {
                let mut pulled = vec![0.0f32; trace.rows * layer.fan_out];
                for (n, pulled) in pulled.chunks_exact_mut(layer.fan_out).enumerate() {
                    for i in 0..dim {
                        let residual = residuals[n * dim + i] as f32;
                        match trace.signals.get(l) {
                            None => pulled[i] = residual,
                            Some(signals) => {
                                let signal = &signals[(n * dim + i) * layer.fan_out..][..layer.fan_out];
                                pulled.iter_mut().zip(signal).for_each(|(p, s)| *p += residual * s);
                            }
                        }
                    }
                }
                let inputs = MatRef::from_row_major_slice(&trace.activations[l], trace.rows, layer.fan_in);
                let right = MatRef::from_row_major_slice(&pulled, trace.rows, layer.fan_out);
                let target = &mut gradient[weights.clone()];
                let out = MatMut::from_row_major_slice_mut(target, layer.fan_in, layer.fan_out);
                matmul(out, Accum::Replace, inputs.transpose(), right, layer.weight_scale as f32, Par::Seq);
                settle_vector_state();
                if let (Some(place), Some((scale, _))) = (biases, layer.bias) {
                    for row in pulled.chunks_exact(layer.fan_out) {
                        let sums = gradient[place.clone()].iter_mut().zip(row);
                        sums.for_each(|(sum, v)| *sum += scale as f32 * v);
                    }
                }
            }
            gradient
        };
        let mut sum = vec![0.0; self.parameters()];
        let traces: Vec<_> = points.traces.iter().zip(residuals.chunks(ROWS * dim)).collect();
        for together in traces.chunks(TOGETHER) {
            let parts: Vec<Vec<f32>> = together.par_iter().map(|pair| of_trace(*pair)).collect();
            for part in parts {
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += f64::from(p));
            }
        }
        sum
    }
}
