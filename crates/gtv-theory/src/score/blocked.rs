//! Posterior moments of many points in many dimensions by two matrix products a block, or fewer where few points have
//! weight: l_m = log π_m + (α x·μ_m − α²|μ_m|²/2)/σ² − |x|²/2σ², acc ← e^{old − new max} acc + e^{l − max} μ.
//!
//! Points stream in tiles with a running maximum (online log-sum-exp), so nothing of size queries × points is stored.
//! Work is cut into (query block) × (shard of points) from the shapes alone, and shards are reduced in order: results
//! do not depend on the number of threads. For each query block the cheapest [`Plan`] is chosen:
//!
//! - bounds from a few principal axes ([`Index`]) leave few points, which are summed from differences ([`bounded`]);
//! - or all products are formed ([`fold`]), in f32 where that finds few points with weight ([`narrow`]), and the second one
//!   is taken over the points with weight, or over all.
//!
//! The expanded square cancels: a logit is off by about ε α|x||μ|/σ² (ε = roundoff), which passes any tolerance as
//! t → 0. Points are shifted by their centre where that shortens them much. Where the estimate still exceeds the
//! tolerance (the sharp regime, σ² ≪ |x||μ|), products only *select* the points whose weight can matter, by a bound on
//! their error. Logits that are not good enough from products are always taken from differences of the points as they
//! were given, in f64.
//!
//! [`bounded`]: super::bounded
//! [`fold`]: super::fold
//! [`narrow`]: super::narrow

use super::blocked_cov::{cov_of_kept, covs};
use super::bounded::Seeds;
use super::direct::Noise;
use super::evaluation::CovKind;
use super::exact::IndexCost;
use super::narrow::NarrowQueries;
use super::queries::{Queries, Runs, TILE};
use super::real::Real;
use super::screen::{Costs, Frame, Index, Plan, Probes};
use super::source::Source;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Smallest shard of points that is worth a task of its own.
const SHARD: usize = 4096;
/// Tasks to aim for when queries alone give fewer.
const TASKS: usize = 32;
/// Share of coordinates that must be the same in all points before they are left out of products.
const CONSTANT_SHARE: f64 = 0.05;

/// Queries a block: the accumulators of a block stay below 4 MiB.
fn query_block(dim: usize) -> usize {
    ((1 << 19) / dim).clamp(8, 512)
}

/// A cloud prepared for blocked evaluation with products in precision T. It does not hold the points.
#[derive(Debug, Clone)]
pub(super) struct Dense<T> {
    pub(super) dim: usize,
    pub(super) len: usize,
    /// Subtracted from every point before products: the centre where that shortens points much, and in any case the
    /// common value of coordinates that do not vary.
    pub(super) shift: Vec<f64>,
    /// Whether `shift` is more than those common values.
    pub(super) shifts: bool,
    /// The coordinates in which points differ, where enough do not.
    pub(super) active: Option<Runs>,
    /// |μ − shift|²/2.
    pub(super) half_norms: Vec<f64>,
    /// max |μ − shift|.
    pub(super) longest: f64,
    pub(super) log_weights: Vec<f64>,
    /// max |log π| of the points with weight.
    pub(super) faintest: f64,
    /// Weights that together are below this share of the posterior's mass may be left out.
    pub(super) tolerance: f64,
    index: OnceLock<Option<Arc<Index>>>,
    precision: PhantomData<T>,
}

/// log Σ e^l = max + ln sum, and Σ e^{l − max} (μ − shift), of each query of a block over one shard.
pub(super) struct Sums {
    pub(super) max: Vec<f64>,
    pub(super) sum: Vec<f64>,
    /// n × the coordinates of products, or n × D.
    pub(super) acc: Vec<f64>,
    /// Σ e^{l − max} of weights that are missing in `acc`.
    pub(super) dropped: Vec<f64>,
    /// Bound on Σ e^{l − max} of weights that are missing in `acc` and `sum`.
    pub(super) missing: Vec<f64>,
    /// Points that are missing in them beside those, and the largest bound on their logits.
    pub(super) left: Vec<(usize, f64)>,
}

/// The points of a shard that may matter to a query, and the others.
pub(super) struct Kept {
    /// Points with their logits, in order.
    pub(super) points: Vec<(u32, f64)>,
    /// The other points, and the largest bound on their logits.
    pub(super) left: (usize, f64),
}

impl Sums {
    /// Of no points, and without accumulators.
    pub(super) fn new(n: usize) -> Self {
        Self {
            max: vec![f64::NEG_INFINITY; n],
            sum: vec![0.0; n],
            acc: vec![],
            dropped: vec![0.0; n],
            missing: vec![0.0; n],
            left: vec![(0, f64::NEG_INFINITY); n],
        }
    }

    /// Takes up the sums of the points that follow.
    fn join(mut self, other: &Self) -> Self {
        let width = self.acc.len() / self.max.len();
        let mut all = std::mem::take(&mut self.acc);
        for (q, acc) in all.chunks_exact_mut(width).enumerate() {
            let (count, largest) = &mut self.left[q];
            *count += other.left[q].0;
            *largest = largest.max(other.left[q].1);
            if other.sum[q] == 0.0 {
                continue;
            }
            if other.max[q] > self.max[q] {
                self.rescale(q, other.max[q], acc);
            }
            let scale = (other.max[q] - self.max[q]).exp();
            self.sum[q] += scale * other.sum[q];
            self.dropped[q] += scale * other.dropped[q];
            self.missing[q] += scale * other.missing[q];
            let rows = acc.iter_mut().zip(&other.acc[q * width..(q + 1) * width]);
            rows.for_each(|(a, b)| *a += scale * b);
        }
        self.acc = all;
        self
    }
}

/// Results of a batch, one row a query.
pub(super) struct Moments<'a> {
    /// m, n × D.
    pub(super) mean: &'a mut [f64],
    /// log Σ e^l.
    pub(super) log_sum: &'a mut [f64],
    /// Bound on the share of the posterior's mass that was left out.
    pub(super) left_out: &'a mut [f64],
    /// Γ (or its trace), n × (0, 1 or D²).
    pub(super) cov: &'a mut [f64],
    /// Where the nearest points are looked for first, and what they turn out to be where they are found: n, or empty.
    pub(super) nearest: &'a mut [u32],
}

/// Consecutive parts of so many values, each empty where there are none.
fn parts<V>(all: &mut [V], size: usize, count: usize) -> Vec<&mut [V]> {
    if all.is_empty() {
        return (0..count).map(|_| Default::default()).collect();
    }
    all.chunks_mut(size).collect()
}

/// Notes the nearest of the points that were kept of each query.
fn remember(shards: &[Vec<Kept>], nearest: &mut [u32]) {
    for (q, m) in nearest.iter_mut().enumerate() {
        let points = shards.iter().flat_map(|shard| &shard[q].points);
        if let Some((found, _)) = points.max_by(|a, b| a.1.total_cmp(&b.1)) {
            *m = *found;
        }
    }
}

/// One block of queries with the way in which it is summed.
struct Block<'a, T> {
    queries: Queries<'a, T>,
    seeds: Option<Seeds>,
}

impl<T: Real> Dense<T> {
    /// # Shapes
    /// `source`: M × D; `weights`: M.
    pub(super) fn new(source: Source, dim: usize, weights: &[f64], tolerance: f64) -> Self {
        let len = weights.len();
        let mut mean = vec![0.0; dim];
        let mut second = 0.0;
        let mut first = vec![0.0; dim];
        source.each(0, dim, |d, p| first[d] = p);
        let mut varies = vec![false; dim];
        for (m, w) in weights.iter().enumerate() {
            source.each(m, dim, |d, p| {
                mean[d] += w * p;
                second += w * p * p;
                varies[d] |= p != first[d];
            });
        }
        let offset: f64 = mean.iter().map(|v| v * v).sum();
        // A shift costs a copy of each tile, so it must shorten points (root mean square) by more than half. A copy is
        // needed anyway where the points are held in another precision.
        let shifts = T::own(source).is_none() || offset > 0.75 * second;
        let mut shift = if shifts { source.centre(dim, len) } else { vec![0.0; dim] };
        let active = Runs::of(&varies);
        let constant = (dim - active.len()) as f64;
        let active = (active.len() > 0 && constant > CONSTANT_SHARE * dim as f64).then(|| {
            (0..dim).filter(|d| !varies[*d]).for_each(|d| shift[d] = first[d]);
            active
        });
        let half_norms: Vec<f64> = (0..len)
            .into_par_iter()
            .map(|m| {
                let mut square = 0.0;
                source.each(m, dim, |d, p| {
                    let p = T::from_f64(p - shift[d]).to_f64();
                    square += p * p;
                });
                0.5 * square
            })
            .collect();
        let longest = (2.0 * half_norms.iter().fold(0.0, |acc: f64, v| acc.max(*v))).sqrt();
        let log_weights: Vec<f64> = weights.iter().map(|w| w.ln()).collect();
        let finite = log_weights.iter().filter(|l| l.is_finite());
        let faintest = finite.fold(0.0, |acc: f64, l| acc.max(l.abs()));
        Self {
            dim,
            len,
            shift,
            shifts,
            active,
            half_norms,
            longest,
            log_weights,
            faintest,
            tolerance,
            index: OnceLock::new(),
            precision: PhantomData,
        }
    }

    /// The index, built when it is first asked for.
    pub(super) fn index(&self, source: Source) -> Option<&Index> {
        self.index.get_or_init(|| Index::build(source, self.dim, self.len).map(Arc::new)).as_deref()
    }

    /// What the index cost, if it was built.
    pub(super) fn index_cost(&self) -> Option<IndexCost> {
        let index = self.index.get()?.as_deref()?;
        Some(IndexCost { seconds: index.seconds, bytes: index.bytes() })
    }

    /// A point whose logit is this far below another has no weight that counts.
    pub(super) fn cutoff(&self) -> f64 {
        (self.len as f64 / self.tolerance).ln()
    }

    /// m of a batch.
    ///
    /// # Shapes
    /// `x`, `mean`: n × D; `nearest`: as [`Moments::nearest`].
    pub(super) fn means(
        &self,
        source: Source,
        noise: Noise,
        x: &[f64],
        mean: &mut [f64],
        nearest: &mut [u32],
    ) {
        let n = x.len() / self.dim;
        let (mut log_sum, mut left_out) = (vec![0.0; n], vec![0.0; n]);
        let (log_sum, left_out) = (&mut log_sum, &mut left_out);
        let out = Moments { mean, log_sum, left_out, cov: &mut [], nearest };
        self.moments(source, noise, CovKind::None, x, out);
    }

    /// m, log Σ e^l and Γ (or its trace) of a batch.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub(super) fn moments(&self, source: Source, noise: Noise, kind: CovKind, x: &[f64], out: Moments) {
        let dim = self.dim;
        let size = query_block(dim);
        let index = self.index(source);
        let blocks = x.len().div_ceil(size * dim);
        let shards = (TASKS / blocks.max(1)).clamp(1, self.len.div_ceil(SHARD));
        let shard = self.len.div_ceil(shards).next_multiple_of(TILE);
        let shards: Vec<Range<usize>> =
            (0..self.len).step_by(shard).map(|start| start..(start + shard).min(self.len)).collect();
        let covs_of = parts(out.cov, size * kind.values(dim), blocks);
        let nearest_of = parts(out.nearest, size, blocks);
        x.par_chunks(size * dim)
            .zip(out.mean.par_chunks_mut(size * dim))
            .zip(out.log_sum.par_chunks_mut(size))
            .zip(out.left_out.par_chunks_mut(size))
            .zip(covs_of)
            .zip(nearest_of)
            .for_each(|(((((x, mean), log_sum), left_out), cov), nearest)| {
                let Block { queries, seeds } = self.block(source, index, noise, x, nearest);
                match (seeds, index) {
                    (Some(seeds), Some(index)) => {
                        let each = shards.par_iter();
                        let kept =
                            each.map(|range| self.bounded(source, index, &queries, &seeds, range.clone()));
                        let kept: Vec<Vec<Kept>> = kept.collect();
                        self.finish_kept(source, kind, &kept, mean, log_sum, left_out, cov);
                        remember(&kept, nearest);
                    }
                    _ => {
                        self.finish(&self.summed(source, &queries, &shards), mean, log_sum, left_out);
                        if kind != CovKind::None {
                            covs(self, source, noise, kind, x, mean, log_sum, cov);
                        }
                    }
                }
            });
    }

    /// Sums over some shards, joined in pairs: in an order that does not depend on threads, and few at a time.
    fn summed(&self, source: Source, queries: &Queries<T>, shards: &[Range<usize>]) -> Sums {
        match shards {
            [shard] => self.folded(source, queries, shard.clone()),
            _ => {
                let (first, second) = shards.split_at(shards.len() / 2);
                let of = |shards| self.summed(source, queries, shards);
                let (first, second) = rayon::join(|| of(first), || of(second));
                first.join(&second)
            }
        }
    }

    fn block<'a>(
        &self,
        source: Source,
        index: Option<&Index>,
        noise: Noise,
        x: &'a [f64],
        nearest: &[u32],
    ) -> Block<'a, T> {
        let mut queries = self.queries(source, noise, x);
        let mut few = false;
        let log_weights = &self.log_weights;
        let seeds = index.and_then(|index| {
            let frame = Frame::new(index, noise)?;
            let coordinates = self.active.as_ref().map_or(self.dim, Runs::len);
            let costs =
                Costs { product: T::TERM * coordinates as f64, sharp: queries.sharp, narrows: T::NARROWS };
            match index.plan(frame, source, log_weights, x, self.cutoff(), costs) {
                Plan::Products => {
                    queries.many = true;
                    None
                }
                Plan::FewProducts => {
                    let first = index.guess_level();
                    let guesses =
                        Probes::new(index, frame, first, x)?.guess(index, source, log_weights, first, x);
                    queries.expect(guesses.iter().map(|(_, logit)| *logit));
                    few = true;
                    None
                }
                Plan::Bounds { level, last } => {
                    let probes = Probes::new(index, frame, last, x)?;
                    let first = index.guess_level().min(last);
                    let guesses = if !nearest.is_empty() && nearest.iter().all(|m| (*m as usize) < self.len) {
                        probes.at(source, log_weights, nearest, x)
                    } else {
                        probes.guess(index, source, log_weights, first, x)
                    };
                    Some(Seeds { level, probes, guesses })
                }
            }
        });
        if seeds.is_none() {
            self.scale(&mut queries);
        }
        if few {
            queries.narrow = NarrowQueries::new(self, &queries);
        }
        Block { queries, seeds }
    }

    /// Sums the points that were kept, query by query, in order.
    fn finish_kept(
        &self,
        source: Source,
        kind: CovKind,
        shards: &[Vec<Kept>],
        mean: &mut [f64],
        log_sum: &mut [f64],
        left_out: &mut [f64],
        cov: &mut [f64],
    ) {
        let values = kind.values(self.dim);
        let mut covs: Vec<&mut [f64]> = match kind {
            CovKind::None => (0..log_sum.len()).map(|_| Default::default()).collect(),
            CovKind::Trace | CovKind::Full => cov.chunks_mut(values).collect(),
        };
        mean.par_chunks_mut(self.dim)
            .zip(log_sum)
            .zip(left_out)
            .zip(&mut covs)
            .enumerate()
            .with_min_len(16)
            .for_each(|(q, (((mean, log_sum), left_out), cov))| {
                let shards = || shards.iter().map(|shard| &shard[q]);
                let points = || shards().flat_map(|kept| &kept.points);
                let max = points().fold(f64::NEG_INFINITY, |a, (_, l)| a.max(*l));
                let sum: f64 = points().map(|(_, l)| (l - max).exp()).sum();
                // Not from log Σ e^l, which rounds to 1e-16 of a logit, and logits may be large.
                let weights: Vec<(u32, f64)> = points().map(|(m, l)| (*m, (l - max).exp() / sum)).collect();
                *log_sum = max + sum.ln();
                mean.fill(0.0);
                pulp::Arch::new().dispatch(SumKept { source, weights: &weights, shift: &self.shift, mean });
                *left_out = shards()
                    .filter(|kept| kept.left.0 > 0)
                    .map(|kept| kept.left.0 as f64 * (kept.left.1 - *log_sum).exp())
                    .sum();
                if kind != CovKind::None {
                    cov_of_kept(source, kind, &weights, mean, cov);
                }
            });
    }

    /// The moments of one query block from its sums.
    fn finish(&self, sums: &Sums, mean: &mut [f64], log_sum: &mut [f64], left_out: &mut [f64]) {
        let dim = self.dim;
        let width = sums.acc.len() / sums.max.len();
        for (q, mean) in mean.chunks_exact_mut(dim).enumerate() {
            // What was dropped is in the sum, so the rest has this much of the mass.
            let used = sums.sum[q] - sums.dropped[q];
            let acc = &sums.acc[q * width..(q + 1) * width];
            match &self.active {
                Some(active) if width < dim => {
                    // Not a number where the sums are not.
                    let nothing = 0.0 / used;
                    mean.iter_mut().zip(&self.shift).for_each(|(m, s)| *m = s + nothing);
                    active.places().zip(acc).for_each(|(d, a)| mean[d] += a / used);
                }
                _ => mean.iter_mut().zip(acc).zip(&self.shift).for_each(|((m, a), s)| *m = s + a / used),
            }
            let (left, largest) = sums.left[q];
            log_sum[q] = sums.max[q] + sums.sum[q].ln();
            left_out[q] = (sums.dropped[q] + sums.missing[q]) / sums.sum[q];
            if left > 0 {
                left_out[q] += left as f64 * (largest - log_sum[q]).exp();
            }
        }
    }
}

/// m = shift + Σ w (μ − shift) of one query; an operation for `pulp`.
struct SumKept<'a> {
    source: Source<'a>,
    weights: &'a [(u32, f64)],
    shift: &'a [f64],
    mean: &'a mut [f64],
}

impl pulp::NullaryFnOnce for SumKept<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { source, weights, shift, mean } = self;
        for (m, w) in weights {
            source.add_to(*m as usize, *w, shift, mean);
        }
        mean.iter_mut().zip(shift).for_each(|(m, s)| *m += s);
    }
}
