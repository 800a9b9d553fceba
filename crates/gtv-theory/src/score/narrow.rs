//! First products in f32 where logits are needed in f64: they only find the points with weight, whose logits are then
//! taken from products in f64.
//!
//! With s = (α/σ²)(x − α shift), b = log π − α²|μ − shift|²/2σ² and unit roundoff ε of f32, a logit s·μ + b in f32 is off
//! by at most
//!     (Dε/(1 − Dε) + 8ε)|s| max|μ − shift| + 4ε max|b| + what subnormal numbers lose,
//! in any order of summation: D roundings of sums, those of both factors, of b, of the last sum, and of the number that
//! it is compared with. A point that is dropped has at most its weight in f32, in units of the largest minus this bound.

use super::blocked::{Dense, Sums};
use super::columns::Columns;
use super::fold::Heavy;
use super::queries::{Queries, TILE, Tile};
use super::real::Real;
use crate::linalg::gemm_nt;

/// Bounds above this do not pay: they add to what is kept.
const LARGEST_BOUND: f64 = 0.5;
/// Logits and their parts beyond this are left to f64: f32 could overflow.
const LARGEST: f64 = 1e30;
/// More than what a subnormal number in f32 loses.
const SUBNORMAL: f64 = 1e-44;
/// Shares of the mass below this are too near the smallest f32.
const SMALLEST_CUT: f64 = 1e-30;
/// Share of a tile's points with weight from which products in f64 are cheaper.
const SHARE: f64 = 0.25;
/// Weights in f32: 3e-7 for the exponential, 5e-6 for a difference of logits, and sums of 512.
const WEIGHT_SLACK: f64 = 1e-4;
/// Lower bound of e^−87 as [`exp_nonpositive_f32`](crate::lanes) has it, below which it is 0.
const SMALLEST: f64 = 1.7e-38;
/// The share of the tolerance that may be used: what is left out is at most 1 % of the mass that it is compared with.
const USED: f64 = 0.98;

/// A block of queries in f32.
pub(super) struct NarrowQueries {
    scaled: Vec<f32>,
    /// Bound on the error of a logit from f32, each query.
    bounds: Vec<f64>,
}

impl NarrowQueries {
    /// None where f32 is not good enough, or nothing is gained by it.
    pub(super) fn new<T: Real>(dense: &Dense<T>, queries: &Queries<T>) -> Option<Self> {
        let width = queries.scaled.len() / queries.len;
        let roundoff = 0.5 * f64::from(f32::EPSILON);
        let growth = width as f64 * roundoff;
        if !T::NARROWS || queries.sharp || growth > 0.1 || dense.tolerance / (dense.len as f64) < SMALLEST_CUT
        {
            return None;
        }
        let noise = queries.noise;
        let half = noise.signal * noise.signal * noise.half_precision * dense.longest * dense.longest;
        let largest_bias = half + dense.faintest;
        let mut bounds = Vec::with_capacity(queries.len);
        for row in queries.scaled.chunks_exact(width) {
            let length = row.iter().map(|v| v.to_f64() * v.to_f64()).sum::<f64>().sqrt();
            let product = length * dense.longest;
            let lost = SUBNORMAL * width as f64 * (length + dense.longest + 2.0);
            let relative = growth / (1.0 - growth) + 8.0 * roundoff;
            let bound = relative * product + 4.0 * roundoff * largest_bias + lost;
            let fits = length.max(dense.longest).max(product).max(largest_bias) < LARGEST;
            if !(fits && bound < LARGEST_BOUND) {
                return None;
            }
            bounds.push(bound);
        }
        Some(Self { scaled: queries.scaled.iter().map(|v| v.to_f64() as f32).collect(), bounds })
    }
}

/// First products of one query block with the tiles of a shard.
pub(super) struct Narrow<'a, T> {
    queries: &'a NarrowQueries,
    points: Vec<f32>,
    logits: Vec<f32>,
    columns: Columns<T>,
    values: Vec<T>,
    bias: Vec<T>,
}

impl<'a, T: Real> Narrow<'a, T> {
    pub(super) fn new(queries: &'a NarrowQueries) -> Self {
        let logits = vec![0.0; queries.bounds.len() * TILE];
        Self { queries, points: vec![], logits, columns: Columns::default(), values: vec![], bias: vec![] }
    }

    /// Adds a tile, before which `seen` points were added, to the sums, unless too many of its points have weight: then all is as it was.
    pub(super) fn fold(
        &mut self,
        dense: &Dense<T>,
        queries: &Queries<T>,
        (tile, seen): (Tile<T>, usize),
        heavy: &mut Heavy,
        acc: &mut [T],
        out: &mut Sums,
    ) -> bool {
        let arch = pulp::Arch::new();
        self.points.resize(tile.points.len(), 0.0);
        arch.dispatch(Round { from: tile.points, to: &mut self.points });
        let logits = &mut self.logits[..queries.len * tile.len];
        gemm_nt(queries.len, tile.len, tile.width, &self.queries.scaled, &self.points, logits);
        self.bias.resize(tile.len, T::default());
        dense.biases(queries.noise, tile.start, &mut self.bias);
        let bias: Vec<f32> = self.bias.iter().map(|b| b.to_f64() as f32).collect();
        let largest = (SHARE * logits.len() as f64) as usize;
        let cut = USED * dense.tolerance / dense.len as f64;
        let bounds = &self.queries.bounds;
        let bias = &bias;
        let screen =
            Screen { queries, seen, logits, bias, bounds, cut, out: &*out, heavy: &mut *heavy, largest };
        let tops = arch.dispatch(screen);
        let Some(tops) = tops else {
            return false;
        };
        self.columns.fill(tile);
        self.values.clear();
        self.values.resize(heavy.entries.len(), T::default());
        self.columns.add_dots(&queries.scaled, &heavy.entries, &heavy.ends, &mut self.values);
        let (bias, values) = (&self.bias, &mut self.values);
        arch.dispatch(WeighKept { bias, tops: &tops, heavy, values, acc: &mut *acc, out });
        let entries: Vec<(u16, T)> = heavy.entries.iter().copied().zip(self.values.iter().copied()).collect();
        self.columns.add_products(&entries, &heavy.ends, acc);
        true
    }
}

/// A tile in f32; an operation for `pulp`.
struct Round<'a, T> {
    from: &'a [T],
    to: &'a mut [f32],
}

impl<T: Real> pulp::NullaryFnOnce for Round<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.to.iter_mut().zip(self.from).for_each(|(to, from)| *to = from.to_f64() as f32);
    }
}

/// Lists the points of a tile that must not be dropped. Returns what the largest logit of each query, seen so far, is at
/// most; none when more than `largest` must stay. An operation for `pulp`.
struct Screen<'a, T> {
    queries: &'a Queries<'a, T>,
    /// Points of earlier tiles.
    seen: usize,
    logits: &'a mut [f32],
    bias: &'a [f32],
    bounds: &'a [f64],
    /// Share of the mass that one point may have and be dropped.
    cut: f64,
    out: &'a Sums,
    heavy: &'a mut Heavy,
    largest: usize,
}

impl<T: Real> pulp::NullaryFnOnce for Screen<'_, T> {
    type Output = Option<Vec<f64>>;

    #[inline(always)]
    fn call(self) -> Option<Vec<f64>> {
        let Self { queries, seen, logits, bias, bounds, cut, out, heavy, largest } = self;
        heavy.clear();
        let mut tops = Vec::with_capacity(bounds.len());
        for (q, (row, bound)) in logits.chunks_exact_mut(bias.len()).zip(bounds).enumerate() {
            let top = (f64::from(f32::add_and_max(row, bias)) + bound).max(out.max[q]);
            tops.push(top);
            if top == f64::NEG_INFINITY {
                // Only points of weight 0 so far.
                heavy.ends.push(heavy.entries.len());
                heavy.dropped.push(0.0);
                continue;
            }
            // Weights in units of e^{top}, none below its true value.
            let all = f32::exp_and_sum(row, (top - bound) as f32);
            let scale = (out.max[q] - top).exp();
            let (missing, known) = (scale * out.missing[q], scale * (out.sum[q] + out.missing[q]));
            let here = all * (-2.0 * bound).exp() * (1.0 - WEIGHT_SLACK);
            let mass = known.max(here).max(queries.least_sum(q, top));
            // What earlier tiles did not use of their share is left for this one.
            let unit = cut * mass / (1.0 + WEIGHT_SLACK);
            heavy.list(row, unit, unit * (seen + row.len()) as f64 - missing);
            if heavy.entries.len() > largest {
                return None;
            }
            if let Some(dropped) = heavy.dropped.last_mut() {
                let begin = heavy.ends.len().checked_sub(2).map_or(0, |i| heavy.ends[i]);
                let count = row.len() - (heavy.entries.len() - begin);
                *dropped = *dropped * (1.0 + WEIGHT_SLACK) + count as f64 * SMALLEST;
            }
        }
        Some(tops)
    }
}

/// Turns the products of the listed points into weights, updating sums; an operation for `pulp`.
struct WeighKept<'a, T> {
    bias: &'a [T],
    tops: &'a [f64],
    heavy: &'a Heavy,
    values: &'a mut [T],
    acc: &'a mut [T],
    out: &'a mut Sums,
}

impl<T: Real> pulp::NullaryFnOnce for WeighKept<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { bias, tops, heavy, values, acc, out } = self;
        let width = acc.len() / tops.len();
        let mut begin = 0;
        for (q, (top, end)) in tops.iter().zip(&heavy.ends).enumerate() {
            let listed = begin..*end;
            begin = *end;
            if *top > out.max[q] {
                out.rescale(q, *top, &mut acc[q * width..(q + 1) * width]);
            }
            let row = &mut values[listed.clone()];
            row.iter_mut().zip(&heavy.entries[listed]).for_each(|(l, j)| *l += bias[usize::from(*j)]);
            out.sum[q] += T::exp_and_sum(row, T::from_f64(*top));
            out.missing[q] += heavy.dropped[q];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::direct::Noise;
    use super::super::source::Source;
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;
    use rand_distr::StandardNormal;

    /// A cloud in 40 dimensions with weights down to 1e-9 and 0, or equal ones, and queries: some far from all.
    struct Case {
        points: Vec<f64>,
        weights: Vec<f64>,
        x: Vec<f64>,
        noise: Noise,
    }

    const DIM: usize = 40;
    const POINTS: usize = 1300;

    fn case(scale: f64, offset: f64, std: f64, copies: usize, weighted: bool, far: f64) -> Case {
        let mut rng = Streams::new(18).stream(Purpose::Probe, 0, 0);
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let own: Vec<f64> = (0..POINTS / copies * DIM).map(|_| scale * normal() + offset).collect();
        let points: Vec<f64> = own.iter().copied().cycle().take(POINTS * DIM).collect();
        let weight = |m: usize| if m % 17 == 3 { 0.0 } else { 10f64.powi(-(m as i32 % 10)) };
        let weights: Vec<f64> = (0..POINTS).map(|m| if weighted { weight(m) } else { 1.0 }).collect();
        let total: f64 = weights.iter().sum();
        let x = (0..70 * DIM).map(|i| {
            (if (i / DIM).is_multiple_of(7) { far } else { 1.0 }) * points[i * 11 / DIM * DIM + i % DIM]
                + std * normal()
        });
        let noise = Noise { signal: 1.0, half_precision: 0.5 / (std * std) };
        Case { x: x.collect(), points, weights: weights.iter().map(|w| w / total).collect(), noise }
    }

    /// Returns the largest share of the mass that was left out, none where f32 is refused.
    fn check(what: &str, case: &Case, tolerance: f64) -> Option<f64> {
        let Case { points, weights, x, noise } = case;
        let source = Source::F64(points);
        let dense = Dense::<f64>::new(source, DIM, weights, tolerance);
        let mut queries = dense.queries(source, *noise, x);
        dense.scale(&mut queries);
        let wide = dense.folded(source, &queries, 0..POINTS);
        let width = queries.scaled.len() / queries.len;
        let mut logits = vec![0.0; queries.len * POINTS];
        let mut buffer = vec![];
        let tiles: Vec<f64> = (0..POINTS)
            .step_by(TILE)
            .flat_map(|start| dense.tile(source, queries.packed, start, POINTS, &mut buffer).points.to_vec())
            .collect();
        gemm_nt(queries.len, POINTS, width, &queries.scaled, &tiles, &mut logits);
        let mut bias = vec![0.0; POINTS];
        dense.biases(*noise, 0, &mut bias);
        let best = logits.chunks(POINTS).zip(&queries.offsets).map(|(row, offset)| {
            row.iter().zip(&bias).map(|(l, b)| l + b).fold(f64::NEG_INFINITY, f64::max) + offset
        });
        let best: Vec<f64> = best.collect();
        let mut largest: f64 = 0.0;
        for hints in [false, true] {
            if hints {
                queries.expect(best.iter().copied());
            }
            queries.narrow = NarrowQueries::new(&dense, &queries);
            let narrow = queries.narrow.as_ref()?;
            let rounded: Vec<f32> = tiles.iter().map(|v| *v as f32).collect();
            let mut single = vec![0.0; queries.len * POINTS];
            gemm_nt(queries.len, POINTS, width, &narrow.scaled, &rounded, &mut single);
            for (i, (s, l)) in single.iter().zip(&logits).enumerate() {
                let (s, b, bound) =
                    (*s + bias[i % POINTS] as f32, bias[i % POINTS], narrow.bounds[i / POINTS]);
                assert!(b == f64::NEG_INFINITY || (f64::from(s) - l - b).abs() <= bound, "{what}: logit {i}");
            }
            let found = dense.folded(source, &queries, 0..POINTS);
            for q in 0..queries.len {
                let left = found.missing[q] / found.sum[q];
                assert!(left <= tolerance, "{what} q={q}: left out {left:e}");
                largest = largest.max(left);
                let low = wide.max[q] + wide.sum[q].ln() - found.max[q] - found.sum[q].ln();
                assert!(
                    -1e-10 <= low && low <= -(-left).ln_1p() + 1e-10,
                    "{what} q={q}: low by {low:e}, {left:e}"
                );
                let mean = |sums: &Sums, d: usize| sums.acc[q * DIM + d] / (sums.sum[q] - sums.dropped[q]);
                let off = (0..DIM).map(|d| (mean(&wide, d) - mean(&found, d)).powi(2)).sum::<f64>().sqrt();
                let share = left + wide.dropped[q] / wide.sum[q] + 1e-10;
                assert!(off <= 2.0 * share * dense.longest, "{what} q={q}: mean off by {off:e}, {share:e}");
            }
        }
        Some(largest)
    }

    /// What f32 leaves out is within its bound, and what it keeps as good as products in f64: near and far queries, weights of
    /// ten sizes and none, copies, data far from the origin.
    #[test]
    fn oracle_first_products_in_single_precision_lose_no_weight() {
        for tolerance in [1e-12, 1e-7, 1e-2] {
            for (name, case) in [
                ("plain", case(1.0, 0.0, 0.7, 1, false, 1.0)),
                ("weighted", case(1.0, 0.0, 0.7, 1, true, 1.0)),
                ("far queries", case(1.0, 0.0, 0.7, 1, true, 30.0)),
                ("an offset", case(1.0, 300.0, 0.7, 1, false, 1.0)),
                ("copies", case(1.0, 0.5, 0.7, 2, false, 3.0)),
                ("small numbers", case(1e-15, 0.0, 7e-16, 1, true, 1.0)),
                ("large numbers", case(1e12, 0.0, 7e11, 1, true, 1.0)),
            ] {
                let left = check(name, &case, tolerance).expect(name);
                assert!(left > 0.0, "{name}: nothing was left out, so nothing was tested");
            }
        }
    }

    /// Where f32 overflows, loses all to subnormal numbers, or is not good to half a nat, products stay in f64.
    #[test]
    fn edge_single_precision_is_refused_where_it_fails() {
        for (name, scale, std) in
            [("sharp", 1.0, 1e-3), ("huge", 1e31, 1e31), ("beyond f32", 1e100, 1e100), ("tiny", 1e-40, 1e-40)]
        {
            assert_eq!(check(name, &case(scale, 0.0, std, 1, true, 1.0), 1e-12), None, "{name}");
        }
        assert_eq!(check("no tolerance", &case(1.0, 0.0, 1.0, 1, false, 1.0), 0.0), None);
    }
}
