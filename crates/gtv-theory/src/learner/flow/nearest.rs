//! The time of gradient flow whose mean prediction is nearest to a given one, argmin_τ Σ |f̄_τ − m|²/Σ |m|². It stands in for the
//! training time of an optimizer that has none of its own, such as Adam.

use super::FlowSpectrum;
use crate::error::{Error, Result, check_len};
use crate::minimise::minimise;
use std::convert::Infallible;

/// Times of the first scan, and the width in ln τ to which the nearest one is found.
const SCAN: usize = 64;
const WIDTH: f64 = 1e-4;

/// The mean prediction of gradient flow at points, mode by mode, beside a given mean; made by [`FlowSpectrum::against`].
#[derive(Debug, Clone)]
pub struct MeanFit<'a> {
    spectrum: &'a FlowSpectrum,
    x: &'a [f64],
    t: &'a [f64],
    mean: &'a [f64],
    /// Σ m² of the given mean.
    size: f64,
    shares: Vec<f64>,
}

/// A time of gradient flow whose mean is nearest to a given one.
///
/// ```
#[doc = include_str!("../../../doc/ridge.rs")]
/// use gtv_theory::learner::FlowSpectrum;
/// let spectrum = FlowSpectrum::new(&problem, features, &quadrature)?;
/// let places = problem.probes(0, 50);
/// let mean = spectrum.mean(&places.x, &places.t, 5.0);
/// let found = spectrum.against(&places.x, &places.t, &mean)?.nearest();
/// assert!((found.time / 5.0 - 1.0).abs() < 1e-3 && found.misfit < 1e-3);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestTime {
    /// τ.
    pub time: f64,
    /// Relative distance of the means there, in L² over the points.
    pub misfit: f64,
}

impl FlowSpectrum {
    /// Compares gradient flow with a given mean prediction at points.
    ///
    /// # Shapes
    /// `x`, `mean`: n × D; `t`: n.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mean of another size; [`Error::OutOfRange`] for one that is 0 or not finite.
    pub fn against<'a>(&'a self, x: &'a [f64], t: &'a [f64], mean: &'a [f64]) -> Result<MeanFit<'a>> {
        check_len("the mean prediction", x.len(), mean.len())?;
        let size = mean.iter().map(|m| m * m).sum::<f64>();
        if !(size.is_finite() && size > 0.0) {
            let expected = "finite predictions that are not all 0";
            return Err(Error::OutOfRange { name: "the mean prediction", value: size, expected });
        }
        Ok(MeanFit { spectrum: self, x, t, mean, size, shares: self.shares(x, t) })
    }
}

impl MeanFit<'_> {
    /// Relative distance of the mean prediction after gradient flow for a time, in L² over the points.
    pub fn misfit(&self, time: f64) -> f64 {
        let at = self.spectrum.add_up(&self.shares, self.x, self.t, time);
        (at.iter().zip(self.mean).map(|(a, m)| (a - m) * (a - m)).sum::<f64>() / self.size).sqrt()
    }

    /// The time whose mean prediction is nearest.
    pub fn nearest(&self) -> NearestTime {
        // From before the first mode is learned to after the last that single precision resolves.
        let fastest = self.spectrum.values()[0];
        let ends = ((1e-3 / fastest).ln(), (1e8 / fastest).ln());
        let misfit = |log: f64| Ok::<_, Infallible>(self.misfit(log.exp()));
        let Ok(found) = minimise(ends, SCAN, WIDTH, misfit);
        NearestTime { time: found.at.exp(), misfit: found.value }
    }
}
