//! One pass forwards and one backwards through a network: all that its derivatives are made of.
//!
//! h⁰ = input, u^l = a_l h^l W_l + c_l b_l, h^{l+1} = ρ(u^l), F = a_L h^L W_L; signals δ_l^i = ∂F_i/∂u^l:
//! δ_{L−1}^i = ρ'(u^{L−1}) ∘ a_L W_L e_i, δ_l^i = ρ'(u^l) ∘ a_{l+1} W_{l+1} δ_{l+1}^i.

use super::number::Number;
use crate::mlp::Weights;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::settle_vector_state;
use gtv_theory::ntk::{Activation, LayerScaling};
use std::f64::consts::FRAC_2_SQRT_PI;

/// Activations and signals at a batch of inputs.
#[derive(Debug, Clone)]
pub(super) struct Trace<T> {
    pub rows: usize,
    /// h^l of each layer, rows × fan_in.
    pub activations: Vec<Vec<T>>,
    /// δ_l of each hidden layer, rows × D × fan_out.
    pub signals: Vec<Vec<T>>,
    /// F, rows × D.
    pub outputs: Vec<T>,
}

impl<T: Number> Trace<T> {
    /// # Shapes
    /// `inputs`: rows × I.
    pub fn new(layers: &[LayerScaling], activation: Activation, weights: &Weights, inputs: &[f64]) -> Self {
        let rows = inputs.len() / layers[0].fan_in;
        let (hidden, readout) = (layers.len() - 1, &layers[layers.len() - 1]);
        let mut activations = vec![inputs.iter().map(|v| T::of(*v)).collect::<Vec<T>>()];
        let mut slopes: Vec<Vec<T>> = Vec::with_capacity(hidden);
        for (layer, weight) in layers[..hidden].iter().zip(&weights.layers) {
            let mut u = vec![T::of(0.0); rows * layer.fan_out];
            let w = T::parameters(&weight.weight);
            let w = MatRef::from_row_major_slice(&w, layer.fan_in, layer.fan_out);
            product(rows, &activations[activations.len() - 1], w, layer.weight_scale, &mut u);
            let mut slope = Vec::with_capacity(u.len());
            let shift = layer.bias.map_or(0.0, |(c, _)| c);
            for row in u.chunks_exact_mut(layer.fan_out) {
                for (u, b) in row.iter_mut().zip(&weight.bias) {
                    let (value, derivative) = activate(activation, u.wide() + shift * f64::from(*b));
                    *u = T::of(value);
                    slope.push(T::of(derivative));
                }
            }
            activations.push(u);
            slopes.push(slope);
        }
        let mut outputs = vec![T::of(0.0); rows * readout.fan_out];
        let last = T::parameters(&weights.layers[hidden].weight);
        let w = MatRef::from_row_major_slice(&last, readout.fan_in, readout.fan_out);
        product(rows, &activations[hidden], w, readout.weight_scale, &mut outputs);
        let signals = backwards(layers, weights, &last, slopes, rows);
        Self { rows, activations, signals, outputs }
    }
}

/// The signals of all hidden layers.
fn backwards<T: Number>(
    layers: &[LayerScaling],
    weights: &Weights,
    last: &[T],
    slopes: Vec<Vec<T>>,
    rows: usize,
) -> Vec<Vec<T>> {
    let readout = &layers[layers.len() - 1];
    let dim = readout.fan_out;
    let mut signals: Vec<Vec<T>> = Vec::with_capacity(slopes.len());
    for (l, slope) in slopes.iter().enumerate().rev() {
        let width = layers[l].fan_out;
        let mut signal = vec![T::of(0.0); rows * dim * width];
        match signals.last() {
            None => {
                for (n, rows) in signal.chunks_exact_mut(dim * width).enumerate() {
                    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                        for (k, v) in row.iter_mut().enumerate() {
                            let back = readout.weight_scale * last[k * dim + i].wide();
                            *v = T::of(slope[n * width + k].wide() * back);
                        }
                    }
                }
            }
            Some(above) => {
                let next = &layers[l + 1];
                let w = T::parameters(&weights.layers[l + 1].weight);
                let w = MatRef::from_row_major_slice(&w, next.fan_in, next.fan_out).transpose();
                product(rows * dim, above, w, next.weight_scale, &mut signal);
                for (rows, slope) in signal.chunks_exact_mut(dim * width).zip(slope.chunks_exact(width)) {
                    for row in rows.chunks_exact_mut(width) {
                        row.iter_mut().zip(slope).for_each(|(v, s)| *v = T::of(v.wide() * s.wide()));
                    }
                }
            }
        }
        signals.push(signal);
    }
    signals.reverse();
    signals
}

/// out = scale · left · right for a row-major left of `rows` rows.
pub(super) fn product<T: Number>(rows: usize, left: &[T], right: MatRef<'_, T>, scale: f64, out: &mut [T]) {
    let left = MatRef::from_row_major_slice(left, rows, right.nrows());
    let out = MatMut::from_row_major_slice_mut(out, rows, right.ncols());
    matmul(out, Accum::Replace, left, right, T::of(scale), Par::Seq);
    // What follows is scalar code.
    settle_vector_state();
}

/// ρ(u) and ρ'(u); relu has the slope 0 at 0, as Burn's.
pub(crate) fn activate(activation: Activation, u: f64) -> (f64, f64) {
    match activation {
        Activation::Relu => {
            if u > 0.0 {
                (u, 1.0)
            } else {
                (0.0, 0.0)
            }
        }
        Activation::Silu => {
            let gate = 1.0 / (1.0 + (-u).exp());
            (u * gate, gate * (1.0 + u * (1.0 - gate)))
        }
        Activation::Tanh => {
            let value = u.tanh();
            (value, 1.0 - value * value)
        }
        Activation::Erf => (libm::erf(u), FRAC_2_SQRT_PI * (-u * u).exp()),
    }
}
