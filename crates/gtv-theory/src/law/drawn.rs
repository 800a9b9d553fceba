//! Covariances of outputs from models that a law draws, where it has no matrix for them.

use super::Law;
use crate::error::{Error, Result};
use crate::problem::Prediction;
use crate::rng::{Purpose, Streams};
use rayon::prelude::*;

/// Cov[y_i(z_k), y_j(z_l)] at n points from drawn models.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnCovariance {
    /// (nD) × (nD), rows and columns in the order (point, output).
    pub covariance: Vec<f64>,
    /// The standard error of each, from the spread between models.
    pub standard_error: Vec<f64>,
}

/// The covariance of predictions at points, from so many models drawn from a law, about the law's own mean.
///
/// # Shapes
/// `x`: n × D; `t`: n.
///
/// # Errors
/// [`Error::OutOfRange`] for fewer than two draws; [`Error::Unsupported`] for a law that draws no models.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, Law, Prediction, closure::ShotNoise, law::drawn_covariance};
/// let law = ShotNoise.law(&ridge)?;
/// let found = drawn_covariance(law.as_ref(), Prediction::Score, &[0.3], &[0.4], 400, Streams::new(3))?;
/// let z = At { x: &[0.3], t: 0.4 };
/// assert!((found.covariance[0] - law.cov(z, z)[0]).abs() < 4.0 * found.standard_error[0]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn drawn_covariance(
    law: &dyn Law,
    prediction: Prediction,
    x: &[f64],
    t: &[f64],
    draws: usize,
    streams: Streams,
) -> Result<DrawnCovariance> {
    if draws < 2 {
        let expected = "at least 2 to have a standard error";
        return Err(Error::OutOfRange { name: "draws", value: draws as f64, expected });
    }
    let mean = law.mean_score();
    let dim = mean.dim();
    let unsupported = Error::Unsupported {
        what: "a covariance from draws",
        reason: "the law draws no whole models",
        advice: "use a law that does",
    };
    let deviations: Vec<Vec<f64>> = (0..draws)
        .into_par_iter()
        .map(|draw| {
            let mut rng = streams.stream(Purpose::TheoryModel, draw as u64, 0);
            let field = law.draw(&mut rng).ok_or_else(|| unsupported.clone())?;
            let (mut own, mut at_mean) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            for ((k, &t), x) in t.iter().enumerate().zip(x.chunks_exact(dim)) {
                let range = k * dim..(k + 1) * dim;
                let (on_y, _) = prediction.score_coefficients(mean.schedule(), t);
                field.score_into(x, t, &mut own[range.clone()]);
                mean.score_into(x, t, &mut at_mean[range.clone()]);
                own[range.clone()].iter_mut().zip(&at_mean[range]).for_each(|(y, m)| *y = (*y - m) / on_y);
            }
            Ok(own)
        })
        .collect::<Result<_>>()?;
    let (size, count) = (x.len(), draws as f64);
    let (mut covariance, mut standard_error) = (vec![0.0; size * size], vec![0.0; size * size]);
    for a in 0..size {
        for b in 0..size {
            let products = deviations.iter().map(|d| d[a] * d[b]);
            let mean = products.clone().sum::<f64>() / count;
            let spread = products.map(|p| (p - mean).powi(2)).sum::<f64>() / (count - 1.0);
            covariance[a * size + b] = mean;
            standard_error[a * size + b] = (spread / count).sqrt();
        }
    }
    Ok(DrawnCovariance { covariance, standard_error })
}
