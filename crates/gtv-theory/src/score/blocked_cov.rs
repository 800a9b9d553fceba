//! Posterior covariances of many points in many dimensions, by a second pass over the points:
//! Γ = Σ w (μ − m)(μ − m)ᵀ with w = e^{l − log Σ e^l}, never E[μμᵀ] − mmᵀ, which cancels and can go negative.

use super::blocked::{Dense, NEGLIGIBLE, POINT_BLOCK, Queries, distance2};
use super::direct::Noise;
use super::evaluation::CovKind;
use super::real::Real;
use faer::linalg::matmul::triangular;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

impl<T: Real> Dense<T> {
    /// Γ around the given means (still relative to the shift), by a second pass over the points.
    pub(super) fn covs(
        &self,
        points: &[T],
        noise: Noise,
        kind: CovKind,
        x: &[f64],
        mean: &[f64],
        log_sum: &[f64],
        cov: &mut [f64],
    ) {
        // Smaller blocks than for the means: the work a query is larger, and a D × D matrix each is written.
        const COV_BLOCK: usize = 32;
        let dim = self.dim;
        let values = kind.values(dim);
        cov.par_chunks_mut(COV_BLOCK * values)
            .zip(x.par_chunks(COV_BLOCK * dim))
            .zip(mean.par_chunks(COV_BLOCK * dim))
            .zip(log_sum.par_chunks(COV_BLOCK))
            .for_each(|(((cov, x), mean), log_sum)| {
                let queries = self.queries(noise, x);
                let mut logits = vec![T::default(); queries.len * POINT_BLOCK];
                let mut bias = [T::default(); POINT_BLOCK];
                let mut rows =
                    Vec::with_capacity(if kind == CovKind::Full { POINT_BLOCK * dim } else { dim });
                for start in (0..self.len).step_by(POINT_BLOCK) {
                    let len = POINT_BLOCK.min(self.len - start);
                    let (logits, bias) = (&mut logits[..queries.len * len], &mut bias[..len]);
                    self.products(points, noise, &queries, start, logits, bias);
                    for (q, row) in logits.chunks_exact_mut(len).enumerate() {
                        let cov = &mut cov[q * values..(q + 1) * values];
                        let mean = &mean[q * dim..(q + 1) * dim];
                        let log_sum = log_sum[q];
                        rows.clear();
                        let heavy =
                            Heavy { dense: self, points, noise, queries: &queries, q, start, log_sum };
                        pulp::Arch::new().dispatch(Spread {
                            heavy,
                            kind,
                            row,
                            bias,
                            mean,
                            cov,
                            rows: &mut rows,
                        });
                        if kind == CovKind::Full {
                            add_gram(dim, &rows, cov);
                        }
                    }
                }
                if kind == CovKind::Full {
                    cov.chunks_exact_mut(values).for_each(|c| mirror(dim, c));
                }
            });
    }
}

/// One query and one block of points: which points have non-negligible weight.
struct Heavy<'a, T> {
    dense: &'a Dense<T>,
    points: &'a [T],
    noise: Noise,
    queries: &'a Queries<T>,
    q: usize,
    start: usize,
    log_sum: f64,
}

impl<'a, T: Real> Heavy<'a, T> {
    /// log w and μ of the block's `j`-th point, given its logit from the products; none if negligible.
    #[inline(always)]
    fn weigh(&self, j: usize, product: T) -> Option<(f64, &'a [T])> {
        let Self { dense, points, noise, queries, q, start, log_sum } = *self;
        let slack = if queries.sharp { queries.bound[q] } else { 0.0 };
        let log_weight = product.to_f64() + queries.offsets[q] - log_sum;
        if log_weight < -NEGLIGIBLE - slack {
            return None;
        }
        let m = start + j;
        let point = &points[m * dense.dim..(m + 1) * dense.dim];
        if !queries.sharp {
            return Some((log_weight, point));
        }
        let x = &queries.shifted[q * dense.dim..(q + 1) * dense.dim];
        let logit = dense.log_weights[m] - noise.half_precision * distance2(x, noise.signal, point);
        Some((logit - log_sum, point))
    }
}

/// Adds w|μ − m|² to a trace, or collects the rows √w (μ − m); an operation for `pulp`, like `Fold` of the means.
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
        T::add_and_max(self.row, self.bias);
        for (j, product) in self.row.iter().enumerate() {
            let Some((log_weight, point)) = self.heavy.weigh(j, *product) else { continue };
            if self.kind == CovKind::Trace {
                self.cov[0] += log_weight.exp() * distance2(self.mean, 1.0, point);
            } else {
                let root = (0.5 * log_weight).exp();
                self.rows.extend(point.iter().zip(self.mean).map(|(p, m)| root * (p.to_f64() - m)));
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
