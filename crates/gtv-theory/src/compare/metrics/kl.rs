//! KL(a ‖ b) between levels on the stated grid with half a sample added to each cell, in one and two dimensions.

use super::{Compares, Metric, MetricCard};
use crate::compare::comparison::Comparison;
use crate::compare::divergence::kl_smoothed;
use crate::compare::estimate::{Noise, Resampled};
use crate::error::Result;

/// KL(a ‖ b) on the stated grid.
///
/// ```
#[doc = include_str!("../../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 1, 0.0)?, level(Level::Ensemble, 1, 0.2)?);
/// let found = distance(&a, &b, &metrics::Kl)?;
/// // A fifth of the mass is where the other has none, up to the half sample a cell: (1/5) ln of some 11, less what that costs.
/// assert!(found.value > 10.0 * found.floor && found.lo > 0.2);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct Kl;

static CARD: MetricCard = MetricCard {
    name: "kl",
    label: "KL divergence",
    unit: "nats",
    meaning: "KL(a ‖ b) of histograms, half a sample added to each cell (one and two dimensions)",
    dimensions: 1..=2,
    compares: Compares::Densities,
    most: f64::INFINITY,
    noise: Noise::Quadratic,
};

impl Metric for Kl {
    fn card(&self) -> &'static MetricCard {
        &CARD
    }

    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>> {
        let (grid, levels) = (comparison.grid()?, comparison.levels());
        let pair = |&(a, b): &(usize, usize)| {
            let samples = levels[a].samples().min(levels[b].samples()) as f64;
            grid.resampled(a, b, |p, q| kl_smoothed(p, q, samples))
        };
        Ok(comparison.pairs().iter().map(pair).collect())
    }
}
