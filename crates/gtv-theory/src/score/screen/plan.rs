//! Which way of finding the points that matter is cheapest for a block of queries, from a few of its queries and a
//! few points: shares of points that each level would leave, and a model of costs.

use super::{Frame, Index, Probes};
use crate::score::source::Source;

/// Queries and points of the trial.
const QUERIES: usize = 8;
const POINTS: usize = 256;
/// Level of the first guess of the nearest points: 32 axes where there are as many.
const GUESS_LEVEL: usize = 2;

/// How a block of queries is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::score) enum Plan {
    /// All products, then the points with weight.
    Products,
    /// Bounds from the axes of this level, then the points that they leave.
    Bounds { level: usize },
}

/// Costs in cycles a pair of query and point, measured on AVX2; only their ratios matter.
#[derive(Debug, Clone, Copy)]
pub(in crate::score) struct Costs {
    /// A term of a matrix product in the precision of the data.
    pub(in crate::score) term: f64,
    /// Coordinates of a product.
    pub(in crate::score) coordinates: usize,
    /// Whether logits must be taken from differences.
    pub(in crate::score) sharp: bool,
}

/// A term of a matrix product in f32.
pub(in crate::score) const TERM_F32: f64 = 0.08;
/// Comparing a bound.
const SCAN: f64 = 1.0;
/// Turning a logit into a weight.
const WEIGH: f64 = 2.0;
/// A coordinate of a difference, and of a sum of few points.
const DIFFERENCE: f64 = 2.0;
const SPARSE: f64 = 0.5;
/// A point that is looked at on its own.
const VISIT: f64 = 30.0;

impl Index {
    /// Level of the first guess.
    pub(in crate::score) fn guess_level(&self) -> usize {
        GUESS_LEVEL.min(self.levels.len() - 1)
    }

    /// The cheapest plan for a block of queries.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub(in crate::score) fn plan(
        &self,
        frame: Frame,
        source: Source,
        log_weights: &[f64],
        x: &[f64],
        cutoff: f64,
        costs: Costs,
    ) -> Plan {
        let dim = self.dim;
        let n = x.len() / dim;
        let count = n.min(QUERIES);
        let trial: Vec<f64> = (0..count).flat_map(|q| &x[q * n / count * dim..][..dim]).copied().collect();
        let Some(probes) = Probes::new(self, frame, &trial) else { return Plan::Products };
        let guesses = probes.guess(self, source, log_weights, self.guess_level(), &trial);
        let points = self.len.min(POINTS);
        let mut reached = vec![0usize; self.levels.len()];
        let mut heavy = 0usize;
        for (q, x) in trial.chunks_exact(dim).enumerate() {
            let threshold = probes.threshold(self, q, guesses[q], cutoff);
            let coefficients: Vec<Vec<f32>> =
                (0..self.levels.len()).map(|l| probes.coefficients(self, l, q)).collect();
            for m in (0..points).map(|i| i * self.len / points) {
                let mut bias = [0.0];
                probes.bias(self, log_weights, m, &mut bias);
                let bound = |level: usize| {
                    let norms = (level..=self.levels.len()).map(|g| self.norms(g, m, 1)[0]);
                    let left: f32 = norms.zip(&coefficients[level]).map(|(n, c)| n * c).sum();
                    bias[0] + left + probes.first(self, self.levels[level], q, m)
                };
                let last = self.levels.len() - 1;
                let mut level = last;
                if bound(last) < threshold {
                    // What a level leaves, the ones before it leave too, so the first that does not is searched for.
                    while level > 0 && bound(level - 1) < threshold {
                        level -= 1;
                    }
                } else {
                    level = last + 1;
                    heavy += usize::from(frame.exact(source, log_weights, m, x) >= guesses[q] - cutoff);
                }
                reached[..level].iter_mut().for_each(|r| *r += 1);
            }
        }
        let pairs = (count * points) as f64;
        let share = |r: usize| r as f64 / pairs;
        let own = DIFFERENCE * dim as f64 + VISIT;
        let last = share(reached[self.levels.len() - 1]);
        let product = costs.term * costs.coordinates as f64;
        let second = if costs.sharp {
            share(heavy) * own
        } else {
            product.min(share(heavy) * SPARSE * costs.coordinates as f64)
        };
        let products = product + WEIGH + second;
        let bounds = |level: usize| {
            let k = self.levels[level];
            let rest = (self.axes_count() - k) as f64;
            TERM_F32 * k as f64 + SCAN + share(reached[level]) * (VISIT + 0.25 * rest) + last * own
        };
        let best = (0..self.levels.len()).min_by(|a, b| bounds(*a).total_cmp(&bounds(*b)));
        match best {
            // The first guess of all queries comes on top.
            Some(level)
                if bounds(level) + TERM_F32 * self.levels[self.guess_level()] as f64 + SCAN < products =>
            {
                Plan::Bounds { level }
            }
            _ => Plan::Products,
        }
    }
}
