//! W₁ = ∫ |F_a − F_b| dx between levels in one dimension.

use super::{Compares, Metric, MetricCard};
use crate::compare::comparison::Comparison;
use crate::compare::estimate::{Noise, Resampled};
use crate::error::Result;

/// W₁ in one dimension.
///
/// ```
#[doc = include_str!("../../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 1, 0.0)?, level(Level::Ensemble, 1, 0.2)?);
/// assert!((distance(&a, &b, &metrics::W1)?.value - 0.2).abs() < 1e-3);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct W1;

static CARD: MetricCard = MetricCard {
    name: "w1",
    label: "W₁",
    unit: "units of x",
    meaning: "how far mass must be moved on average to turn one distribution into the other (one dimension)",
    dimensions: 1..=1,
    compares: Compares::Mass,
    most: f64::INFINITY,
    noise: Noise::Linear,
};

impl Metric for W1 {
    fn card(&self) -> &'static MetricCard {
        &CARD
    }

    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>> {
        Ok(comparison.line()?.resampled(0))
    }
}
