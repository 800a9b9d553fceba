//! Which way of finding the points that matter is cheapest for a block of queries, from a few of its queries and a
//! few points: shares of points that each level would leave, and a model of costs.

#![expect(clippy::neg_cmp_op_on_partial_ord, reason = "what is not a number counts as reached")]

use super::sweep::{GROUP, PANEL};
use super::{Frame, Index, Probes};
use crate::score::source::Source;

/// Queries and panels of the trial.
const QUERIES: usize = 8;
const PANELS: usize = 16;
/// Level of the first guess of the nearest points: 32 axes where there are as many.
const GUESS_LEVEL: usize = 2;
/// Where the first bound does not exclude a point, this many levels further another is tried.
const FURTHER: usize = 2;

/// How a block of queries is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::score) enum Plan {
    /// All products.
    Products,
    /// All first products, in f32 where that is enough to find the points with weight, then those of few points. A first
    /// guess of the nearest tells from the start which have weight.
    FewProducts,
    /// Bounds from the axes of one level, for what they leave bounds from those of the last, then the points left.
    Bounds { level: usize, last: usize },
}

/// What products cost, in cycles a pair of query and point; only ratios to the constants below matter.
#[derive(Debug, Clone, Copy)]
pub(in crate::score) struct Costs {
    /// A matrix product over all coordinates, in the precision of the data.
    pub(in crate::score) product: f64,
    /// Whether logits must be taken from differences.
    pub(in crate::score) sharp: bool,
    /// Whether products in f32 cost half of that.
    pub(in crate::score) narrows: bool,
}

/// An axis in the sweep, and what follows it, measured on AVX2.
const AXIS: f64 = 0.075;
const COMPARE: f64 = 0.7;
/// A further axis of a panel, and what goes before.
const FURTHER_AXIS: f64 = 1.2;
const HIT: f64 = 40.0;
/// A coordinate of a point's difference and sum, and what goes before.
const COORDINATE: f64 = 0.5;
const VISIT: f64 = 100.0;
/// Turning a logit into a weight.
const WEIGH: f64 = 2.0;
/// A product over few points, relative to one over all, for each of them.
const SPARSE: f64 = 2.5;
/// The same of a first product.
const SPARSE_DOT: f64 = 1.0;

/// Shares of panels and points that a level leaves.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    panels: f64,
    points: f64,
}

impl Index {
    /// Level of the first guess.
    pub(in crate::score) fn guess_level(&self) -> usize {
        GUESS_LEVEL.min(self.levels.len() - 1)
    }

    /// The level that is tried where one does not exclude a point.
    fn further_level(&self, level: usize) -> usize {
        (level + FURTHER).max(self.guess_level()).min(self.levels.len() - 1)
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
        let Some((left, heavy)) = self.trial(frame, source, log_weights, x, cutoff) else {
            return Plan::Products;
        };
        let n = (x.len() / self.dim) as f64;
        let own = COORDINATE * self.dim as f64 + VISIT;
        let second = if costs.sharp { heavy * own } else { costs.product * (SPARSE * heavy).min(1.0) };
        let wide = costs.product + WEIGH + second;
        let guess = AXIS * self.levels[self.guess_level()] as f64 + COMPARE;
        // Where more points turn out to have weight, the first tile that shows it is the last one in f32.
        let narrow = (0.5 + SPARSE_DOT * heavy) * costs.product + WEIGH + second + guess;
        let few = !costs.sharp && if costs.narrows { narrow < wide } else { SPARSE * heavy < 1.0 };
        let products = if costs.narrows && few { narrow } else { wide };
        let bounds = |level: usize| {
            let (axes, last) = (self.levels[level], self.levels[self.further_level(level)]);
            // A group of queries is worked on whole.
            let groups = (n / GROUP as f64).ceil() * GROUP as f64 / n;
            let rotation = 2.0 * AXIS * (last * self.dim) as f64 / self.len as f64;
            let panels = (FURTHER_AXIS * (last - axes) as f64 + HIT) / PANEL as f64;
            (AXIS * axes as f64 + COMPARE) * groups
                + rotation
                + left[level].panels * panels
                + left[level].points * own
        };
        let best = (0..self.levels.len()).min_by(|a, b| bounds(*a).total_cmp(&bounds(*b)));
        match best {
            Some(level) if bounds(level) + guess < products => {
                Plan::Bounds { level, last: self.further_level(level) }
            }
            _ if few => Plan::FewProducts,
            _ => Plan::Products,
        }
    }

    /// What each level leaves of some panels for some of the queries, and the share of points with weight.
    fn trial(
        &self,
        frame: Frame,
        source: Source,
        log_weights: &[f64],
        x: &[f64],
        cutoff: f64,
    ) -> Option<(Vec<Left>, f64)> {
        let (dim, count) = (self.dim, self.levels.len());
        let n = x.len() / dim;
        let trials = n.min(QUERIES);
        let rows: Vec<f64> = (0..trials).flat_map(|q| &x[q * n / trials * dim..][..dim]).copied().collect();
        let probes = Probes::new(self, frame, count - 1, &rows)?;
        let guesses = probes.guess(self, source, log_weights, self.guess_level(), &rows);
        let whole_panels = self.len / PANEL;
        let panels = whole_panels.min(PANELS);
        let mut left = vec![Left::default(); count];
        let mut heavy = 0.0;
        for (q, x) in rows.chunks_exact(dim).enumerate() {
            let threshold = probes.threshold(self, q, guesses[q].1, cutoff);
            let norms = &probes.norms[q * (count + 1)..(q + 1) * (count + 1)];
            for panel in (0..panels).map(|i| i * whole_panels / panels) {
                let bias = frame.bias(self, log_weights, panel);
                let points = self.norms(panel);
                let mut products = [0.0; PANEL];
                let mut at = vec![];
                for level in 0..count {
                    let from = if level == 0 { 0 } else { self.levels[level - 1] };
                    let axes = (from, self.levels[level]);
                    pulp::Arch::new().dispatch(Further {
                        index: self,
                        probes: &probes,
                        axes,
                        q,
                        panel,
                        products: &mut products,
                    });
                    at.push(products);
                }
                // The bound of point j by products up to a level, by groups up to the last, and by what is beyond.
                let reached = |level: usize, last: usize, j: usize| {
                    let groups: f64 = (level..last).map(|g| norms[g] * f64::from(points[g][j])).sum();
                    let beyond: f64 = (last..count).map(|g| norms[g].powi(2)).sum();
                    let others: f64 = (last..count).map(|g| f64::from(points[g][j]).powi(2)).sum();
                    let v = f64::from(at[level][j] + bias[j]) + groups + (beyond * others).sqrt();
                    !(v < f64::from(threshold))
                };
                for (level, left) in left.iter_mut().enumerate() {
                    let last = self.further_level(level);
                    if (0..PANEL).any(|j| reached(level, last, j)) {
                        left.panels += 1.0;
                        left.points += (0..PANEL).filter(|j| reached(last, last, *j)).count() as f64;
                    }
                }
                for j in (0..PANEL).filter(|j| reached(count - 1, count - 1, *j)) {
                    let logit = frame.exact(source, log_weights, self.members(panel)[j] as usize, x);
                    heavy += if logit >= guesses[q].1 - cutoff { 1.0 } else { 0.0 };
                }
            }
        }
        let pairs = (trials * panels) as f64;
        for l in &mut left {
            l.panels /= pairs;
            l.points /= pairs * PANEL as f64;
        }
        Some((left, heavy / (pairs * PANEL as f64)))
    }
}

/// [`Probes::further`] as an operation for `pulp`.
struct Further<'a> {
    index: &'a Index,
    probes: &'a Probes,
    axes: (usize, usize),
    q: usize,
    panel: usize,
    products: &'a mut [f32; PANEL],
}

impl pulp::WithSimd for Further<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        self.probes.further(simd, self.index, self.axes, self.q, self.panel, self.products);
    }
}
