//! Models trained on other sets, as partners of a training set's triples.
//!
//! To first order in one triple's influence a training set gives the weights
//!
//! Ŵ = W̄ − γMW̄ + (1/P) Σ_n M φ_n w_n (y_n − Ŵ_{k(n)}ᵀφ_n)ᵀ/(1+δ_n), M = (A_δ+γ)⁻¹, N ~ Poisson(P) triples of ρ:
//!
//! the residual of each triple is that of a model trained on another set, since its own training shows in 1/(1+δ) already. A pool of K
//! sets whose triples have each other's models as partners, drawn anew for each triple (one partner for a whole set would add its
//! noise coherently), makes K linear equations; generation after generation of models solves them. Mean and covariance are
//! those of `finite-p`, with every cumulant to first order.
//!
//! The first partners have deviations of covariance S_tr/D, the same in each output: what is left after a generation of how outputs vary
//! differently is the share of partners' noise in a model's variance, at most ½, of it.
//!
//! What is known of the law is given to every generation: its mean W̄, and the total variance E φᵀS_trφ. On average a training set takes
//! off its partners' mean deviation, all but γM of it, so that a pool's own mean would swing from generation to generation and
//! hardly fade; and so few models would settle at a total variance with an error of their own, many generations later.

use super::{Leverage, Part, Ridge, RidgeSystem, Sprinkling};
use crate::error::{Error, Result};
use crate::fixed_point::Sought;
use crate::linalg::{self, gemm_nn};
use crate::rng::{ChaCha8Rng, Purpose};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// The fewest sets in a pool, the most, and how many outputs of models it has where that is in between.
const FEWEST: usize = 16;
const MOST: usize = 128;
const OUTPUTS: usize = 256;
/// Relative change of the variance that a generation has by itself, at which it has settled: below the error of so few models.
const SETTLED: f64 = 2e-2;
/// The most by which the variance that a pool has by itself may differ from the fixed point's, as a factor.
const MOST_APART: f64 = 2.0;
/// The fewest generations: after them partners' noise has at most a quarter of the first partners' covariance, as a part of at most a half.
const LEAST: usize = 2;
/// Generations after which the pool is given up.
const CAP: usize = 20;
/// Points of ρ at which the variance is watched.
const WATCHED: usize = 256;

/// What settles, generation after generation.
const VARIANCE: Sought = Sought {
    name: "the variance of the pool of partners",
    advice: "the load is too high: use a larger ridge or more samples",
};

/// A pool of models, each trained on a set of its own.
pub(crate) struct Partners {
    sprinkling: Sprinkling,
    /// Ŵ_k, F × D each.
    models: Vec<Vec<f64>>,
    /// Generations until the variance had settled, and its relative change in the last.
    pub(crate) generations: usize,
    pub(crate) change: f64,
    /// The variance that the last generation had by itself, over that of the fixed point.
    pub(crate) ratio: f64,
}

/// Where the variance of a pool is watched: φ of places, and E φᵀS_trφ there.
struct Watch {
    phi: Vec<f64>,
    total: f64,
}

impl Watch {
    fn new(learner: &Ridge, total: &[f64]) -> Self {
        let (places, f_len) = (learner.problem.probes(2, WATCHED), learner.features.len());
        let (mut phi, mut forms) = (vec![0.0; WATCHED * f_len], vec![0.0; WATCHED]);
        learner.features.fill(&places.x, &places.t, &mut phi);
        linalg::quadratic_forms(&phi, &linalg::fold(total, f_len), f_len, &mut forms);
        Self { phi, total: forms.iter().sum::<f64>() / WATCHED as f64 }
    }

    /// E tr Var of the models' predictions.
    fn variance(&self, models: &[Vec<f64>], mean: &[f64]) -> f64 {
        let f_len = self.phi.len() / WATCHED;
        let dim = mean.len() / f_len;
        let each = models.par_iter().map(|model| {
            let deviation: Vec<f64> = model.iter().zip(mean).map(|(w, m)| w - m).collect();
            let mut predicted = vec![0.0; WATCHED * dim];
            gemm_nn(WATCHED, dim, f_len, &self.phi, &deviation, &mut predicted);
            predicted.iter().map(|p| p * p).sum::<f64>()
        });
        each.collect::<Vec<f64>>().iter().sum::<f64>() / (models.len() * WATCHED) as f64
    }
}

/// Moves models to the mean W̄ that they should have, their spread without the bias of doing so.
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

/// Multiplies the models' deviations from W̄.
fn stretch(models: &mut [Vec<f64>], mean: &[f64], factor: f64) {
    for model in models {
        model.iter_mut().zip(mean).for_each(|(w, mean)| *w = mean + factor * (*w - mean));
    }
}

/// Models of independent outputs, each with the covariance S_tr/D about its mean.
fn first_partners(mean: &[f64], total: &[f64], count: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let f_len = total.len().isqrt();
    let dim = mean.len() / f_len;
    let factor = linalg::cholesky_semidefinite(total, f_len);
    let scale = (dim as f64).sqrt().recip();
    let mut model = |_| {
        let normal: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(mean.len()).collect();
        let mut model = vec![0.0; mean.len()];
        gemm_nn(f_len, dim, f_len, &factor, &normal, &mut model);
        model.iter_mut().zip(mean).for_each(|(w, mean)| *w = mean + scale * *w);
        model
    };
    let mut models = (0..count).map(&mut model).collect::<Vec<_>>();
    recentre(&mut models, mean);
    models
}

impl Partners {
    /// Generations that pools of any load have taken, about.
    pub(super) const GENERATIONS: f64 = 3.0;

    /// Sets in a pool of models of so many outputs.
    pub(super) fn count(dim: usize) -> usize {
        (OUTPUTS / dim).clamp(FEWEST, MOST)
    }

    /// Solves the pool, whose total variance is that of S_tr = `total` (F × F).
    ///
    /// # Errors
    /// [`Error::NotConverged`] where the variance does not settle.
    pub(crate) fn new(learner: &Ridge, system: &RidgeSystem, mean: &[f64], total: &[f64]) -> Result<Self> {
        let count = Self::count(learner.dim());
        let streams = learner.problem.streams().named("partners");
        let stream = |set: usize, chunk| streams.stream(Purpose::TheoryModel, set as u64, chunk);
        let sprinkling = Sprinkling::new(learner, system, mean, Leverage::Kept);
        let watch = Watch::new(learner, total);
        let mut damped: Vec<Vec<f64>> = vec![Vec::new(); count];
        let models = first_partners(mean, total, count, &mut streams.stream(Purpose::TheoryModel, 0, 2));
        let mut pool = Self { sprinkling, models, generations: 0, change: f64::INFINITY, ratio: 1.0 };
        while pool.generations < LEAST || pool.change > SETTLED {
            let mut models: Vec<Vec<f64>> = damped
                .par_iter_mut()
                .enumerate()
                .map(|(set, damped)| {
                    let triples = pool.sprinkling.triples(&mut stream(set, 0));
                    let partners = pool.partners(Some(set), triples.len(), &mut stream(set, 1));
                    let mut model =
                        pool.sprinkling.weights(&triples, damped, &|part| pool.residual(part, &partners));
                    pool.put_back(set, system, learner.ridge, mean, &mut model);
                    model
                })
                .collect();
            recentre(&mut models, mean);
            // Without any variance (one data point) there is nothing to settle.
            let ratio = if watch.total > 0.0 { watch.variance(&models, mean) / watch.total } else { 1.0 };
            pool.generations += 1;
            pool.change = if watch.total > 0.0 { (ratio / pool.ratio - 1.0).abs() } else { 0.0 };
            pool.ratio = ratio;
            VARIANCE.report(pool.generations, pool.change, SETTLED);
            if pool.generations == CAP && pool.change > SETTLED {
                return Err(VARIANCE.unsettled(pool.generations, pool.change, SETTLED));
            }
            let settled = pool.change <= SETTLED && (MOST_APART.recip()..=MOST_APART).contains(&ratio);
            if !ratio.is_finite() || ratio <= 0.0 || pool.change <= SETTLED && !settled {
                return Err(Error::OutOfRange {
                    name: "the variance of a generation of the pool of partners, over that of the one before",
                    value: ratio,
                    expected: "about 1, at most a factor of 2 from it: the load is too high; use a larger ridge, more samples or fewer \
                               features",
                });
            }
            stretch(&mut models, mean, ratio.sqrt().recip());
            pool.models = models;
        }
        Ok(pool)
    }

    /// Takes from a set's new model what its partners' mean deviation has put there: the deviations of all K models have no mean, so
    /// that those of its partners have −1/(K − 1) of its own last one, of which the set takes off all but γM.
    fn put_back(&self, set: usize, system: &RidgeSystem, ridge: f64, mean: &[f64], model: &mut [f64]) {
        let count = self.models.len();
        let last: Vec<f64> =
            self.models[set].iter().zip(mean).map(|(w, m)| (w - m) / (count - 1) as f64).collect();
        for ((w, last), left) in model.iter_mut().zip(&last).zip(system.solve(&last)) {
            *w -= last - ridge * left;
        }
    }

    /// The models.
    pub(crate) fn models(&self) -> &[Vec<f64>] {
        &self.models
    }

    /// One more model: trained on a set of its own, with partners from the pool.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let triples = self.sprinkling.triples(rng);
        let partners = self.partners(None, triples.len(), rng);
        self.sprinkling.weights(&triples, &mut Vec::new(), &|part| self.residual(part, &partners))
    }

    /// A partner for each of `count` triples, never the set of the pool that they are.
    pub(super) fn partners(&self, set: Option<usize>, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let others = self.models.len() - usize::from(set.is_some());
        let pick = |_| {
            let other = rng.random_range(0..others);
            if set.is_some_and(|set| other >= set) { other + 1 } else { other }
        };
        (0..count).map(pick).collect()
    }

    /// y_n − Ŵ_{k(n)}ᵀφ_n of some triples, n × D.
    pub(super) fn residual(&self, part: &Part<'_>, partners: &[usize]) -> Vec<f64> {
        let f_len = part.phi.len() / part.t.len();
        let dim = part.labels.len() / part.t.len();
        let mut residual = part.labels.to_vec();
        let mut of: Vec<Vec<usize>> = vec![Vec::new(); self.models.len()];
        partners[part.first..part.first + part.t.len()].iter().enumerate().for_each(|(n, k)| of[*k].push(n));
        for (model, rows) in self.models.iter().zip(of).filter(|(_, rows)| !rows.is_empty()) {
            let gathered: Vec<f64> =
                rows.iter().flat_map(|n| &part.phi[n * f_len..(n + 1) * f_len]).copied().collect();
            let mut predicted = vec![0.0; rows.len() * dim];
            gemm_nn(rows.len(), dim, f_len, &gathered, model, &mut predicted);
            for (n, predicted) in rows.iter().zip(predicted.chunks_exact(dim)) {
                residual[n * dim..(n + 1) * dim].iter_mut().zip(predicted).for_each(|(r, p)| *r -= p);
            }
        }
        residual
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Features, RandomFourier};
    use crate::learner::Spread;
    use crate::problem::{Objective, TrainingProblem};
    use crate::quadrature::QuadratureSpec;
    use crate::rng::Streams;
    use crate::schedule::Schedule;
    use crate::{Error, PointCloud};

    #[test]
    fn a_pool_that_grows_is_refused() {
        let points = (0..20).map(|i| (f64::from(i) * 1.3).sin()).collect();
        let (cloud, schedule) = (PointCloud::new(points, 4).unwrap(), Schedule::paper(0.05).unwrap());
        let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 200, Streams::new(4));
        let features = RandomFourier::new(4, 48, 2.0, 3.0, Some(schedule), Streams::new(2)).unwrap();
        let spec = QuadratureSpec { quasi_nodes: 4096, ..QuadratureSpec::default() };
        let ridge = Ridge::new(&problem.unwrap(), Features::RandomFourier(features), 0.1, &spec).unwrap();
        let solved = ridge.self_consistent().unwrap();
        let Spread::Pooled(pooled) = &solved.spread else { panic!("four outputs are pooled") };
        let made = |total: &[f64]| Partners::new(&ridge, &solved.system, &solved.mean, total);
        let pool = made(&pooled.total).unwrap();
        // The pool of 64 models and the fixed point agree; more than half of the variance is that of the triples themselves.
        assert!((pool.ratio - 1.0).abs() < 4.0 * (2.0 / (64.0 * 4.0f64)).sqrt(), "{}", pool.ratio);
        // Told that they vary ten times less than they do, models make others that vary more.
        let less: Vec<f64> = pooled.total.iter().map(|v| 0.1 * v).collect();
        let grown = made(&less).err().unwrap();
        assert!(matches!(grown, Error::OutOfRange { value, .. } if value > 2.0), "{grown}");
        assert!(grown.to_string().contains("more samples"), "{grown}");
    }
}
