//! All distances between pairs of levels, each with an interval over members and a floor.
//!
//! Samples are read once per level (once per level and direction for the sliced distance); values, intervals and
//! floors come from the resampled tables of [`Resamples::mix`]. W₁ and the energy distance in one dimension are exact up
//! to the bounds in `cells` (W₁: at most 1/4096 of the range of the bulk, usually 1e-6 of it); the energy distance in more
//! dimensions takes all pairs of a stated number of samples per level, spread over its members.

use super::bootstrap::Resamples;
use super::cells::{Cells, thin};
use super::divergence::{js_unchecked, kl_smoothed};
use super::estimate::{Estimate, Noise, Raw};
use super::histogram::count_into;
use super::levels::LevelSamples;
use super::pairwise::energy_raw;
use super::settings::{CompareSettings, Metric};
use super::sliced::sliced_w2_raw;
use crate::error::{Error, Result, check_len};
use crate::rng::Streams;
use rayon::prelude::*;

/// Uniform cells of the one-dimensional distances, and the samples they are fitted to.
const CELLS: usize = 4096;
const FIT: usize = 1 << 17;

/// The distances between two levels.
#[derive(Debug, Clone, PartialEq)]
pub struct PairComparison {
    /// Index of the first level (a in KL(a ‖ b)).
    pub a: usize,
    /// Index of the second level.
    pub b: usize,
    /// Each metric that was asked for and is defined in this dimension, in the order of [`Metric::ALL`].
    pub distances: Vec<(Metric, Estimate)>,
}

/// Computes the distances between pairs of levels, given by their indices.
///
/// Levels are treated as independent; where two share randomness (a Gaussian law with the ensemble's own moments,
/// common initial states) the intervals are somewhat too wide. Results do not depend on the number of threads.
///
/// # Errors
/// [`Error::Empty`] without levels, [`Error::Shape`] for different dimensions, [`Error::OutOfRange`] for settings or an
/// index out of range.
pub fn compare_levels(
    levels: &[&LevelSamples],
    pairs: &[(usize, usize)],
    settings: &CompareSettings,
    streams: Streams,
) -> Result<Vec<PairComparison>> {
    settings.validate()?;
    let dim = levels.first().ok_or(Error::Empty { name: "the list of levels" })?.dim();
    levels.iter().try_for_each(|l| check_len("a level's sample (its dimension)", dim, l.dim()))?;
    if let Some(i) = pairs.iter().flat_map(|p| [p.0, p.1]).find(|i| *i >= levels.len()) {
        return Err(Error::OutOfRange {
            name: "level index",
            value: i as f64,
            expected: "an index of a given level",
        });
    }
    let resamples = levels
        .iter()
        .map(|l| Resamples::draw(&l.units().1, settings.bootstrap, l.level().key(), streams))
        .collect::<Result<Vec<_>>>()?;
    let mut out: Vec<PairComparison> =
        pairs.iter().map(|&(a, b)| PairComparison { a, b, distances: Vec::new() }).collect();
    let mut add = |metric: Metric, noise: Noise, raw: Vec<Raw>| {
        for (pair, raw) in out.iter_mut().zip(raw) {
            let factors = [pair.a, pair.b].map(|i| resamples[i].variance_factor());
            pair.distances.push((metric, raw.finish(noise, factors, settings)));
        }
    };
    let mut line = if dim == 1 && (settings.wants(Metric::W1, 1) || settings.wants(Metric::Energy, 1)) {
        Some(Line::new(levels, &resamples)?)
    } else {
        None
    };
    if let Some(line) = line.as_ref().filter(|_| settings.wants(Metric::W1, dim)) {
        add(Metric::W1, Noise::Linear, line.raw(pairs, |d| d.0));
    }
    if settings.wants(Metric::SlicedW2, dim) {
        let raw = sliced_w2_raw(levels, &resamples, pairs, settings.projections, streams)?;
        add(Metric::SlicedW2, Noise::Linear, raw);
    }
    if settings.wants(Metric::Kl, dim) || settings.wants(Metric::Js, dim) {
        let grid = Grid::new(levels, &resamples, settings)?;
        if settings.wants(Metric::Kl, dim) {
            let raw = |&(a, b): &(usize, usize)| {
                let samples = levels[a].samples().min(levels[b].samples()) as f64;
                grid.raw(a, b, |p, q| kl_smoothed(p, q, samples))
            };
            add(Metric::Kl, Noise::Quadratic, pairs.iter().map(raw).collect());
        }
        if settings.wants(Metric::Js, dim) {
            let raw = pairs.iter().map(|&(a, b)| grid.raw(a, b, js_unchecked)).collect();
            add(Metric::Js, Noise::Quadratic, raw);
        }
    }
    if settings.wants(Metric::Energy, dim) {
        let raw = match line.take() {
            Some(line) => line.raw(pairs, |d| d.1),
            None => energy_raw(levels, &resamples, pairs, settings.energy_samples)?,
        };
        add(Metric::Energy, Noise::Quadratic, raw);
    }
    Ok(out)
}

/// Cell averages of distribution functions in one dimension, rows × cells for each level.
struct Line {
    cells: Cells,
    tables: Vec<Vec<f64>>,
    rows: usize,
}

impl Line {
    fn new(levels: &[&LevelSamples], resamples: &[Resamples]) -> Result<Self> {
        let some = levels.iter().flat_map(|l| thin(&l.units().0, 1, FIT.div_ceil(levels.len()))).collect();
        let cells = Cells::fit(some, CELLS);
        let tables = levels
            .iter()
            .zip(resamples)
            .map(|(level, resamples)| {
                let (units, _) = level.units();
                let mut means = vec![0.0; units.len() * cells.len()];
                means.par_chunks_exact_mut(cells.len()).zip(&units).for_each_init(
                    || vec![0.0; cells.len()],
                    |masses, (means, unit)| cells.describe(unit.iter().copied(), masses, means),
                );
                resamples.mix(&means)
            })
            .collect::<Result<_>>()?;
        Ok(Self { cells, tables, rows: resamples[0].rows() })
    }

    fn raw(&self, pairs: &[(usize, usize)], pick: impl Fn((f64, f64)) -> f64 + Sync) -> Vec<Raw> {
        let width = self.cells.len();
        let distance = |a: &Vec<f64>, r: usize, b: &Vec<f64>, s: usize| {
            pick(self.cells.w1_and_energy(&a[r * width..(r + 1) * width], &b[s * width..(s + 1) * width]))
        };
        pairs
            .iter()
            .map(|&(a, b)| Raw::evaluate(&self.tables[a], &self.tables[b], self.rows, distance))
            .collect()
    }
}

/// Shares of samples on the stated grid and outside it, rows × (cells + 1) for each level.
struct Grid {
    width: usize,
    tables: Vec<Vec<f64>>,
    rows: usize,
}

impl Grid {
    fn new(levels: &[&LevelSamples], resamples: &[Resamples], settings: &CompareSettings) -> Result<Self> {
        let dim = levels[0].dim();
        let axes = settings.grid(dim)?.expect("divergences apply in one and two dimensions only");
        let width = axes.iter().map(|a| a.len()).product::<usize>() + 1;
        let tables = levels
            .iter()
            .zip(resamples)
            .map(|(level, resamples)| {
                let (units, _) = level.units();
                let mut shares = vec![0.0; units.len() * width];
                shares.par_chunks_exact_mut(width).zip(&units).for_each(|(shares, unit)| {
                    let rows = unit.len() / dim;
                    let mut inside = 0;
                    count_into(&axes, unit, |cell| {
                        shares[cell] += 1.0;
                        inside += 1;
                    });
                    shares[width - 1] = (rows - inside) as f64;
                    shares.iter_mut().for_each(|s| *s /= rows as f64);
                });
                resamples.mix(&shares)
            })
            .collect::<Result<_>>()?;
        Ok(Self { width, tables, rows: resamples[0].rows() })
    }

    fn raw(&self, a: usize, b: usize, divergence: impl Fn(&[f64], &[f64]) -> f64 + Sync) -> Raw {
        let width = self.width;
        Raw::evaluate(&self.tables[a], &self.tables[b], self.rows, |a, r, b, s| {
            divergence(&a[r * width..(r + 1) * width], &b[s * width..(s + 1) * width])
        })
    }
}
