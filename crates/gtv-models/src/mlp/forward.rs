//! F at many inputs on the CPU, at the speed of its matrix products: h^{l+1} = ρ(a W h^l + c b), F = a W h^L.

use super::kernels::{LayerRef, ONE_THREAD, PerThread, hidden, readout, stride, view, view_mut};
use super::weights::Weights;
use gtv_theory::ntk::{Activation, LayerScaling};
use rayon::prelude::*;

/// Rows that are taken through all layers at once.
const ROWS: usize = 512;

/// Memory that evaluations use over and over.
#[derive(Debug, Default)]
pub struct Scratch {
    shared: Buffers,
    own: PerThread<Buffers>,
}

/// Memory for [`ROWS`] rows.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Values of two successive hidden layers.
    values: [Vec<f32>; 2],
    readout: Vec<f32>,
}

/// F at `inputs`, with one thread or, when `parallel`, all of rayon's; both give the same bits.
///
/// # Shapes
/// `layers` and `weights.layers`: the same number; `inputs`: rows × I; `out`: rows × D.
pub fn forward(
    layers: &[LayerScaling],
    activation: Activation,
    weights: &Weights,
    inputs: &[f32],
    rows: usize,
    parallel: bool,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let (Some(first), Some(last)) = (layers.first(), layers.last()) else { return };
    let of = |l: usize| LayerRef {
        scaling: &layers[l],
        weight: &weights.layers[l].weight,
        bias: &weights.layers[l].bias,
    };
    let (inputs_len, out_len) = (ROWS * first.fan_in, ROWS * last.fan_out);
    let widest = layers.iter().map(|l| l.fan_out).max().unwrap_or(0);
    if !parallel || widest > ONE_THREAD || rows <= ROWS {
        let buffers = &mut scratch.shared;
        let mut run = || forward_layers(layers.len(), of, activation, inputs, rows, parallel, buffers, out);
        return if parallel { rayon::scope(|_| run()) } else { run() };
    }
    scratch.own.prepare();
    let own = &scratch.own;
    let chunks = inputs.par_chunks(inputs_len).zip(out.par_chunks_mut(out_len)).with_max_len(1);
    chunks.for_each(|(inputs, out)| {
        let rows = inputs.len() / first.fan_in;
        own.with(|buffers| forward_layers(layers.len(), of, activation, inputs, rows, false, buffers, out));
    });
}

/// [`forward`] for parameters kept anywhere, one chunk of rows after the other.
pub(super) fn forward_layers<'a>(
    layers: usize,
    of: impl Fn(usize) -> LayerRef<'a>,
    activation: Activation,
    inputs: &[f32],
    rows: usize,
    parallel: bool,
    buffers: &mut Buffers,
    out: &mut [f32],
) {
    let Some(last) = layers.checked_sub(1) else { return };
    let (fan_in, fan_out) = (of(0).scaling.fan_in, of(last).scaling.fan_out);
    assert!(inputs.len() == rows * fan_in && out.len() == rows * fan_out, "rows × inputs and rows × outputs");
    let [mut here, mut next] = buffers.values.each_mut();
    for (inputs, out) in inputs.chunks(ROWS * fan_in).zip(out.chunks_mut(ROWS * fan_out)) {
        let rows = inputs.len() / fan_in;
        let mut x = view(inputs, rows, fan_in, fan_in);
        for l in 0..last {
            let layer = of(l);
            let n = layer.scaling.fan_out;
            next.resize(next.len().max(rows * stride(n)), 0.0);
            hidden(layer, activation, x, view_mut(next, rows, n, stride(n)), None, parallel);
            std::mem::swap(&mut here, &mut next);
            x = view(here, rows, n, stride(n));
        }
        readout(of(last), x, out, &mut buffers.readout, parallel);
    }
}
