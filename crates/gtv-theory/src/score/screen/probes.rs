//! A block of queries in the coordinates of an [`Index`]: what bounds on v take from the query.

use super::sweep::{GROUP, NORMS, PANEL, Six, Terms, Visit, further, sweep};
use super::{Index, LARGEST, NORM_SLACK, group_norms};
use crate::linalg::gemm_nt;
use crate::score::direct::Noise;
use crate::score::source::Source;
use pulp::Simd;
use rayon::prelude::*;

/// Unit roundoff of f32.
const ROUNDOFF: f64 = 0.5 * f32::EPSILON as f64;
/// Panels a task of the first guess, which offers one point.
const PANELS: usize = 64;
/// Of which so many are compared by their distances.
const CANDIDATES: usize = 4;

/// What turns logits into v and back at one time.
#[derive(Debug, Clone, Copy)]
pub(in crate::score) struct Frame {
    pub(in crate::score) noise: Noise,
    /// κ = αs²/σ².
    pub(in crate::score) kappa: f64,
}

/// A block of n queries on the axes up to one level of the index.
#[derive(Debug, Clone)]
pub(in crate::score) struct Probes {
    pub(in crate::score) frame: Frame,
    pub(in crate::score) len: usize,
    /// The last level whose axes are used.
    last: usize,
    /// y on the axes in groups of six queries, by axis: groups × axes × 6.
    grouped: Vec<Six>,
    /// |y_g| of each group up to the last level, of all that is beyond it, then |y|: n × (last + 2).
    pub(super) norms: Vec<f64>,
    /// |y|²/2α.
    half: Vec<f64>,
}

/// Coefficients of the points' norms in the bounds of a block of queries at a level.
#[derive(Debug, Clone)]
pub(in crate::score) struct Coefficients {
    /// Norms in the bound at the level.
    terms: usize,
    /// |y_g| of the groups between the level and the last, then of what is beyond, then η|y|: groups × terms × 6.
    first: Vec<Six>,
    /// |y_beyond| and η|y| of each query once its products go on to the last level.
    last: Vec<[f32; 2]>,
}

impl Coefficients {
    /// Those of a group of queries at the level.
    #[inline(always)]
    pub(in crate::score) fn of_group(&self, group: usize) -> &[Six] {
        &self.first[group * self.terms..(group + 1) * self.terms]
    }

    /// The bounds of a panel's points for query `q` from products on all axes up to the last level.
    #[inline(always)]
    pub(in crate::score) fn last_bounds(
        &self,
        terms: &Terms,
        q: usize,
        products: &[f32; PANEL],
    ) -> [f32; PANEL] {
        let (beyond, whole) = (&terms.norms[self.terms - 2], &terms.norms[self.terms - 1]);
        let [c, rounding] = self.last[q];
        std::array::from_fn(|j| (products[j] + terms.bias[j]) + (c * beyond[j] + rounding * whole[j]))
    }
}

impl Frame {
    /// None where f32 cannot hold v.
    pub(in crate::score) fn new(index: &Index, noise: Noise) -> Option<Self> {
        let kappa = 2.0 * noise.half_precision * noise.signal * index.scale * index.scale;
        (kappa > LARGEST.recip() && kappa < LARGEST * LARGEST && noise.signal > LARGEST.recip())
            .then_some(Self { noise, kappa })
    }

    /// log π − |x − αμ|²/2σ², by differences.
    #[inline(always)]
    pub(in crate::score) fn exact(self, source: Source, log_weights: &[f64], m: usize, x: &[f64]) -> f64 {
        log_weights[m] - self.noise.half_precision * source.distance2(m, x, self.noise.signal)
    }

    /// log π/κ − α|ν|²/2, rounded up, of the points of a panel.
    pub(in crate::score) fn bias(self, index: &Index, log_weights: &[f64], panel: usize) -> [f32; PANEL] {
        let whole = index.norms(panel)[index.levels.len()];
        let mut out = [f32::NEG_INFINITY; PANEL];
        for ((b, n), m) in out.iter_mut().zip(whole).zip(index.members(panel)) {
            // The norm is kept rounded up, so it is brought below its true value before its square is taken away.
            let n = f64::from(n) * (1.0 - 2.0 * NORM_SLACK);
            let (square, prior) = (0.5 * self.noise.signal * n * n, log_weights[*m as usize] / self.kappa);
            let slack = 16.0 * ROUNDOFF * (square + if prior.is_finite() { prior.abs() } else { 0.0 });
            *b = (prior - square + slack) as f32;
        }
        out
    }
}

impl Probes {
    /// Queries on the axes up to level `last`. None when a query is too far for f32 or not finite.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub(in crate::score) fn new(index: &Index, frame: Frame, last: usize, x: &[f64]) -> Option<Self> {
        let (dim, k, signal) = (index.dim, index.levels[last], frame.noise.signal);
        let len = x.len() / dim;
        let mut y = Vec::with_capacity(x.len());
        let inverse = index.scale.recip();
        for x in x.chunks_exact(dim) {
            y.extend(x.iter().zip(&index.centre).map(|(x, c)| (x - signal * c) * inverse));
        }
        let mut found = vec![0.0; len * k];
        gemm_nt(len, k, dim, &y, &index.axes[..k * dim], &mut found);
        let columns = last + 2;
        let mut norms = Vec::with_capacity(len * columns);
        for (y, row) in y.chunks_exact(dim).zip(found.chunks_exact(k)) {
            norms.extend(group_norms(&index.levels[..=last], y, row));
        }
        let whole: Vec<f64> = norms.chunks_exact(columns).map(|n| n[columns - 1]).collect();
        if !whole.iter().all(|n| *n < LARGEST) {
            return None;
        }
        let half = whole.iter().map(|n| (n / (1.0 + NORM_SLACK)).powi(2) / (2.0 * signal)).collect();
        let mut grouped = vec![[0.0; GROUP]; len.div_ceil(GROUP) * k];
        for (q, row) in found.chunks_exact(k).enumerate() {
            for (out, v) in grouped[q / GROUP * k..].iter_mut().zip(row) {
                out[q % GROUP] = *v as f32;
            }
        }
        Some(Self { frame, len, last, grouped, norms, half })
    }

    /// y of each group of queries, by axis.
    #[inline(always)]
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Six]> {
        self.grouped.chunks_exact(self.grouped.len() / self.len.div_ceil(GROUP))
    }

    /// Adds y·ν of query `q` and a panel's points on the axes `from..to`.
    #[inline(always)]
    pub(in crate::score) fn further<S: Simd>(
        &self,
        simd: S,
        index: &Index,
        (from, to): (usize, usize),
        q: usize,
        panel: usize,
        products: &mut [f32; PANEL],
    ) {
        let y = &self.grouped[q / GROUP * index.levels[self.last]..][from..to];
        further(simd, index.panel(panel, from, to), y, q % GROUP, products);
    }

    /// Norms in a bound at a level.
    pub(in crate::score) fn terms(&self, level: usize) -> usize {
        self.last - level + 2
    }

    /// The axes of a level and of the last one.
    pub(in crate::score) fn beyond(&self, index: &Index, level: usize) -> (usize, usize) {
        (index.levels[level], index.levels[self.last])
    }

    /// What bounds at a level take from the queries.
    pub(in crate::score) fn coefficients(&self, index: &Index, level: usize) -> Coefficients {
        let terms = self.terms(level);
        let mut first = vec![[0.0; GROUP]; self.len.div_ceil(GROUP) * terms];
        let mut last = Vec::with_capacity(self.len);
        for (q, norms) in self.norms.chunks_exact(self.last + 2).enumerate() {
            let (beyond, whole) = (norms[self.last], norms[self.last + 1]);
            let eta = |terms: usize, steps: f64| ((terms as f64 + steps) * ROUNDOFF * whole) as f32;
            let out = &mut first[q / GROUP * terms..][..terms];
            out.iter_mut().zip(&norms[level..=self.last]).for_each(|(c, n)| c[q % GROUP] = *n as f32);
            out[terms - 1][q % GROUP] = eta(index.levels[level], 24.0);
            last.push([beyond as f32, eta(index.levels[self.last], 32.0)]);
        }
        Coefficients { terms, first, last }
    }

    /// What the bounds of a panel's points add to the products at a level.
    #[inline(always)]
    pub(in crate::score) fn panel_terms(
        &self,
        index: &Index,
        log_weights: &[f64],
        level: usize,
        panel: usize,
    ) -> Terms {
        let norms = self.point_norms(index, level, panel);
        Terms { bias: self.frame.bias(index, log_weights, panel), norms }
    }

    /// The norms of a panel's points that belong to [`Coefficients::first`].
    #[inline(always)]
    fn point_norms(&self, index: &Index, level: usize, panel: usize) -> [[f32; PANEL]; NORMS] {
        let stored = index.norms(panel);
        let (groups, whole) = (&stored[..index.levels.len()], stored[index.levels.len()]);
        let mut out = [[0.0; PANEL]; NORMS];
        out[..self.last - level].copy_from_slice(&groups[level..self.last]);
        let mut beyond = [0.0f32; PANEL];
        for norms in &groups[self.last..] {
            for j in 0..PANEL {
                beyond[j] += norms[j] * norms[j];
            }
        }
        beyond.iter_mut().for_each(|b| *b = b.sqrt() * (1.0 + NORM_SLACK as f32));
        out[self.last - level] = beyond;
        out[self.last - level + 1] = whole;
        out
    }

    /// v below which a point of this query cannot have more than e^−cutoff of the weight that `logit` is part of.
    #[inline(always)]
    pub(in crate::score) fn threshold(&self, index: &Index, q: usize, logit: f64, cutoff: f64) -> f32 {
        let kappa = self.frame.kappa;
        let (v, half) = (logit / kappa, self.half[q]);
        let slack = 4.0 * (index.dim as f64 + 8.0) * f64::EPSILON * (v.abs() + half);
        ((v + half - cutoff / kappa - slack) as f32).next_down().max(f32::MIN)
    }

    /// For each query the exact logit of a given point, a lower bound of the largest.
    pub(in crate::score) fn at(
        &self,
        source: Source,
        log_weights: &[f64],
        points: &[u32],
        x: &[f64],
    ) -> Vec<(usize, f64)> {
        self.best(source, log_weights, x, |q| vec![points[q] as usize])
    }

    /// Of some points of each query the one with the largest logit.
    fn best(
        &self,
        source: Source,
        log_weights: &[f64],
        x: &[f64],
        points: impl Fn(usize) -> Vec<usize> + Sync,
    ) -> Vec<(usize, f64)> {
        let frame = self.frame;
        x.par_chunks_exact(x.len() / self.len)
            .enumerate()
            .map(|(q, x)| {
                pulp::Arch::new().dispatch(Best { frame, source, log_weights, points: points(q), x })
            })
            .collect()
    }

    /// For each query a point with its exact logit, a lower bound of the largest: the best of those with the largest
    /// estimates of v on the axes of `level`, each the largest of its part of the data. No point and −∞ where all have weight 0.
    pub(in crate::score) fn guess(
        &self,
        index: &Index,
        source: Source,
        log_weights: &[f64],
        level: usize,
        x: &[f64],
    ) -> Vec<(usize, f64)> {
        let panels = index.len.div_ceil(PANEL);
        let found: Vec<Guess> = (0..panels.div_ceil(PANELS))
            .into_par_iter()
            .map(|task| {
                let mut guess = Guess::new(index, self.frame, log_weights, self.len);
                let range = task * PANELS..((task + 1) * PANELS).min(panels);
                sweep(index, self, index.levels[level.min(self.last)], range, &mut guess);
                guess
            })
            .collect();
        self.best(source, log_weights, x, |q| {
            let of = |guess: &Guess| (guess.largest[q / GROUP][q % GROUP], guess.points[q]);
            let mut points: Vec<(f32, usize)> =
                found.iter().map(of).filter(|(_, m)| *m != usize::MAX).collect();
            points.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            points.into_iter().take(CANDIDATES).map(|(_, m)| m).collect()
        })
    }
}

/// The point with the largest logit, none and −∞ of none; an operation for `pulp`.
struct Best<'a> {
    frame: Frame,
    source: Source<'a>,
    log_weights: &'a [f64],
    points: Vec<usize>,
    x: &'a [f64],
}

impl pulp::NullaryFnOnce for Best<'_> {
    type Output = (usize, f64);

    #[inline(always)]
    fn call(self) -> (usize, f64) {
        let mut best = (usize::MAX, f64::NEG_INFINITY);
        for m in self.points {
            let logit = self.frame.exact(self.source, self.log_weights, m, self.x);
            if logit > best.1 {
                best = (m, logit);
            }
        }
        best
    }
}

/// The point with the largest product plus bias of each query so far.
struct Guess<'a> {
    index: &'a Index,
    frame: Frame,
    log_weights: &'a [f64],
    panel: usize,
    /// +∞ for the places of the last group that have no query.
    largest: Vec<Six>,
    points: Vec<usize>,
}

impl<'a> Guess<'a> {
    fn new(index: &'a Index, frame: Frame, log_weights: &'a [f64], n: usize) -> Self {
        let largest = thresholds(n, |_| f32::MIN);
        Self { index, frame, log_weights, panel: 0, largest, points: vec![usize::MAX; n] }
    }
}

/// One threshold a query in groups of six; none reaches those that fill up the last group.
pub(in crate::score) fn thresholds(n: usize, of: impl Fn(usize) -> f32) -> Vec<Six> {
    let mut out = vec![[f32::INFINITY; GROUP]; n.div_ceil(GROUP)];
    (0..n).for_each(|q| out[q / GROUP][q % GROUP] = of(q));
    out
}

impl Visit for Guess<'_> {
    #[inline(always)]
    fn enter(&mut self, panel: usize) -> Terms {
        self.panel = panel;
        let bias = self.frame.bias(self.index, self.log_weights, panel);
        Terms { bias, norms: [[0.0; PANEL]; NORMS] }
    }

    #[inline(always)]
    fn coefficients(&self, _: usize) -> &[Six] {
        &[]
    }

    #[inline(always)]
    fn thresholds(&self, group: usize) -> &Six {
        &self.largest[group]
    }

    #[inline(always)]
    fn passed(&mut self, _: usize, _: f32) {}

    #[inline(always)]
    fn reached(&mut self, q: usize, _: &[f32; PANEL], bounds: &[f32; PANEL]) {
        for (m, v) in self.index.members(self.panel).iter().zip(bounds) {
            if *v > self.largest[q / GROUP][q % GROUP] {
                self.largest[q / GROUP][q % GROUP] = *v;
                self.points[q] = *m as usize;
            }
        }
    }

    #[inline(always)]
    fn leave<S: Simd>(&mut self, _: S) {}
}
