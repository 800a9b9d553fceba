//! Shot-noise closure (THEORY §5, beyond the paper): the training set is a Poisson sprinkling of points z ~ ρ, and
//! every cumulant is kept to first order in one sample's influence. One draw of the weights is
//!
//! Ŵ = W̄ − γ(A_δ+γ)⁻¹W̄ + (1/P) Σ_{n=1}^{N} (A_δ+γ)⁻¹ φ_n w_n (r_n + η_n)ᵀ/(1+δ_n), N ~ Poisson(P),
//! (x0, t, x)_n ~ ρ, r_n = y_n − W̄ᵀφ_n, η_n ~ N(0, φ_nᵀSφ_n): mean and covariance are those of `finite-p`.

use super::law::{Covariance, LinearLaw};
use super::{LinearSpec, LinearStatistics, finite_p};
use crate::error::Result;
use crate::features::Features;
use crate::linalg::{self, gemm_nn, gemm_tn};
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use crate::score::{ExactScore, ScoreField};
use crate::training::DsmSampler;
use rand_distr::{Distribution, Poisson, StandardNormal};
use std::sync::Arc;

/// What a draw needs.
pub(super) struct ShotNoise {
    spec: LinearSpec,
    features: Arc<Features>,
    schedule: Schedule,
    exact: Arc<ExactScore>,
    sampler: DsmSampler,
    inverse: Vec<f64>,
    /// S_ij for i ≤ j.
    blocks: Vec<Vec<f64>>,
    /// W̄ − γ(A_δ+γ)⁻¹W̄, F × D.
    offset: Vec<f64>,
}

pub(super) fn law(statistics: &LinearStatistics) -> Result<LinearLaw> {
    let solved = finite_p::solve(statistics)?;
    let shrunk = solved.system.solve(&solved.mean);
    let ridge = statistics.spec.ridge;
    let offset = solved.mean.iter().zip(shrunk).map(|(w, s)| w - ridge * s).collect();
    let shot_noise = ShotNoise {
        spec: statistics.spec.clone(),
        features: statistics.features.clone(),
        schedule: statistics.schedule,
        exact: statistics.exact.clone(),
        sampler: DsmSampler::new(statistics.cloud.clone(), statistics.schedule),
        inverse: solved.system.inverse().to_vec(),
        blocks: solved.blocks.clone(),
        offset,
    };
    let covariance = Covariance::from_blocks(solved.blocks);
    Ok(LinearLaw::new(statistics, super::Closure::ShotNoise, solved.mean, covariance)
        .with_shot_noise(shot_noise))
}

impl ShotNoise {
    /// One draw of the weights, F × D.
    pub(super) fn sample_weights(&self, mean: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (dim, f_len) = (self.features.dim(), self.features.len());
        let samples = self.spec.samples as f64;
        let count = match Poisson::new(samples) {
            Ok(poisson) => poisson.sample(rng) as usize,
            // Only a non-positive or absurdly large mean fails, and `LinearSpec::validate` has excluded the former.
            Err(_) => self.spec.samples,
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
        let mut clean = vec![0.0; dim];
        let mut local = vec![0.0; dim * dim];
        for n in 0..count {
            let t = triples.t[n];
            let x = &triples.x[n * dim..(n + 1) * dim];
            let x0 = &triples.x0[n * dim..(n + 1) * dim];
            let mix = self.spec.target_mix;
            if mix > 0.0 {
                self.exact.denoiser_into(x, t, &mut clean);
            }
            let weight = self.spec.target_weight(&self.schedule, t);
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
            let (on_x0, on_x) = self.spec.label_coefficients(&self.schedule, t);
            for i in 0..dim {
                let label = on_x0 * ((1.0 - mix) * x0[i] + mix * clean[i]) + on_x * x[i];
                let eta: f64 = (0..=i).map(|j| factor[i * dim + j] * noise[j]).sum();
                influence[n * dim + i] = damped * (label - predicted[n * dim + i] + eta);
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
