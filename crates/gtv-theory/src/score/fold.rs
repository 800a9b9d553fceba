//! All products of a query block with a shard of points, and then the second product: over all points of a tile, or
//! over those with weight where they are few, which products in f32 may find ([`narrow`](super::narrow)). In the sharp
//! regime products only select points.

use super::blocked::{Dense, Sums};
use super::columns::Columns;
use super::narrow::Narrow;
use super::queries::{Queries, TILE};
use super::real::Real;
use super::source::Source;
use crate::linalg::settle_vector_state;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::Range;

/// Weights below e^−50 = 2e-22 of the largest are dropped where points are handled one by one.
pub(super) const NEGLIGIBLE: f64 = 50.0;
/// Share of a tile's weights from which the second product is cheaper over all points.
const SPARSE_SHARE: f64 = 0.3;
/// Cuts that are tried, in units of the smallest.
const CUTS: [f64; 7] = [64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0];

impl<T: Real> Dense<T> {
    pub(super) fn folded(&self, source: Source, queries: &Queries<T>, points: Range<usize>) -> Sums {
        let (n, Range { start: from, end }) = (queries.len, points);
        let mut out = Sums::new(n);
        if queries.sharp {
            out.acc.resize(n * self.dim, 0.0);
        }
        let mut buffer = vec![];
        let mut logits = vec![T::default(); n * TILE];
        let mut bias = [T::default(); TILE];
        let mut acc = vec![];
        let mut heavy = Heavy::default();
        let mut columns = Columns::default();
        let mut narrow = queries.narrow.as_ref().map(Narrow::new);
        for start in (from..end).step_by(TILE) {
            let tile = self.tile(source, queries.packed, start, end, &mut buffer);
            let seen = start - from;
            if let Some(first) = &mut narrow {
                acc.resize(n * tile.width, T::default());
                if first.fold(self, queries, (tile, seen), &mut heavy, &mut acc, &mut out) {
                    continue;
                }
                // Too many points have weight, and so they will in the tiles that follow.
                narrow = None;
            }
            let logits = &mut logits[..n * tile.len];
            let bias = &mut bias[..tile.len];
            self.products(tile, queries, logits, bias);
            let arch = pulp::Arch::new();
            if queries.sharp {
                arch.dispatch(Sharp { dense: self, source, queries, start, logits, bias, out: &mut out });
                continue;
            }
            acc.resize(n * tile.width, T::default());
            let cut = self.tolerance / self.len as f64;
            arch.dispatch(Weigh {
                queries,
                seen,
                logits,
                bias,
                cut,
                acc: &mut acc,
                out: &mut out,
                heavy: &mut heavy,
            });
            if !queries.many && (heavy.entries.len() as f64) < SPARSE_SHARE * logits.len() as f64 {
                out.dropped.iter_mut().zip(&heavy.dropped).for_each(|(d, h)| *d += h);
                let mut entries = Vec::with_capacity(heavy.entries.len());
                let mut begin = 0;
                for (end, weights) in heavy.ends.iter().zip(logits.chunks_exact(tile.len)) {
                    let listed = &heavy.entries[begin..*end];
                    entries.extend(listed.iter().map(|j| (*j, weights[usize::from(*j)])));
                    begin = *end;
                }
                columns.fill(tile);
                columns.add_products(&entries, &heavy.ends, &mut acc);
            } else {
                let weights = MatRef::from_row_major_slice(&*logits, n, tile.len);
                let points = MatRef::from_row_major_slice(tile.points, tile.len, tile.width);
                let acc = MatMut::from_row_major_slice_mut(&mut acc, n, tile.width);
                matmul(acc, Accum::Add, weights, points, T::from_f64(1.0), Par::Seq);
                settle_vector_state();
            }
        }
        if !queries.sharp {
            out.acc = T::into_f64s(acc);
            out.max.iter_mut().zip(&queries.offsets).for_each(|(m, o)| *m += o);
        }
        out
    }
}

/// The weights of one tile that must not be dropped.
#[derive(Default)]
pub(super) struct Heavy {
    /// Columns, query after query.
    pub(super) entries: Vec<u16>,
    /// Where each query's columns end.
    pub(super) ends: Vec<usize>,
    /// Weight of each query that is not among them, in units of e^{max}.
    pub(super) dropped: Vec<f64>,
}

impl Heavy {
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
        self.dropped.clear();
    }

    /// Lists the weights of a row that must not be dropped: what is dropped is below `allowed` in all, or below `unit` each.
    #[inline(always)]
    pub(super) fn list<T: Real>(&mut self, row: &[T], unit: f64, allowed: f64) {
        let mut dropped = 0.0;
        let mut smallest = 0.0;
        for factor in CUTS {
            smallest = factor * unit;
            dropped = T::sum_below(row, T::from_f64(smallest));
            if dropped <= allowed {
                break;
            }
        }
        T::list_not_below(row, T::from_f64(smallest), &mut self.entries);
        self.ends.push(self.entries.len());
        self.dropped.push(dropped);
    }
}

/// Turns logits into weights e^{l − max}, updating max and sum and rescaling the accumulators, and lists the weights
/// that matter; an operation that `pulp` compiles once for each instruction set. (A closure would not do: the call
/// through its `FnOnce` shim is not inlined, so nothing is vectorised.)
struct Weigh<'a, T> {
    queries: &'a Queries<'a, T>,
    /// Points of earlier tiles.
    seen: usize,
    logits: &'a mut [T],
    bias: &'a [T],
    /// Share of the mass that one point may have and be dropped.
    cut: f64,
    acc: &'a mut [T],
    out: &'a mut Sums,
    heavy: &'a mut Heavy,
}

impl<T: Real> pulp::NullaryFnOnce for Weigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { queries, seen, logits, bias, cut, acc, out, heavy } = self;
        let len = bias.len();
        let n = out.max.len();
        let width = acc.len() / n;
        let limit = (SPARSE_SHARE * logits.len() as f64) as usize;
        heavy.clear();
        for (q, row) in logits.chunks_exact_mut(len).enumerate() {
            let block_max = T::add_and_max(row, bias).to_f64();
            if block_max > out.max[q] {
                out.rescale(q, block_max, &mut acc[q * width..(q + 1) * width]);
            }
            if out.max[q] == f64::NEG_INFINITY {
                // Only points of weight 0 so far: −∞ − (−∞) would be NaN.
                row.fill(T::default());
            } else {
                out.sum[q] += T::exp_and_sum(row, T::from_f64(out.max[q]));
            }
            if queries.many || heavy.entries.len() > limit {
                // All will be used.
                continue;
            }
            // The last sum is at least this, so that a share of it is at most that share of the mass. What earlier tiles
            // did not use of theirs is left for this one.
            let unit = cut * out.sum[q].max(queries.least_sum(q, out.max[q]));
            heavy.list(row, unit, unit * (seen + len) as f64 - out.dropped[q] - out.missing[q]);
        }
    }
}

/// Adds the points whose weight can matter, by differences.
struct Sharp<'a, T> {
    dense: &'a Dense<T>,
    source: Source<'a>,
    queries: &'a Queries<'a, T>,
    start: usize,
    logits: &'a mut [T],
    bias: &'a [T],
    out: &'a mut Sums,
}

impl<T: Real> pulp::NullaryFnOnce for Sharp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { dense, source, queries, start, logits, bias, out } = self;
        let dim = dense.dim;
        for (q, row) in logits.chunks_exact_mut(bias.len()).enumerate() {
            let (offset, bound) = (queries.offsets[q], queries.bound[q]);
            let block_max = T::add_and_max(row, bias).to_f64() + offset;
            let x = &queries.x[q * dim..(q + 1) * dim];
            for (j, l) in row.iter().enumerate() {
                let threshold = out.max[q].max(block_max - bound) - NEGLIGIBLE - bound - offset;
                if l.to_f64() < threshold {
                    let (count, largest) = &mut out.left[q];
                    *count += 1;
                    *largest = largest.max(l.to_f64() + offset + bound);
                    continue;
                }
                let m = start + j;
                let logit = dense.log_weights[m]
                    - queries.noise.half_precision * source.distance2(m, x, queries.noise.signal);
                out.add(q, m, logit, source, &dense.shift);
            }
        }
    }
}

impl Sums {
    /// Goes over to a larger maximum.
    #[inline(always)]
    pub(super) fn rescale<T: Real>(&mut self, q: usize, max: f64, acc: &mut [T]) {
        let rescale = (self.max[q] - max).exp();
        self.sum[q] *= rescale;
        self.dropped[q] *= rescale;
        self.missing[q] *= rescale;
        let rescale = T::from_f64(rescale);
        acc.iter_mut().for_each(|a| *a *= rescale);
        self.max[q] = max;
    }

    /// Adds one point with its logit to the sums of query `q`.
    #[inline(always)]
    fn add(&mut self, q: usize, m: usize, logit: f64, source: Source, shift: &[f64]) {
        let dim = shift.len();
        let acc = &mut self.acc[q * dim..(q + 1) * dim];
        let (max, sum) = (&mut self.max[q], &mut self.sum[q]);
        if logit > *max {
            let rescale = (*max - logit).exp();
            *sum *= rescale;
            acc.iter_mut().for_each(|a| *a *= rescale);
            *max = logit;
        }
        let weight = if *max == f64::NEG_INFINITY { 0.0 } else { (logit - *max).exp() };
        *sum += weight;
        source.add_to(m, weight, shift, acc);
    }
}
