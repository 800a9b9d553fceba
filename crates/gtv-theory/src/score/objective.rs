//! Training objectives of a score: J0 = E[λ/2 |ŝ − s|²] against the true score, J1 = E[λ/2 |ŝ − s̃|²] against the
//! proxy score, and their difference J1 − J0 = E[λ/2 tr C], which does not depend on ŝ (paper, section 2).

use super::{ClosedForm, CovKind, ScoreField};
use crate::error::{Error, Result, check_len};
use crate::problem::LossWeight;
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Pairs (x0, x) that share a time. Small, since t varies the integrand most; not 1, since fields are batched.
const BATCH: usize = 16;

/// A Monte Carlo mean with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanEstimate {
    /// The sample mean.
    pub mean: f64,
    /// Its standard error.
    pub std_error: f64,
}

/// The objectives of one field, all from the same draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objectives {
    /// J0 = E[λ/2 |ŝ − s|²].
    pub j0: MeanEstimate,
    /// J1 = E[λ/2 |ŝ − s̃|²].
    pub j1: MeanEstimate,
    /// E[λ/2 tr C], the smallest J1 there is.
    pub gap: MeanEstimate,
    /// J1 − J0 − gap, which is 0 in expectation; its draws are paired, so it is known better than its parts.
    pub residual: MeanEstimate,
}

/// Estimates the objectives of `field` by Monte Carlo: t ~ U(ε, T), x0 ~ p_data, x ~ p(x | x0, t).
///
/// Draws come in batches of 16 that share a time; standard errors are those of the mean over independent batches.
/// Results depend on the seed only.
///
/// # Errors
/// [`Error::OutOfRange`] for fewer than 32 samples; [`Error::Shape`] when field and truth differ in dimension;
/// [`Error::Unsupported`] when they differ in schedule.
pub fn objectives(
    field: &dyn ScoreField,
    truth: &dyn ClosedForm,
    weight: LossWeight,
    samples: usize,
    streams: &Streams,
) -> Result<Objectives> {
    check_len("the field's state", truth.dim(), field.dim())?;
    if field.schedule() != truth.schedule() {
        return Err(Error::Unsupported {
            what: "an objective between a field and a true score of different schedules",
            reason: "both must describe the same forward process",
            advice: "build them with one schedule",
        });
    }
    let batches = samples.div_ceil(BATCH);
    if batches < 2 {
        return Err(Error::OutOfRange {
            name: "samples",
            value: samples as f64,
            expected: "at least 32, for a standard error",
        });
    }
    let terms: Vec<[f64; 4]> = (0..batches)
        .into_par_iter()
        .map(|batch| one_batch(field, truth, weight, streams, batch as u64))
        .collect::<Result<_>>()?;
    let estimate = |i: usize| estimate(terms.iter().map(|t| t[i]), batches as f64);
    Ok(Objectives { j0: estimate(0), j1: estimate(1), gap: estimate(2), residual: estimate(3) })
}

fn estimate(values: impl Iterator<Item = f64> + Clone, count: f64) -> MeanEstimate {
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
    MeanEstimate { mean, std_error: (squares / (count * (count - 1.0))).sqrt() }
}

/// The batch means of λ/2 |ŝ − s|², λ/2 |ŝ − s̃|², λ/2 tr C and of what is left.
fn one_batch(
    field: &dyn ScoreField,
    truth: &dyn ClosedForm,
    weight: LossWeight,
    streams: &Streams,
    batch: u64,
) -> Result<[f64; 4]> {
    let (dim, schedule) = (truth.dim(), truth.schedule());
    let mut rng = streams.stream(Purpose::Probe, 0, batch);
    let t = schedule.t_min() + (schedule.t_max() - schedule.t_min()) * rng.random::<f64>();
    let (signal, std) = (schedule.signal(t), schedule.noise_std(t));
    let mut x = vec![0.0; BATCH * dim];
    truth.draw_data(&mut rng, &mut x);
    // s̃ = (αx0 − x)/σ² = −n/σ.
    let proxy: Vec<f64> = x
        .iter_mut()
        .map(|x| {
            let n: f64 = rng.sample(StandardNormal);
            *x = signal * *x + std * n;
            -n / std
        })
        .collect();
    let at = truth.evaluate(&x, t, CovKind::Trace)?;
    let mut learned = vec![0.0; x.len()];
    field.score_into(&x, t, &mut learned);
    let scale = 0.5 * weight.of_score(schedule, t) / BATCH as f64;
    let distance = |a: &[f64], b: &[f64]| scale * a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let j0 = distance(&learned, &at.score);
    let j1 = distance(&learned, &proxy);
    let gap = scale * at.proxy_score_cov.iter().sum::<f64>();
    Ok([j0, j1, gap, j1 - j0 - gap])
}
