//! The Gaussian law with a linear ensemble's own mean and covariance: what a theory with perfect V would predict.

use super::{At, Estimator, LinearField};
use crate::error::{Error, Result, check_len};
use crate::features::Features;
use crate::prediction::Prediction;
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Moments of N trained linear models: W̄ = mean, Cov = Σ (W_n − W̄)(W_n − W̄)ᵀ/(N − 1), of rank N − 1.
pub struct EmpiricalLinear {
    features: Arc<Features>,
    prediction: Prediction,
    schedule: Schedule,
    mean: Vec<f64>,
    /// (W_n − W̄)/√(N − 1), N × (F·D).
    deviations: Vec<f64>,
}

impl EmpiricalLinear {
    /// The moments of the members' weights.
    ///
    /// # Shapes
    /// `members`: each F × D, row-major.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than two members; [`Error::Shape`] for weights of another length.
    pub fn new(
        features: Arc<Features>,
        prediction: Prediction,
        schedule: Schedule,
        members: &[impl AsRef<[f64]>],
    ) -> Result<Self> {
        let count = members.len();
        if count < 2 {
            return Err(Error::OutOfRange {
                name: "ensemble.members",
                value: count as f64,
                expected: "at least 2 to have a covariance",
            });
        }
        let len = features.len() * features.dim();
        let mut mean = vec![0.0; len];
        for member in members {
            check_len("a member's weights", len, member.as_ref().len())?;
            mean.iter_mut().zip(member.as_ref()).for_each(|(m, w)| *m += w / count as f64);
        }
        let scale = 1.0 / ((count - 1) as f64).sqrt();
        let deviations = members
            .iter()
            .flat_map(|member| member.as_ref().iter().zip(&mean).map(|(w, m)| (w - m) * scale))
            .collect();
        Ok(Self { features, prediction, schedule, mean, deviations })
    }

    /// W̄, F × D.
    pub fn mean_weights(&self) -> &[f64] {
        &self.mean
    }

    /// One draw W̄ + Σ_n ξ_n (W_n − W̄)/√(N−1), F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut weights = self.mean.clone();
        for deviation in self.deviations.chunks_exact(self.mean.len()) {
            let noise: f64 = StandardNormal.sample(rng);
            weights.iter_mut().zip(deviation).for_each(|(w, d)| *w += noise * d);
        }
        weights
    }

    fn field(&self, weights: Vec<f64>) -> LinearField {
        LinearField::new(self.features.clone(), self.prediction, self.schedule, weights)
    }
}

impl Estimator for EmpiricalLinear {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        Arc::new(self.field(self.mean.clone()))
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        let dim = self.features.dim();
        let (a, _) = self.prediction.score_coefficients(&self.schedule, z.t);
        let (b, _) = self.prediction.score_coefficients(&self.schedule, other.t);
        let mut cov = vec![0.0; dim * dim];
        let (mut here, mut there) = (vec![0.0; dim], vec![0.0; dim]);
        for deviation in self.deviations.chunks_exact(self.mean.len()) {
            self.features.apply(deviation, dim, z.x, z.t, &mut here);
            self.features.apply(deviation, dim, other.x, other.t, &mut there);
            for i in 0..dim {
                for j in 0..dim {
                    cov[i * dim + j] += a * b * here[i] * there[j];
                }
            }
        }
        cov
    }

    fn sample_field(&self, rng: &mut ChaCha8Rng) -> Box<dyn ScoreField> {
        Box::new(self.field(self.sample_weights(rng)))
    }
}
