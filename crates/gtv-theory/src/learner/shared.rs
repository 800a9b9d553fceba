//! The part of a training set's covariance that is not a sum over its triples: their common mean, and shared data points.
//!
//! A training set is n independent data points x0, each noised m times, P = n·m. One triple's influence on the weights is
//! (A+γ)⁻¹ g, g = φ uᵀ (u = w r, damped by 1/(1+δ) in `finite-p`), with E g = γW̄; triples of one x0 share
//! ḡ(x0) = E[g | x0]. So the covariance of (1/P) Σ g over training sets is
//!
//! (1/P) {E[g_i g_jᵀ] + (m − 1) E_{x0}[ḡ_i ḡ_jᵀ] − m γ² W̄_iW̄_jᵀ}:
//!
//! at m = 1 the independent case; as m → ∞ at fixed n, (1/n) Cov_{x0}[ḡ], which only more data points can lower.
//!
//! Tensor nodes give ḡ of every data point. Elsewhere groups of L fresh triples that share a data point give E[ḡ_i ḡ_jᵀ] without bias,
//! as the mean of g_i g_j'ᵀ over pairs of different triples.

use super::{Residual, Ridge, Sprinkling};
use crate::design::sum_in_blocks;
use crate::features::Features;
use crate::linalg::{gemm_nn, gemm_nt, gemm_tn};
use crate::problem::{TrainingProblem, Triples};
use crate::rng::Purpose;
use std::sync::Arc;

/// L; a divisor of the triples in a block.
pub(super) const GROUP: usize = 8;
/// Triples in all groups.
pub(super) const TRIPLES: usize = 1 << 16;

/// What must be added to E[g_i g_jᵀ].
pub(crate) struct SharedPoints {
    dim: usize,
    /// m.
    draws: f64,
    points: Points,
    /// γW̄, F × D.
    mean: Vec<f64>,
}

enum Points {
    /// m = 1: no triples share one.
    Alone,
    /// √((m − 1)/π_m) Σ_{q of m} ρ_q φ_q u_qᵀ, F × D for each data point.
    Each(Vec<Vec<f64>>),
    /// u of N triples in groups, times √((m − 1)/(N (L − 1))).
    Groups { features: Arc<Features>, triples: Triples, influence: Vec<f64> },
}

/// Fresh triples, [`GROUP`] by group of one data point.
pub(super) fn groups_of_triples(problem: &TrainingProblem) -> Triples {
    let mut rng = problem.streams().named("groups of triples").stream(Purpose::TheoryModel, 0, 0);
    problem.sampler().grouped(GROUP).draw_from(&mut rng, TRIPLES)
}

impl SharedPoints {
    /// The term of the influences whose mean is γW̄, W̄ = `mean` (F × D): those on tensor nodes (Q × D), or those that a sprinkling's
    /// triples have with a residual.
    pub(crate) fn new(
        learner: &Ridge,
        mean: &[f64],
        influence: impl FnOnce() -> Vec<f64>,
        sprinkled: impl FnOnce() -> Sprinkling,
        residual: Residual<'_>,
    ) -> Self {
        let (dim, ridge, draws) = (learner.dim(), learner.ridge, learner.problem.draws() as f64);
        let points = if learner.problem.draws() == 1 {
            Points::Alone
        } else if learner.nodes.blocks().is_empty() {
            Self::groups(learner, &sprinkled(), residual)
        } else {
            Self::each(learner, &influence())
        };
        Self { dim, draws, points, mean: mean.iter().map(|w| ridge * w).collect() }
    }

    fn each(learner: &Ridge, influence: &[f64]) -> Points {
        let (dim, nodes, draws) = (learner.dim(), &learner.nodes, learner.problem.draws() as f64);
        let mut values = vec![0.0; influence.len()];
        let live = learner.problem.cloud().weights().iter().enumerate().filter(|(_, w)| **w > 0.0);
        let of_point = |(m, weight): (usize, &f64)| {
            let scale = ((draws - 1.0) / weight).sqrt();
            for (q, values) in values.chunks_exact_mut(dim).enumerate() {
                let on = if nodes.point[q] as usize == m { scale * nodes.mass[q] } else { 0.0 };
                for (v, u) in values.iter_mut().zip(&influence[q * dim..]) {
                    *v = on * u;
                }
            }
            learner.design.project(&values, dim)
        };
        Points::Each(live.map(of_point).collect())
    }

    fn groups(learner: &Ridge, sprinkling: &Sprinkling, residual: Residual<'_>) -> Points {
        let (problem, samples) = (&learner.problem, learner.samples());
        let triples = groups_of_triples(problem);
        let scale =
            samples * ((problem.draws() as f64 - 1.0) / (TRIPLES as f64 * (GROUP as f64 - 1.0))).sqrt();
        let mut influence = sprinkling.influence(&triples, &|part| residual.of_triples(learner, part));
        influence.iter_mut().for_each(|u| *u *= scale);
        Points::Groups { features: learner.features.clone(), triples, influence }
    }

    /// Adds (m − 1) E[ḡ_i ḡ_jᵀ] − m γ² W̄_iW̄_jᵀ to E[g_i g_jᵀ], F × F.
    pub(crate) fn add_to(&self, inner: &mut [f64], i: usize, j: usize) {
        let f_len = inner.len().isqrt();
        let mut add = |sign: f64, sum: &[f64]| {
            for (a, row) in inner.chunks_exact_mut(f_len).enumerate() {
                let left = sign * sum[a * self.dim + i];
                for (b, v) in row.iter_mut().enumerate() {
                    *v += left * sum[b * self.dim + j];
                }
            }
        };
        add(-self.draws, &self.mean);
        match &self.points {
            Points::Alone => {}
            Points::Each(points) => points.iter().for_each(|point| add(1.0, point)),
            Points::Groups { .. } => self.add_pairs(inner, |u, other| u[i] * other[j]),
        }
    }

    /// Adds the same for i = j, summed over outputs, to E[Σ_i g_i g_iᵀ], F × F.
    pub(crate) fn add_trace_to(&self, inner: &mut [f64]) {
        let f_len = inner.len().isqrt();
        let mut product = vec![0.0; inner.len()];
        let mut add = |sign: f64, sum: &[f64]| {
            gemm_nt(f_len, f_len, self.dim, sum, sum, &mut product);
            inner.iter_mut().zip(&product).for_each(|(v, p)| *v += sign * p);
        };
        add(-self.draws, &self.mean);
        match &self.points {
            Points::Alone => {}
            Points::Each(points) => points.iter().for_each(|point| add(1.0, point)),
            Points::Groups { .. } => {
                self.add_pairs(inner, |u, other| u.iter().zip(other).map(|(a, b)| a * b).sum());
            }
        }
    }

    /// Adds Σ `product`(u_l, u_l') φ_l φ_l'ᵀ over pairs of different triples of a group.
    fn add_pairs(&self, inner: &mut [f64], product: impl Fn(&[f64], &[f64]) -> f64 + Sync) {
        let Points::Groups { features, triples, influence } = &self.points else { return };
        let (dim, f_len) = (self.dim, features.len());
        let sum = sum_in_blocks(triples.len(), f_len * f_len, |range| {
            let x = &triples.x[range.start * dim..range.end * dim];
            let mut phi = vec![0.0; range.len() * f_len];
            features.fill(x, &triples.t[range.clone()], &mut phi);
            let mut mixed = vec![0.0; phi.len()];
            let groups = phi.chunks_exact(GROUP * f_len).zip(mixed.chunks_exact_mut(GROUP * f_len));
            let influence = influence[range.start * dim..range.end * dim].chunks_exact(GROUP * dim);
            for ((phi, mixed), u) in groups.zip(influence) {
                let factors: Vec<f64> = (0..GROUP * GROUP)
                    .map(|k| {
                        let (a, b) = (k / GROUP, k % GROUP);
                        let of = |l: usize| &u[l * dim..(l + 1) * dim];
                        if a == b { 0.0 } else { product(of(a), of(b)) }
                    })
                    .collect();
                gemm_nn(GROUP, f_len, GROUP, &factors, phi, mixed);
            }
            let mut out = vec![0.0; f_len * f_len];
            gemm_tn(f_len, f_len, range.len(), &phi, &mixed, &mut out);
            out
        });
        inner.iter_mut().zip(sum).for_each(|(v, s)| *v += s);
    }
}
