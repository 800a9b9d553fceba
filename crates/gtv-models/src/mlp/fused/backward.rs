//! One layer backwards, in blocks of rows of W (K × N): δ_below = ρ' ∘ a δ Wᵀ, then dW = a Xᵀ δ and its update at once.
//!
//! A block of W, its gradient and its moments are read from memory once a step. Blocks have fixed sizes, and every number
//! is one sum in one order: the threads that share the blocks do not change a bit.

use super::tiles::{Tile, Tiles};
use super::update::{Arrays, Sums, Update};
use crate::mlp::kernels::{NARROW, cut, join, product, row, row_mut, view, view_mut};
use faer::{Accum, MatMut, MatRef};

/// Rows of a block of W at most.
pub(super) const ROWS: usize = 288;
/// Columns of W that a block is worked through at a time: with [`ROWS`], half a megabyte for each array.
const COLUMNS: usize = 480;
/// Columns of a block of a bias.
const BIAS: usize = 1024;

/// What is the same for all blocks of a layer.
pub(super) struct Backward<'a> {
    /// a.
    pub(super) scale: f32,
    /// ∂L/∂u of this layer, B × N.
    pub(super) delta: MatRef<'a, f32>,
    pub(super) update: Update,
    pub(super) tiles: &'a Tiles,
    /// Rows of a block of W.
    pub(super) block: usize,
    pub(super) parallel: bool,
}

impl Backward<'_> {
    /// A block of rows of W, with its columns of `x` (B × K) and of `below`, which holds ρ' and becomes δ.
    pub(super) fn weight(
        &self,
        x: MatRef<'_, f32>,
        arrays: Arrays<'_>,
        below: Option<MatMut<'_, f32>>,
    ) -> Sums {
        let Some(mid) = cut(x.ncols(), self.block) else {
            return self.tiles.with(|tile| {
                if self.delta.ncols() < NARROW {
                    super::narrow::weight_block(self, tile, x, arrays, below)
                } else {
                    self.weight_block(tile, x, arrays, below)
                }
            });
        };
        let (x0, x1) = x.split_at_col(mid);
        let (a0, a1) = arrays.split_at(mid * self.delta.ncols());
        let (b0, b1) = match below.map(|b| b.split_at_col_mut(mid)) {
            Some((a, b)) => (Some(a), Some(b)),
            None => (None, None),
        };
        let (s0, s1) = join(self.parallel, || self.weight(x0, a0, b0), || self.weight(x1, a1, b1));
        s0 + s1
    }

    fn weight_block(
        &self,
        tile: &mut Tile,
        x: MatRef<'_, f32>,
        mut arrays: Arrays<'_>,
        below: Option<MatMut<'_, f32>>,
    ) -> Sums {
        let (b, k, n) = (x.nrows(), x.ncols(), self.delta.ncols());
        let [transposed, upstream, gradient] = tile.buffers([k * b, k * b, k * COLUMNS.min(n)]);
        transpose_into(x, transposed);
        let x = view(transposed, k, b, b);
        let mut sums = Sums::default();
        for start in (0..n).step_by(COLUMNS) {
            let width = COLUMNS.min(n - start);
            let delta = self.delta.subcols(start, width);
            if below.is_some() {
                let accum = if start == 0 { Accum::Replace } else { Accum::Add };
                let weight = view(arrays.value, k, n, n).subcols(start, width);
                product(view_mut(upstream, b, k, k), accum, delta, weight.transpose(), self.scale);
            }
            let gradient = &mut gradient[..k * width];
            product(view_mut(gradient, k, width, width), Accum::Replace, x, delta, self.scale);
            sums = sums
                + if width == n {
                    self.update.take(arrays.range(0, k * n), gradient)
                } else {
                    let rows = gradient.chunks_exact_mut(width).enumerate();
                    rows.map(|(i, g)| self.update.take(arrays.range(i * n + start, width), g)).sum()
                };
        }
        if let Some(below) = below {
            multiply_rows(below, upstream);
        }
        sums
    }

    /// A block of a bias: db = c Σ_b δ.
    pub(super) fn bias(&self, delta: MatRef<'_, f32>, bias_scale: f32, arrays: Arrays<'_>) -> Sums {
        let Some(mid) = cut(delta.ncols(), BIAS) else {
            return self.tiles.with(|tile| {
                let [gradient, _, _] = tile.buffers([delta.ncols(), 0, 0]);
                pulp::Arch::new().dispatch(ColumnSums { delta, scale: bias_scale, out: gradient });
                self.update.take(arrays, gradient)
            });
        };
        let (d0, d1) = delta.split_at_col(mid);
        let (a0, a1) = arrays.split_at(mid);
        let (s0, s1) =
            join(self.parallel, || self.bias(d0, bias_scale, a0), || self.bias(d1, bias_scale, a1));
        s0 + s1
    }
}

/// out = c Σ of the rows of δ, four at a time.
struct ColumnSums<'a> {
    delta: MatRef<'a, f32>,
    scale: f32,
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { delta, scale, out } = self;
        out.fill(0.0);
        let b = delta.nrows();
        let mut i = 0;
        while i + 4 <= b {
            let rows = [row(&delta, i), row(&delta, i + 1), row(&delta, i + 2), row(&delta, i + 3)];
            for ((((sum, p), q), r), s) in out.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2]).zip(rows[3])
            {
                *sum += (p + q) + (r + s);
            }
            i += 4;
        }
        for i in i..b {
            out.iter_mut().zip(row(&delta, i)).for_each(|(sum, p)| *sum += p);
        }
        out.iter_mut().for_each(|sum| *sum *= scale);
    }
}

/// Xᵀ without gaps, in squares that fit the first cache level.
fn transpose_into(x: MatRef<'_, f32>, out: &mut [f32]) {
    pulp::Arch::new().dispatch(Transpose { x, out });
}

struct Transpose<'a> {
    x: MatRef<'a, f32>,
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        const SQUARE: usize = 16;
        let Self { x, out } = self;
        let (b, k) = (x.nrows(), x.ncols());
        for i0 in (0..b).step_by(SQUARE) {
            let rows = SQUARE.min(b - i0);
            for j0 in (0..k).step_by(SQUARE) {
                let cols = SQUARE.min(k - j0);
                for i in i0..i0 + rows {
                    for (j, value) in row(&x, i)[j0..j0 + cols].iter().enumerate() {
                        out[(j0 + j) * b + i] = *value;
                    }
                }
            }
        }
    }
}

/// below = below ∘ upstream.
fn multiply_rows(below: MatMut<'_, f32>, upstream: &[f32]) {
    pulp::Arch::new().dispatch(Multiply { below, upstream });
}

struct Multiply<'a> {
    below: MatMut<'a, f32>,
    upstream: &'a [f32],
}

impl pulp::NullaryFnOnce for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { mut below, upstream } = self;
        let k = below.ncols();
        for (i, upstream) in upstream.chunks_exact(k).enumerate().take(below.nrows()) {
            row_mut(&mut below, i).iter_mut().zip(upstream).for_each(|(slope, up)| *slope *= up);
        }
    }
}
