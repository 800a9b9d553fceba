//! Products with a matrix of few columns, F = a X W for W (K × N), N small: a dot product for each entry.
//!
//! A matrix multiplication made for large matrices works on 96 columns at a time and would leave most of them empty.

use super::{cut, join, row};
use faer::MatRef;

/// Columns from which the general product is the faster one.
pub(crate) const NARROW: usize = 16;

/// Rows of one piece of parallel work.
const ROWS: usize = 64;

/// Running sums of a dot product, enough to hide the latency of an addition.
const LANES: usize = 32;

/// Aᵀ of a row-major matrix A (`rows` × `cols`).
pub(crate) fn transpose(a: &[f32], rows: usize, cols: usize, out: &mut [f32]) {
    for (j, out) in out.chunks_exact_mut(rows).enumerate().take(cols) {
        for (i, value) in out.iter_mut().enumerate() {
            *value = a[i * cols + j];
        }
    }
}

/// out = a X W with Wᵀ given.
///
/// # Shapes
/// `x`: B × K with rows in one piece; `transposed`: N × K; `out`: B × N.
pub(crate) fn dots(x: MatRef<'_, f32>, transposed: &[f32], scale: f32, out: &mut [f32], parallel: bool) {
    let n = transposed.len() / x.ncols();
    let Some(mid) = cut(x.nrows(), ROWS) else {
        return pulp::Arch::new().dispatch(Dots { x, transposed, scale, out });
    };
    let (x0, x1) = x.split_at_row(mid);
    let (out0, out1) = out.split_at_mut(mid * n);
    join(
        parallel,
        || dots(x0, transposed, scale, out0, parallel),
        || dots(x1, transposed, scale, out1, parallel),
    );
}

struct Dots<'a> {
    x: MatRef<'a, f32>,
    transposed: &'a [f32],
    scale: f32,
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let k = self.x.ncols();
        let n = self.transposed.len() / k;
        for (i, out) in self.out.chunks_exact_mut(n).enumerate() {
            let x = row(&self.x, i);
            for (value, w) in out.iter_mut().zip(self.transposed.chunks_exact(k)) {
                *value = self.scale * dot(x, w);
            }
        }
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for l in 0..LANES {
            lanes[l] += a[l] * b[l];
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0] + rest
}
