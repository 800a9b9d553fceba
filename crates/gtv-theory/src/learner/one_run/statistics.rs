//! What the triples of a training say of a trained model: curvature and the spread of single triples' pulls in its directions.
//!
//! With Φ_n = √w ∂y/∂c (D × K) and ρ_n = √w (label − y) of triple n: H = E ΦᵀΦ, g_n = Φ_nᵀρ_n, S = Cov g.

use super::model::{TrainedModel, points_a_block};
use crate::error::Result;
use crate::linalg::{gemm_nn, gemm_tn_lower, mirror_lower, solve_spd};
use crate::problem::{TrainingProblem, Triples};
use crate::score::ScoreField;
use rayon::prelude::*;

/// States of a field, or pulls, at a time.
const BLOCK: usize = 512;
/// Blocks that are under way together: what bounds memory, whatever the number of threads.
const TOGETHER: usize = 4;

/// Triples with ρ of a model; Φ is asked for block by block.
pub(super) struct Pulled<'a> {
    problem: &'a TrainingProblem,
    model: &'a dyn TrainedModel,
    triples: &'a Triples,
    /// ρ, n × D.
    residuals: Vec<f64>,
}

/// Some of the triples, with their residuals.
struct Block<'a> {
    x: &'a [f64],
    t: &'a [f64],
    residuals: &'a [f64],
}

impl<'a> Pulled<'a> {
    pub(super) fn new(
        problem: &'a TrainingProblem,
        model: &'a dyn TrainedModel,
        triples: &'a Triples,
    ) -> Self {
        Self::of(problem, model, triples, Self::residuals_of(problem, model.field().as_ref(), triples))
    }

    /// The same with residuals that are known, n × D.
    pub(super) fn of(
        problem: &'a TrainingProblem,
        model: &'a dyn TrainedModel,
        triples: &'a Triples,
        residuals: Vec<f64>,
    ) -> Self {
        Self { problem, model, triples, residuals }
    }

    pub(super) fn into_residuals(self) -> Vec<f64> {
        self.residuals
    }

    /// ρ of a field, n × D.
    pub(super) fn residuals_of(
        problem: &TrainingProblem,
        field: &dyn ScoreField,
        triples: &Triples,
    ) -> Vec<f64> {
        let (dim, objective, schedule) = (problem.dim(), problem.objective(), problem.schedule());
        let mut residuals = problem.labels(triples);
        let states = triples.x.par_chunks(BLOCK * dim).zip(triples.t.par_chunks(BLOCK));
        residuals.par_chunks_mut(BLOCK * dim).zip(states).for_each(|(residuals, (x, t))| {
            let mut scores = vec![0.0; x.len()];
            field.scores_into(x, t, &mut scores);
            let rows = residuals.chunks_exact_mut(dim).zip(scores.chunks_exact(dim)).zip(x.chunks_exact(dim));
            for (((residual, score), x), &t) in rows.zip(t) {
                let (on_y, on_x) = objective.score_coefficients(schedule, t);
                let (skip, root) = (objective.skip(schedule, t), problem.weight(t).sqrt());
                for ((residual, score), x) in residual.iter_mut().zip(score).zip(x) {
                    let y = (score - on_x * x) / on_y;
                    *residual = root * (*residual - (y - skip * x));
                }
            }
        });
        residuals
    }

    fn len(&self) -> usize {
        self.triples.len()
    }

    /// What `of` finds of each block and its Φ, in order, to `take`.
    fn blocks<T: Send>(&self, of: impl Fn(Block<'_>, Vec<f64>) -> T + Sync, mut take: impl FnMut(T)) {
        let (dim, k) = (self.problem.dim(), self.model.directions());
        let each = points_a_block(dim, k);
        let states = self.triples.x.chunks(each * dim).zip(self.triples.t.chunks(each));
        let blocks: Vec<Block<'_>> = states
            .zip(self.residuals.chunks(each * dim))
            .map(|((x, t), residuals)| Block { x, t, residuals })
            .collect();
        let found = |block: &Block<'_>| {
            let mut rows = self.model.derivatives(block.x, block.t);
            for (rows, t) in rows.chunks_exact_mut(dim * k).zip(block.t) {
                let root = self.problem.weight(*t).sqrt();
                rows.iter_mut().for_each(|v| *v *= root);
            }
            of(Block { ..*block }, rows)
        };
        for together in blocks.chunks(TOGETHER) {
            together.par_iter().map(found).collect::<Vec<T>>().into_iter().for_each(&mut take);
        }
    }

    /// H, K × K.
    pub(super) fn curvature(&self) -> Vec<f64> {
        let (k, share) = (self.model.directions(), 1.0 / self.len() as f64);
        let mut sum = vec![0.0; k * k];
        self.blocks(|_, rows| moment(&rows, k), |part| add(&mut sum, part, share));
        mirror_lower(&mut sum, k);
        sum
    }

    /// Mean of |ρ|²/2, the loss.
    pub(super) fn loss(&self) -> f64 {
        self.residuals.iter().map(|r| r * r).sum::<f64>() / (2 * self.len()) as f64
    }

    /// E g, K.
    pub(super) fn mean_pull(&self) -> Vec<f64> {
        let dim = self.problem.dim();
        let Triples { x, t, .. } = self.triples;
        let share = |e: usize| self.problem.weight(t[e / dim]).sqrt() / self.len() as f64;
        let weighed: Vec<f64> = self.residuals.iter().enumerate().map(|(e, r)| r * share(e)).collect();
        self.model.pullback(x, t, &weighed)
    }

    /// The residuals that these triples would have had, had each been left out of a training of filter φ on them: (1 − h_n)⁻¹ρ_n
    /// with h_n = (1/P) Φ_n R φ Rᵀ Φ_nᵀ.
    ///
    /// # Errors
    /// A triple that its own label decides: h_n of 1 or more.
    pub(super) fn leave_one_out(&mut self, rotation: &[f64], ends: &[f64]) -> Result<()> {
        let (dim, k, count) = (self.problem.dim(), self.model.directions(), self.len());
        let left_out = |block: Block<'_>, rows: Vec<f64>| -> Result<Vec<f64>> {
            let (mut rotated, mut residuals) = (vec![0.0; rows.len()], block.residuals.to_vec());
            gemm_nn(rows.len() / k, k, k, &rows, rotation, &mut rotated);
            for (rows, residual) in rotated.chunks_exact(dim * k).zip(residuals.chunks_exact_mut(dim)) {
                let mut system = vec![0.0; dim * dim];
                for i in 0..dim {
                    for j in 0..dim {
                        let (a, b) = (&rows[i * k..][..k], &rows[j * k..][..k]);
                        let own: f64 = a.iter().zip(b).zip(ends).map(|((a, b), end)| a * b * end).sum();
                        system[i * dim + j] = f64::from(u8::from(i == j)) - own / count as f64;
                    }
                }
                let advice = "a triple decides its own prediction: use theory.residuals = \"fresh\", or more model.samples";
                solve_spd("1 - h of a training triple", advice, &system, dim, residual)?;
            }
            Ok(residuals)
        };
        let mut found = Vec::new();
        self.blocks(left_out, |residuals| found.push(residuals));
        self.residuals = found.into_iter().collect::<Result<Vec<_>>>()?.concat();
        Ok(())
    }

    /// The covariance of pulls, of triples and of whole data points with `draws` triples each, both for one triple: S and
    /// Cov(Σ_j g_j)/m. The residuals are those of the model moved by c, ρ − Φc, where there is one.
    pub(super) fn spread(&self, draws: usize, moved: Option<&[f64]>) -> Spread {
        let (dim, k, count) = (self.problem.dim(), self.model.directions(), self.len());
        let pulls_of = |block: Block<'_>, rows: Vec<f64>| -> Vec<f64> {
            let mut pulls = vec![0.0; block.t.len() * k];
            for (e, (row, residual)) in rows.chunks_exact(k).zip(block.residuals).enumerate() {
                let change = moved.map_or(0.0, |c| row.iter().zip(c).map(|(v, c)| v * c).sum());
                let pull = &mut pulls[e / dim * k..][..k];
                pull.iter_mut().zip(row).for_each(|(p, v)| *p += (residual - change) * v);
            }
            pulls
        };
        let mut pulls = Vec::with_capacity(count * k);
        self.blocks(pulls_of, |part| pulls.extend(part));
        let mut mean = vec![0.0; k];
        pulls.chunks_exact(k).for_each(|pull| add(&mut mean, pull.iter().copied(), 1.0 / count as f64));
        pulls.par_chunks_mut(k).for_each(|pull| pull.iter_mut().zip(&mean).for_each(|(p, m)| *p -= m));
        let covariance = |pulls: &[f64]| {
            let mut sum = vec![0.0; k * k];
            for together in pulls.chunks(TOGETHER * BLOCK * k) {
                let parts: Vec<_> = together.par_chunks(BLOCK * k).map(|rows| moment(rows, k)).collect();
                parts.into_iter().for_each(|part| add(&mut sum, part, 1.0 / count as f64));
            }
            mirror_lower(&mut sum, k);
            sum
        };
        let triples = covariance(&pulls);
        let points = if draws == 1 {
            triples.clone()
        } else {
            let sums: Vec<f64> = pulls
                .chunks_exact(k * draws)
                .flat_map(|group| (0..k).map(move |i| group.iter().skip(i).step_by(k).sum::<f64>()))
                .collect();
            covariance(&sums)
        };
        Spread { points, triples }
    }
}

/// Σ_r v_r v_rᵀ over rows v of K, its lower triangle.
fn moment(rows: &[f64], k: usize) -> Vec<f64> {
    let mut part = vec![0.0; k * k];
    gemm_tn_lower(k, rows.len() / k, rows, rows, &mut part);
    part
}

fn add(sum: &mut [f64], part: impl IntoIterator<Item = f64>, scale: f64) {
    sum.iter_mut().zip(part).for_each(|(s, p)| *s += scale * p);
}

/// Covariances of pulls, K × K.
pub(super) struct Spread {
    /// Of whole data points.
    pub points: Vec<f64>,
    /// Of single triples.
    pub triples: Vec<f64>,
}
