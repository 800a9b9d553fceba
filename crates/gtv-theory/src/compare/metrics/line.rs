//! Cell averages of the distribution functions in one dimension, for each level and resample; W₁ and the energy distance
//! compare them.

use crate::compare::bootstrap::Resamples;
use crate::compare::cells::{Cells, thin};
use crate::compare::estimate::Resampled;
use crate::compare::levels::LevelSamples;
use crate::error::Result;
use rayon::prelude::*;

/// Uniform cells, and the samples they are fitted to.
const CELLS: usize = 4096;
const FIT: usize = 1 << 17;

/// rows × cells for each level.
pub struct Line {
    cells: Cells,
    tables: Vec<Vec<f64>>,
    rows: usize,
}

impl Line {
    pub fn new(levels: &[&LevelSamples], resamples: &[Resamples]) -> Result<Self> {
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

    /// One of (W₁, energy distance) for each pair.
    pub fn resampled(
        &self,
        pairs: &[(usize, usize)],
        pick: impl Fn((f64, f64)) -> f64 + Sync,
    ) -> Vec<Resampled> {
        let width = self.cells.len();
        let distance = |a: &Vec<f64>, r: usize, b: &Vec<f64>, s: usize| {
            pick(self.cells.w1_and_energy(&a[r * width..(r + 1) * width], &b[s * width..(s + 1) * width]))
        };
        pairs
            .iter()
            .map(|&(a, b)| Resampled::evaluate(&self.tables[a], &self.tables[b], self.rows, distance))
            .collect()
    }
}
