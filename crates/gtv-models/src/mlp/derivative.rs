//! The derivative of a network along a direction, by forward mode: with h⁰ = inputs and ḣ⁰ = c_in v,
//! u^l = h^l W_l + b_l, h^{l+1} = ρ(u^l), ḣ^{l+1} = ρ'(u^l) ∘ ḣ^l W_l, Ḟ = ḣ^L W_L; in 64 bits throughout.

use super::field::NetworkForm;
use super::weights::Weights;
use crate::linearize::activate;
use gtv_theory::linalg::gemm_nn;

/// Ḟ at states of one time; weights have their multipliers inside.
///
/// # Shapes
/// `x`, `directions`: n × D; the result: n × D.
pub(super) fn along(
    form: &NetworkForm,
    weights: &Weights,
    x: &[f64],
    t: f64,
    directions: &[f64],
) -> Vec<f64> {
    let (embedding, dim) = (form.frame.embedding(), form.dim());
    let (rows, inputs) = (x.len() / dim, embedding.inputs());
    let mut value = vec![0.0; rows * inputs];
    embedding.fill_batch(x, t, &mut value);
    let scale = embedding.preconditioning().input_scale(form.frame.schedule(), t);
    let mut slope = vec![0.0; rows * inputs];
    for (slope, v) in slope.chunks_exact_mut(inputs).zip(directions.chunks_exact(dim)) {
        slope.iter_mut().zip(v).for_each(|(s, v)| *s = scale * v);
    }
    let last = weights.layers.len() - 1;
    for (l, (layer, scaling)) in weights.layers.iter().zip(form.layers()).enumerate() {
        let (fan_in, fan_out) = (scaling.fan_in, scaling.fan_out);
        let matrix: Vec<f64> = layer.weight.iter().map(|w| f64::from(*w)).collect();
        let image = |of: &[f64]| {
            let mut image = vec![0.0; rows * fan_out];
            gemm_nn(rows, fan_out, fan_in, of, &matrix, &mut image);
            image
        };
        let mut next = image(&slope);
        if l < last {
            let mut u = image(&value);
            for (u, next) in u.chunks_exact_mut(fan_out).zip(next.chunks_exact_mut(fan_out)) {
                let biases = layer.bias.iter().map(|b| f64::from(*b)).chain(std::iter::repeat(0.0));
                for ((u, next), b) in u.iter_mut().zip(next).zip(biases) {
                    let (here, factor) = activate(form.arch.activation, *u + b);
                    *u = here;
                    *next *= factor;
                }
            }
            value = u;
        }
        slope = next;
    }
    slope
}
