//! The law of a trained model's field from its own run: Gaussian about the field less its own deviation, Cov y = ∂y Cov c ∂yᵀ, averaged over anchors.

use super::{At, Law, PredictionMoments};
use crate::learner::{Change, TrainedModel, points_a_block};
use crate::linalg::{fold, gemm_nn, gemm_nt, quadratic_forms};
use crate::memo::MemoField;
use crate::problem::{Objective, Prediction, Schedule, TrainingProblem};
use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::Arc;

/// One anchor's part.
pub(crate) struct AnchorLaw {
    pub model: Arc<dyn TrainedModel>,
    /// The field that it stands for.
    pub field: Arc<dyn ScoreField>,
    /// Cov c, K × K.
    pub covariance: Vec<f64>,
    /// Its lower factor.
    pub root: Vec<f64>,
}

/// Numbers of the mean field that are remembered: the tables of all models that are drawn ask for the same points.
const REMEMBERED: usize = 1 << 22;

/// The law of the models that other trainings would have given.
pub struct OneRunLaw {
    anchors: Arc<Vec<AnchorLaw>>,
    mean: Arc<dyn ScoreField>,
    objective: Objective,
    schedule: Schedule,
}

impl OneRunLaw {
    pub(crate) fn new(problem: &TrainingProblem, anchors: Vec<AnchorLaw>) -> Self {
        let mut fields: Vec<Arc<dyn ScoreField>> = anchors.iter().map(|a| a.field.clone()).collect();
        let mean: Arc<dyn ScoreField> = match fields.len() {
            1 => fields.remove(0),
            _ => Arc::new(Average { fields }),
        };
        let mean = Arc::new(MemoField::new(mean, REMEMBERED));
        let (objective, schedule) = (*problem.objective(), *problem.schedule());
        Self { anchors: Arc::new(anchors), mean, objective, schedule }
    }

    /// Points at a time; fixed, so that nothing depends on the number of threads.
    fn block(&self) -> usize {
        let directions = self.anchors.iter().map(|a| a.model.directions()).max().unwrap_or(1);
        points_a_block(self.mean.dim(), directions)
    }

    fn on_y(&self, t: f64) -> f64 {
        self.objective.score_coefficients(&self.schedule, t).0
    }
}

impl AnchorLaw {
    /// ∂y(z_i) Cov c ∂y(z'_i)ᵀ of the i-th points of two lists, n × D × D.
    fn pairs(&self, (x, t): (&[f64], &[f64]), (y, u): (&[f64], &[f64])) -> Vec<f64> {
        let (k, dim) = (self.model.directions(), x.len() / t.len().max(1));
        let (_, images) = images(self.model.as_ref(), &self.covariance, x, t);
        let others = self.model.derivatives(y, u);
        let mut pairs = vec![0.0; t.len() * dim * dim];
        let blocks = images.chunks_exact(dim * k).zip(others.chunks_exact(dim * k));
        for (pair, (image, rows)) in pairs.chunks_exact_mut(dim * dim).zip(blocks) {
            gemm_nt(dim, dim, k, image, rows, pair);
        }
        pairs
    }

    /// Var y_i at points, n × D.
    fn variance(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let k = self.model.directions();
        let mut variance = vec![0.0; x.len()];
        quadratic_forms(&self.model.derivatives(x, t), &fold(&self.covariance, k), k, &mut variance);
        variance
    }
}

/// ∂y and ∂y Cov c of a model at points, n × D × K.
pub(crate) fn images(
    model: &dyn TrainedModel,
    covariance: &[f64],
    x: &[f64],
    t: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let k = model.directions();
    let rows = model.derivatives(x, t);
    let mut images = vec![0.0; rows.len()];
    gemm_nn(rows.len() / k, k, k, &rows, covariance, &mut images);
    (rows, images)
}

impl Law for OneRunLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.mean.clone()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.covs((z.x, &[z.t]), (other.x, &[other.t]))
    }

    fn covs(&self, (x, t): (&[f64], &[f64]), (y, u): (&[f64], &[f64])) -> Vec<f64> {
        let (dim, share) = (self.mean.dim(), 1.0 / self.anchors.len() as f64);
        let each = self.block();
        let points = x.par_chunks(each * dim).zip(t.par_chunks(each));
        let others = y.par_chunks(each * dim).zip(u.par_chunks(each));
        let blocks = points.zip(others).map(|((x, t), (y, u))| {
            let mut covs = vec![0.0; t.len() * dim * dim];
            for anchor in self.anchors.iter() {
                covs.iter_mut().zip(anchor.pairs((x, t), (y, u))).for_each(|(c, own)| *c += share * own);
            }
            for (cov, (&t, &u)) in covs.chunks_exact_mut(dim * dim).zip(t.iter().zip(u)) {
                let scale = self.on_y(t) * self.on_y(u);
                cov.iter_mut().for_each(|c| *c *= scale);
            }
            covs
        });
        blocks.collect::<Vec<_>>().concat()
    }

    fn cov_traces(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (count, share) = (t.len(), 1.0 / self.anchors.len() as f64);
        let (mut traces, mut own) = (vec![0.0; count * count], vec![0.0; count * count]);
        for anchor in self.anchors.iter() {
            let (rows, image) = images(anchor.model.as_ref(), &anchor.covariance, x, t);
            // The trace over outputs is a product over outputs and directions.
            gemm_nt(count, count, rows.len() / count.max(1), &image, &rows, &mut own);
            traces.iter_mut().zip(&own).for_each(|(c, own)| *c += share * own);
        }
        let on_y: Vec<f64> = t.iter().map(|t| self.on_y(*t)).collect();
        traces.iter_mut().enumerate().for_each(|(e, c)| *c *= on_y[e / count] * on_y[e % count]);
        traces
    }

    fn prediction_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> PredictionMoments {
        let dim = self.mean.dim();
        let share = 1.0 / self.anchors.len() as f64;
        let each = self.block();
        let blocks = x.par_chunks(each * dim).zip(t.par_chunks(each)).map(|(x, t)| {
            let (mut mean, mut variance) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            self.mean.scores_into(x, t, &mut mean);
            for anchor in self.anchors.iter() {
                let own = anchor.variance(x, t);
                variance.iter_mut().zip(own).for_each(|(v, own)| *v += share * own);
            }
            for (n, &t) in t.iter().enumerate() {
                let (on_y, on_x) = prediction.score_coefficients(&self.schedule, t);
                let (at, range) = (&x[n * dim..][..dim], n * dim..(n + 1) * dim);
                mean[range.clone()].iter_mut().zip(at).for_each(|(m, x)| *m = (*m - on_x * x) / on_y);
                let ratio = (self.on_y(t) / on_y).powi(2);
                variance[range].iter_mut().for_each(|v| *v *= ratio);
            }
            (mean, variance)
        });
        let (mean, variance): (Vec<_>, Vec<_>) = blocks.collect::<Vec<_>>().into_iter().unzip();
        PredictionMoments { mean: mean.concat(), variance: variance.concat() }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        let anchor = &self.anchors[rng.random_range(0..self.anchors.len())];
        let k = anchor.model.directions();
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(k).collect();
        let row = |i: usize| anchor.root[i * k..=i * k + i].iter().zip(&noise).map(|(l, z)| l * z).sum();
        let c: Vec<f64> = (0..k).map(row).collect();
        let (base, change) = (self.mean.clone(), anchor.model.change(&c));
        Some(Box::new(Changed { base, change, objective: self.objective, schedule: self.schedule }))
    }
}

/// A model's field, moved by c where there is one.
pub(crate) fn moved(
    problem: &TrainingProblem,
    model: &Arc<dyn TrainedModel>,
    c: Option<&[f64]>,
) -> Arc<dyn ScoreField> {
    let (base, objective, schedule) = (model.field(), *problem.objective(), *problem.schedule());
    match c {
        None => base,
        Some(c) => Arc::new(Changed { base, change: model.change(c), objective, schedule }),
    }
}

/// ŝ = base + a ∂y·c.
struct Changed {
    base: Arc<dyn ScoreField>,
    change: Change,
    objective: Objective,
    schedule: Schedule,
}

impl Changed {
    /// scores + a ∂y·c, n × D.
    fn add(&self, x: &[f64], t: &[f64], scores: &[f64], out: &mut [f64]) {
        (self.change)(x, t, out);
        let dim = self.dim();
        for ((out, score), &t) in out.chunks_exact_mut(dim).zip(scores.chunks_exact(dim)).zip(t) {
            let on_y = self.objective.score_coefficients(&self.schedule, t).0;
            out.iter_mut().zip(score).for_each(|(o, s)| *o = on_y * *o + s);
        }
    }
}

impl ScoreField for Changed {
    fn dim(&self) -> usize {
        self.base.dim()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let mut score = vec![0.0; out.len()];
        self.base.score_into(x, t, &mut score);
        self.add(x, &vec![t; x.len() / self.dim()], &score, out);
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let mut scores = vec![0.0; out.len()];
        self.base.scores_into(x, t, &mut scores);
        self.add(x, t, &scores, out);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        (self.change)(x, &vec![t; x.len() / self.dim()], out);
        let mut mean = vec![0.0; out.len()];
        self.base.denoiser_into(x, t, &mut mean);
        let on_y = match self.objective.prediction {
            Prediction::Denoiser => 1.0,
            Prediction::Score | Prediction::Noise | Prediction::Velocity => {
                let on_y = self.objective.score_coefficients(&self.schedule, t).0;
                self.schedule.noise_var(t) * on_y / self.schedule.signal(t)
            }
        };
        out.iter_mut().zip(mean).for_each(|(o, m)| *o = on_y * *o + m);
    }
}

/// The average of fields.
struct Average {
    fields: Vec<Arc<dyn ScoreField>>,
}

impl Average {
    fn of(&self, out: &mut [f64], ask: impl Fn(&dyn ScoreField, &mut [f64])) {
        let (share, mut one) = (1.0 / self.fields.len() as f64, vec![0.0; out.len()]);
        out.fill(0.0);
        for field in &self.fields {
            ask(field.as_ref(), &mut one);
            out.iter_mut().zip(&one).for_each(|(o, v)| *o += share * v);
        }
    }
}

impl ScoreField for Average {
    fn dim(&self) -> usize {
        self.fields[0].dim()
    }

    fn schedule(&self) -> &Schedule {
        self.fields[0].schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.of(out, |field, one| field.score_into(x, t, one));
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.of(out, |field, one| field.scores_into(x, t, one));
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.of(out, |field, one| field.denoiser_into(x, t, one));
    }
}
