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

    pub fn width(&self, cell: usize) -> f64 {
        self.edges[cell + 1] - self.edges[cell]
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
        let right = t >= 0.0;
        let out = 1.0 + if right { t - self.uniform as f64 } else { -t };
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

    /// Shares of a set of samples, without positions.
    pub fn masses(&self, samples: impl Iterator<Item = f64>, masses: &mut [f64]) {
        masses.fill(0.0);
        let mut n = 0.0;
        for x in samples {
            masses[self.locate(x).0] += 1.0;
            n += 1.0;
        }
        masses.iter_mut().for_each(|m| *m /= n);
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
        let (mut a, mut b) = (Quantiles::new(a), Quantiles::new(b));
        let mut sum = 0.0;
        while let (Some(i), Some(j)) = (a.cell(), b.cell()) {
            let step = a.left.min(b.left);
            let start = self.edges[i] + self.width(i) * a.place - self.edges[j] - self.width(j) * b.place;
            let (da, db) = (step * a.inverse, step * b.inverse);
            let end = start + self.width(i) * da - self.width(j) * db;
            // ∫ of the square of a linear function.
            sum += step * (start * start + start * end + end * end);
            a.advance(step, da);
            b.advance(step, db);
        }
        sum / 3.0
    }
}

/// Walks through the quantiles of a histogram.
struct Quantiles<'a> {
    masses: &'a [f32],
    cell: usize,
    /// Mass left in the cell, 1/(the cell's mass), and the share of it that is used up.
    left: f64,
    inverse: f64,
    place: f64,
}

impl<'a> Quantiles<'a> {
    fn new(masses: &'a [f32]) -> Self {
        let mut new = Self { masses, cell: 0, left: 0.0, inverse: 0.0, place: 0.0 };
        new.seek();
        new
    }

    /// Moves to the first cell with mass at or after the present one.
    fn seek(&mut self) {
        while let Some(&mass) = self.masses.get(self.cell) {
            if mass > 0.0 {
                (self.left, self.inverse, self.place) = (f64::from(mass), 1.0 / f64::from(mass), 0.0);
                return;
            }
            self.cell += 1;
        }
    }

    #[inline]
    fn cell(&self) -> Option<usize> {
        (self.cell < self.masses.len()).then_some(self.cell)
    }

    #[inline]
    fn advance(&mut self, mass: f64, share: f64) {
        if mass >= self.left {
            self.cell += 1;
            self.seek();
        } else {
            self.left -= mass;
            self.place += share;
        }
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
                let o = pa[c] + pb[c];
                energy_short += 0.5 * cells.width(c) * o * o;
                w1_short += if (fa[c] - fb[c]).abs() < o { 0.5 * cells.width(c) * o } else { 0.0 };
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
                let mut p = vec![0.0; cells.len()];
                cells.masses(x.iter().copied(), &mut p);
                p.into_iter().map(|p| p as f32).collect::<Vec<_>>()
            };
            let walked = cells.w2_squared(&table(&a), &table(&b)).sqrt();
            a.sort_by(f64::total_cmp);
            b.sort_by(f64::total_cmp);
            prop_assert!((walked - w2_squared_sorted(&a, &b).sqrt()).abs() < 2.0 * 2.7 / 300.0);
            prop_assert_eq!(cells.w2_squared(&table(&a), &table(&a)), 0.0);
        }
    }
}
