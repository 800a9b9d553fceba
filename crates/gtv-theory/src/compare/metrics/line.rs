//! Levels in one dimension: what W₁ = ∫ |F_a − F_b| dx and the energy distance 2 ∫ (F_a − F_b)² dx compare.
//!
//! The distances themselves are exact: samples are sorted, a stretch of the axis at a time so that no level is copied
//! whole. Resamples come from cells whose edges are quantiles of all levels together, so that a cell is narrow wherever
//! samples are dense, be the scale 1 or 1e-7. Per cell of width h the *average* F̄ = (1/h) ∫_cell F dx is linear in the
//! members' weights, and Σ h |F̄_a − F̄_b| is exact wherever F_a − F_b keeps its sign within a cell.

use crate::compare::bootstrap::Resamples;
use crate::compare::cells::thin;
use crate::compare::estimate::Resampled;
use crate::compare::levels::LevelSamples;
use crate::error::Result;
use rayon::prelude::*;

/// Cells between quantiles, and the samples whose quantiles they are.
const CELLS: usize = 4096;
const FIT: usize = 1 << 17;
/// Samples of all levels that are sorted at a time, about.
const STRETCH: usize = 1 << 21;

/// W₁ and energy distance.
type Distances = [f64; 2];

/// Pairs of levels with their distances.
pub struct Line {
    pairs: Vec<(usize, usize)>,
    exact: Vec<Distances>,
    edges: Edges,
    /// F̄, rows × cells for each level.
    tables: Vec<Vec<f64>>,
    rows: usize,
}

impl Line {
    pub fn new(levels: &[&LevelSamples], resamples: &[Resamples], pairs: &[(usize, usize)]) -> Result<Self> {
        let edges = Edges::fit(levels);
        let tables = levels
            .iter()
            .zip(resamples)
            .map(|(level, resamples)| {
                let (units, _) = level.units();
                let mut means = vec![0.0; units.len() * edges.cells()];
                means.par_chunks_exact_mut(edges.cells()).zip(&units).for_each_init(
                    || vec![0.0; edges.cells()],
                    |counts, (means, unit)| edges.describe(unit, counts, means),
                );
                resamples.mix(&means)
            })
            .collect::<Result<_>>()?;
        let exact = exact(levels, pairs, &edges.at);
        Ok(Self { pairs: pairs.to_vec(), exact, edges, tables, rows: resamples[0].rows() })
    }

    /// W₁ (0) or the energy distance (1) of each pair.
    pub fn resampled(&self, which: usize) -> Vec<Resampled> {
        let width = self.edges.cells();
        let distance = |a: &Vec<f64>, r: usize, b: &Vec<f64>, s: usize| {
            self.edges.distances(&a[r * width..(r + 1) * width], &b[s * width..(s + 1) * width])[which]
        };
        let pair = |(&(a, b), exact): (&(usize, usize), &Distances)| Resampled {
            value: exact[which],
            ..Resampled::evaluate(&self.tables[a], &self.tables[b], self.rows, distance)
        };
        self.pairs.iter().zip(&self.exact).map(pair).collect()
    }
}

/// The distances of the samples, to rounding.
fn exact(levels: &[&LevelSamples], pairs: &[(usize, usize)], edges: &[f64]) -> Vec<Distances> {
    let total: usize = levels.iter().map(|l| l.samples()).sum();
    let last = edges.len() - 1;
    let step = last.div_ceil(total.div_ceil(STRETCH));
    let ends: Vec<usize> = (0..last).step_by(step).chain([last]).collect();
    let partial: Vec<Vec<Distances>> = ends
        .par_windows(2)
        .map(|ends| {
            let [lo, hi] = [ends[0], ends[1]].map(|i| edges[i]);
            let inside: Vec<Stretch> =
                levels.iter().map(|l| Stretch::new(l, lo, hi, ends[1] == last)).collect();
            pairs.iter().map(|&(a, b)| inside[a].distances(&inside[b], lo, hi)).collect()
        })
        .collect();
    let mut sums = vec![[0.0; 2]; pairs.len()];
    for part in partial {
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum = [sum[0] + part[0], sum[1] + part[1]];
        }
    }
    sums
}

/// A level's samples on a stretch of the axis.
struct Stretch {
    /// F just left of the stretch and just right of it.
    ends: [f64; 2],
    /// (x, mass), going up.
    samples: Vec<(f64, f64)>,
}

impl Stretch {
    /// The samples in [lo, hi), and those at hi for the last stretch.
    fn new(level: &LevelSamples, lo: f64, hi: f64, closed: bool) -> Self {
        let groups = level.groups();
        let mut samples = Vec::new();
        let [mut before, mut after] = [0.0; 2];
        for group in groups {
            let mass = 1.0 / (group.len() * groups.len()) as f64;
            let (start, mut below) = (samples.len(), 0usize);
            for &x in group {
                below += usize::from(x < lo);
                if x >= lo && (x < hi || (closed && x == hi)) {
                    samples.push((x, mass));
                }
            }
            let above = group.len() - below - (samples.len() - start);
            before += below as f64 / group.len() as f64;
            after += above as f64 / group.len() as f64;
        }
        samples.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let count = groups.len() as f64;
        Self { ends: [before / count, 1.0 - after / count], samples }
    }

    /// ∫ |F_a − F_b| and 2 ∫ (F_a − F_b)² over [lo, hi].
    fn distances(&self, other: &Self, lo: f64, hi: f64) -> Distances {
        let (a, b) = (&self.samples, &other.samples);
        let (mut i, mut j) = (0, 0);
        // F_a − F_b, and what rounding has taken from it: a million equal steps would drift.
        let (mut gap, mut lost) = (self.ends[0] - other.ends[0], 0.0);
        let (mut last, mut w1, mut energy) = (lo, 0.0, 0.0);
        let mut to = |x: f64, gap: f64| {
            let width = x - last;
            w1 += width * gap.abs();
            energy += width * gap * gap;
            last = x;
        };
        while i < a.len() && j < b.len() {
            // Unpredictable, so without a branch.
            let from_a = a[i].0 <= b[j].0;
            let (x, step) = if from_a { a[i] } else { (b[j].0, -b[j].1) };
            to(x, gap + lost);
            let sum = gap + step;
            let added = sum - gap;
            lost += (gap - (sum - added)) + (step - added);
            gap = sum;
            i += usize::from(from_a);
            j += usize::from(!from_a);
        }
        // Beyond the last sample of one side its F is known to rounding, not by summing.
        let mut left: f64 = a[i..].iter().chain(&b[j..]).map(|s| s.1).sum();
        let (sign, rest, end) = if i < a.len() {
            (1.0, &a[i..], self.ends[1] - other.ends[1])
        } else {
            (-1.0, &b[j..], self.ends[1] - other.ends[1])
        };
        for &(x, mass) in rest {
            to(x, end - sign * left);
            left -= mass;
        }
        to(hi, end);
        [w1, 2.0 * energy]
    }
}

/// Cells [e_i, e_(i+1)) that hold every sample; the last one includes its end.
pub struct Edges {
    /// Going up, cells + 1.
    at: Vec<f64>,
    /// Evenly spaced places on the axis: the cell that each begins in. Saves most of the search for a sample's cell.
    guide: Vec<u32>,
    inverse: f64,
}

impl Edges {
    fn fit(levels: &[&LevelSamples]) -> Self {
        let mut some: Vec<f64> =
            levels.iter().flat_map(|l| thin(&l.units().0, 1, FIT.div_ceil(levels.len()))).collect();
        some.sort_unstable_by(f64::total_cmp);
        let stride = (some.len() / CELLS).max(1);
        let mut at: Vec<f64> = some.iter().copied().step_by(stride).chain(some.last().copied()).collect();
        at.dedup();
        let groups = || levels.iter().flat_map(|l| l.groups());
        let least =
            groups().map(|g| g.iter().copied().fold(f64::INFINITY, f64::min)).fold(f64::INFINITY, f64::min);
        let most =
            groups().map(|g| g.iter().copied().fold(-f64::INFINITY, f64::max)).fold(-f64::INFINITY, f64::max);
        Self::new(at, least, most)
    }

    /// The edges, and further ones out to `least` and `most`, each cell there twice as wide as the one before.
    fn new(mut at: Vec<f64>, least: f64, most: f64) -> Self {
        let (lo, hi) = (at[0], at[at.len() - 1]);
        let mut width =
            ((hi - lo) / at.len() as f64).max(1e-9 * lo.abs().max(hi.abs()).max(f64::MIN_POSITIVE));
        let mut left = Vec::new();
        let (mut down, mut up) = (lo - width, hi + width);
        while down > least || up < most {
            left.extend((down > least).then_some(down));
            at.extend((up < most).then_some(up));
            width *= 2.0;
            (down, up) = (down - width, up + width);
        }
        left.extend((least < lo).then_some(least));
        left.reverse();
        left.extend(at);
        // A level of one value still has a cell.
        left.extend((most > hi || left.len() == 1).then_some(most.max(hi.next_up())));
        let at = left;
        let (lo, hi) = (at[0], at[at.len() - 1]);
        let places = 4 * at.len();
        let inverse = places as f64 / (hi - lo);
        let mut cell = 0;
        let guide = (0..=places)
            .map(|p| {
                let x = lo + p as f64 / inverse;
                while cell + 2 < at.len() && at[cell + 1] <= x {
                    cell += 1;
                }
                cell as u32
            })
            .collect();
        Self { at, guide, inverse }
    }

    fn cells(&self) -> usize {
        self.at.len() - 1
    }

    /// The cell of x, which lies between the first edge and the last.
    #[inline]
    fn locate(&self, x: f64) -> usize {
        let place = ((x - self.at[0]) * self.inverse) as usize;
        // One place to either side makes up for rounding.
        let lo = self.guide[place.saturating_sub(1).min(self.guide.len() - 1)] as usize;
        let hi = self.guide[place.saturating_add(2).min(self.guide.len() - 1)] as usize;
        lo + self.at[lo + 1..=hi].partition_point(|e| *e <= x)
    }

    /// F̄ of a set of samples, less 1 in the right half: so it is exactly 0 beyond the last sample on either side, and wide
    /// cells do not multiply rounding errors.
    ///
    /// # Shapes
    /// `means`, `counts`: cells, overwritten.
    fn describe(&self, samples: &[f64], counts: &mut [f64], means: &mut [f64]) {
        counts.fill(0.0);
        means.fill(0.0);
        for &x in samples {
            let cell = self.locate(x);
            counts[cell] += 1.0;
            // Summed from the left edge, positions do not cancel.
            means[cell] += x - self.at[cell];
        }
        let n = samples.len() as f64;
        for (mean, edge) in means.iter_mut().zip(self.at.windows(2)) {
            *mean /= edge[1] - edge[0];
        }
        let half = self.cells() / 2;
        let mut before = 0.0;
        for (m, f) in counts[..half].iter().zip(&mut means[..half]) {
            *f = (before + m - *f) / n;
            before += m;
        }
        let mut after = 0.0;
        for (m, f) in counts[half..].iter().zip(&mut means[half..]).rev() {
            *f = -(after + *f) / n;
            after += m;
        }
    }

    /// From two F̄.
    fn distances(&self, a: &[f64], b: &[f64]) -> Distances {
        let (mut w1, mut energy) = (0.0, 0.0);
        for ((a, b), edge) in a.iter().zip(b).zip(self.at.windows(2)) {
            let (gap, width) = (a - b, edge[1] - edge[0]);
            w1 += width * gap.abs();
            energy += width * gap * gap;
        }
        [w1, 2.0 * energy]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Level, energy_1d_sorted, w1_sorted};
    use crate::rng::Streams;
    use proptest::prelude::*;

    /// Mostly in [−1, 1], some far away: tan of an equidistributed angle is Cauchy.
    fn heavy(i: usize, seed: f64) -> f64 {
        (3.1 * ((i as f64 * 0.618_033_988_749_895 + seed).fract() - 0.5)).tan()
    }

    /// Samples with their masses.
    fn weighted(level: &LevelSamples) -> Vec<(f64, f64)> {
        let share = |g: &Vec<f64>| 1.0 / (g.len() * level.groups().len()) as f64;
        level.groups().iter().flat_map(|g| g.iter().map(|x| (*x, share(g))).collect::<Vec<_>>()).collect()
    }

    fn sorted(level: &LevelSamples) -> Vec<f64> {
        let mut all = level.groups().concat();
        all.sort_by(f64::total_cmp);
        all
    }

    proptest! {
        #[test]
        fn identities_every_number_lies_in_its_cell(
            n in 1usize..400, scale in -12i32..12, centre in -1e3..1e3f64, seed in 0.0..1.0f64, copies in 1usize..4,
        ) {
            let x: Vec<f64> = (0..n).map(|i| centre + 10f64.powi(scale) * heavy(i / copies, seed)).collect();
            let level = LevelSamples::new(Level::Ensemble, 1, vec![x.clone()]).unwrap();
            // Of every seventh sample, so that others lie outside the quantiles.
            let mut some: Vec<f64> = x.iter().copied().step_by(7).collect();
            some.sort_by(f64::total_cmp);
            some.dedup();
            let all = sorted(&level);
            let edges = Edges::new(some, all[0], all[n - 1]);
            prop_assert!(edges.at.windows(2).all(|e| e[0] < e[1]));
            for x in x {
                let cell = edges.locate(x);
                prop_assert!(edges.at[cell] <= x && x <= edges.at[cell + 1], "{x} in cell {cell} of {:?}", edges.at);
            }
        }

        /// Two scales that differ by up to 1e9: clusters of width `scale` about points one apart.
        #[test]
        fn oracle_values_are_those_of_sorted_samples_at_every_scale(
            n in 5usize..600, m in 1usize..600, scale in -9i32..1, seed in 0.0..1.0f64, members in 1usize..5,
        ) {
            let scale = 10f64.powi(scale);
            let x = |i: usize, s: f64| (i % 3) as f64 + scale * heavy(i, s);
            let group = |k: usize| (0..n).map(|i| x(i, seed + 0.1 * k as f64)).collect();
            let a = LevelSamples::new(Level::Ensemble, 1, (0..members).map(group).collect()).unwrap();
            let b = LevelSamples::new(Level::Data, 1, vec![(0..m).map(|i| (i % 3) as f64).collect()]).unwrap();
            let levels = [&a, &b];
            let draw = |l: &LevelSamples| Resamples::draw(&l.units().1, 6, 0, Streams::new(1)).unwrap();
            let line = Line::new(&levels, &[draw(&a), draw(&b)], &[(0, 1)]).unwrap();
            let (sa, sb) = (sorted(&a), sorted(&b));
            for (which, exact) in [w1_sorted(&sa, &sb), energy_1d_sorted(&sa, &sb)].into_iter().enumerate() {
                let found = line.resampled(which).remove(0);
                // F is known to a few ε, over the whole axis.
                let axis = line.edges.at[line.edges.cells()] - line.edges.at[0];
                let rounding = 1e-11 * exact + 8.0 * f64::EPSILON * axis;
                prop_assert!((found.value - exact).abs() <= rounding, "{} {exact}", found.value);
                // With o the mass of a cell in both, F_a − F_b varies by o at most within it: Σ h |F̄_a − F̄_b| falls short by
                // ½ h o at most where it may change sign, and Σ h (F̄_a − F̄_b)² by ½ h o².
                let cells = line.edges.cells();
                let (fa, fb) = (&line.tables[0][..cells], &line.tables[1][..cells]);
                let mass = |x: &[(f64, f64)], at: &[f64]| -> f64 {
                    x.iter().filter(|s| at[0] <= s.0 && s.0 <= at[1]).map(|s| s.1).sum()
                };
                let (wa, wb) = (weighted(&a), weighted(&b));
                let short: f64 = line.edges.at.windows(2).zip(fa.iter().zip(fb)).map(|(at, (fa, fb))| {
                    let o = mass(&wa, at) + mass(&wb, at);
                    let w1 = if (fa - fb).abs() < o { 0.5 * o } else { 0.0 };
                    (at[1] - at[0]) * [w1, o * o][which]
                }).sum();
                let found = line.edges.distances(fa, fb)[which];
                prop_assert!(found <= exact + rounding && exact <= found + short + rounding, "{found} {exact} {short}");
            }
        }
    }

    #[test]
    fn identities_stretches_of_the_axis_add_up() {
        // More samples than one stretch, groups of different sizes.
        let group = |k: usize, n: usize| (0..n).map(|i| heavy(i, 0.17 * k as f64)).collect::<Vec<f64>>();
        let a =
            LevelSamples::new(Level::Ensemble, 1, vec![group(0, STRETCH), group(1, STRETCH / 2)]).unwrap();
        let b = LevelSamples::new(Level::Data, 1, vec![group(2, STRETCH)]).unwrap();
        let edges = Edges::fit(&[&a, &b]);
        let found = exact(&[&a, &b], &[(0, 1)], &edges.at)[0];
        let weights: Vec<f64> = a.groups().iter().flat_map(|g| vec![1.0 / g.len() as f64; g.len()]).collect();
        let plain = crate::compare::w1_weighted(
            &a.groups().concat(),
            &weights,
            &b.groups()[0],
            &vec![1.0; b.samples()],
        )
        .unwrap();
        assert!((found[0] - plain).abs() < 1e-9 * plain, "{} {plain}", found[0]);
    }
}
