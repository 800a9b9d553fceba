//! Shot-noise closure (THEORY §5, beyond the paper): the training set is a Poisson sprinkling of points z ~ ρ, and
//! every cumulant is kept to first order in one sample's influence. One draw of the weights is
//!
//! Ŵ = W̄ − γ(A_δ+γ)⁻¹W̄ + (1/P) Σ_{n=1}^{N} (A_δ+γ)⁻¹ φ_n w_n (r_n + η_n)ᵀ/(1+δ_n), N ~ Poisson(P),
//! (x0, t, x)_n ~ ρ, r_n = y_n − W̄ᵀφ_n, η_n ~ N(0, φ_nᵀSφ_n): mean and covariance are those of `finite-p`.

use super::{Card, Closure, Role, finite_p};
use crate::error::Result;
use crate::features::Features;
use crate::law::{At, Law, LinearLaw, PathCov, PredictionMoments, Response};
use crate::learner::{Learner, Ridge};
use crate::linalg::{self, gemm_nn, gemm_tn};
use crate::problem::{DsmSampler, Prediction, TrainingProblem};
use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use rand_distr::{Distribution, Poisson, StandardNormal};
use std::sync::Arc;

/// Poisson sprinkling of training points.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, closure::{FiniteP, ShotNoise}};
/// let z = At { x: &[0.3], t: 0.4 };
/// assert_eq!(ShotNoise.law(&ridge)?.cov(z, z), FiniteP.law(&ridge)?.cov(z, z));
/// assert_eq!(ShotNoise.card().covariance_of, Some(FiniteP.card().name));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShotNoise;

static CARD: Card = Card {
    name: "shot-noise",
    label: "theory: shot-noise",
    meaning: "as finite-p, with every cumulant to first order in one sample's influence",
    role: Role::ShotNoise,
    completeness: Some(3),
    of_ridge: true,
    covariance_of: Some("finite-p"),
};

impl Closure for ShotNoise {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(Self::of_ridge(&*learner.as_ridge()?)?))
    }
}

impl ShotNoise {
    /// The law of ridge regression.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn of_ridge(learner: &Ridge) -> Result<ShotNoiseLaw> {
        let solved = finite_p::solve(learner)?;
        let shrunk = solved.system.solve(&solved.mean);
        Ok(ShotNoiseLaw {
            gaussian: solved.law(learner),
            problem: learner.problem().clone(),
            sampler: DsmSampler::new(learner.problem().cloud().clone(), *learner.problem().schedule()),
            features: learner.features().clone(),
            offset: solved.mean.iter().zip(shrunk).map(|(w, s)| w - learner.ridge() * s).collect(),
            inverse: solved.system.inverse().to_vec(),
            blocks: solved.blocks,
        })
    }
}

/// The law of shot noise: `finite-p`'s mean and covariance, and draws with heavier tails.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{closure::{FiniteP, ShotNoise}, rng::Purpose};
/// let rng = || Streams::new(2).stream(Purpose::TheoryModel, 0, 0);
/// let drawn = ShotNoise::of_ridge(&ridge)?.sample_weights(&mut rng());
/// assert_eq!(drawn.len(), ridge.features().len());
/// assert_ne!(drawn, FiniteP::of_ridge(&ridge)?.sample_weights(&mut rng()));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct ShotNoiseLaw {
    gaussian: LinearLaw,
    problem: TrainingProblem,
    /// Independent triples.
    sampler: DsmSampler,
    features: Arc<Features>,
    inverse: Vec<f64>,
    /// S_ij for i ≤ j.
    blocks: Vec<Vec<f64>>,
    /// W̄ − γ(A_δ+γ)⁻¹W̄, F × D.
    offset: Vec<f64>,
}

impl Law for ShotNoiseLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.gaussian.mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.gaussian.cov(z, other)
    }

    fn prediction_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> PredictionMoments {
        self.gaussian.prediction_moments(prediction, x, t)
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        Some(Box::new(self.gaussian.field(self.sample_weights(rng))))
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        self.gaussian.path_cov(response, paths, points)
    }
}

impl ShotNoiseLaw {
    /// One draw of the weights, F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (dim, f_len, mean) = (self.features.dim(), self.features.len(), self.gaussian.mean_weights());
        let samples = self.problem.samples() as f64;
        let count = match Poisson::new(samples) {
            Ok(poisson) => poisson.sample(rng) as usize,
            // Only a non-positive or absurdly large mean fails, and a training problem excludes the former.
            Err(_) => self.problem.samples(),
        };
        let triples = self.sampler.draw_from(rng, count);
        let mut phi = vec![0.0; count * f_len];
        self.features.fill(&triples.x, &triples.t, &mut phi);
        let leverage = quadratic_rows(&phi, &self.inverse, f_len);
        let forms: Vec<Vec<f64>> =
            self.blocks.iter().map(|block| quadratic_rows(&phi, block, f_len)).collect();
        let mut predicted = vec![0.0; count * dim];
        gemm_nn(count, dim, f_len, &phi, mean, &mut predicted);

        let mut influence = vec![0.0; count * dim];
        let labels = self.problem.labels(&triples);
        let mut local = vec![0.0; dim * dim];
        for n in 0..count {
            let weight = self.problem.weight(triples.t[n]);
            let damped = weight / (1.0 + weight / samples * leverage[n]) / samples;
            // η_n from the D × D covariance of the other samples' noise at this point.
            for i in 0..dim {
                for j in 0..=i {
                    let block = j * (2 * dim - j + 1) / 2 + i - j;
                    local[i * dim + j] = forms[block][n];
                }
            }
            let factor = linalg::cholesky_semidefinite(&local, dim);
            let noise: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(dim).collect();
            for i in 0..dim {
                let eta: f64 = (0..=i).map(|j| factor[i * dim + j] * noise[j]).sum();
                influence[n * dim + i] = damped * (labels[n * dim + i] - predicted[n * dim + i] + eta);
            }
        }
        let (mut projected, mut weights) = (vec![0.0; f_len * dim], vec![0.0; f_len * dim]);
        gemm_tn(f_len, dim, count, &phi, &influence, &mut projected);
        gemm_nn(f_len, dim, f_len, &self.inverse, &projected, &mut weights);
        weights.iter_mut().zip(&self.offset).for_each(|(w, o)| *w += o);
        weights
    }
}

/// φ_nᵀ M φ_n for every row.
fn quadratic_rows(phi: &[f64], matrix: &[f64], f_len: usize) -> Vec<f64> {
    let mut image = vec![0.0; phi.len()];
    gemm_nn(phi.len() / f_len, f_len, f_len, phi, matrix, &mut image);
    phi.chunks_exact(f_len)
        .zip(image.chunks_exact(f_len))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect()
}
