//! Which ridge stands for a training procedure: the γ whose mean prediction is nearest to a given one.
//!
//! Gradient descent for a time τ = Σ η leaves 1 − (1 − ηζ)^K ≈ 1 − e^{−ζτ} of a mode of eigenvalue ζ learned, ridge leaves
//! ζ/(ζ + γ): both are near 0 for ζ ≪ 1/τ and near 1 for ζ ≫ 1/τ, so γ ≈ 1/τ in the same metric of the parameters. That is a
//! rule of thumb for (stochastic) gradient descent; there is none for Adam, whose metric moves. So the ridge is fitted:
//!
//! γ* = argmin_γ Σ_n |ȳ(z_n; γ) − y_n|² / Σ_n |y_n|², ȳ(·; γ) the closure's mean prediction at ridge γ.

use super::law::RidgeSystem;
use super::{Closure, LinearSpec, LinearStatistics, finite_p};
use crate::error::{Error, Result, check_finite, check_len};

/// Points of the first scan over ln γ: the distance can have more than one local minimum.
const SCAN: usize = 13;
/// ln γ is found to this width; the distance is flat to second order there.
const WIDTH: f64 = 1e-3;

/// γ ↦ W̄.
type MeanAt<'a> = Box<dyn Fn(f64) -> Result<Vec<f64>> + 'a>;

/// A fitted ridge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectiveRidge {
    /// γ*.
    pub ridge: f64,
    /// √(Σ |ȳ − y|²/Σ |y|²) that is left at γ*.
    pub distance: f64,
    /// Whether γ* lies at an end of the range searched, so that no ridge in it stands for the training.
    pub at_end: bool,
}

impl LinearStatistics {
    /// The same training problem with another ridge.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a negative γ.
    pub fn with_ridge(&self, ridge: f64) -> Result<Self> {
        let spec = LinearSpec { ridge, ..self.spec.clone() };
        spec.validate()?;
        Ok(Self { spec, ..self.clone() })
    }

    /// The ridge in `range` whose mean prediction in the closure (its label damping in `finite-p` and `shot-noise`, none
    /// otherwise) is nearest to a given mean prediction, skip_t x included.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; `prediction`: n × D.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty range; [`Error::Shape`], [`Error::NotFinite`]; a fixed point that does not converge.
    pub fn effective_ridge(
        &self,
        closure: Closure,
        x: &[f64],
        t: &[f64],
        prediction: &[f64],
        range: (f64, f64),
    ) -> Result<EffectiveRidge> {
        let (dim, f_len) = (self.dim(), self.features.len());
        check_len("the states to fit the ridge at", t.len() * dim, x.len())?;
        check_len("the predictions to fit the ridge to", x.len(), prediction.len())?;
        check_finite("the predictions to fit the ridge to", prediction, dim)?;
        if !(range.0 > 0.0 && range.1 > range.0 && range.1.is_finite()) {
            let expected = "a range of ridges, 0 < lowest < highest";
            return Err(Error::OutOfRange { name: "effective ridge", value: range.0, expected });
        }
        let mut phi = vec![0.0; t.len() * f_len];
        self.features.fill(x, t, &mut phi);
        let mut label = prediction.to_vec();
        for ((y, x), &t) in label.chunks_exact_mut(dim).zip(x.chunks_exact(dim)).zip(t) {
            let skip = self.spec.skip(&self.schedule, t);
            y.iter_mut().zip(x).for_each(|(y, x)| *y -= skip * x);
        }
        let scale: f64 = prediction.iter().map(|y| y * y).sum();
        let mean = self.mean_by_ridge(closure)?;
        let mut predicted = vec![0.0; label.len()];
        minimise((range.0.ln(), range.1.ln()), |log| {
            let weights = mean(log.exp())?;
            crate::linalg::gemm_nn(t.len(), dim, f_len, &phi, &weights, &mut predicted);
            let missed: f64 = predicted.iter().zip(&label).map(|(p, y)| (p - y) * (p - y)).sum();
            Ok((missed / scale.max(f64::MIN_POSITIVE)).sqrt())
        })
    }

    /// γ ↦ W̄.
    fn mean_by_ridge(&self, closure: Closure) -> Result<MeanAt<'_>> {
        match closure {
            Closure::FiniteP | Closure::ShotNoise => {
                Ok(Box::new(|ridge| finite_p::mean(&self.with_ridge(ridge)?)))
            }
            Closure::Paper | Closure::Leading => {
                let second_moment = self.design.gram(&self.weighted(|q| self.weight[q]));
                let moment = self.design.project(&self.weighted_target(|q| self.weight[q]), self.dim());
                Ok(Box::new(move |ridge| Ok(RidgeSystem::new(second_moment.clone(), ridge)?.solve(&moment))))
            }
        }
    }
}

/// The least value of f over [lo, hi]: the best of a scan, then golden section between its neighbours.
fn minimise((lo, hi): (f64, f64), mut f: impl FnMut(f64) -> Result<f64>) -> Result<EffectiveRidge> {
    let at = |i: usize| lo + (hi - lo) * i as f64 / (SCAN - 1) as f64;
    let scan: Vec<f64> = (0..SCAN).map(|i| f(at(i))).collect::<Result<_>>()?;
    let best = (0..SCAN).fold(0, |best, i| if scan[i] < scan[best] { i } else { best });
    let (mut a, mut b) = (at(best.saturating_sub(1)), at((best + 1).min(SCAN - 1)));
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut left, mut right) = (b - golden * (b - a), a + golden * (b - a));
    let (mut at_left, mut at_right) = (f(left)?, f(right)?);
    while b - a > WIDTH {
        if at_left < at_right {
            (b, right, at_right) = (right, left, at_left);
            left = b - golden * (b - a);
            at_left = f(left)?;
        } else {
            (a, left, at_left) = (left, right, at_right);
            right = a + golden * (b - a);
            at_right = f(right)?;
        }
    }
    let log = 0.5 * (a + b);
    let at_end = log - lo < 2.0 * WIDTH || hi - log < 2.0 * WIDTH;
    Ok(EffectiveRidge { ridge: log.exp(), distance: f(log)?, at_end })
}
