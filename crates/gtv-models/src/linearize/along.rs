//! The derivative of a network along one direction of its parameters, at the cost of three evaluations and without the Jacobian:
//! u̇ = a (ḣ W + h Ẇ) + c ḃ, ḣ' = ρ'(u) ∘ u̇.

use super::tangent::{ROWS, Tangent};
use super::trace::{activate, product};
use crate::mlp::Weights;
use faer::MatRef;

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
}
