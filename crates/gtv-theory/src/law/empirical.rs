//! The Gaussian law with a linear ensemble's own mean and covariance: what a theory with perfect V would predict.

use super::linear::joint_factor;
use super::weight_paths::{LinearModel, two_points};
use super::{At, Law, LinearField, PathCov, Response};
use crate::error::{Error, Result, check_len};
use crate::features::Features;
use crate::linalg::{gemm_nn, gemm_nt};
use crate::problem::Objective;
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
use std::sync::{Arc, OnceLock};

/// Moments of N trained linear models: W̄ = mean, Cov = Σ (W_n − W̄)(W_n − W̄)ᵀ/(N − 1), of rank N − 1.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{At, Law, law::EmpiricalLinear};
/// let members = [vec![0.1; 16], vec![0.3; 16]];
/// let law = EmpiricalLinear::new(ridge.features().clone(), problem.objective(), schedule, &members)?;
/// assert!(law.mean_weights().iter().all(|w| (w - 0.2).abs() < 1e-15));
/// // Cov W = 2 · 0.1 · 0.1 for each pair of weights.
/// let mut phi = [0.0; 16];
/// features.fill(&[0.3], &[0.4], &mut phi);
/// let (a, _) = problem.objective().score_coefficients(&schedule, 0.4);
/// let z = At { x: &[0.3], t: 0.4 };
/// let want = 0.02 * (a * phi.iter().sum::<f64>()).powi(2);
/// assert!((law.cov(z, z)[0] / want - 1.0).abs() < 1e-12);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct EmpiricalLinear {
    features: Arc<Features>,
    objective: Objective,
    schedule: Schedule,
    mean: Vec<f64>,
    /// R_i, column n of which is (W_n − W̄)_i/√(N − 1): D × F × N, so that Cov[W_i, W_j] = R_i R_jᵀ.
    root: Vec<f64>,
    /// A triangular root of the same covariance, D × F × (D·F), once it is needed.
    factor: OnceLock<Vec<f64>>,
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
        objective: &Objective,
        schedule: Schedule,
        members: &[impl AsRef<[f64]>],
    ) -> Result<Self> {
        let count = members.len();
        if count < 2 {
            return Err(Error::OutOfRange {
                name: "members",
                value: count as f64,
                expected: "at least 2 to have a covariance",
            });
        }
        let dim = features.dim();
        let len = features.len() * dim;
        let mut mean = vec![0.0; len];
        for member in members {
            check_len("a member's weights", len, member.as_ref().len())?;
            mean.iter_mut().zip(member.as_ref()).for_each(|(m, w)| *m += w / count as f64);
        }
        let scale = 1.0 / ((count - 1) as f64).sqrt();
        let mut root = Vec::with_capacity(len * count);
        for i in 0..dim {
            for w in (i..len).step_by(dim) {
                root.extend(members.iter().map(|member| scale * (member.as_ref()[w] - mean[w])));
            }
        }
        Ok(Self { features, objective: *objective, schedule, mean, root, factor: OnceLock::new() })
    }

    /// W̄, F × D.
    pub fn mean_weights(&self) -> &[f64] {
        &self.mean
    }

    /// One draw W̄ + Σ_n ξ_n (W_n − W̄)/√(N−1), F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (dim, f_len) = (self.features.dim(), self.features.len());
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(self.members()).collect();
        let mut drawn = vec![0.0; self.mean.len()];
        gemm_nn(drawn.len(), 1, noise.len(), &self.root, &noise, &mut drawn);
        let mut weights = self.mean.clone();
        weights.iter_mut().enumerate().for_each(|(w, value)| *value += drawn[w % dim * f_len + w / dim]);
        weights
    }

    fn members(&self) -> usize {
        self.root.len() / self.mean.len()
    }

    /// The root with the fewest columns.
    fn narrow_root(&self) -> &[f64] {
        let (dim, f_len, members) = (self.features.dim(), self.features.len(), self.members());
        if members <= dim * f_len {
            return &self.root;
        }
        self.factor.get_or_init(|| {
            let mut blocks = Vec::new();
            for i in 0..dim {
                for j in i..dim {
                    let mut block = vec![0.0; f_len * f_len];
                    let output = |i: usize| &self.root[i * f_len * members..(i + 1) * f_len * members];
                    gemm_nt(f_len, f_len, members, output(i), output(j), &mut block);
                    blocks.push(block);
                }
            }
            joint_factor(&blocks, dim, f_len)
        })
    }

    fn model(&self) -> LinearModel<'_> {
        let prediction = self.objective.prediction;
        LinearModel { features: &self.features, prediction, schedule: &self.schedule }
    }

    fn field(&self, weights: Vec<f64>) -> LinearField {
        LinearField::new(self.features.clone(), &self.objective, self.schedule, weights)
    }
}

impl Law for EmpiricalLinear {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        Arc::new(self.field(self.mean.clone()))
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        two_points(&mut self.model().gram(self.narrow_root(), Response::Score, 1, 2), z, other)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        Box::new(self.model().gram(self.narrow_root(), response, paths, points))
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        Some(Box::new(self.field(self.sample_weights(rng))))
    }
}
