//! KL(a ‖ b) between levels on the stated grid with half a sample added to each cell, in one and two dimensions.

use super::{Compares, Metric, MetricCard};
use crate::compare::comparison::Comparison;
use crate::compare::divergence::kl_smoothed;
use crate::compare::estimate::{Noise, Resampled};
use crate::error::Result;

/// KL(a ‖ b) on the stated grid.
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
