//! F of one network on the host: h^{l+1} = ρ(a_l h^l W_l + c_l b_l), a matrix product a layer.

use super::weights::Weights;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::settle_vector_state;
use gtv_theory::ntk::{Activation, LayerScaling};

/// Buffers of [`forward`], kept from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    here: Vec<f32>,
    next: Vec<f32>,
}

/// F at `rows` inputs.
///
/// # Shapes
/// `inputs`: rows × I; `out`: rows × D, row-major.
pub fn forward(
    layers: &[LayerScaling],
    activation: Activation,
    weights: &Weights,
    inputs: &[f32],
    rows: usize,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let last = layers.len() - 1;
    let Scratch { here, next } = scratch;
    here.clear();
    here.extend_from_slice(inputs);
    for (l, (layer, weight)) in layers.iter().zip(&weights.layers).enumerate() {
        next.resize(rows * layer.fan_out, 0.0);
        let h = MatRef::from_row_major_slice(&here[..rows * layer.fan_in], rows, layer.fan_in);
        let w = MatRef::from_row_major_slice(&weight.weight, layer.fan_in, layer.fan_out);
        let target = if l == last { &mut out[..] } else { &mut next[..rows * layer.fan_out] };
        let u = MatMut::from_row_major_slice_mut(target, rows, layer.fan_out);
        matmul(u, Accum::Replace, h, w, layer.weight_scale as f32, Par::Seq);
        // What follows is scalar code.
        settle_vector_state();
        if l < last {
            let scale = layer.bias.map_or(0.0, |(c, _)| c as f32);
            for row in next[..rows * layer.fan_out].chunks_exact_mut(layer.fan_out) {
                for (u, b) in row.iter_mut().zip(&weight.bias) {
                    *u = activate(activation, *u + scale * b);
                }
            }
            std::mem::swap(here, next);
        }
    }
}

/// ρ(u).
fn activate(activation: Activation, u: f32) -> f32 {
    match activation {
        Activation::Relu => u.max(0.0),
        Activation::Silu => u / (1.0 + (-u).exp()),
        Activation::Tanh => u.tanh(),
        Activation::Erf => libm::erff(u),
    }
}
