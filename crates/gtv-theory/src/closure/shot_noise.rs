//! Shot-noise closure (THEORY §5, beyond the paper): the training set is a Poisson sprinkling of points z ~ ρ, and
//! every cumulant is kept to first order in one sample's influence. One draw of the weights is
//!
//! Ŵ = W̄ − γ(A_δ+γ)⁻¹W̄ + (1/P) Σ_{n=1}^{N} (A_δ+γ)⁻¹ φ_n w_n (r_n + η_n)ᵀ/(1+δ_n), N ~ Poisson(P),
//! (x0, t, x)_n ~ ρ, r_n = y_n − W̄ᵀφ_n, η_n ~ N(0, φ_nᵀSφ_n): mean and covariance are those of `finite-p`. In more than a few
//! dimensions η_n = −(Ŵ_k − W̄)ᵀφ_n, Ŵ_k one of a pool of models that were trained on other sets, drawn anew for each triple. Where m
//! triples share a data point, so do those of a draw.

use super::{Card, Closure, Needs, Role, finite_p};
use crate::error::{Error, Result};
use crate::law::{At, Law, LinearLaw, PathCov, PredictionMoments, Response, Settling, TotalMoments};
use crate::learner::{
    Learner, Leverage, Part, Partners, Rehearsal, Ridge, SelfConsistent, Spread, Sprinkling, Times,
};
use crate::linalg::{self, gemm_nn, quadratic_forms};
use crate::problem::Prediction;
use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
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
    needs: Needs::Ridge,
    covariance_of: Some("finite-p"),
};

impl Closure for ShotNoise {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(Self::of_ridge(&*learner.as_ridge()?)?))
    }

    fn total_moments(
        &self,
        learner: &dyn Learner,
        prediction: Prediction,
        x: &[f64],
        t: &[f64],
    ) -> Result<TotalMoments> {
        finite_p::totals(&*learner.as_ridge()?, prediction, x, t)
    }

    fn rehearsed(&self, rehearsal: &Rehearsal) -> Option<Times> {
        Some(rehearsal.shot_noise)
    }
}

impl ShotNoise {
    /// The law of ridge regression.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn of_ridge(learner: &Ridge) -> Result<ShotNoiseLaw> {
        Self::from_solved(learner, &*learner.self_consistent()?)
    }

    /// The law as it is in many dimensions, its noise from a pool of models, in any dimension.
    ///
    /// # Errors
    /// As [`Closure::law`].
    pub fn pooled(learner: &Ridge) -> Result<ShotNoiseLaw> {
        Self::from_solved(learner, &SelfConsistent::pooled(learner)?)
    }

    fn from_solved(learner: &Ridge, solved: &SelfConsistent) -> Result<ShotNoiseLaw> {
        let noise = match &solved.spread {
            Spread::Blocks(blocks) => Noise::Blocks(
                Box::new(Sprinkling::new(learner, &solved.system, &solved.mean, Leverage::Kept)),
                blocks.iter().map(|block| linalg::fold(block, learner.features().len())).collect(),
            ),
            Spread::Pooled(_) if !learner.features().everywhere() => {
                return Err(Error::Unsupported {
                    what: "shot-noise of many outputs from features that are known at listed points alone",
                    reason: "it trains models on points of its own",
                    advice: "use finite-p, which has the same mean and covariance",
                });
            }
            Spread::Pooled(pooled) => Noise::Pool(solved.pool(learner, pooled)?.partners),
        };
        Ok(ShotNoiseLaw { gaussian: finite_p::law(learner, solved)?, noise })
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
    noise: Noise,
}

/// Where the other samples' noise η in a residual comes from.
enum Noise {
    /// N(0, φᵀSφ) of the blocks S_ij, i ≤ j, each folded.
    Blocks(Box<Sprinkling>, Vec<Vec<f64>>),
    /// Models trained on other sets.
    Pool(Arc<Partners>),
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

    fn total_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> TotalMoments {
        self.gaussian.total_moments(prediction, x, t)
    }

    fn cov_trace(&self, z: At<'_>, other: At<'_>) -> f64 {
        self.gaussian.cov_trace(z, other)
    }

    fn settling(&self) -> Option<Settling> {
        self.gaussian.settling()
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        let known = self.gaussian.features().everywhere();
        known.then(|| Box::new(self.gaussian.field(self.sample_weights(rng))) as _)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        self.gaussian.path_cov(response, paths, points)
    }
}

impl ShotNoiseLaw {
    /// One draw of the weights, F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        match &self.noise {
            Noise::Pool(partners) => partners.draw(rng),
            Noise::Blocks(sprinkling, blocks) => {
                let triples = sprinkling.triples(rng);
                let dim = self.gaussian.dim();
                let normal: Vec<f64> = StandardNormal.sample_iter(rng).take(triples.len() * dim).collect();
                let residuals = |part: &Part<'_>| self.residual(part, blocks, &normal);
                sprinkling.weights(&triples, &mut Vec::new(), &residuals)
            }
        }
    }

    /// r_n + η_n of some triples, n × D, for standard normal numbers of all triples.
    fn residual(&self, part: &Part<'_>, blocks: &[Vec<f64>], normal: &[f64]) -> Vec<f64> {
        let (dim, f_len) = (self.gaussian.dim(), self.gaussian.features().len());
        let count = part.labels.len() / dim;
        let mut residual = vec![0.0; part.labels.len()];
        gemm_nn(count, dim, f_len, part.phi, self.gaussian.mean_weights(), &mut residual);
        residual.iter_mut().zip(part.labels).for_each(|(r, y)| *r = y - *r);
        let forms: Vec<Vec<f64>> = blocks
            .iter()
            .map(|block| {
                let mut forms = vec![0.0; count];
                quadratic_forms(part.phi, block, f_len, &mut forms);
                forms
            })
            .collect();
        let mut local = vec![0.0; dim * dim];
        let rows = residual.chunks_exact_mut(dim).zip(normal[part.first * dim..].chunks_exact(dim));
        for (n, (residual, noise)) in rows.enumerate() {
            // η_n from the D × D covariance of the other samples' noise at this point.
            for i in 0..dim {
                for j in 0..=i {
                    let block = j * (2 * dim - j + 1) / 2 + i - j;
                    local[i * dim + j] = forms[block][n];
                }
            }
            let factor = linalg::cholesky_semidefinite(&local, dim);
            for i in 0..dim {
                residual[i] += (0..=i).map(|j| factor[i * dim + j] * noise[j]).sum::<f64>();
            }
        }
        residual
    }
}
