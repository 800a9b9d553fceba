//! Fine cells for the quantile functions of projected samples: samples are read once, and every resample of an ensemble
//! then costs O(cells) instead of O(samples). Masses are spread evenly over their cells, which moves no sample by more
//! than one width.

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

    /// Of a uniform cell.
    pub fn width(&self) -> f64 {
        self.width
    }

    pub fn len(&self) -> usize {
        self.uniform + 2 * TAILS
    }

    /// The cell of a sample that lies t widths from the first uniform cell's left edge, outside all uniform ones.
    #[cold]
    fn locate_tail(&self, t: f64) -> usize {
        let right = t > 0.5 * self.uniform as f64;
        // A place within rounding of the uniform cells may come out just inside them.
        let out = 1.0 + if right { t - self.uniform as f64 } else { -t }.max(0.0);
        // Cell k of a tail spans out ∈ [2^k, 2^(k+1)): k is the exponent of the number itself.
        let k = ((out.to_bits() >> 52) as usize - 1023).min(TAILS - 1);
        if right { TAILS + self.uniform + k } else { TAILS - 1 - k }
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
            let cell = if uniform < self.uniform { TAILS + uniform } else { self.locate_tail(t) };
            counts[cell] += 1;
        }
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
    use super::super::w2_squared_sorted;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identities_every_number_lies_in_its_cell() {
        let cells = Cells::new(-1.3, 2.2, 37);
        // Mostly in [−1, 1], some far away: tan of an equidistributed angle is Cauchy.
        let heavy = |i: usize| (3.1 * ((i as f64 * 0.618_033_988_749_895 + 0.3).fract() - 0.5)).tan();
        for i in 0..4000 {
            let x = heavy(i) * 10f64.powi(i as i32 % 7 - 3);
            let mut counts = vec![0; cells.len()];
            cells.count_block(&[x], &[1.0], &mut counts);
            let cell = counts.iter().position(|c| *c == 1).unwrap();
            let (l, r) = (cells.edges[cell], cells.edges[cell + 1]);
            let slack = 1e-12 * x.abs().max(1.0);
            assert!(l - slack <= x && x <= r + slack, "{x} in [{l}, {r}]");
        }
    }

    proptest! {
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
