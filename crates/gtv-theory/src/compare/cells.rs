//! One-dimensional distances from fine cells: samples are read once, and every resample of an ensemble then costs
//! O(cells) instead of O(samples).
//!
//! Per cell of width h the *average* of the distribution function, F̄ = (1/h) ∫_cell F dx, is kept exactly (from the
//! count and the sum of positions). It is linear in the members' weights, and
//!   W₁ = Σ h |F̄_a − F̄_b|,   E = 2 Σ h (F̄_a − F̄_b)²
//! are exact wherever F_a − F_b keeps its sign (W₁) or is constant (E) within a cell. With o = p_a + p_b the cell's
//! mass in a and b, F_a − F_b varies by at most o within it, so both are lower bounds, short by at most
//! ½ Σ h o over cells with |F̄_a − F̄_b| < o (W₁) and ½ Σ h o² (E): never by more than one width, for W₁.
//! For W₂ the masses are spread evenly over their cells, which moves no sample by more than one width.

use super::wasserstein::dot;

/// Uniform cells over the bulk of the samples and, on either side, cells that double in width: no sample is
/// outside until 2^TAILS widths away, where it is set down on the last edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    lo: f64,
    width: f64,
    inverse: f64,
    uniform: usize,
    edges: Vec<f64>,
}

const TAILS: usize = 48;
/// Share of the samples, on each side, that may lie in the doubling cells.
const TRIM: f64 = 1e-3;
/// Samples whose cells are found before they are counted.
pub(super) const BLOCK: usize = 256;
/// The uniform cells reach this share of the trimmed range beyond it: ± 4.6 standard deviations of a normal.
const MARGIN: f64 = 0.25;

impl Cells {
    /// Cells that suit the given samples (a subsample does).
    pub fn fit(mut values: Vec<f64>, uniform: usize) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let trim = (values.len() as f64 * TRIM) as usize;
        let (lo, hi) = (values[trim], values[values.len() - 1 - trim]);
        // Coinciding samples still need cells of some width.
        let least = 1e-9 * lo.abs().max(hi.abs()).max(1.0);
        let margin = (MARGIN * (hi - lo)).max(least);
        Self::new(lo - margin, hi + margin, uniform)
    }

    pub fn new(lo: f64, hi: f64, uniform: usize) -> Self {
        let width = (hi - lo) / uniform as f64;
        let hi = lo + width * uniform as f64;
        let reach = |k: usize| width * ((1u64 << k) - 1) as f64;
        let mut edges: Vec<f64> = (1..=TAILS).rev().map(|k| lo - reach(k)).collect();
        edges.extend((0..uniform).map(|i| lo + width * i as f64));
        edges.extend((0..=TAILS).map(|k| hi + reach(k)));
        Self { lo, width, inverse: 1.0 / width, uniform, edges }
    }

    pub fn len(&self) -> usize {
        self.uniform + 2 * TAILS
    }

    /// The cell of x and the place in it, in [0, 1].
    #[inline]
    pub fn locate(&self, x: f64) -> (usize, f64) {
        let t = (x - self.lo) * self.inverse;
        if t >= 0.0 && t < self.uniform as f64 {
            let i = t as usize;
            (TAILS + i, t - i as f64)
        } else {
            self.locate_tail(t)
        }
    }

    #[cold]
    fn locate_tail(&self, t: f64) -> (usize, f64) {
        let right = t > 0.5 * self.uniform as f64;
        // A place within rounding of the uniform cells may come out just inside them.
        let out = 1.0 + if right { t - self.uniform as f64 } else { -t }.max(0.0);
        // Cell k of a tail spans out ∈ [2^k, 2^(k+1)): k is the exponent of the number itself.
        let k = ((out.to_bits() >> 52) as usize - 1023).min(TAILS - 1);
        let start = (1u64 << k) as f64;
        let place = ((out - start) / start).min(1.0);
        if right { (TAILS + self.uniform + k, place) } else { (TAILS - 1 - k, 1.0 - place) }
    }

    /// F̄ of a set of samples; in the right tail F̄ − 1, which is exactly 0 beyond the last sample, so that widths of
    /// 2^48 do not multiply rounding errors.
    ///
    /// # Shapes
    /// `mean`: cells, overwritten; `masses`: cells, overwritten with the share of samples in each.
    pub fn describe(&self, samples: impl Iterator<Item = f64>, masses: &mut [f64], mean: &mut [f64]) {
        masses.fill(0.0);
        mean.fill(0.0);
        let mut n = 0.0;
        for x in samples {
            let (cell, place) = self.locate(x);
            masses[cell] += 1.0;
            mean[cell] += place;
            n += 1.0;
        }
        let right = TAILS + self.uniform;
        let mut before = 0.0;
        for (m, f) in masses[..right].iter().zip(&mut mean[..right]) {
            *f = (before + m - *f) / n;
            before += m;
        }
        let mut after = 0.0;
        for (m, f) in masses[right..].iter().zip(&mut mean[right..]).rev() {
            *f = -(after + *f) / n;
            after += m;
        }
        masses.iter_mut().for_each(|m| *m /= n);
    }

    /// Adds the number of samples whose projection on a direction falls in each cell.
    ///
    /// Cells are found for a block at a time by arithmetic that vectorises, and then counted. A sample within rounding
    /// of an edge may be counted in either cell.
    ///
    /// # Shapes
    /// `samples`: at most [`BLOCK`] × D row-major, D = the length of `direction`; `counts`: cells.
    #[inline(always)]
    pub fn count_block(&self, samples: &[f64], direction: &[f64], counts: &mut [u32]) {
        // Adding 2^52 rounds to the nearest integer and leaves it in the low bits.
        const ROUNDER: f64 = 4_503_599_627_370_496.0;
        let (mut places, mut cells) = ([0.0; BLOCK], [0u32; BLOCK]);
        if let &[c, s] = direction {
            for (t, x) in places.iter_mut().zip(samples.chunks_exact(2)) {
                *t = (c * x[0] + s * x[1] - self.lo) * self.inverse;
            }
        } else {
            for (t, x) in places.iter_mut().zip(samples.chunks_exact(direction.len())) {
                *t = (dot(x, direction) - self.lo) * self.inverse;
            }
        }
        // 1 + the uniform cell, or 0 and uniform + 1 for the tails.
        let most = self.uniform as f64 + 1.0;
        for (cell, t) in cells.iter_mut().zip(&places) {
            *cell = ((t + 0.5).clamp(0.0, most) + ROUNDER).to_bits() as u32;
        }
        for (&cell, &t) in cells[..samples.len() / direction.len()].iter().zip(&places) {
            let uniform = (cell as usize).wrapping_sub(1);
            let cell = if uniform < self.uniform { TAILS + uniform } else { self.locate_tail(t).0 };
            counts[cell] += 1;
        }
    }

    /// (W₁, E) from two F̄.
    pub fn w1_and_energy(&self, a: &[f64], b: &[f64]) -> (f64, f64) {
        let (mut w1, mut energy) = (0.0, 0.0);
        for ((a, b), edge) in a.iter().zip(b).zip(self.edges.windows(2)) {
            let (gap, width) = (a - b, edge[1] - edge[0]);
            w1 += width * gap.abs();
            energy += width * gap * gap;
        }
        (w1, 2.0 * energy)
    }

    /// W₂² of two distributions whose masses lie evenly spread within cells.
    pub fn w2_squared(&self, a: &[f32], b: &[f32]) -> f64 {
        let mut sum = 0.0;
        let (Some(mut a), Some(mut b)) = (Quantiles::start(self, a), Quantiles::start(self, b)) else {
            return sum;
        };
        loop {
            let start = a.at - b.at;
            // One comparison decides whose cell ends first: it is unpredictable, so there must be only one.
            let more = if a.left <= b.left {
                let step = a.left;
                b.advance(step);
                sum += step * segment(start, a.end - b.at);
                a.next(self)
            } else {
                let step = b.left;
                a.advance(step);
                sum += step * segment(start, a.at - b.end);
                b.next(self)
            };
            if !more {
                return sum / 3.0;
            }
        }
    }
}

/// 3 ∫ of the square of a function that goes from `start` to `end` linearly over a unit interval.
#[inline(always)]
fn segment(start: f64, end: f64) -> f64 {
    start * start + start * end + end * end
}

/// Walks through the quantiles of a histogram.
struct Quantiles<'a> {
    masses: &'a [f32],
    cell: usize,
    /// Mass left in the cell, where in x the walk is, dx per mass, and the cell's right edge.
    left: f64,
    at: f64,
    slope: f64,
    end: f64,
}

impl<'a> Quantiles<'a> {
    fn start(cells: &Cells, masses: &'a [f32]) -> Option<Self> {
        let mut new = Self { masses, cell: usize::MAX, left: 0.0, at: 0.0, slope: 0.0, end: 0.0 };
        new.next(cells).then_some(new)
    }

    /// Moves to the start of the next cell that has mass.
    #[inline(always)]
    fn next(&mut self, cells: &Cells) -> bool {
        loop {
            self.cell = self.cell.wrapping_add(1);
            let Some(&mass) = self.masses.get(self.cell) else { return false };
            if mass > 0.0 {
                self.left = f64::from(mass);
                (self.at, self.end) = (cells.edges[self.cell], cells.edges[self.cell + 1]);
                self.slope = (self.end - self.at) / self.left;
                return true;
            }
        }
    }

    #[inline(always)]
    fn advance(&mut self, mass: f64) {
        self.left -= mass;
        self.at += self.slope * mass;
    }
}

/// At most `limit` rows of the groups, evenly spread.
///
/// # Shapes
/// Groups are row-major n × `dim`; returns rows × `dim`.
pub(super) fn thin(groups: &[&[f64]], dim: usize, limit: usize) -> Vec<f64> {
    let rows: usize = groups.iter().map(|g| g.len() / dim).sum();
    let stride = rows.div_ceil(limit).max(1);
    groups.iter().flat_map(|g| g.chunks_exact(dim)).step_by(stride).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{energy_1d_sorted, w1_sorted, w2_squared_sorted};
    use super::*;
    use proptest::prelude::*;

    fn heavy(i: usize, seed: f64) -> f64 {
        // Mostly in [−1, 1], some far away: tan of an equidistributed angle is Cauchy.
        ((i as f64 * 0.618_033_988_749_895 + seed).fract() - 0.5).mul_add(3.1, 0.0).tan()
    }

    #[test]
    fn identities_every_number_lies_in_its_cell() {
        let cells = Cells::new(-1.3, 2.2, 37);
        for i in 0..4000 {
            let x = heavy(i, 0.3) * 10f64.powi(i as i32 % 7 - 3);
            let (cell, place) = cells.locate(x);
            let (l, r) = (cells.edges[cell], cells.edges[cell + 1]);
            let slack = 1e-12 * x.abs().max(1.0);
            assert!(l - slack <= x && x <= r + slack, "{x} in [{l}, {r}]");
            assert!((l + place * (r - l) - x).abs() < slack);
        }
        // Further out than the last edge: set down on it.
        assert_eq!(cells.locate(1e300), (cells.len() - 1, 1.0));
        assert_eq!(cells.locate(-1e300), (0, 0.0));
    }

    proptest! {
        #[test]
        fn oracle_cells_agree_with_sorting_within_their_bounds(
            n in 5usize..3000, m in 5usize..3000, shift in 0.0..0.3f64, seed in 0.0..1.0f64,
        ) {
            let mut a: Vec<f64> = (0..n).map(|i| heavy(i, seed)).collect();
            let mut b: Vec<f64> = (0..m).map(|i| heavy(i, 2.0 * seed) + shift).collect();
            let cells = Cells::new(-3.0, 3.0, 200);
            let table = |x: &[f64]| {
                let (mut p, mut f) = (vec![0.0; cells.len()], vec![0.0; cells.len()]);
                cells.describe(x.iter().copied(), &mut p, &mut f);
                (p, f)
            };
            let ((pa, fa), (pb, fb)) = (table(&a), table(&b));
            let (w1, energy) = cells.w1_and_energy(&fa, &fb);
            let (mut w1_short, mut energy_short) = (1e-12, 1e-12);
            for c in 0..cells.len() {
                let (o, width) = (pa[c] + pb[c], cells.edges[c + 1] - cells.edges[c]);
                energy_short += 0.5 * width * o * o;
                w1_short += if (fa[c] - fb[c]).abs() < o { 0.5 * width * o } else { 0.0 };
            }
            a.sort_by(f64::total_cmp);
            b.sort_by(f64::total_cmp);
            let (w1_exact, energy_exact) = (w1_sorted(&a, &b), energy_1d_sorted(&a, &b));
            let rounding = 1e-12 * w1_exact;
            prop_assert!(w1 <= w1_exact + rounding && w1_exact <= w1 + w1_short, "{w1} {w1_exact} {w1_short}");
            prop_assert!(energy <= energy_exact + rounding && energy_exact <= energy + energy_short);
        }

        #[test]
        fn oracle_quantile_walk_agrees_with_sorting_within_two_widths(
            n in 5usize..3000, m in 5usize..3000, shift in 0.0..0.5f64, seed in 0.0..1.0f64,
        ) {
            let mut a: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7 + seed).sin()).collect();
            let mut b: Vec<f64> = (0..m).map(|i| (i as f64 * 1.3 + seed).sin().powi(3) + shift).collect();
            let cells = Cells::new(-1.1, 1.6, 300);
            let table = |x: &[f64]| {
                let mut counts = vec![0; cells.len()];
                x.chunks(BLOCK).for_each(|x| cells.count_block(x, &[1.0], &mut counts));
                counts.into_iter().map(|c| c as f32 / x.len() as f32).collect::<Vec<_>>()
            };
            let walked = cells.w2_squared(&table(&a), &table(&b)).sqrt();
            a.sort_by(f64::total_cmp);
            b.sort_by(f64::total_cmp);
            prop_assert!((walked - w2_squared_sorted(&a, &b).sqrt()).abs() < 2.0 * 2.7 / 300.0);
            // Positions in a cell are right to rounding.
            prop_assert!(cells.w2_squared(&table(&a), &table(&a)) < 1e-30);
        }
    }
}
