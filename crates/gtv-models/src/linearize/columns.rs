//! The Jacobian of a network in blocks of columns, each times the root of a metric's factor: what products with it need, one block at a
//! time, so that a network of any width needs no points × parameters matrix.
//!
//! ∂F_i/∂W_l = a_l h^l (δ_l^i)ᵀ, ∂F_i/∂b_l = c_l δ_l^i; columns in the order of [`Weights`](crate::mlp::Weights).

use super::tangent::Tangent;
use super::trace::Trace;
use std::ops::Range;

/// Columns of a block, about.
const COLUMNS: usize = 4096;

/// A block: some rows of a layer's W (fan_in × fan_out), or its b.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    layer: usize,
    /// Rows of W; none for b.
    rows: Option<Range<usize>>,
    /// Its columns among all parameters.
    pub columns: Range<usize>,
}

/// The rows of the Jacobian that are asked for: output i of point n of a trace, times a factor.
pub(super) type Row = (usize, usize, f32);

impl Tangent {
    /// The blocks that make up all parameters, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (l, (layer, (weights, biases))) in self.layers.iter().zip(self.places()).enumerate() {
            let each = (COLUMNS / layer.fan_out).max(1);
            for first in (0..layer.fan_in).step_by(each) {
                let rows = first..layer.fan_in.min(first + each);
                let column = |row: usize| weights.start + row * layer.fan_out;
                let columns = column(rows.start)..column(rows.end);
                blocks.push(Block { layer: l, rows: Some(rows), columns });
            }
            blocks.extend(biases.map(|columns| Block { layer: l, rows: None, columns }));
        }
        blocks
    }

    /// One block of rows of the Jacobian, column a times `root`_a.
    ///
    /// # Shapes
    /// `root`: parameters; `out`: rows × columns of the block.
    pub(super) fn block_into(
        &self,
        trace: &Trace<f32>,
        block: &Block,
        rows: &[Row],
        root: &[f32],
        out: &mut [f32],
    ) {
        let (layer, dim) = (&self.layers[block.layer], self.dim());
        let root = &root[block.columns.clone()];
        let last = block.layer + 1 == self.layers.len();
        let unit: Vec<f32> = (0..dim * dim).map(|e| f32::from(u8::from(e / dim == e % dim))).collect();
        for (&(n, i, factor), out) in rows.iter().zip(out.chunks_exact_mut(root.len())) {
            let signal = if last {
                &unit[i * dim..][..dim]
            } else {
                &trace.signals[block.layer][(n * dim + i) * layer.fan_out..][..layer.fan_out]
            };
            match &block.rows {
                Some(range) => {
                    let inputs = &trace.activations[block.layer][n * layer.fan_in..][range.clone()];
                    let parts = out.chunks_exact_mut(layer.fan_out).zip(root.chunks_exact(layer.fan_out));
                    for ((out, root), h) in parts.zip(inputs) {
                        let scale = factor * layer.weight_scale as f32 * h;
                        for ((o, r), d) in out.iter_mut().zip(root).zip(signal) {
                            *o = scale * r * d;
                        }
                    }
                }
                None => {
                    let scale = factor * layer.bias.map_or(0.0, |(c, _)| c) as f32;
                    for ((o, r), d) in out.iter_mut().zip(root).zip(signal) {
                        *o = scale * r * d;
                    }
                }
            }
        }
    }
}
