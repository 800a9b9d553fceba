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
/// Size below which a triangle is mirrored entry by entry.
const TRIANGLE: usize = 64;
/// Rows and columns of a tile that is transposed at once: 32 KiB.
const TILE: usize = 64;

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
        dispatch(Block { pair, a, b: &packed, columns, first, nngp, ntk });
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

/// Runs a block with the widest instructions of this processor. The bits are the same with each (see `math`).
fn dispatch<P: Pair>(block: Block<'_, P>) {
    #[cfg(target_arch = "x86_64")]
    {
        /// `pulp` is built without AVX-512, whose 32 registers of eight numbers hold what a pair needs.
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn wide<P: Pair>(block: Block<'_, P>) {
            pulp::NullaryFnOnce::call(block);
        }
        if is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
        {
            // SAFETY: these were just detected; with them come AVX-512F, AVX2 and FMA.
            return unsafe { wide(block) };
        }
    }
    pulp::Arch::new().dispatch(block);
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
                    let (from, to) = (i * columns + chunk * LANES, (i + 1) * columns);
                    store(&tangents, &mut ntk[from..to]);
                    if let Some(nngp) = &mut nngp {
                        store(&values, &mut nngp[from..to]);
                    }
                }
            }
        }
    }
}

/// Writes as many lanes as the row has left. (A slice of unknown length would be a call for every chunk.)
#[inline(always)]
fn store(lanes: &Lanes, out: &mut [f64]) {
    match out.first_chunk_mut() {
        Some(out) => *out = *lanes,
        None => out.iter_mut().zip(lanes).for_each(|(o, v)| *o = *v),
    }
}

/// Copies the upper triangle of some rows, whose diagonal begins at column `first`, into their lower triangle.
fn mirror(rows: &mut [f64], columns: usize, first: usize) {
    let n = rows.len() / columns;
    if n <= TRIANGLE {
        for i in 0..n {
            for j in 0..i {
                rows[i * columns + first + j] = rows[j * columns + first + i];
            }
        }
        return;
    }
    let mid = n / 2;
    let (top, bottom) = rows.split_at_mut(mid * columns);
    bottom.par_chunks_mut(TILE * columns).enumerate().for_each(|(block, bottom)| {
        let from = first + mid + block * TILE;
        // By tiles, so that lines of the cache are written whole: rows may lie a power of two apart.
        let mut tile = [[0.0; TILE]; TILE];
        for (start, top) in top.chunks(TILE * columns).enumerate() {
            let rows = bottom.chunks_exact_mut(columns);
            for (j, top) in top.chunks_exact(columns).enumerate() {
                let source = &top[from..from + rows.len()];
                tile.iter_mut().zip(source).for_each(|(t, v)| t[j] = *v);
            }
            let (start, len) = (first + start * TILE, top.len() / columns);
            for (row, tile) in rows.zip(&tile) {
                row[start..start + len].copy_from_slice(&tile[..len]);
            }
        }
    });
    rayon::join(|| mirror(top, columns, first), || mirror(bottom, columns, first + mid));
}
