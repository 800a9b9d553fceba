//! Sliced W₂ between levels. On each random direction the samples of every level are counted once, in fine cells. Each pair of
//! levels and each resample then costs a walk along two quantile functions.
//!
//! Samples are spread evenly within their cell. That moves none by more than a cell's width h (1/680 of the
//! range that holds 99.8 % of the samples), so each W₂ is off by less than 2h, and far less where densities are smooth. Where W₂ is
//! no more than a few h, its value comes from the samples themselves, sorted, and resamples keep their distance from it in W₂².

use super::{Compares, Metric, MetricCard};
use crate::compare::bootstrap::Resamples;
use crate::compare::cells::{BLOCK, Cells, thin};
use crate::compare::comparison::Comparison;
use crate::compare::estimate::{Noise, Resampled, mean_over_pairs};
use crate::compare::levels::LevelSamples;
use crate::compare::wasserstein::{directions, dot, project, w2_squared_weighted};
use crate::error::Result;
use rayon::prelude::*;

const CELLS: usize = 1024;
/// Directions that share one reading of the samples.
const BATCH: usize = 4;
/// Samples that the cells are fitted to.
const FIT: usize = 1 << 15;
/// Distances up to so many cells are computed from the samples. Evenly spread masses shift W₂² by up to h²/6, which from here on is less
/// than 1 % of W₂.
const FEW_CELLS: f64 = 3.0;
/// Samples of a pair of levels that are sorted once a direction, at most; above, the bound 2h stands.
const SORTED: usize = 1 << 22;

/// Sliced W₂ in two dimensions and more.
///
/// ```
#[doc = include_str!("../../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 2, 0.0)?, level(Level::Ensemble, 2, 0.2)?);
/// // Moved by (0.2, 0.2): the root mean square of the projections is |v|/√2, here of 128 random directions.
/// assert!((distance(&a, &b, &metrics::SlicedW2)?.value / 0.2 - 1.0).abs() < 0.1);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct SlicedW2;

static CARD: MetricCard = MetricCard {
    name: "sliced_w2",
    label: "sliced W₂",
    unit: "units of x",
    meaning: "root mean square over random directions of W₂ of the projections (two dimensions and more)",
    dimensions: 2..=usize::MAX,
    compares: Compares::Mass,
    most: f64::INFINITY,
    noise: Noise::Linear,
};

impl Metric for SlicedW2 {
    fn card(&self) -> &'static MetricCard {
        &CARD
    }

    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>> {
        let (levels, resamples, pairs) = (comparison.levels(), comparison.resamples(), comparison.pairs());
        let (dim, projections) = (comparison.dim(), comparison.settings().projections);
        let rows = resamples[0].rows();
        let some: Vec<f64> =
            levels.iter().flat_map(|l| thin(&l.units().0, dim, FIT.div_ceil(levels.len()))).collect();
        // Sums over directions of W₂², for each pair and resample, and between resamples of one level.
        let mut squares = vec![vec![0.0; rows]; pairs.len()];
        let mut nulls = vec![vec![0.0; (rows - 1) / 2]; levels.len()];
        let all = directions(dim, projections, comparison.streams())?;
        let mut widths = 0.0;
        for directions in all.chunks(BATCH * dim) {
            let cells: Vec<Cells> = directions
                .par_chunks_exact(dim)
                .map(|direction| {
                    Cells::fit(some.chunks_exact(dim).map(|x| dot(x, direction)).collect(), CELLS)
                })
                .collect();
            widths += cells.iter().map(|cells| cells.width().powi(2)).sum::<f64>();
            let tables: Vec<Vec<f32>> = levels
                .iter()
                .zip(resamples)
                .map(|(level, resamples)| table(level, resamples, &cells, directions))
                .collect::<Result<_>>()?;
            let width = cells[0].len();
            let distance = |a: usize, r: usize, b: usize, s: usize| -> f64 {
                let row =
                    |level: usize, r: usize| tables[level][r * width * cells.len()..].chunks_exact(width);
                cells.iter().zip(row(a, r).zip(row(b, s))).map(|(cells, (a, b))| cells.w2_squared(a, b)).sum()
            };
            for (&(a, b), squares) in pairs.iter().zip(&mut squares) {
                squares.par_iter_mut().enumerate().for_each(|(r, s)| *s += distance(a, r, b, r));
            }
            for (level, null) in nulls.iter_mut().enumerate() {
                null.par_iter_mut()
                    .enumerate()
                    .for_each(|(k, s)| *s += distance(level, 2 * k + 1, level, 2 * k + 2));
            }
        }
        for (&(a, b), squares) in pairs.iter().zip(&mut squares) {
            let (a, b) = (&levels[a], &levels[b]);
            if squares[0] < FEW_CELLS.powi(2) * widths && a.samples() + b.samples() <= SORTED {
                let shift = from_samples(a, b, &all)? - squares[0];
                squares.iter_mut().for_each(|s| *s = (*s + shift).max(0.0));
            }
        }
        let root = |sum: f64| (sum / projections as f64).sqrt();
        let null = |level: usize| mean_over_pairs(rows, |r, _| root(nulls[level][r / 2]));
        Ok(pairs
            .iter()
            .zip(squares)
            .map(|(&(a, b), squares)| Resampled {
                value: root(squares[0]),
                draws: squares[1..].iter().map(|s| root(*s)).collect(),
                null: [null(a), null(b)],
            })
            .collect())
    }
}

/// The sum over directions of W₂², to rounding.
fn from_samples(a: &LevelSamples, b: &LevelSamples, directions: &[f64]) -> Result<f64> {
    let [a_masses, b_masses] = [a, b].map(|level| {
        let (units, weights) = level.units();
        let each = |(unit, weight): (&&[f64], f64)| {
            let rows = unit.len() / level.dim();
            std::iter::repeat_n(weight / rows as f64, rows)
        };
        units.iter().zip(weights).flat_map(each).collect::<Vec<f64>>()
    });
    let line = |level: &LevelSamples, direction: &[f64]| -> Vec<f64> {
        level.groups().iter().flat_map(|g| project(g, direction)).collect()
    };
    let squares: Vec<f64> = directions
        .par_chunks_exact(a.dim())
        .map(|d| w2_squared_weighted(&line(a, d), &a_masses, &line(b, d), &b_masses))
        .collect::<Result<_>>()?;
    Ok(squares.iter().sum())
}

/// Shares in the cells of each direction, for each resample: rows × (directions · cells).
fn table(
    level: &LevelSamples,
    resamples: &Resamples,
    cells: &[Cells],
    directions: &[f64],
) -> Result<Vec<f32>> {
    let (units, _) = level.units();
    let (dim, width) = (level.dim(), cells[0].len());
    let mut masses = vec![0.0f32; units.len() * cells.len() * width];
    masses.par_chunks_exact_mut(cells.len() * width).zip(&units).for_each(|(masses, unit)| {
        let mut counts = vec![0u32; masses.len()];
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                // All directions of the batch look at a block of samples while it is in cache.
                for block in unit.chunks(BLOCK * dim) {
                    let directions = cells.iter().zip(directions.chunks_exact(dim));
                    for ((cells, direction), counts) in directions.zip(counts.chunks_exact_mut(width)) {
                        cells.count_block(block, direction, counts);
                    }
                }
            },
        );
        let n = (unit.len() / dim) as f64;
        masses.iter_mut().zip(counts).for_each(|(m, c)| *m = (f64::from(c) / n) as f32);
    });
    resamples.mix_single(&masses)
}
