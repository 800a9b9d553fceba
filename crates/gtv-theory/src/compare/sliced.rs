//! Sliced W₂ between levels: on each random direction the samples of every level go into fine cells once, and every
//! pair of levels and every resample is then a walk along two quantile functions.
//!
//! Samples are spread evenly within their cell. That moves none by more than a cell's width h (1/680 of the
//! range that holds 99.8 % of the samples), so each W₂ is off by less than 2h, and far less where densities are smooth.

use super::bootstrap::Resamples;
use super::cells::{Cells, thin};
use super::estimate::{Raw, mean_over_pairs};
use super::levels::LevelSamples;
use super::wasserstein::{directions, dot};
use crate::error::Result;
use crate::rng::Streams;
use rayon::prelude::*;

const CELLS: usize = 1024;
/// Samples that the cells are fitted to.
const FIT: usize = 1 << 15;

/// Sliced W₂ of each pair, with its resampled values.
pub(super) fn sliced_w2_raw(
    levels: &[&LevelSamples],
    resamples: &[Resamples],
    pairs: &[(usize, usize)],
    projections: usize,
    streams: Streams,
) -> Result<Vec<Raw>> {
    let dim = levels[0].dim();
    let rows = resamples[0].rows();
    let some: Vec<f64> =
        levels.iter().flat_map(|l| thin(&l.units().0, dim, FIT.div_ceil(levels.len()))).collect();
    // Sums over directions of W₂², for each pair and resample, and between resamples of one level.
    let mut squares = vec![vec![0.0; rows]; pairs.len()];
    let mut nulls = vec![vec![0.0; (rows - 1) / 2]; levels.len()];
    for direction in directions(dim, projections, streams)?.chunks_exact(dim) {
        let cells = Cells::fit(some.chunks_exact(dim).map(|x| dot(x, direction)).collect(), CELLS);
        let tables: Vec<Vec<f32>> = levels
            .iter()
            .zip(resamples)
            .map(|(level, resamples)| table(level, resamples, &cells, direction))
            .collect::<Result<_>>()?;
        let row = |level: usize, r: usize| &tables[level][r * cells.len()..(r + 1) * cells.len()];
        for (&(a, b), squares) in pairs.iter().zip(&mut squares) {
            squares
                .par_iter_mut()
                .enumerate()
                .for_each(|(r, s)| *s += cells.w2_squared(row(a, r), row(b, r)));
        }
        for (level, null) in nulls.iter_mut().enumerate() {
            null.par_iter_mut()
                .enumerate()
                .for_each(|(k, s)| *s += cells.w2_squared(row(level, 2 * k + 1), row(level, 2 * k + 2)));
        }
    }
    let root = |sum: f64| (sum / projections as f64).sqrt();
    let null = |level: usize| mean_over_pairs(rows, |r, _| root(nulls[level][r / 2]));
    Ok(pairs
        .iter()
        .zip(squares)
        .map(|(&(a, b), squares)| Raw {
            value: root(squares[0]),
            draws: squares[1..].iter().map(|s| root(*s)).collect(),
            null: [null(a), null(b)],
        })
        .collect())
}

/// Shares in cells along a direction, for each resample: rows × cells.
fn table(level: &LevelSamples, resamples: &Resamples, cells: &Cells, direction: &[f64]) -> Result<Vec<f32>> {
    let (units, _) = level.units();
    let mut masses = vec![0.0; units.len() * cells.len()];
    masses.par_chunks_exact_mut(cells.len()).zip(&units).for_each(|(masses, unit)| match direction {
        // Two dimensions are the common case and too short for the general inner product.
        &[c, s] => cells.masses(unit.chunks_exact(2).map(|x| c * x[0] + s * x[1]), masses),
        _ => cells.masses(unit.chunks_exact(direction.len()).map(|x| dot(x, direction)), masses),
    });
    Ok(resamples.mix(&masses)?.into_iter().map(|m| m as f32).collect())
}
