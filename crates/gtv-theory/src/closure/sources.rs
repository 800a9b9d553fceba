//! Where the variance of a linear model's prediction comes from, by closure.
//!
//! Ŵ is linear in the labels. So, given the places (x, t)_n, its mean is the model trained on the true score (J0) at the same
//! places, and Var ŷ = Var ŷ_J0 + E Var[ŷ | places] at m = 1. The second part is label noise, the source of generalization
//! *through variance*. Separately, Var E[ŷ | x0_1 … x0_n] is the part of which data points were drawn. Cov is linear in m at fixed
//! P, so that part is m (Cov|_{m=2} − Cov|_{m=1}).

use super::Closure;
use crate::error::Result;
use crate::law::{Law, TotalMoments};
use crate::learner::Learner;

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

/// The variance of the prediction by source, averaged over places (x, t); `law` is the closure's law of the learner. A random
/// initial function is left out: the sources are those of the data.
///
/// # Shapes
/// `x`: n × D; `t`: n.
///
/// # Errors
/// As [`Closure::law`].
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{Closure, closure::{FiniteP, variance_sources}};
/// let places = problem.probes(0, 50);
/// let law = FiniteP.law(&ridge)?;
/// let sources = variance_sources(&FiniteP, &ridge, law.as_ref(), &places.x, &places.t)?;
/// assert!((sources.label_noise + sources.placement - sources.total).abs() < 1e-12 * sources.total);
/// assert!(sources.label_noise > 0.5 * sources.total);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn variance_sources(
    closure: &dyn Closure,
    learner: &dyn Learner,
    law: &dyn Law,
    x: &[f64],
    t: &[f64],
) -> Result<VarianceSources> {
    let problem = learner.problem();
    let prediction = problem.objective().prediction;
    let mean_of = |moments: TotalMoments| moments.variance.iter().sum::<f64>() / t.len() as f64;
    if let Some(fixed) = learner.with_fixed_start() {
        let law = closure.law(fixed.as_ref())?;
        return variance_sources(closure, fixed.as_ref(), law.as_ref(), x, t);
    }
    let mean = |problem| closure.total_moments(learner.on(problem)?.as_ref(), prediction, x, t).map(mean_of);
    let total = mean_of(law.total_moments(prediction, x, t));
    let placement = mean(problem.with_target_mix(1.0)?)?;
    let points = if learner.resolves_points() {
        // Where the problem's own m is 1 or 2, its law is there already. P need not be even to evaluate the law at m = 2.
        let at =
            |draws| if problem.draws() == draws { Ok(total) } else { mean(problem.extrapolated_to(draws)) };
        Some(problem.draws() as f64 * (at(2)? - at(1)?))
    } else {
        None
    };
    Ok(VarianceSources { total, label_noise: total - placement, placement, points })
}
