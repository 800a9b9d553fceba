//! Where the variance of a linear model's prediction comes from, by closure.
//!
//! Ŵ is linear in the labels, so given the places (x, t)_n its mean is the model trained on the true score (J0) with the same
//! draws: Var ŷ = Var ŷ_J0 + E Var[ŷ | places] at m = 1, the second part being label noise, which is what generalization
//! *through variance* is made of. Separately, Var E[ŷ | x0_1 … x0_n] is the part of the data points' draw: Cov is linear in m at
//! fixed P, so it is m (Cov|_{m=2} − Cov|_{m=1}).

use super::{LinearLaw, LinearSpec, LinearStatistics};
use crate::error::Result;

/// Parts of the mean of tr Var y over given places, in units of y².
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceSources {
    /// All of it.
    pub total: f64,
    /// What training on the true score removes.
    pub label_noise: f64,
    /// What it leaves: where the training triples' (x, t) happen to fall.
    pub placement: f64,
    /// The part of which data points were drawn, however often each is noised; `None` on quasi-random nodes, which have
    /// too few of each data point.
    pub points: Option<f64>,
}

impl LinearStatistics {
    /// The variance of the prediction of `law`, which these statistics have made, by source, averaged over places (x, t).
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    ///
    /// # Errors
    /// As [`LinearStatistics::law`].
    pub fn variance_sources(&self, law: &LinearLaw, x: &[f64], t: &[f64]) -> Result<VarianceSources> {
        let mean_of =
            |law: &LinearLaw| law.prediction_moments(x, t).variance.iter().sum::<f64>() / t.len() as f64;
        let mean = |statistics: &Self| statistics.law(law.closure()).map(|law| mean_of(&law));
        // P need not be even for the extrapolation from m = 2.
        let with_draws = |draws| Self { spec: LinearSpec { draws, ..self.spec.clone() }, ..self.clone() };
        let total = mean_of(law);
        let placement = mean(&self.with_target_mix(1.0)?)?;
        let points = if self.nodes.blocks().is_empty() {
            None
        } else {
            // One of the two values of m is the spec's own where it can be.
            let draws = self.spec.draws as f64;
            let single = if self.spec.draws == 1 { total } else { mean(&with_draws(1))? };
            let double = if self.spec.draws == 2 { total } else { mean(&with_draws(2))? };
            Some(draws * (double - single))
        };
        Ok(VarianceSources { total, label_noise: total - placement, placement, points })
    }
}
