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
use crate::minimise::{Minimum, minimise};

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
        let ends = (range.0.ln(), range.1.ln());
        let Minimum { at, value } = minimise(ends, SCAN, WIDTH, |log: f64| -> Result<f64> {
            let weights = mean(log.exp())?;
            crate::linalg::gemm_nn(t.len(), dim, f_len, &phi, &weights, &mut predicted);
            let missed: f64 = predicted.iter().zip(&label).map(|(p, y)| (p - y) * (p - y)).sum();
            Ok((missed / scale.max(f64::MIN_POSITIVE)).sqrt())
        })?;
        let at_end = at - ends.0 < 2.0 * WIDTH || ends.1 - at < 2.0 * WIDTH;
        Ok(EffectiveRidge { ridge: at.exp(), distance: value, at_end })
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
