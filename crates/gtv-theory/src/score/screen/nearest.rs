//! The two nearest points of each query, by bounds: v of unit noise orders points by distance.

use super::Index;
use super::plan::{Costs, Plan};
use super::probes::{Coefficients, Frame, Probes, thresholds};
use super::sweep::{GROUP, NORMS, PANEL, Six, Terms, Visit, largest, sweep};
use crate::score::direct::Noise;
use crate::score::real::Real;
use crate::score::source::Source;
use pulp::Simd;
use rayon::prelude::*;

/// Queries a block.
pub(crate) const NEAREST_BLOCK: usize = 512;
/// Points among which a second neighbour is looked for first.
const SAMPLE: usize = 32;

/// The nearest point, its distance, and the distance of the second-nearest, for each of some queries.
type NearestTwo = Vec<(usize, f64, f64)>;

/// For each query the nearest point, its distance, and the distance of the second-nearest; none for blocks of
/// 512 queries for which matrix products are cheaper. None when there are too few points for an index.
///
/// # Shapes
/// `points`: M × D; `x`: n × D.
pub(crate) fn nearest_two(points: &[f64], dim: usize, x: &[f64]) -> Option<Vec<Option<NearestTwo>>> {
    let (source, len) = (Source::F64(points), points.len() / dim);
    let index = Index::build(source, dim, len)?;
    let noise = Noise { signal: 1.0, half_precision: 0.5 / (index.scale * index.scale) };
    let frame = Frame::new(&index, noise)?;
    let priors = vec![0.0; len];
    let block = |x: &[f64]| {
        let costs = Costs { product: f64::TERM * dim as f64, sharp: true, narrows: false };
        let Plan::Bounds { level, last } = index.plan(frame, source, &priors, x, 0.0, costs) else {
            return None;
        };
        let probes = Probes::new(&index, frame, last, x)?;
        let guesses = probes.guess(&index, source, &priors, index.guess_level(), x);
        let mut search = Nearest {
            index: &index,
            source,
            probes: &probes,
            priors: &priors,
            level,
            x,
            coefficients: probes.coefficients(&index, level),
            thresholds: thresholds(probes.len, |_| f32::MIN),
            found: guesses.iter().map(|(m, logit)| [(*m, *logit), (usize::MAX, f64::NEG_INFINITY)]).collect(),
            hits: vec![],
            panel: 0,
            terms: Terms { bias: [0.0; PANEL], norms: [[0.0; PANEL]; NORMS] },
        };
        for (q, x) in x.chunks_exact(dim).enumerate() {
            for m in (0..SAMPLE).map(|i| i * len / SAMPLE) {
                search.offer(q, m, frame.exact(source, &priors, m, x));
            }
        }
        sweep(&index, &probes, index.levels[level], 0..len.div_ceil(PANEL), &mut search);
        let distance = |q: usize, m: usize| source.distance2(m, &x[q * dim..(q + 1) * dim], 1.0).sqrt();
        let found = search.found.iter().enumerate();
        Some(found.map(|(q, [a, b])| (a.0, distance(q, a.0), distance(q, b.0))).collect())
    };
    Some(x.par_chunks(NEAREST_BLOCK * dim).map(block).collect())
}

struct Nearest<'a> {
    index: &'a Index,
    source: Source<'a>,
    probes: &'a Probes,
    priors: &'a [f64],
    level: usize,
    x: &'a [f64],
    coefficients: Coefficients,
    thresholds: Vec<Six>,
    /// The two nearest points so far with −|x − μ|²/2s², of equals the earlier.
    found: Vec<[(usize, f64); 2]>,
    hits: Vec<(u32, [f32; PANEL])>,
    panel: usize,
    terms: Terms,
}

impl Nearest<'_> {
    #[inline(always)]
    fn offer(&mut self, q: usize, m: usize, logit: f64) {
        let [first, second] = &mut self.found[q];
        if m == first.0 || m == second.0 {
            return;
        }
        let before = |a: (usize, f64), b: (usize, f64)| a.1 > b.1 || (a.1 == b.1 && a.0 < b.0);
        if before((m, logit), *first) {
            *second = *first;
            *first = (m, logit);
        } else if before((m, logit), *second) {
            *second = (m, logit);
        } else {
            return;
        }
        let threshold = self.probes.threshold(self.index, q, second.1, 0.0);
        self.thresholds[q / GROUP][q % GROUP] = threshold;
    }
}

impl Visit for Nearest<'_> {
    #[inline(always)]
    fn enter(&mut self, panel: usize) -> Terms {
        self.panel = panel;
        self.terms = self.probes.panel_terms(self.index, self.priors, self.level, panel);
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
    fn passed(&mut self, _: usize, _: f32) {}

    #[inline(always)]
    fn reached(&mut self, q: usize, products: &[f32; PANEL], _: &[f32; PANEL]) {
        self.hits.push((q as u32, *products));
    }

    #[inline(always)]
    fn leave<S: Simd>(&mut self, simd: S) {
        let Self { index, source, probes, panel, x, .. } = *self;
        let axes = probes.beyond(index, self.level);
        let mut hits = std::mem::take(&mut self.hits);
        for (q, products) in &mut hits {
            let q = *q as usize;
            probes.further(simd, index, axes, q, panel, products);
            let bounds = self.coefficients.last_bounds(&self.terms, q, products);
            if largest(bounds) < self.thresholds[q / GROUP][q % GROUP] {
                continue;
            }
            for (m, v) in index.members(panel).iter().zip(bounds) {
                if v < self.thresholds[q / GROUP][q % GROUP] {
                    continue;
                }
                let m = *m as usize;
                let logit =
                    probes.frame.exact(source, self.priors, m, &x[q * index.dim..(q + 1) * index.dim]);
                self.offer(q, m, logit);
            }
        }
        hits.clear();
        self.hits = hits;
    }
}
