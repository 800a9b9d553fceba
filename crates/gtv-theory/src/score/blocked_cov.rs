//! Posterior covariances of many points in many dimensions, by a second pass over the points:
//! Γ = Σ w (μ − m)(μ − m)ᵀ with w = e^{l − log Σ e^l}, never E[μμᵀ] − mmᵀ, which cancels and can go negative.

use super::blocked::Dense;
use super::direct::Noise;
use super::evaluation::CovKind;
use super::fold::NEGLIGIBLE;
use super::queries::{Queries, TILE};
use super::real::Real;
use super::source::Source;
use faer::linalg::matmul::triangular;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Γ around the given means, by a second pass over all points.
pub(super) fn covs<T: Real>(
    dense: &Dense<T>,
    source: Source,
    noise: Noise,
    kind: CovKind,
    x: &[f64],
    mean: &[f64],
    log_sum: &[f64],
    cov: &mut [f64],
) {
    // Smaller blocks than for the means: the work a query is larger, and a D × D matrix each is written.
    const COV_BLOCK: usize = 32;
    let dim = dense.dim;
    let values = kind.values(dim);
    cov.par_chunks_mut(COV_BLOCK * values)
        .zip(x.par_chunks(COV_BLOCK * dim))
        .zip(mean.par_chunks(COV_BLOCK * dim))
        .zip(log_sum.par_chunks(COV_BLOCK))
        .for_each(|(((cov, x), mean), log_sum)| {
            let mut queries = dense.queries(source, noise, x);
            dense.scale(&mut queries);
            let mut buffer = vec![];
            let mut logits = vec![T::default(); queries.len * TILE];
            let mut bias = [T::default(); TILE];
            let mut rows = vec![];
            for start in (0..dense.len).step_by(TILE) {
                let tile = dense.tile(source, queries.packed, start, dense.len, &mut buffer);
                let len = tile.len;
                let (logits, bias) = (&mut logits[..queries.len * len], &mut bias[..len]);
                dense.products(tile, &queries, logits, bias);
                for (q, row) in logits.chunks_exact_mut(len).enumerate() {
                    let cov = &mut cov[q * values..(q + 1) * values];
                    let mean = &mean[q * dim..(q + 1) * dim];
                    let log_sum = log_sum[q];
                    rows.clear();
                    let heavy = Heavy { dense, source, queries: &queries, q, start, log_sum };
                    let rows = &mut rows;
                    pulp::Arch::new().dispatch(Spread { heavy, kind, row, bias, mean, cov, rows });
                    if kind == CovKind::Full {
                        add_gram(dim, rows, cov);
                    }
                }
            }
            if kind == CovKind::Full {
                cov.chunks_exact_mut(values).for_each(|c| mirror(dim, c));
            }
        });
}

/// Γ of one query around its mean, from points with their weights.
pub(super) fn cov_of_kept(
    source: Source,
    kind: CovKind,
    weights: &[(u32, f64)],
    mean: &[f64],
    cov: &mut [f64],
) {
    let dim = mean.len();
    let mut rows = vec![];
    for (m, w) in weights {
        add_spread(source, kind, *m as usize, *w, mean, cov, &mut rows);
        if rows.len() >= TILE * dim {
            add_gram(dim, &rows, cov);
            rows.clear();
        }
    }
    if kind == CovKind::Full {
        add_gram(dim, &rows, cov);
        mirror(dim, cov);
    }
}

/// Adds w|μ − m|² to a trace, or the row √w (μ − m) to the rows.
#[inline(always)]
fn add_spread(
    source: Source,
    kind: CovKind,
    m: usize,
    weight: f64,
    mean: &[f64],
    cov: &mut [f64],
    rows: &mut Vec<f64>,
) {
    if kind == CovKind::Trace {
        cov[0] += weight * source.distance2(m, mean, 1.0);
    } else {
        let root = weight.sqrt();
        let row = rows.len();
        rows.resize(row + mean.len(), 0.0);
        source.each(m, mean.len(), |d, p| rows[row + d] = root * (p - mean[d]));
    }
}

/// One query and one tile of points: which points have non-negligible weight.
struct Heavy<'a, T> {
    dense: &'a Dense<T>,
    source: Source<'a>,
    queries: &'a Queries<'a, T>,
    q: usize,
    start: usize,
    log_sum: f64,
}

impl<T: Real> Heavy<'_, T> {
    /// log w of the tile's `j`-th point, given its logit from the products; none if negligible.
    #[inline(always)]
    fn weigh(&self, j: usize, product: T) -> Option<f64> {
        let Self { dense, source, queries, q, start, log_sum } = *self;
        let slack = if queries.sharp { queries.bound[q] } else { 0.0 };
        let log_weight = product.to_f64() + queries.offsets[q] - log_sum;
        if log_weight < -NEGLIGIBLE - slack {
            return None;
        }
        if !queries.sharp {
            return Some(log_weight);
        }
        let (m, noise) = (start + j, queries.noise);
        let x = &queries.x[q * dense.dim..(q + 1) * dense.dim];
        Some(dense.log_weights[m] - noise.half_precision * source.distance2(m, x, noise.signal) - log_sum)
    }
}

/// One query and one tile; an operation for `pulp`.
struct Spread<'a, T> {
    heavy: Heavy<'a, T>,
    kind: CovKind,
    row: &'a mut [T],
    bias: &'a [T],
    mean: &'a [f64],
    cov: &'a mut [f64],
    rows: &'a mut Vec<f64>,
}

impl<T: Real> pulp::NullaryFnOnce for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { heavy, kind, row, bias, mean, cov, rows } = self;
        T::add_and_max(row, bias);
        for (j, product) in row.iter().enumerate() {
            if let Some(log_weight) = heavy.weigh(j, *product) {
                add_spread(heavy.source, kind, heavy.start + j, log_weight.exp(), mean, cov, rows);
            }
        }
    }
}

/// cov += RᵀR (lower triangle) for the rows R.
fn add_gram(dim: usize, rows: &[f64], cov: &mut [f64]) {
    if rows.is_empty() {
        return;
    }
    let rows = MatRef::from_row_major_slice(rows, rows.len() / dim, dim);
    triangular::matmul(
        MatMut::from_row_major_slice_mut(cov, dim, dim),
        triangular::BlockStructure::TriangularLower,
        Accum::Add,
        rows.transpose(),
        triangular::BlockStructure::Rectangular,
        rows,
        triangular::BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

fn mirror(dim: usize, cov: &mut [f64]) {
    for d in 0..dim {
        for e in 0..d {
            cov[e * dim + d] = cov[d * dim + e];
        }
    }
}
