//! Training sets drawn anew, and what their triples do to the weights to first order.
//!
//! Ŵ = W̄ − γMW̄ + (1/P) Σ_n M φ_n w_n r_nᵀ/(1+δ_n), M = (A_δ+γ)⁻¹, N ~ Poisson(P) triples of ρ, δ = (w/P) φᵀMφ where leverage is kept and
//! 0 at leading order.

use super::labels::conditional_labels;
use super::{Precision, Ridge, RidgeSystem};
use crate::design::blocks;
use crate::features::Features;
use crate::linalg::{self, gemm_nn, gemm_tn};
use crate::problem::{TrainingProblem, Triples};
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Whether a triple's own leverage δ shrinks its residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leverage {
    /// By 1/(1 + δ), as in `finite-p`.
    Kept,
    /// Not, as to first order in 1/P.
    Dropped,
}

/// What turns a training set into weights.
pub(crate) struct Sprinkling {
    pub(super) problem: TrainingProblem,
    pub(super) features: Arc<Features>,
    /// M, F × F.
    inverse: Vec<f64>,
    /// What quadratic forms of M are computed from.
    folded: Folded,
    leverage: Leverage,
    /// W̄ − γMW̄, F × D.
    offset: Vec<f64>,
}

/// M folded, in the precision of features and quadratic forms.
enum Folded {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// What makes residuals (n × D) of some triples.
pub(crate) type Residuals<'a> = &'a (dyn Fn(&Part<'_>) -> Vec<f64> + Sync);

/// Some triples of a training set, with their features (n × F) and labels (n × D).
pub(crate) struct Part<'a> {
    pub(crate) first: usize,
    pub(crate) x: &'a [f64],
    pub(crate) t: &'a [f64],
    pub(crate) phi: &'a [f64],
    pub(crate) labels: &'a [f64],
}

/// What is left of a label.
#[derive(Clone, Copy)]
pub(crate) enum Residual<'a> {
    /// Its noise, y − E[y | x, t].
    Noise,
    /// y − W̄ᵀφ of the weights W̄, F × D.
    Fit(&'a [f64]),
}

impl Residual<'_> {
    /// Of some triples, n × D.
    pub(super) fn of_triples(self, learner: &Ridge, part: &Part<'_>) -> Vec<f64> {
        let fitted = match self {
            Self::Noise => conditional_labels(&learner.problem, part.x, part.t).fitted,
            Self::Fit(mean) => {
                let mut predicted = vec![0.0; part.labels.len()];
                gemm_nn(part.t.len(), learner.dim(), learner.features.len(), part.phi, mean, &mut predicted);
                predicted
            }
        };
        part.labels.iter().zip(fitted).map(|(y, f)| y - f).collect()
    }
}

impl Sprinkling {
    pub(crate) fn new(learner: &Ridge, system: &RidgeSystem, mean: &[f64], leverage: Leverage) -> Self {
        let shrunk = system.solve(mean);
        let folded = linalg::fold(system.inverse(), learner.features.len());
        Self {
            problem: learner.problem.clone(),
            features: learner.features.clone(),
            inverse: system.inverse().to_vec(),
            folded: match learner.precision(system) {
                Precision::Single => Folded::Single(linalg::single(&folded)),
                Precision::Double => Folded::Double(folded),
            },
            leverage,
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

    /// w_n/(1+δ_n)/P of some triples, given their features.
    fn damp(&self, phi: &[f64], t: &[f64], damped: &mut [f64]) {
        let (f_len, samples) = (self.features.len(), self.problem.samples() as f64);
        match (self.leverage, &self.folded) {
            (Leverage::Dropped, _) => damped.fill(0.0),
            (Leverage::Kept, Folded::Double(folded)) => linalg::quadratic_forms(phi, folded, f_len, damped),
            (Leverage::Kept, Folded::Single(folded)) => {
                linalg::rough_quadratic_forms(&linalg::single(phi), folded, f_len, damped);
            }
        }
        for (d, &t) in damped.iter_mut().zip(t) {
            let weight = self.problem.weight(t) / samples;
            *d = weight / (1.0 + weight * *d);
        }
    }

    /// The weights that triples give, from their residuals and their w/(1+δ)/P, which are filled in where there are none.
    pub(crate) fn weights(
        &self,
        triples: &Triples,
        damped: &mut Vec<f64>,
        residuals: Residuals<'_>,
    ) -> Vec<f64> {
        let (dim, f_len) = (self.problem.dim(), self.features.len());
        let labels = self.problem.labels(triples);
        let known = !damped.is_empty();
        damped.resize(triples.len(), 0.0);
        let (mut sum, mut part_sum) = (vec![0.0; f_len * dim], vec![0.0; f_len * dim]);
        for range in blocks(triples.len()) {
            let phi = self.phi(triples, range.clone());
            let part = Part::of(triples, &labels, &phi, range.clone());
            if !known {
                self.damp(&phi, part.t, &mut damped[range.clone()]);
            }
            let influence = scaled(residuals(&part), &damped[range.clone()]);
            gemm_tn(f_len, dim, range.len(), &phi, &influence, &mut part_sum);
            sum.iter_mut().zip(&part_sum).for_each(|(s, p)| *s += p);
        }
        let mut weights = vec![0.0; f_len * dim];
        gemm_nn(f_len, dim, f_len, &self.inverse, &sum, &mut weights);
        weights.iter_mut().zip(&self.offset).for_each(|(w, o)| *w += o);
        weights
    }

    /// w_n r_n/(1+δ_n)/P of triples, n × D.
    pub(super) fn influence(&self, triples: &Triples, residuals: Residuals<'_>) -> Vec<f64> {
        let labels = self.problem.labels(triples);
        let all: Vec<Range<usize>> = blocks(triples.len()).collect();
        let of_block = |range: Range<usize>| {
            let phi = self.phi(triples, range.clone());
            let part = Part::of(triples, &labels, &phi, range.clone());
            let mut damped = vec![0.0; range.len()];
            self.damp(&phi, part.t, &mut damped);
            scaled(residuals(&part), &damped)
        };
        all.into_par_iter().map(of_block).collect::<Vec<_>>().concat()
    }

    /// φ of some triples, n × F.
    fn phi(&self, triples: &Triples, range: Range<usize>) -> Vec<f64> {
        let dim = self.problem.dim();
        let x = &triples.x[range.start * dim..range.end * dim];
        let (t, len) = (&triples.t[range.clone()], range.len() * self.features.len());
        match &self.folded {
            Folded::Single(_) => {
                let mut phi = vec![0.0; len];
                self.features.fill_rough(x, t, &mut phi);
                phi.into_iter().map(f64::from).collect()
            }
            Folded::Double(_) => {
                let mut phi = vec![0.0; len];
                self.features.fill(x, t, &mut phi);
                phi
            }
        }
    }
}

impl<'a> Part<'a> {
    fn of(triples: &'a Triples, labels: &'a [f64], phi: &'a [f64], range: Range<usize>) -> Self {
        let dim = labels.len() / triples.len();
        let rows = range.start * dim..range.end * dim;
        let (x, t) = (&triples.x[rows.clone()], &triples.t[range.clone()]);
        Self { first: range.start, x, t, phi, labels: &labels[rows] }
    }
}

/// The rows of a matrix (n × D), each times a number.
fn scaled(mut rows: Vec<f64>, factors: &[f64]) -> Vec<f64> {
    let dim = rows.len() / factors.len().max(1);
    for (row, factor) in rows.chunks_exact_mut(dim.max(1)).zip(factors) {
        row.iter_mut().for_each(|v| *v *= factor);
    }
    rows
}
