//! A query block and a shard of points by bounds: points whose bound stays below what can matter are left out, the
//! others are summed from differences.

use super::blocked::{Dense, Kept};
use super::queries::Queries;
use super::real::Real;
use super::screen::{
    Coefficients, GROUP, Index, NORMS, PANEL, Probes, Six, Terms, Visit, largest, sweep, thresholds,
};
use super::source::Source;
use pulp::Simd;
use std::ops::Range;

/// What bounds are compared with, for one query block.
pub(super) struct Seeds {
    /// Level of the index whose bounds are formed for all points.
    pub(super) level: usize,
    pub(super) probes: Probes,
    /// For each query a point that may be the nearest, with its logit.
    pub(super) guesses: Vec<(usize, f64)>,
}

impl<T: Real> Dense<T> {
    /// The points in some places of the index, of which the first begins a panel.
    pub(super) fn bounded(
        &self,
        source: Source,
        index: &Index,
        queries: &Queries<T>,
        seeds: &Seeds,
        places: Range<usize>,
    ) -> Vec<Kept> {
        let Seeds { level, probes, guesses } = seeds;
        let n = queries.len;
        let cutoff = self.cutoff();
        let groups = n.div_ceil(GROUP);
        let mut search = Search {
            dense: self,
            source,
            index,
            queries,
            probes,
            level: *level,
            cutoff,
            coefficients: probes.coefficients(index, *level),
            best: guesses.iter().map(|(_, logit)| *logit).collect(),
            thresholds: thresholds(n, |q| probes.threshold(index, q, guesses[q].1, cutoff)),
            passed: vec![f32::NEG_INFINITY; groups],
            kept: vec![vec![]; n],
            far: vec![f64::NEG_INFINITY; n],
            hits: vec![],
            panel: 0,
            terms: Terms { bias: [0.0; PANEL], norms: [[0.0; PANEL]; NORMS] },
        };
        sweep(
            index,
            probes,
            index.levels[*level],
            places.start / PANEL..places.end.div_ceil(PANEL),
            &mut search,
        );
        let Search { best, passed, kept, far, .. } = search;
        best.iter()
            .zip(kept)
            .zip(far)
            .enumerate()
            .map(|(q, ((best, mut points), mut far))| {
                // The threshold rose since the first points were kept.
                points.retain(|(_, logit)| {
                    let near = *logit >= best - cutoff;
                    far = if near { far } else { far.max(*logit) };
                    near
                });
                // Where bounds stayed this far below the threshold of then, they are at least as far below the last.
                let below = cutoff - probes.frame.kappa * f64::from(passed[q / GROUP]);
                Kept { left: (places.len() - points.len(), (best - below).max(far)), points }
            })
            .collect()
    }
}

/// The search of one shard.
struct Search<'a, T> {
    dense: &'a Dense<T>,
    source: Source<'a>,
    index: &'a Index,
    queries: &'a Queries<'a, T>,
    probes: &'a Probes,
    level: usize,
    cutoff: f64,
    coefficients: Coefficients,
    /// The largest logit of each query so far, and v below which points cannot matter.
    best: Vec<f64>,
    thresholds: Vec<Six>,
    /// The largest difference from the threshold of points that were passed over, for each group of queries.
    passed: Vec<f32>,
    /// Points of each query that may matter, and the largest logit of those that turned out not to.
    kept: Vec<Vec<(u32, f64)>>,
    far: Vec<f64>,
    /// Queries whose bounds the panel at hand reached, with its products.
    hits: Vec<(u32, [f32; PANEL])>,
    panel: usize,
    terms: Terms,
}

impl<T: Real> Visit for Search<'_, T> {
    #[inline(always)]
    fn enter(&mut self, panel: usize) -> Terms {
        self.panel = panel;
        self.terms = self.probes.panel_terms(self.index, &self.dense.log_weights, self.level, panel);
        self.terms
    }

    #[inline(always)]
    fn coefficients(&self, group: usize) -> &[Six] {
        self.coefficients.of_group(group)
    }

    #[inline(always)]
    fn thresholds(&self, group: usize) -> &Six {
        &self.thresholds[group]
    }

    #[inline(always)]
    fn passed(&mut self, group: usize, difference: f32) {
        self.passed[group] = self.passed[group].max(difference);
    }

    #[inline(always)]
    fn reached(&mut self, q: usize, products: &[f32; PANEL], _: &[f32; PANEL]) {
        self.hits.push((q as u32, *products));
    }

    /// Goes on to the last level with the queries that the panel's first bounds did not exclude, and sums the points
    /// that its bounds leave.
    #[inline(always)]
    fn leave<S: Simd>(&mut self, simd: S) {
        let Self { dense, source, index, probes, panel, .. } = *self;
        let axes = probes.beyond(index, self.level);
        for (q, products) in &mut self.hits {
            let q = *q as usize;
            probes.further(simd, index, axes, q, panel, products);
            let bounds = self.coefficients.last_bounds(&self.terms, q, products);
            let over = largest(bounds.map(|v| v - self.thresholds[q / GROUP][q % GROUP]));
            if over < 0.0 {
                self.passed[q / GROUP] = self.passed[q / GROUP].max(over);
                continue;
            }
            let x = &self.queries.x[q * dense.dim..(q + 1) * dense.dim];
            for (m, v) in index.members(panel).iter().zip(bounds) {
                let threshold = &mut self.thresholds[q / GROUP][q % GROUP];
                if v < *threshold {
                    self.passed[q / GROUP] = self.passed[q / GROUP].max(v - *threshold);
                    continue;
                }
                let logit = probes.frame.exact(source, &dense.log_weights, *m as usize, x);
                if logit > self.best[q] {
                    self.best[q] = logit;
                    *threshold = probes.threshold(index, q, logit, self.cutoff);
                }
                if logit < self.best[q] - self.cutoff {
                    self.far[q] = self.far[q].max(logit);
                } else {
                    self.kept[q].push((*m, logit));
                }
            }
        }
        self.hits.clear();
    }
}
