//! What the triples of a training say of a trained model: curvature and the spread of single triples' pulls in its directions.
//!
//! With Φ_n = √w ∂y/∂c (D × K) and ρ_n = √w (label − y) of triple n: H = E ΦᵀΦ, g_n = Φ_nᵀρ_n, S = Cov g.

use super::model::TrainedModel;
use crate::error::Result;
use crate::linalg::{gemm_nn, gemm_tn, mirror_lower, solve_spd};
use crate::problem::{TrainingProblem, Triples};
use crate::score::ScoreField;
use rayon::prelude::*;

/// Triples at a time; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 512;

/// Triples with Φ and ρ of a model.
pub(super) struct Pulled {
    dim: usize,
    directions: usize,
    /// Φ, n × D × K.
    rows: Vec<f64>,
    /// ρ, n × D.
    residuals: Vec<f64>,
}

impl Pulled {
    pub(super) fn new(problem: &TrainingProblem, model: &dyn TrainedModel, triples: &Triples) -> Self {
        let (dim, directions) = (problem.dim(), model.directions());
        let blocks = triples.x.par_chunks(BLOCK * dim).zip(triples.t.par_chunks(BLOCK)).map(|(x, t)| {
            let mut rows = model.derivatives(x, t);
            for (rows, t) in rows.chunks_exact_mut(dim * directions).zip(t) {
                let root = problem.weight(*t).sqrt();
                rows.iter_mut().for_each(|v| *v *= root);
            }
            rows
        });
        let rows = blocks.collect::<Vec<_>>().concat();
        let residuals = Self::residuals_of(problem, model.field().as_ref(), triples);
        Self { dim, directions, rows, residuals }
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
        self.residuals.len() / self.dim
    }

    /// H, K × K.
    pub(super) fn curvature(&self) -> Vec<f64> {
        self.moment(&self.rows, 1.0 / self.len() as f64)
    }

    /// Σ_r scale v_r v_rᵀ over rows v of `rows`.
    fn moment(&self, rows: &[f64], scale: f64) -> Vec<f64> {
        let k = self.directions;
        let parts: Vec<Vec<f64>> = rows
            .par_chunks(BLOCK * k)
            .map(|rows| {
                let mut part = vec![0.0; k * k];
                gemm_tn(k, k, rows.len() / k, rows, rows, &mut part);
                part
            })
            .collect();
        let mut sum = vec![0.0; k * k];
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += scale * p);
        }
        sum
    }

    /// Mean of |ρ|²/2, the loss.
    pub(super) fn loss(&self) -> f64 {
        self.residuals.iter().map(|r| r * r).sum::<f64>() / (2 * self.len()) as f64
    }

    /// E g, K.
    pub(super) fn mean_pull(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.directions];
        for (row, residual) in self.rows.chunks_exact(self.directions).zip(&self.residuals) {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += residual * v / self.len() as f64);
        }
        mean
    }

    /// The residuals of the model moved by c, ρ − Φc.
    pub(super) fn moved(&mut self, c: &[f64]) {
        for (row, residual) in self.rows.chunks_exact(self.directions).zip(&mut self.residuals) {
            *residual -= row.iter().zip(c).map(|(v, c)| v * c).sum::<f64>();
        }
    }

    /// The residuals that these triples would have had, had each been left out of a training of filter φ on them: (1 − h_n)⁻¹ρ_n
    /// with h_n = (1/P) Φ_n R φ Rᵀ Φ_nᵀ.
    ///
    /// # Errors
    /// A triple that its own label decides: h_n of 1 or more.
    pub(super) fn leave_one_out(&mut self, rotation: &[f64], ends: &[f64]) -> Result<()> {
        let (dim, k, count) = (self.dim, self.directions, self.len());
        let mut rotated = vec![0.0; self.rows.len()];
        gemm_nn(self.rows.len() / k, k, k, &self.rows, rotation, &mut rotated);
        for (rows, residual) in rotated.chunks_exact(dim * k).zip(self.residuals.chunks_exact_mut(dim)) {
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
        Ok(())
    }

    /// The covariance of pulls, of triples and of whole data points with `draws` triples each, both for one triple: S and
    /// Cov(Σ_j g_j)/m.
    pub(super) fn spread(&self, draws: usize) -> Spread {
        let (dim, k, count) = (self.dim, self.directions, self.len());
        let mut pulls = vec![0.0; count * k];
        pulls.par_chunks_mut(k).enumerate().for_each(|(n, pull)| {
            for i in 0..dim {
                let (row, residual) = (&self.rows[(n * dim + i) * k..][..k], self.residuals[n * dim + i]);
                pull.iter_mut().zip(row).for_each(|(p, v)| *p += residual * v);
            }
        });
        let mut mean = vec![0.0; k];
        for pull in pulls.chunks_exact(k) {
            mean.iter_mut().zip(pull).for_each(|(m, p)| *m += p / count as f64);
        }
        pulls.par_chunks_mut(k).for_each(|pull| pull.iter_mut().zip(&mean).for_each(|(p, m)| *p -= m));
        let mut triples = self.moment(&pulls, 1.0 / count as f64);
        mirror_lower(&mut triples, k);
        let points = if draws == 1 {
            triples.clone()
        } else {
            let sums: Vec<f64> = pulls
                .chunks_exact(k * draws)
                .flat_map(|group| (0..k).map(move |i| group.iter().skip(i).step_by(k).sum::<f64>()))
                .collect();
            self.moment(&sums, 1.0 / count as f64)
        };
        Spread { points, triples }
    }
}

/// Covariances of pulls, K × K.
pub(super) struct Spread {
    /// Of whole data points.
    pub points: Vec<f64>,
    /// Of single triples.
    pub triples: Vec<f64>,
}
