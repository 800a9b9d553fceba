//! Shares of samples on the stated grid and outside it, for each level and resample; divergences compare them.

use crate::compare::bootstrap::Resamples;
use crate::compare::estimate::Resampled;
use crate::compare::histogram::{Axis, count_into};
use crate::compare::levels::LevelSamples;
use crate::error::Result;
use rayon::prelude::*;

/// rows × (cells + 1) for each level; the last cell holds all samples outside the grid.
pub struct Grid {
    width: usize,
    tables: Vec<Vec<f64>>,
    rows: usize,
}

impl Grid {
    pub fn new(axes: &[Axis], levels: &[&LevelSamples], resamples: &[Resamples]) -> Result<Self> {
        let dim = axes.len();
        let width = axes.iter().map(Axis::len).product::<usize>() + 1;
        let tables = levels
            .iter()
            .zip(resamples)
            .map(|(level, resamples)| {
                let (units, _) = level.units();
                let mut shares = vec![0.0; units.len() * width];
                shares.par_chunks_exact_mut(width).zip(&units).for_each(|(shares, unit)| {
                    let rows = unit.len() / dim;
                    let mut inside = 0;
                    count_into(axes, unit, |cell| {
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

    pub fn resampled(
        &self,
        a: usize,
        b: usize,
        divergence: impl Fn(&[f64], &[f64]) -> f64 + Sync,
    ) -> Resampled {
        let width = self.width;
        Resampled::evaluate(&self.tables[a], &self.tables[b], self.rows, |a, r, b, s| {
            divergence(&a[r * width..(r + 1) * width], &b[s * width..(s + 1) * width])
        })
    }
}
