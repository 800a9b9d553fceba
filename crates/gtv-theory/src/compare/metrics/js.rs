//! Jensen–Shannon divergence between levels on the stated grid, in one and two dimensions.

use super::{Compares, Metric, MetricCard};
use crate::compare::comparison::Comparison;
use crate::compare::divergence::js_unchecked;
use crate::compare::estimate::{Noise, Resampled};
use crate::error::Result;

/// JS on the stated grid.
///
/// ```
#[doc = include_str!("../../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 1, -1.0)?, level(Level::Ensemble, 1, 0.2)?);
/// // Nothing in common: ln 2.
/// assert!((distance(&a, &b, &metrics::Js)?.value - 2.0f64.ln()).abs() < 1e-12);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct Js;

static CARD: MetricCard = MetricCard {
    name: "js",
    label: "JS divergence",
    unit: "nats",
    meaning: "Jensen–Shannon divergence of histograms, between 0 and ln 2 (one and two dimensions)",
    dimensions: 1..=2,
    compares: Compares::Densities,
    most: std::f64::consts::LN_2,
    noise: Noise::Quadratic,
};

impl Metric for Js {
    fn card(&self) -> &'static MetricCard {
        &CARD
    }

    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>> {
        let grid = comparison.grid()?;
        Ok(comparison.pairs().iter().map(|&(a, b)| grid.resampled(a, b, js_unchecked)).collect())
    }
}
