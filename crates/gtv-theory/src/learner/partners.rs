//! Training sets, and models trained on other sets as partners of their triples.
//!
//! To first order in one triple's influence a training set gives the weights
//!
//! Ŵ = W̄ − γMW̄ + (1/P) Σ_n M φ_n w_n (y_n − Ŵ_{k(n)}ᵀφ_n)ᵀ/(1+δ_n), M = (A_δ+γ)⁻¹, N ~ Poisson(P) triples of ρ:
//!
//! the residual of each triple is that of a model trained on another set, since its own training shows in 1/(1+δ) already. A pool of K
//! sets whose triples have each other's models as partners, drawn anew for each triple (one partner for a whole set would add its
//! noise coherently), makes K linear equations; generation after generation of models solves them. Mean and covariance are
//! those of `finite-p`, with every cumulant to first order.

use super::{Ridge, RidgeSystem};
use crate::error::{Error, Result};
use crate::features::Features;
use crate::linalg::{self, gemm_nn, gemm_tn};
use crate::problem::{TrainingProblem, Triples};
use crate::rng::{ChaCha8Rng, Purpose};
use rand::RngExt;
use rand_distr::{Distribution, Poisson};
use rayon::prelude::*;
use std::sync::Arc;

/// The fewest sets in a pool, the most, and how many outputs of models it has where that is in between.
const FEWEST: usize = 32;
const MOST: usize = 128;
const OUTPUTS: usize = 256;
/// Relative change of the variance, from one generation to the next, at which it has settled: well below the error of so few models.
const SETTLED: f64 = 5e-3;
/// Generations in a row whose variance changes by more than before, which say that it grows without bound.
const GROWING: usize = 3;
/// Generations after which the pool is given up.
const CAP: usize = 40;
/// Points of ρ at which the variance is watched.
const WATCHED: usize = 256;
/// Triples whose features are held at a time.
const BLOCK: usize = 2048;

/// What turns a training set into weights.
pub(crate) struct Sprinkling {
    problem: TrainingProblem,
    features: Arc<Features>,
    /// M, F × F.
    inverse: Vec<f64>,
    /// W̄ − γMW̄, F × D.
    offset: Vec<f64>,
}

/// The residual of a training set's triples.
pub(crate) type Residual<'a> = &'a (dyn Fn(&Part<'_>) -> Vec<f64> + Sync);

/// Some triples of a training set, with their features (n × F) and labels (n × D).
pub(crate) struct Part<'a> {
    pub(crate) first: usize,
    pub(crate) phi: &'a [f64],
    pub(crate) labels: &'a [f64],
}

impl Sprinkling {
    pub(crate) fn new(learner: &Ridge, system: &RidgeSystem, mean: &[f64]) -> Self {
        let shrunk = system.solve(mean);
        Self {
            problem: learner.problem.clone(),
            features: learner.features.clone(),
            inverse: system.inverse().to_vec(),
            offset: mean.iter().zip(shrunk).map(|(w, s)| w - learner.ridge * s).collect(),
        }
    }

    /// Triples of a Poisson number of data points, P on average, m of each point.
    pub(crate) fn triples(&self, rng: &mut ChaCha8Rng) -> Triples {
        let (samples, draws) = (self.problem.samples(), self.problem.draws());
        let points = match Poisson::new(samples as f64 / draws as f64) {
            Ok(poisson) => poisson.sample(rng) as usize,
            // Only a non-positive or absurdly large mean fails, and a training problem excludes the former.
            Err(_) => samples / draws,
        };
        self.problem.sampler().draw_from(rng, points * draws)
    }

    /// w_n/(1+δ_n)/P.
    pub(crate) fn damped(&self, triples: &Triples) -> Vec<f64> {
        let (f_len, samples) = (self.features.len(), self.problem.samples() as f64);
        let folded = linalg::fold(&self.inverse, f_len);
        let mut damped = vec![0.0; triples.len()];
        for (first, range) in blocks(triples.len()) {
            let phi = self.phi(triples, first, range);
            linalg::quadratic_forms(&phi, &folded, f_len, &mut damped[first..first + range]);
        }
        for (d, &t) in damped.iter_mut().zip(&triples.t) {
            let weight = self.problem.weight(t) / samples;
            *d = weight / (1.0 + weight * *d);
        }
        damped
    }

    /// The weights that triples give, from their w/(1+δ)/P and their residuals (n × D).
    pub(crate) fn weights(&self, triples: &Triples, damped: &[f64], residual: Residual<'_>) -> Vec<f64> {
        let (dim, f_len) = (self.problem.dim(), self.features.len());
        let labels = self.problem.labels(triples);
        let (mut sum, mut part_sum) = (vec![0.0; f_len * dim], vec![0.0; f_len * dim]);
        for (first, len) in blocks(triples.len()) {
            let phi = self.phi(triples, first, len);
            let labels = &labels[first * dim..(first + len) * dim];
            let mut influence = residual(&Part { first, phi: &phi, labels });
            for (u, d) in influence.chunks_exact_mut(dim).zip(&damped[first..]) {
                u.iter_mut().for_each(|u| *u *= d);
            }
            gemm_tn(f_len, dim, len, &phi, &influence, &mut part_sum);
            sum.iter_mut().zip(&part_sum).for_each(|(s, p)| *s += p);
        }
        let mut weights = vec![0.0; f_len * dim];
        gemm_nn(f_len, dim, f_len, &self.inverse, &sum, &mut weights);
        weights.iter_mut().zip(&self.offset).for_each(|(w, o)| *w += o);
        weights
    }

    fn phi(&self, triples: &Triples, first: usize, len: usize) -> Vec<f64> {
        let dim = self.problem.dim();
        let mut phi = vec![0.0; len * self.features.len()];
        self.features.fill(
            &triples.x[first * dim..(first + len) * dim],
            &triples.t[first..first + len],
            &mut phi,
        );
        phi
    }
}

/// (first, length) of blocks of triples.
fn blocks(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).step_by(BLOCK).map(move |first| (first, BLOCK.min(count - first)))
}

/// Moves models to the mean W̄ that they should have, their spread without the bias of doing so.
///
/// On average a training set takes off its partners' mean deviation, all but γM of it: a pool's own mean would swing from generation to
/// generation and hardly fade.
fn recentre(models: &mut [Vec<f64>], mean: &[f64]) {
    let count = models.len() as f64;
    let mut average = vec![0.0; mean.len()];
    for model in models.iter() {
        average.iter_mut().zip(model).for_each(|(a, w)| *a += w / count);
    }
    let scale = (count / (count - 1.0)).sqrt();
    for model in models {
        for ((w, average), mean) in model.iter_mut().zip(&average).zip(mean) {
            *w = mean + scale * (*w - average);
        }
    }
}

/// A pool of models, each trained on a set of its own.
pub(crate) struct Partners {
    sprinkling: Sprinkling,
    /// Ŵ_k, F × D each.
    models: Vec<Vec<f64>>,
    /// Generations until the variance had settled, and its relative change in the last.
    pub(crate) generations: usize,
    pub(crate) change: f64,
}

impl Partners {
    /// Solves the pool.
    ///
    /// # Errors
    /// [`Error::NotConverged`] where the variance grows from generation to generation.
    pub(crate) fn new(learner: &Ridge, system: &RidgeSystem, mean: &[f64]) -> Result<Self> {
        let dim = learner.dim();
        let count = (OUTPUTS / dim).clamp(FEWEST, MOST);
        let streams = learner.problem.streams().named("partners");
        let stream = |set: usize, chunk| streams.stream(Purpose::TheoryModel, set as u64, chunk);
        let sprinkling = Sprinkling::new(learner, system, mean);
        let watched = learner.problem.probes(2, WATCHED);
        let mut phi = vec![0.0; WATCHED * learner.features.len()];
        learner.features.fill(&watched.x, &watched.t, &mut phi);
        let damped: Vec<Vec<f64>> = (0..count)
            .into_par_iter()
            .map(|set| sprinkling.damped(&sprinkling.triples(&mut stream(set, 0))))
            .collect();
        let mut pool =
            Self { sprinkling, models: vec![mean.to_vec()], generations: 0, change: f64::INFINITY };
        let (mut variance, mut last_step, mut growing) = (0.0, f64::INFINITY, 0);
        while pool.change > SETTLED {
            let mut models: Vec<Vec<f64>> = (0..count)
                .into_par_iter()
                .map(|set| {
                    let triples = pool.sprinkling.triples(&mut stream(set, 0));
                    let partners = pool.partners(set, triples.len(), &mut stream(set, 1));
                    let residual = |part: &Part<'_>| pool.residual(part, &partners);
                    pool.sprinkling.weights(&triples, &damped[set], &residual)
                })
                .collect();
            recentre(&mut models, mean);
            pool.models = models;
            pool.generations += 1;
            let now = pool.variance(&phi, mean);
            let step = (now - variance).abs();
            pool.change = step / now.max(f64::MIN_POSITIVE);
            growing = if step >= last_step { growing + 1 } else { 0 };
            let fails = growing == GROWING || pool.generations == CAP || !now.is_finite();
            if fails && pool.change > SETTLED {
                return Err(Error::NotConverged {
                    name: "the variance of the pool of partners (the load is too high: use a larger ridge or more samples)",
                    iterations: pool.generations,
                    residual: pool.change,
                    tolerance: SETTLED,
                });
            }
            (variance, last_step) = (now, step);
        }
        Ok(pool)
    }

    /// The models.
    pub(crate) fn models(&self) -> &[Vec<f64>] {
        &self.models
    }

    /// One more model: trained on a set of its own, with partners from the pool.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let triples = self.sprinkling.triples(rng);
        let partners = self.partners(self.models.len(), triples.len(), rng);
        let damped = self.sprinkling.damped(&triples);
        self.sprinkling.weights(&triples, &damped, &|part| self.residual(part, &partners))
    }

    /// A partner for each of `count` triples, never the set itself.
    fn partners(&self, set: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let others = match self.models.len() {
            1 => return vec![0; count],
            len if set < len => len - 1,
            len => len,
        };
        let pick = |_| {
            let other = rng.random_range(0..others);
            if other >= set { other + 1 } else { other }
        };
        (0..count).map(pick).collect()
    }

    /// y_n − Ŵ_{k(n)}ᵀφ_n of some triples, n × D.
    fn residual(&self, part: &Part<'_>, partners: &[usize]) -> Vec<f64> {
        let mut residual = part.labels.to_vec();
        let count = residual.len() / self.sprinkling.problem.dim();
        self.subtract(part.phi, &partners[part.first..part.first + count], None, &mut residual);
        residual
    }

    /// Subtracts (Ŵ_{k(n)} − W̄)ᵀφ_n from the rows of `out` (n × D), W̄ = 0 where no mean is given.
    fn subtract(&self, phi: &[f64], partners: &[usize], mean: Option<&[f64]>, out: &mut [f64]) {
        let (dim, f_len) = (self.sprinkling.problem.dim(), self.sprinkling.features.len());
        let mut of: Vec<Vec<usize>> = vec![Vec::new(); self.models.len()];
        partners.iter().enumerate().for_each(|(n, k)| of[*k].push(n));
        for (model, rows) in self.models.iter().zip(of).filter(|(_, rows)| !rows.is_empty()) {
            let gathered: Vec<f64> =
                rows.iter().flat_map(|n| &phi[n * f_len..(n + 1) * f_len]).copied().collect();
            let mut predicted = vec![0.0; rows.len() * dim];
            match mean {
                None => gemm_nn(rows.len(), dim, f_len, &gathered, model, &mut predicted),
                Some(mean) => {
                    let deviation: Vec<f64> = model.iter().zip(mean).map(|(w, m)| w - m).collect();
                    gemm_nn(rows.len(), dim, f_len, &gathered, &deviation, &mut predicted);
                }
            }
            for (n, predicted) in rows.iter().zip(predicted.chunks_exact(dim)) {
                out[n * dim..(n + 1) * dim].iter_mut().zip(predicted).for_each(|(o, p)| *o -= p);
            }
        }
    }

    /// E tr Var of the prediction over points of given features.
    fn variance(&self, phi: &[f64], mean: &[f64]) -> f64 {
        let (dim, f_len) = (self.sprinkling.problem.dim(), self.sprinkling.features.len());
        let each = self.models.par_iter().map(|model| {
            let deviation: Vec<f64> = model.iter().zip(mean).map(|(w, m)| w - m).collect();
            let mut predicted = vec![0.0; phi.len() / f_len * dim];
            gemm_nn(phi.len() / f_len, dim, f_len, phi, &deviation, &mut predicted);
            predicted.iter().map(|p| p * p).sum::<f64>()
        });
        let each: Vec<f64> = each.collect();
        each.iter().sum::<f64>() / (self.models.len() * (phi.len() / f_len)) as f64
    }

    /// Subtracts d_q (Ŵ_{k(q)} − W̄)ᵀφ_q from influences on the learner's nodes (Q × D), d = `damped`: the other samples' noise.
    pub(super) fn add_noise(&self, learner: &Ridge, mean: &[f64], damped: &[f64], influence: &mut [f64]) {
        let (dim, f_len) = (learner.dim(), learner.features.len());
        let streams = learner.problem.streams().named("partners of nodes");
        let (nodes, models) = (&learner.nodes, self.models.len());
        influence.par_chunks_mut(BLOCK * dim).enumerate().for_each(|(block, influence)| {
            let first = block * BLOCK;
            let len = influence.len() / dim;
            let mut rng = streams.stream(Purpose::TheoryModel, block as u64, 0);
            let partners: Vec<usize> = (0..len).map(|_| rng.random_range(0..models)).collect();
            let mut phi = vec![0.0; len * f_len];
            let t = &nodes.t[first..first + len];
            learner.features.fill(&nodes.x[first * dim..(first + len) * dim], t, &mut phi);
            let mut noise = vec![0.0; influence.len()];
            self.subtract(&phi, &partners, Some(mean), &mut noise);
            for ((u, noise), d) in
                influence.chunks_exact_mut(dim).zip(noise.chunks_exact(dim)).zip(&damped[first..])
            {
                u.iter_mut().zip(noise).for_each(|(u, n)| *u += d * n);
            }
        });
    }
}
