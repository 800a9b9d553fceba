//! J = ∂F_i/∂θ by layer, from activations and signals: ∂F_i/∂W_l = a_l h^l (δ_l^i)ᵀ, ∂F_i/∂b_l = c_l δ_l^i; for the readout
//! ∂F_i/∂W_L = a_L h^L e_iᵀ.

use super::tangent::{ROWS, Tangent};
use super::trace::Trace;
use rayon::prelude::*;

impl Tangent {
    /// J at a batch of inputs. The order of θ is that of [`Weights`](crate::mlp::Weights): each layer's W (fan_in × fan_out), then
    /// its b.
    ///
    /// # Shapes
    /// `inputs`: n × I; `out`: n × D × parameters.
    ///
    /// # Panics
    /// When `out` has another length: a programming error.
    pub fn jacobian_into(&self, inputs: &[f64], out: &mut [f64]) {
        self.derivatives(inputs, out, |_| (1.0, 1.0));
    }

    /// J with each column times √r: rows whose inner products are Θ.
    pub(super) fn scaled_jacobian_into(&self, inputs: &[f64], out: &mut [f64]) {
        self.derivatives(inputs, out, |l| {
            let (weight, bias) = self.rates(&self.layers[l]);
            (weight.sqrt(), bias.sqrt())
        });
    }

    fn derivatives(&self, inputs: &[f64], out: &mut [f64], factor: impl Fn(usize) -> (f64, f64) + Sync) {
        let (width, dim, count) = (self.inputs(), self.dim(), self.parameters());
        assert_eq!(out.len(), inputs.len() / width * dim * count, "the Jacobian is n x D x parameters");
        out.par_chunks_mut(ROWS * dim * count).zip(inputs.par_chunks(ROWS * width)).for_each(
            |(out, inputs)| {
                let trace = Trace::<f64>::new(&self.layers, self.activation, &self.weights, inputs);
                for (row, out) in out.chunks_exact_mut(count).enumerate() {
                    self.row(&trace, (row / dim, row % dim), &factor, out);
                }
            },
        );
    }

    /// ∂F_i/∂θ at point n.
    fn row(
        &self,
        trace: &Trace<f64>,
        (n, i): (usize, usize),
        factor: &impl Fn(usize) -> (f64, f64),
        out: &mut [f64],
    ) {
        let (dim, mut out) = (self.dim(), out);
        for (l, layer) in self.layers.iter().enumerate() {
            let (on_weight, on_bias) = factor(l);
            let (weight, rest) = out.split_at_mut(layer.fan_in * layer.fan_out);
            let activations = &trace.activations[l][n * layer.fan_in..][..layer.fan_in];
            let scale = on_weight * layer.weight_scale;
            let Some(signals) = trace.signals.get(l) else {
                weight.fill(0.0);
                for (row, h) in weight.chunks_exact_mut(dim).zip(activations) {
                    row[i] = scale * h;
                }
                return;
            };
            let signal = &signals[(n * dim + i) * layer.fan_out..][..layer.fan_out];
            for (row, h) in weight.chunks_exact_mut(layer.fan_out).zip(activations) {
                row.iter_mut().zip(signal).for_each(|(v, d)| *v = scale * h * d);
            }
            let (bias, rest) = rest.split_at_mut(layer.bias.map_or(0, |_| layer.fan_out));
            let scale = on_bias * layer.bias.map_or(0.0, |(c, _)| c);
            bias.iter_mut().zip(signal).for_each(|(v, d)| *v = scale * d);
            out = rest;
        }
    }
}
