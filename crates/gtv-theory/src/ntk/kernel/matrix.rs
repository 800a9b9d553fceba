//! Kernel matrices from pairs: profiles of all inputs, then the entries in parallel over blocks of rows; of a symmetric matrix
//! the upper blocks, copied into the lower ones.

use super::Pair;
use super::math::{LANES, Lanes};
use super::rows::pack;
use rayon::prelude::*;

/// Rows of a task; a multiple of the lanes.
const ROWS: usize = 16;
/// Columns are taken in tiles whose packed profiles fit the second cache level beside the output.
const TILE_BYTES: usize = 1 << 18;
/// Entries below which a matrix is transposed without splitting further.
const TRANSPOSED: usize = 64;

/// Profiles of all inputs, and NNGP and NTK of each with itself.
fn profiles(pair: &impl Pair, inputs: usize, x: &[f64]) -> Vec<f64> {
    let width = pair.width();
    let mut out = vec![0.0; x.len() / inputs * width];
    let rows = out.par_chunks_mut(64 * width).zip(x.par_chunks(64 * inputs));
    rows.for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(inputs)) {
            pair.profile(x, out);
        }
    });
    out
}

/// NNGP and NTK of each input with itself.
pub(super) fn diagonal(pair: &impl Pair, inputs: usize, x: &[f64], nngp: &mut [f64], ntk: &mut [f64]) {
    let blocks = x.par_chunks(64 * inputs).zip(nngp.par_chunks_mut(64).zip(ntk.par_chunks_mut(64)));
    blocks.for_each(|(x, (nngp, ntk))| {
        let mut profile = vec![0.0; pair.width()];
        for ((x, nngp), ntk) in x.chunks_exact(inputs).zip(nngp).zip(ntk) {
            (*nngp, *ntk) = pair.profile(x, &mut profile);
        }
    });
}

/// The matrices of `a` with `b`, or of `a` with itself. `nngp` is left out when not wanted.
///
/// # Shapes
/// `a`: n × inputs, `b`: m × inputs; `nngp`, `ntk`: n × m.
pub(super) fn fill(
    pair: &impl Pair,
    inputs: usize,
    a: &[f64],
    b: Option<&[f64]>,
    nngp: Option<&mut [f64]>,
    ntk: &mut [f64],
) {
    let (width, rows) = (pair.width(), profiles(pair, inputs, a));
    let columns = b.map_or(a.len(), <[f64]>::len) / inputs;
    if a.is_empty() || columns == 0 {
        return;
    }
    let packed = match b {
        Some(b) => pack(&profiles(pair, inputs, b), width),
        None => pack(&rows, width),
    };
    let task = |(block, nngp, ntk): (usize, Option<&mut [f64]>, &mut [f64])| {
        let a = &rows[block * ROWS * width..];
        let a = &a[..ntk.len() / columns * width];
        let first = if b.is_none() { block * ROWS / LANES } else { 0 };
        pulp::Arch::new().dispatch(Block { pair, a, b: &packed, columns, first, nngp, ntk });
    };
    let blocks = ntk.par_chunks_mut(ROWS * columns).enumerate();
    match nngp {
        Some(nngp) => {
            let blocks = blocks.zip(nngp.par_chunks_mut(ROWS * columns));
            blocks.for_each(|((block, ntk), nngp)| task((block, Some(nngp), ntk)));
            if b.is_none() {
                mirror(nngp, columns, 0);
            }
        }
        None => blocks.for_each(|(block, ntk)| task((block, None, ntk))),
    }
    if b.is_none() {
        mirror(ntk, columns, 0);
    }
}

/// Some rows of the matrix, from lane chunk `first` on: an operation that `pulp` compiles once for each instruction set.
struct Block<'a, P> {
    pair: &'a P,
    a: &'a [f64],
    b: &'a [Lanes],
    columns: usize,
    first: usize,
    nngp: Option<&'a mut [f64]>,
    ntk: &'a mut [f64],
}

impl<P: Pair> pulp::NullaryFnOnce for Block<'_, P> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { pair, a, b, columns, first, mut nngp, ntk } = self;
        let width = pair.width();
        let tile = (TILE_BYTES / (size_of::<Lanes>() * width)).max(1);
        let chunks = columns.div_ceil(LANES);
        for start in (first..chunks).step_by(tile) {
            let end = (start + tile).min(chunks);
            for (i, a) in a.chunks_exact(width).enumerate() {
                for chunk in start..end {
                    let (values, tangents) = pair.lanes(a, &b[chunk * width..(chunk + 1) * width]);
                    let from = i * columns + chunk * LANES;
                    let len = LANES.min(columns - chunk * LANES);
                    ntk[from..from + len].copy_from_slice(&tangents[..len]);
                    if let Some(nngp) = &mut nngp {
                        nngp[from..from + len].copy_from_slice(&values[..len]);
                    }
                }
            }
        }
    }
}

/// Copies the upper triangle of some rows, whose diagonal begins at column `first`, into their lower triangle.
fn mirror(rows: &mut [f64], columns: usize, first: usize) {
    let n = rows.len() / columns;
    if n <= TRANSPOSED {
        for i in 0..n {
            for j in 0..i {
                rows[i * columns + first + j] = rows[j * columns + first + i];
            }
        }
        return;
    }
    let mid = n / 2;
    let (top, bottom) = rows.split_at_mut(mid * columns);
    bottom.par_chunks_mut(ROWS * columns).enumerate().for_each(|(block, bottom)| {
        let from = first + mid + block * ROWS;
        for (j, top) in top.chunks_exact(columns).enumerate() {
            for (i, bottom) in bottom.chunks_exact_mut(columns).enumerate() {
                bottom[first + j] = top[from + i];
            }
        }
    });
    rayon::join(|| mirror(top, columns, first), || mirror(bottom, columns, first + mid));
}
