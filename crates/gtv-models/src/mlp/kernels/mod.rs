//! The arithmetic of a layer in single precision: H = ρ(a X W + c b) for row-major X (B × K), W (K × N).
//!
//! Columns of H are worked on in panels of fixed width, the activation while a panel is in cache. A panel's numbers come
//! from one sum over k in one order, so they do not depend on how many threads share the panels.

mod activate;
mod math;
mod narrow;
mod per_thread;

pub(crate) use narrow::{NARROW, transpose};
pub(crate) use per_thread::PerThread;

use activate::activate;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::settle_vector_state;
use gtv_theory::ntk::{Activation, LayerScaling};
use narrow::dots;

/// Columns of a panel: a multiple of the 96 that faer's kernel takes at once with AVX-512 (24 with AVX2), few enough that
/// 512 rows of W, the depth it packs, fit the second cache level beside as much of X.
const PANEL: usize = 192;

/// The size of the blocks that `len` columns or rows are cut into: `block`, or halves where that would leave one and a
/// bit, so that two threads have equal shares.
pub(crate) fn block_size(len: usize, block: usize) -> usize {
    if (192..=2 * block).contains(&len) { len.div_ceil(2) } else { block }
}

/// Width up to which a network's work stays on one thread, and threads share members or rows instead.
pub(crate) const ONE_THREAD: usize = 512;

/// The parameters of one layer, wherever they are kept.
#[derive(Clone, Copy)]
pub(crate) struct LayerRef<'a> {
    pub(crate) scaling: &'a LayerScaling,
    pub(crate) weight: &'a [f32],
    /// Empty when there is none.
    pub(crate) bias: &'a [f32],
}

/// Floats from one row of a B × `width` buffer to the next.
///
/// Rows a multiple of a page apart would fall into the same few sets of the cache: one cache line more is put between them.
pub(crate) fn stride(width: usize) -> usize {
    if width.is_multiple_of(512) { width + 16 } else { width }
}

/// A row-major slice as a matrix.
pub(crate) fn view(slice: &[f32], rows: usize, cols: usize, stride: usize) -> MatRef<'_, f32> {
    MatRef::from_column_major_slice_with_stride(slice, cols, rows, stride).transpose()
}

/// A row-major slice as a matrix to write to.
pub(crate) fn view_mut(slice: &mut [f32], rows: usize, cols: usize, stride: usize) -> MatMut<'_, f32> {
    MatMut::from_column_major_slice_with_stride_mut(slice, cols, rows, stride).transpose_mut()
}

/// Row i of a matrix whose rows are each in one piece, as they are in every view made here.
#[inline(always)]
pub(crate) fn row<'a>(m: &MatRef<'a, f32>, i: usize) -> &'a [f32] {
    m.row(i).try_as_row_major().map_or(&[], |r| r.as_slice())
}

/// Row i, to write to.
#[inline(always)]
pub(crate) fn row_mut<'a>(m: &'a mut MatMut<'_, f32>, i: usize) -> &'a mut [f32] {
    m.as_mut().row_mut(i).try_as_row_major_mut().map_or(&mut [], |r| r.as_slice_mut())
}

/// Runs both, on two threads when `parallel`.
pub(crate) fn join<A: Send, B: Send>(
    parallel: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if parallel { rayon::join(a, b) } else { (a(), b()) }
}

/// Where to cut `len` columns or rows in two so that blocks of `block` stay whole; `None` for one block.
pub(crate) fn cut(len: usize, block: usize) -> Option<usize> {
    (len > block).then(|| len.div_ceil(block) / 2 * block)
}

/// C (+)= a A B on this thread.
pub(crate) fn product(c: MatMut<'_, f32>, accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>, scale: f32) {
    faer::linalg::matmul::matmul(c, accum, a, b, scale, Par::Seq);
    settle_vector_state();
}

/// A hidden layer: `h` = ρ(u), and ρ'(u) where asked for.
///
/// # Shapes
/// `x`: B × K; `h`, `slope`: B × N.
pub(crate) fn hidden(
    layer: LayerRef<'_>,
    activation: Activation,
    x: MatRef<'_, f32>,
    h: MatMut<'_, f32>,
    slope: Option<MatMut<'_, f32>>,
    parallel: bool,
) {
    let n = layer.scaling.fan_out;
    let weight = view(layer.weight, layer.scaling.fan_in, n, n);
    let bias_scale = layer.scaling.bias.map_or(0.0, |(c, _)| c as f32);
    let (scale, panel) = (layer.scaling.weight_scale as f32, block_size(n, PANEL));
    let parts = Panels { activation, scale, bias_scale, x, panel, parallel };
    parts.run(weight, layer.bias, h, slope);
}

struct Panels<'a> {
    activation: Activation,
    scale: f32,
    bias_scale: f32,
    x: MatRef<'a, f32>,
    panel: usize,
    parallel: bool,
}

impl Panels<'_> {
    fn run(
        &self,
        weight: MatRef<'_, f32>,
        bias: &[f32],
        mut h: MatMut<'_, f32>,
        slope: Option<MatMut<'_, f32>>,
    ) {
        let Some(mid) = cut(weight.ncols(), self.panel) else {
            product(h.as_mut(), Accum::Replace, self.x, weight, self.scale);
            return activate(self.activation, self.bias_scale, bias, h, slope);
        };
        let (w0, w1) = weight.split_at_col(mid);
        let (b0, b1) = bias.split_at(mid.min(bias.len()));
        let (h0, h1) = h.split_at_col_mut(mid);
        let (s0, s1) = match slope.map(|s| s.split_at_col_mut(mid)) {
            Some((a, b)) => (Some(a), Some(b)),
            None => (None, None),
        };
        join(self.parallel, || self.run(w0, b0, h0, s0), || self.run(w1, b1, h1, s1));
    }
}

/// The readout: `out` = a X W (+ c b).
///
/// # Shapes
/// `x`: B × K; `out`: B × N without gaps. `scratch` is resized as needed.
pub(crate) fn readout(
    layer: LayerRef<'_>,
    x: MatRef<'_, f32>,
    out: &mut [f32],
    scratch: &mut Vec<f32>,
    parallel: bool,
) {
    let (k, n) = (layer.scaling.fan_in, layer.scaling.fan_out);
    let scale = layer.scaling.weight_scale as f32;
    if n < NARROW {
        scratch.resize(k * n, 0.0);
        transpose(layer.weight, k, n, scratch);
        dots(x, scratch, scale, out, parallel);
    } else {
        product(view_mut(out, x.nrows(), n, n), Accum::Replace, x, view(layer.weight, k, n, n), scale);
    }
    if let Some((c, _)) = layer.scaling.bias {
        for row in out.chunks_exact_mut(n) {
            for (f, b) in row.iter_mut().zip(layer.bias) {
                *f += c as f32 * b;
            }
        }
    }
}
