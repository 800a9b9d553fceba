//! Posterior moments of many points in many dimensions by two matrix products a block:
//! l_m = log π_m + (α x·μ_m − α²|μ_m|²/2)/σ² − |x|²/2σ², acc ← e^{old − new max} acc + e^{l − max} μ.
//!
//! Points stream in blocks with a running maximum (online log-sum-exp), so nothing of size queries × points is
//! stored. Work is cut into (query block) × (shard of points) from the shapes alone, and shards are reduced in
//! order: results do not depend on the number of threads.
//!
//! The expanded square cancels: a logit is off by about ε α|x||μ|/σ² (ε = roundoff), which passes any tolerance as
//! t → 0. Two measures keep it exact. Points are shifted by their mean where that shortens them much (always in
//! f32, where the shifted copy is the only one). Where the estimate still exceeds the tolerance (the sharp regime,
//! σ² ≪ |x||μ|), the products only *select* the points whose weight can matter, by a rigorous bound on their error,
//! and logits and mean of these few are summed by direct differences in f64. There the posterior is so narrow that
//! few points are selected, and the second product is not needed at all.

use super::direct::Noise;
use super::evaluation::CovKind;
use super::lanes::LANES;
use super::real::Real;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Points a block.
pub(super) const POINT_BLOCK: usize = 512;
/// Smallest shard of points that is worth a task of its own.
const SHARD: usize = 4096;
/// Tasks to aim for when queries alone give fewer.
const TASKS: usize = 32;
/// Weights below e^−50 = 2e-22 of the largest are dropped where points are handled one by one.
pub(super) const NEGLIGIBLE: f64 = 50.0;

/// Queries a block: the accumulators of a block stay below 4 MiB.
fn query_block(dim: usize) -> usize {
    ((1 << 19) / dim).clamp(8, 512)
}

/// A cloud prepared for blocked evaluation in precision T.
#[derive(Debug, Clone)]
pub(super) struct Dense<T> {
    pub(super) dim: usize,
    pub(super) len: usize,
    /// Subtracted from every point; all further names ending in `shifted` are relative to it.
    shift: Vec<f64>,
    /// μ − shift, M × D, where it differs from the cloud's own array.
    points: Option<Vec<T>>,
    /// |μ − shift|²/2.
    half_norms: Vec<f64>,
    /// max |μ − shift|.
    longest: f64,
    pub(super) log_weights: Vec<f64>,
}

/// log Σ e^l = max + ln sum, and Σ e^{l − max} (μ − shift), of each query of a block over one shard.
struct Partial {
    max: Vec<f64>,
    sum: Vec<f64>,
    acc: Vec<f64>,
}

/// One block of queries, shifted, with what the products need of it.
pub(super) struct Queries<T> {
    pub(super) len: usize,
    /// x − α shift, n × D.
    pub(super) shifted: Vec<f64>,
    /// (α/σ²)(x − α shift), n × D.
    scaled: Vec<T>,
    /// −|x − α shift|²/2σ².
    pub(super) offsets: Vec<f64>,
    /// Bound on a logit's error, each query.
    pub(super) bound: Vec<f64>,
    /// Whether logits must be recomputed.
    pub(super) sharp: bool,
}

impl<T: Real> Dense<T> {
    /// `always_shift` makes the shifted copy in any case (for a precision in which the cloud is not held).
    ///
    /// # Shapes
    /// `points`: M × D; `weights`: M.
    pub(super) fn new<S: Real>(points: &[S], dim: usize, weights: &[f64], always_shift: bool) -> Self {
        let mut mean = vec![0.0; dim];
        let mut second = 0.0;
        for (point, w) in points.chunks_exact(dim).zip(weights) {
            mean.iter_mut().zip(point).for_each(|(m, p)| *m += w * p.to_f64());
            second += w * norm2(point);
        }
        let offset = norm2(&mean);
        // A shift pays with the memory of a copy, so it must shorten points (root mean square) by more than half.
        let shifts = always_shift || offset > 0.75 * second;
        let shift = if shifts { mean } else { vec![0.0; dim] };
        let shifted = shifts.then(|| {
            let mut shifted = Vec::with_capacity(points.len());
            for point in points.chunks_exact(dim) {
                shifted.extend(point.iter().zip(&shift).map(|(v, s)| T::from_f64(v.to_f64() - s)));
            }
            shifted
        });
        let half_norms: Vec<f64> = match &shifted {
            Some(shifted) => shifted.chunks_exact(dim).map(|p| 0.5 * norm2(p)).collect(),
            None => points.chunks_exact(dim).map(|p| 0.5 * norm2(p)).collect(),
        };
        let longest = (2.0 * half_norms.iter().fold(0.0, |acc: f64, v| acc.max(*v))).sqrt();
        let log_weights = weights.iter().map(|w| w.ln()).collect();
        Self { dim, len: weights.len(), shift, points: shifted, half_norms, longest, log_weights }
    }

    fn points<'a>(&'a self, raw: &'a [T]) -> &'a [T] {
        self.points.as_deref().unwrap_or(raw)
    }

    /// m, log Σ e^l and Γ (or its trace) of a batch.
    ///
    /// # Shapes
    /// `raw`: the cloud's points, unread when they are held shifted; `x`, `mean`: n × D; `log_sum`: n;
    /// `cov`: n × (0, 1 or D²).
    pub(super) fn moments(
        &self,
        raw: &[T],
        noise: Noise,
        kind: CovKind,
        x: &[f64],
        mean: &mut [f64],
        log_sum: &mut [f64],
        cov: &mut [f64],
    ) {
        let points = self.points(raw);
        let dim = self.dim;
        let block = query_block(dim);
        let blocks: Vec<Queries<T>> = x.par_chunks(block * dim).map(|x| self.queries(noise, x)).collect();
        let shards = (TASKS / blocks.len().max(1)).clamp(1, self.len.div_ceil(SHARD));
        let shard_len = self.len.div_ceil(shards).next_multiple_of(POINT_BLOCK);
        let partials: Vec<Partial> = (0..blocks.len() * shards)
            .into_par_iter()
            .map(|task| {
                let start = (task % shards * shard_len).min(self.len);
                let end = (start + shard_len).min(self.len);
                self.partial(points, noise, &blocks[task / shards], start, end)
            })
            .collect();
        partials
            .par_chunks(shards)
            .zip(mean.par_chunks_mut(block * dim))
            .zip(log_sum.par_chunks_mut(block))
            .for_each(|((partials, mean), log_sum)| merge(dim, partials, mean, log_sum));
        drop(partials);
        if kind != CovKind::None {
            self.covs(points, noise, kind, x, mean, log_sum, cov);
        }
        mean.par_chunks_mut(dim).for_each(|m| m.iter_mut().zip(&self.shift).for_each(|(m, s)| *m += s));
    }

    pub(super) fn queries(&self, noise: Noise, x: &[f64]) -> Queries<T> {
        let dim = self.dim;
        let shifted: Vec<f64> = x
            .chunks_exact(dim)
            .flat_map(|x| x.iter().zip(&self.shift).map(|(x, s)| x - noise.signal * s))
            .collect();
        let gain = 2.0 * noise.signal * noise.half_precision;
        let scaled = shifted.iter().map(|v| T::from_f64(gain * v)).collect();
        let norms2: Vec<f64> = shifted.chunks_exact(dim).map(|x| x.iter().map(|v| v * v).sum()).collect();
        let offsets = norms2.iter().map(|n| -noise.half_precision * n).collect();
        // One rounding of each product term; the norm's term is rounded once more.
        let unit: Vec<f64> = norms2
            .iter()
            .map(|n| T::ROUNDOFF * gain * self.longest * (n.sqrt() + noise.signal * self.longest))
            .collect();
        let sharp = unit.iter().any(|u| *u > T::LOGIT_TOLERANCE);
        // A sum of D products has at most D roundings a term, plus those of the scaled query, bias and offset.
        let bound = unit.iter().map(|u| (dim as f64 + 8.0) * u).collect();
        Queries { len: norms2.len(), shifted, scaled, offsets, bound, sharp }
    }

    /// α x·μ/σ² of a query block and a point block, and log π − α²|μ|²/2σ² of the points.
    pub(super) fn products(
        &self,
        points: &[T],
        noise: Noise,
        queries: &Queries<T>,
        start: usize,
        logits: &mut [T],
        bias: &mut [T],
    ) {
        let len = bias.len();
        let block =
            MatRef::from_row_major_slice(&points[start * self.dim..(start + len) * self.dim], len, self.dim);
        let scaled = MatRef::from_row_major_slice(&queries.scaled, queries.len, self.dim);
        let dst = MatMut::from_row_major_slice_mut(logits, queries.len, len);
        matmul(dst, Accum::Replace, scaled, block.transpose(), T::from_f64(1.0), Par::Seq);
        let scale = 2.0 * noise.signal * noise.signal * noise.half_precision;
        for (j, b) in bias.iter_mut().enumerate() {
            *b = T::from_f64(self.log_weights[start + j] - scale * self.half_norms[start + j]);
        }
    }

    fn partial(&self, points: &[T], noise: Noise, queries: &Queries<T>, start: usize, end: usize) -> Partial {
        let (n, dim) = (queries.len, self.dim);
        let mut out = Partial { max: vec![f64::NEG_INFINITY; n], sum: vec![0.0; n], acc: vec![0.0; n * dim] };
        let mut logits = vec![T::default(); n * POINT_BLOCK];
        let mut bias = [T::default(); POINT_BLOCK];
        let mut acc = vec![T::default(); if queries.sharp { 0 } else { n * dim }];
        for start in (start..end).step_by(POINT_BLOCK) {
            let len = POINT_BLOCK.min(end - start);
            let logits = &mut logits[..n * len];
            let bias = &mut bias[..len];
            self.products(points, noise, queries, start, logits, bias);
            pulp::Arch::new().dispatch(Fold {
                dense: self,
                points,
                noise,
                queries,
                start,
                logits: &mut *logits,
                bias,
                acc: &mut acc,
                out: &mut out,
            });
            if !queries.sharp {
                let weights = MatRef::from_row_major_slice(&*logits, n, len);
                let block = MatRef::from_row_major_slice(&points[start * dim..(start + len) * dim], len, dim);
                let acc = MatMut::from_row_major_slice_mut(&mut acc, n, dim);
                matmul(acc, Accum::Add, weights, block, T::from_f64(1.0), Par::Seq);
            }
        }
        if !queries.sharp {
            out.acc.iter_mut().zip(&acc).for_each(|(o, a)| *o = a.to_f64());
            out.max.iter_mut().zip(&queries.offsets).for_each(|(m, o)| *m += o);
        }
        out
    }
}

/// Folds the products of one block into a partial sum, as an operation that `pulp` compiles once for each instruction
/// set. (A closure would not do: the call through its `FnOnce` shim is not inlined, so nothing is vectorised.)
struct Fold<'a, T> {
    dense: &'a Dense<T>,
    points: &'a [T],
    noise: Noise,
    queries: &'a Queries<T>,
    start: usize,
    logits: &'a mut [T],
    bias: &'a [T],
    acc: &'a mut [T],
    out: &'a mut Partial,
}

impl<T: Real> pulp::NullaryFnOnce for Fold<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        if self.queries.sharp { self.sharp() } else { self.smooth() }
    }
}

impl<T: Real> Fold<'_, T> {
    /// Turns the logits into weights e^{l − max}, updating max and sum and rescaling the accumulators.
    #[inline(always)]
    fn smooth(self) {
        let Self { dense, logits, bias, acc, out, .. } = self;
        let dim = dense.dim;
        for (q, row) in logits.chunks_exact_mut(bias.len()).enumerate() {
            let block_max = T::add_and_max(row, bias).to_f64();
            if block_max > out.max[q] {
                let rescale = (out.max[q] - block_max).exp();
                out.sum[q] *= rescale;
                let rescale = T::from_f64(rescale);
                acc[q * dim..(q + 1) * dim].iter_mut().for_each(|a| *a *= rescale);
                out.max[q] = block_max;
            }
            if out.max[q] == f64::NEG_INFINITY {
                // Only points of weight 0 so far: −∞ − (−∞) would be NaN.
                row.fill(T::default());
            } else {
                out.sum[q] += T::exp_and_sum(row, T::from_f64(out.max[q]));
            }
        }
    }

    /// Adds the points whose weight can matter, by direct differences.
    #[inline(always)]
    fn sharp(self) {
        let Self { dense, points, noise, queries, start, logits, bias, out, .. } = self;
        let dim = dense.dim;
        for (q, row) in logits.chunks_exact_mut(bias.len()).enumerate() {
            let (offset, bound) = (queries.offsets[q], queries.bound[q]);
            let block_max = T::add_and_max(row, bias).to_f64() + offset;
            let x = &queries.shifted[q * dim..(q + 1) * dim];
            let acc = &mut out.acc[q * dim..(q + 1) * dim];
            let (max, sum) = (&mut out.max[q], &mut out.sum[q]);
            let threshold = max.max(block_max - bound) - NEGLIGIBLE - bound - offset;
            for (j, l) in row.iter().enumerate() {
                if l.to_f64() < threshold {
                    continue;
                }
                let m = start + j;
                let point = &points[m * dim..(m + 1) * dim];
                let logit = dense.log_weights[m] - noise.half_precision * distance2(x, noise.signal, point);
                if logit > *max {
                    let rescale = (*max - logit).exp();
                    *sum *= rescale;
                    acc.iter_mut().for_each(|a| *a *= rescale);
                    *max = logit;
                }
                let weight = if *max == f64::NEG_INFINITY { 0.0 } else { (logit - *max).exp() };
                *sum += weight;
                acc.iter_mut().zip(point).for_each(|(a, p)| *a += weight * p.to_f64());
            }
        }
    }
}

/// Reduces the shards of one query block, in order.
fn merge(dim: usize, partials: &[Partial], mean: &mut [f64], log_sum: &mut [f64]) {
    mean.fill(0.0);
    for (q, log_sum) in log_sum.iter_mut().enumerate() {
        let max = partials.iter().fold(f64::NEG_INFINITY, |acc, p| acc.max(p.max[q]));
        let mean = &mut mean[q * dim..(q + 1) * dim];
        let mut sum = 0.0;
        for p in partials.iter().filter(|p| p.sum[q] != 0.0) {
            let scale = (p.max[q] - max).exp();
            sum += scale * p.sum[q];
            mean.iter_mut().zip(&p.acc[q * dim..(q + 1) * dim]).for_each(|(m, a)| *m += scale * a);
        }
        mean.iter_mut().for_each(|m| *m /= sum);
        *log_sum = max + sum.ln();
    }
}

fn norm2<T: Real>(v: &[T]) -> f64 {
    v.iter().map(|v| v.to_f64() * v.to_f64()).sum()
}

/// |x − a μ|², in f64.
#[inline(always)]
pub(super) fn distance2<T: Real>(x: &[f64], a: f64, point: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (xs, ps) = (x.chunks_exact(LANES), point.chunks_exact(LANES));
    let tail: f64 =
        xs.remainder().iter().zip(ps.remainder()).map(|(x, p)| (x - a * p.to_f64()).powi(2)).sum();
    for (x, p) in xs.zip(ps) {
        for j in 0..LANES {
            let difference = x[j] - a * p[j].to_f64();
            lanes[j] += difference * difference;
        }
    }
    lanes.iter().sum::<f64>() + tail
}
