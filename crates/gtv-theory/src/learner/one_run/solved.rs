//! One anchor: what is measured of it, and the covariance that a filter makes of that.

use super::model::TrainedModel;
use super::statistics::Pulled;
use super::{Anchor, Curvature, Filter, OneRunShares, OneRunSpec, Residuals, Unrolled};
use crate::error::Result;
use crate::linalg::{cholesky_semidefinite, gemm_nn, gemm_nt, gemm_tn, symmetric_eigen};
use crate::problem::{TrainingProblem, Triples};
use crate::rng::Purpose;
use std::sync::Arc;

/// Sets fresh triples apart from probes of other uses.
const LANE: u64 = 5;
/// Fresh triples for each of a training set, from which the mean pull is found: its error is a half of what a run deviates by.
const FOR_THE_MEAN: usize = 4;

/// What is known of an anchor before a filter.
pub(super) struct Measured {
    residuals_on: Residuals,
    triples: Arc<Triples>,
    /// ρ of the triples, n × D.
    residuals: Vec<f64>,
    /// The eigenvalues of the curvature with its penalty, and the loss's own share of each.
    values: Vec<f64>,
    losses: Vec<f64>,
    /// The eigenvectors.
    rotation: Vec<f64>,
    /// d of each mode, where there is weight decay.
    decay: Option<Vec<f64>>,
    /// E g − E_own g, K; none where the run's own triples are not known, or are those of the measurement.
    excess: Option<Vec<f64>>,
    loss: f64,
}

/// The covariance of one anchor.
pub(super) struct Solved {
    /// The lower factor of Cov c, K × K.
    pub root: Vec<f64>,
    /// Cov c, K × K.
    pub covariance: Vec<f64>,
    /// λ and S_ii of each mode.
    pub modes: Vec<(f64, f64)>,
    /// Where the model would be without the deviation of its own run, K; none where that is not known.
    pub undone: Option<Vec<f64>>,
    pub shares: OneRunShares,
}

impl Measured {
    pub(super) fn new(problem: &TrainingProblem, anchor: &Anchor, spec: OneRunSpec) -> Result<Self> {
        let model = anchor.model.as_ref();
        let k = model.directions();
        let triples = match spec.residuals {
            Residuals::Training => anchor.known_triples()?.clone(),
            Residuals::Fresh => Arc::new(fresh(problem, spec.fresh)),
        };
        let pulled = Pulled::new(problem, model, &triples);
        let mut curvature = pulled.curvature();
        let pulls = model.pulls();
        if let Some(pulls) = &pulls {
            curvature.iter_mut().zip(&pulls.penalty).for_each(|(h, p)| *h += p);
        }
        let (values, rotation) = symmetric_eigen("the curvature of a trained model", &curvature, k)?;
        let mut losses = values.clone();
        if let Some(pulls) = &pulls {
            let penalty = diagonal(&rotated(&pulls.penalty, &rotation, k), k);
            losses.iter_mut().zip(penalty).for_each(|(loss, penalty)| *loss -= penalty);
        }
        let decay = pulls.map(|pulls| diagonal(&rotated(&pulls.decay, &rotation, k), k));
        let excess = match (spec.residuals, &anchor.triples) {
            (Residuals::Training, _) | (Residuals::Fresh, None) => None,
            (Residuals::Fresh, Some(own)) => {
                let many = fresh(problem, spec.fresh.max(FOR_THE_MEAN * problem.samples()));
                let [all, own] =
                    [&many, own.as_ref()].map(|set| Pulled::new(problem, model, set).mean_pull());
                Some(all.iter().zip(own).map(|(a, b)| a - b).collect())
            }
        };
        let (loss, residuals) = (pulled.loss(), pulled.into_residuals());
        let residuals_on = spec.residuals;
        Ok(Self { residuals_on, triples, residuals, values, losses, rotation, decay, excess, loss })
    }
}

impl Solved {
    pub(super) fn new(
        problem: &TrainingProblem,
        model: &dyn TrainedModel,
        measured: &Measured,
        filter: &Filter,
    ) -> Result<Self> {
        let (k, samples) = (model.directions(), problem.samples());
        let Measured { triples, residuals, values, losses, rotation, decay, excess, .. } = measured;
        let mode = |(i, loss): (usize, &f64)| {
            filter.unroll(Curvature { loss: loss.max(0.0), decay: decay.as_ref().map_or(0.0, |d| d[i]) })
        };
        let modes: Vec<Unrolled> = values.iter().enumerate().map(mode).collect::<Result<_>>()?;
        let ends: Vec<f64> = modes.iter().map(|m| m.end).collect();
        let mut pulled = Pulled::of(problem, model, triples, residuals.clone());
        if measured.residuals_on == Residuals::Training {
            pulled.leave_one_out(rotation, &ends)?;
        }
        let undone = excess.as_ref().map(|pull| filtered(pull, rotation, &ends, k));
        let spread = pulled.spread(problem.draws(), undone.as_deref());
        let points = rotated(&spread.points, rotation, k);
        let data = by_entry(k, |i, j| ends[i] * ends[j] * points[i * k + j] / samples as f64);
        let batches = match filter {
            Filter::Steps(_, passes) => {
                let (noise, triples) = (passes.noise(&modes), rotated(&spread.triples, rotation, k));
                by_entry(k, |i, j| noise[i * k + j] * triples[i * k + j])
            }
            Filter::Ridge(_) | Filter::Flow(_) => vec![0.0; k * k],
        };
        let initial = match model.initial_covariance() {
            Some(start) => {
                let start = rotated(&start, rotation, k);
                by_entry(k, |i, j| modes[i].start * modes[j].start * start[i * k + j])
            }
            None => vec![0.0; k * k],
        };
        // E w tr Var y = tr(H Cov c), H the loss's own curvature.
        let weighed = |cov: &[f64]| (0..k).map(|i| losses[i] * cov[i * (k + 1)]).sum::<f64>();
        let shares = OneRunShares {
            data: weighed(&data),
            batches: weighed(&batches),
            initial: weighed(&initial),
            effective_features: losses.iter().zip(&ends).map(|(v, end)| v * end).sum(),
            missed: model.missed(),
            loss: measured.loss,
        };
        let total = by_entry(k, |i, j| data[i * k + j] + batches[i * k + j] + initial[i * k + j]);
        let covariance = turned(&total, rotation, k);
        let modes = values.iter().copied().zip(diagonal(&points, k)).collect();
        Ok(Self { root: cholesky_semidefinite(&covariance, k), covariance, modes, undone, shares })
    }
}

/// Triples of no training set, in whole groups of those that share a point.
pub(super) fn fresh(problem: &TrainingProblem, count: usize) -> Triples {
    let whole = count.next_multiple_of(problem.draws());
    problem.sampler().draw_from(&mut problem.streams().stream(Purpose::Probe, LANE, 0), whole)
}

/// R φ Rᵀ v.
fn filtered(v: &[f64], rotation: &[f64], ends: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k], vec![0.0; k]);
    gemm_tn(k, 1, k, rotation, v, &mut half);
    half.iter_mut().zip(ends).for_each(|(h, end)| *h *= end);
    gemm_nn(k, 1, k, rotation, &half, &mut out);
    out
}

fn by_entry(k: usize, of: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..k * k).map(|e| of(e / k, e % k)).collect()
}

fn diagonal(matrix: &[f64], k: usize) -> Vec<f64> {
    matrix.iter().step_by(k + 1).copied().collect()
}

/// RᵀAR.
fn rotated(a: &[f64], rotation: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k * k], vec![0.0; k * k]);
    gemm_nn(k, k, k, a, rotation, &mut half);
    gemm_tn(k, k, k, rotation, &half, &mut out);
    out
}

/// RARᵀ.
fn turned(a: &[f64], rotation: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k * k], vec![0.0; k * k]);
    gemm_nn(k, k, k, rotation, a, &mut half);
    gemm_nt(k, k, k, &half, rotation, &mut out);
    out
}
