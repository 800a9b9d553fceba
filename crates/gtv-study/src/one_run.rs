//! What one training run says of all others: predicted spread beside a measured one, and where the learned score is least certain.

use crate::error::Result;
use crate::record::{Arrays, Fidelity, FidelityRecord, LeastCertain};
use crate::theory::Theory;
use gtv_models::Members;
use gtv_theory::TrainingProblem;
use gtv_theory::law::Law;
use gtv_theory::learner::OneRun;
use gtv_theory::problem::Prediction;

/// Places at which covariances are compared, and the share of [ε, T] that they are from: where the loss has its weight.
const PLACES: usize = 2_000;
const EARLY: f64 = 0.3;
/// Numbers in one covariance matrix's side.
const SIDE: usize = 600;
/// Places that are named as the least certain.
const NAMED: usize = 8;

/// The network's own part of y = skip x + out F at places: covariances of F.
struct Places {
    x: Vec<f64>,
    t: Vec<f64>,
    dim: usize,
    /// 1/out_t of each coordinate.
    scale: Vec<f64>,
}

impl Places {
    /// Places of the training distribution with t in the first part of [ε, T].
    fn early(problem: &TrainingProblem) -> Self {
        let dim = problem.dim();
        let (start, end) = (problem.schedule().t_min(), problem.schedule().t_max());
        let drawn = problem.probes(6, PLACES);
        let (mut x, mut t) = (Vec::new(), Vec::new());
        for (at, &time) in drawn.x.chunks_exact(dim).zip(&drawn.t) {
            if time - start < EARLY * (end - start) && x.len() + dim <= SIDE {
                x.extend_from_slice(at);
                t.push(time);
            }
        }
        let out = |t: &f64| problem.objective().output_coefficients(problem.schedule(), *t).1;
        let scale = t.iter().flat_map(|t| std::iter::repeat_n(1.0 / out(t), dim)).collect();
        Self { x, t, dim, scale }
    }

    /// Cov F over members, from Q·D deviations of each.
    fn measured(&self, predictions: &[f64]) -> Vec<f64> {
        let side = self.x.len();
        let members = predictions.chunks_exact(side);
        let count = members.len() as f64;
        let mut mean = vec![0.0; side];
        for y in members.clone() {
            mean.iter_mut().zip(y).for_each(|(m, y)| *m += y / count);
        }
        let centred: Vec<f64> =
            members.flat_map(|y| (0..side).map(|i| self.scale[i] * (y[i] - mean[i]))).collect();
        let mut cov = vec![0.0; side * side];
        gtv_theory::linalg::gemm_tn(side, side, centred.len() / side, &centred, &centred, &mut cov);
        cov.iter_mut().for_each(|c| *c /= count - 1.0);
        cov
    }

    /// Relative standard error of E tr Var y over members, from how much single members' squared deviations differ.
    fn error(&self, predictions: &[f64]) -> f64 {
        let side = self.x.len();
        let members = predictions.chunks_exact(side);
        let count = members.len() as f64;
        let mean: Vec<f64> = (0..side).map(|i| members.clone().map(|y| y[i]).sum::<f64>() / count).collect();
        let square = |y: &[f64]| y.iter().zip(&mean).map(|(y, m)| (y - m).powi(2)).sum::<f64>();
        let squares: Vec<f64> = members.map(square).collect();
        let average = squares.iter().sum::<f64>() / count;
        let scatter = squares.iter().map(|s| (s / average - 1.0).powi(2)).sum::<f64>();
        (scatter / (count * (count - 1.0))).sqrt()
    }

    /// Cov F of one run's law.
    fn predicted(&self, learner: &OneRun) -> Vec<f64> {
        let mut cov = learner.prediction_covariance(&self.x, &self.t);
        let side = self.x.len();
        cov.iter_mut().enumerate().for_each(|(e, c)| *c *= self.scale[e / side] * self.scale[e % side]);
        cov
    }

    /// How one covariance of F predicts another.
    fn compare(&self, predicted: &[f64], measured: &[f64]) -> Fidelity {
        let side = self.x.len();
        let variances = |cov: &[f64]| cov.iter().step_by(side + 1).copied().collect::<Vec<f64>>();
        let (a, b) = (variances(predicted), variances(measured));
        // E tr Var y: out² F, each coordinate.
        let total = |v: &[f64]| v.iter().zip(&self.scale).map(|(v, s)| v / (s * s)).sum::<f64>();
        let logs = |v: &[f64]| v.iter().map(|v| v.max(f64::MIN_POSITIVE).ln()).collect::<Vec<f64>>();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        Fidelity {
            variance_ratio: total(&a) / total(&b),
            log_correlation: correlation(&logs(&a), &logs(&b)),
            cosine: dot(predicted, measured) / (dot(predicted, predicted) * dot(measured, measured)).sqrt(),
        }
    }

    /// An F that moves alike everywhere: what knows out² alone, at the measured total.
    fn constant(&self, measured: &[f64]) -> Vec<f64> {
        let side = self.x.len();
        let weights = self.scale.iter().map(|s| 1.0 / (s * s));
        let total: f64 = measured.iter().step_by(side + 1).zip(weights.clone()).map(|(v, w)| v * w).sum();
        let value = total / weights.sum::<f64>();
        let same = |e: usize| if e / side % self.dim == e % side % self.dim { value } else { 0.0 };
        (0..side * side).map(same).collect()
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / count, b.iter().sum::<f64>() / count);
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// The covariance of F that single runs predict, and their average, beside the ensemble's; none where the theory is not from single
/// runs, or the ensemble is too small to be halved.
///
/// # Errors
/// As measuring an anchor.
pub fn fidelity(theory: &Theory<'_>, members: &dyn Members) -> Result<Option<FidelityRecord>> {
    let Some(learner) = theory.learner.as_one_run() else { return Ok(None) };
    if members.len() < 4 {
        return Ok(None);
    }
    let places = Places::early(theory.study.problem());
    let predictions = members.predictions(&places.x, &places.t);
    let measured = places.measured(&predictions);
    let half = members.len() / 2 * places.x.len();
    let halves = [&predictions[..half], &predictions[half..]].map(|part| places.measured(part));
    let single = |anchor: OneRun| places.compare(&places.predicted(&anchor), &measured);
    let gap = learner.matched_to_gap().ok();
    Ok(Some(FidelityRecord {
        gap: gap.map(|(matched, _)| places.compare(&places.predicted(&matched), &measured)),
        places: places.t.len(),
        error: places.error(&predictions),
        single: learner.singles().into_iter().map(single).collect(),
        averaged: places.compare(&places.predicted(learner), &measured),
        halves: places.compare(&halves[1], &halves[0]),
        // A constant has no correlation with anything.
        constant: Fidelity {
            log_correlation: f64::NAN,
            ..places.compare(&places.constant(&measured), &measured)
        },
    }))
}

/// The standard deviation between trainings of the predicted noise, σ ŝ, as a map over (x, t) on a line, and the places of the training
/// distribution where it is largest.
///
/// # Errors
/// None for a valid study.
pub fn uncertainty(theory: &Theory<'_>, law: &dyn Law, arrays: &mut Arrays) -> Result<Vec<LeastCertain>> {
    /// Positions and times of the map.
    const LINE: (usize, usize) = (81, 60);
    let problem = theory.study.problem();
    let (dim, schedule) = (problem.dim(), problem.schedule());
    let noise = |x: &[f64], t: &[f64]| -> Vec<f64> {
        let variance = law.total_moments(Prediction::Noise, x, t).variance;
        variance.into_iter().map(f64::sqrt).collect()
    };
    if dim == 1 {
        let [lo, hi] = theory.study.compare.range;
        let spread = |lo: f64, hi: f64, n: usize| -> Vec<f64> {
            (0..n).map(|i| lo + (hi - lo) * i as f64 / (n - 1) as f64).collect()
        };
        let (map_x, map_t) = (spread(lo, hi, LINE.0), spread(schedule.t_min(), schedule.t_max(), LINE.1));
        let x: Vec<f64> = map_t.iter().flat_map(|_| map_x.iter().copied()).collect();
        let t: Vec<f64> = map_t.iter().flat_map(|t| std::iter::repeat_n(*t, LINE.0)).collect();
        arrays.insert_shaped("uncertainty_map", &[LINE.1, LINE.0], noise(&x, &t))?;
        arrays.insert("map_x", map_x);
        arrays.insert("map_t", map_t);
    }
    let probes = problem.probes(7, PLACES);
    let std = noise(&probes.x, &probes.t);
    let mut order: Vec<usize> = (0..std.len()).collect();
    order.sort_by(|a, b| std[*b].total_cmp(&std[*a]));
    let place =
        |q: usize| LeastCertain { x: probes.x[q * dim..][..dim].to_vec(), t: probes.t[q], noise_std: std[q] };
    Ok(order.into_iter().take(NAMED).map(place).collect())
}
