//! A query block and a shard of points by bounds: points whose bound stays below what can matter are left out, the
//! others are summed from differences.

use super::blocked::{Dense, Partial};
use super::evaluation::CovKind;
use super::queries::Queries;
use super::real::Real;
use super::screen::{Index, Probes, Scan, TILE};
use super::source::Source;

/// Queries whose bounds with a tile stay in the cache.
const ROWS: usize = 128;

/// What bounds are compared with, for one query block.
pub(super) struct Seeds {
    /// Level of the index whose bounds are formed for all points.
    pub(super) level: usize,
    pub(super) probes: Probes,
    /// A logit of each query that some point has.
    pub(super) logits: Vec<f64>,
}

impl<T: Real> Dense<T> {
    pub(super) fn bounded(
        &self,
        source: Source,
        index: &Index,
        queries: &Queries<T>,
        seeds: &Seeds,
        kind: CovKind,
        start: usize,
        end: usize,
    ) -> Partial {
        let Seeds { level, probes, logits } = seeds;
        let n = queries.len;
        let mut out = Partial::new(n, self.dim);
        if kind != CovKind::None {
            out.kept = Some(vec![vec![]; n]);
        }
        let axes = index.levels[*level];
        let coefficients: Vec<Vec<f32>> = (0..n).map(|q| probes.coefficients(index, *level, q)).collect();
        let mut best = logits.clone();
        let mut products = vec![0.0; ROWS.min(n) * TILE];
        let mut bias = [0.0; TILE];
        let mut reached = vec![];
        for start in (start..end).step_by(TILE) {
            let len = TILE.min(end - start);
            let bias = &mut bias[..len];
            probes.bias(index, &self.log_weights, start, bias);
            for first in (0..n).step_by(ROWS) {
                let rows = ROWS.min(n - first);
                let products = &mut products[..rows * len];
                probes.products(index, axes, (first, rows), (start, len), products);
                for (q, products) in (first..).zip(products.chunks_exact_mut(len)) {
                    let threshold = probes.threshold(index, q, best[q], self.cutoff());
                    pulp::Arch::new().dispatch(Row {
                        dense: self,
                        source,
                        index,
                        queries,
                        seeds,
                        coefficients: &coefficients[q],
                        q,
                        start,
                        products,
                        bias,
                        threshold,
                        best: &mut best[q],
                        reached: &mut reached,
                        out: &mut out,
                    });
                }
            }
        }
        out
    }
}

/// One query and one tile; an operation for `pulp`.
struct Row<'a, T> {
    dense: &'a Dense<T>,
    source: Source<'a>,
    index: &'a Index,
    queries: &'a Queries<'a, T>,
    seeds: &'a Seeds,
    coefficients: &'a [f32],
    q: usize,
    start: usize,
    products: &'a mut [f32],
    bias: &'a [f32],
    threshold: f32,
    best: &'a mut f64,
    reached: &'a mut Vec<u16>,
    out: &'a mut Partial,
}

impl<T: Real> pulp::NullaryFnOnce for Row<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            dense,
            source,
            index,
            queries,
            seeds,
            coefficients,
            q,
            start,
            products,
            bias,
            threshold,
            ..
        } = self;
        let Seeds { level, probes, .. } = seeds;
        let (dim, len) = (dense.dim, products.len());
        // At most as many groups as levels, and the whole norm.
        let mut norms = [(0.0, &[][..]); 10];
        let groups = coefficients.len();
        for (i, (slot, c)) in norms.iter_mut().zip(coefficients).enumerate() {
            *slot = (*c, index.norms(level + i, start, len));
        }
        let scan = Scan {
            products: &mut *products,
            bias,
            norms: &norms[..groups],
            threshold,
            reached: self.reached,
        };
        let mut largest = pulp::NullaryFnOnce::call(scan);
        let mut left = len - self.reached.len();
        let axes = index.levels[*level];
        let x = &queries.x[q * dim..(q + 1) * dim];
        for j in self.reached.iter() {
            let (j, m) = (usize::from(*j), start + usize::from(*j));
            if axes < index.axes_count() {
                // The groups between this level and the last give way to their products.
                let between: f32 = norms[..groups - 2].iter().map(|(c, norms)| c * norms[j]).sum();
                let rounding = probes.rounding(index, axes, q) * index.norms(index.levels.len(), m, 1)[0];
                let v = products[j] - between + probes.further(index, axes, q, m) + rounding;
                if v < threshold {
                    largest = largest.max(v);
                    left += 1;
                    continue;
                }
            }
            let logit = probes.frame.exact(source, &dense.log_weights, m, x);
            *self.best = self.best.max(logit);
            self.out.add(q, m, logit, source, &dense.shift);
        }
        let (count, bound) = &mut self.out.left[q];
        *count += left;
        *bound = bound.max(probes.logit(q, largest));
    }
}
