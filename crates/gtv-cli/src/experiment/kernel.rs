//! The kernel level of a comparison: the model's prediction y at probe points of the training distribution, theory
//! against ensemble, and how Gaussian it is over members.

use crate::config::Problem;
use crate::record::{Arrays, Cumulant, Gaussianity, KernelNumbers};
use anyhow::Result;
use gtv_models::{DsmSampler, LinearEnsemble};
use gtv_theory::compare::kernel::{ProbeMoments, ProbePredictions};
use gtv_theory::estimator::LinearLaw;
use gtv_theory::estimator::linear::PredictionMoments;
use gtv_theory::linalg::gemm_nn;
use gtv_theory::rng::Purpose;
use rayon::prelude::*;

/// Probe points, drawn from the training distribution: averages over them are averages over ρ.
const PROBES: usize = 2_000;
/// Positions and times of the one-dimensional variance maps.
const MAP: (usize, usize) = (81, 60);
/// Fewer members than this say nothing about the shape of their distribution.
const FEWEST_FOR_SHAPE: usize = 8;

/// Points (x, t), and the members' predictions there.
pub struct Probes {
    x: Vec<f64>,
    t: Vec<f64>,
    dim: usize,
    /// N × Q × D.
    predictions: Vec<f64>,
}

impl Probes {
    /// Probes from ρ.
    pub fn from_training(problem: &Problem, ensemble: &LinearEnsemble) -> Self {
        let sampler = DsmSampler::new(problem.cloud.clone(), problem.schedule);
        let triples = sampler.draw_from(&mut problem.streams.stream(Purpose::Probe, 0, 0), PROBES);
        Self::at(triples.x, triples.t, ensemble)
    }

    fn at(x: Vec<f64>, t: Vec<f64>, ensemble: &LinearEnsemble) -> Self {
        let features = &ensemble.trainer().spec().features;
        let (dim, f_len) = (features.dim(), features.len());
        let mut phi = vec![0.0; t.len() * f_len];
        features.fill(&x, &t, &mut phi);
        let weights: Vec<&[f64]> = ensemble.members().collect();
        let predictions = weights
            .par_iter()
            .map(|w| {
                let mut y = vec![0.0; t.len() * dim];
                gemm_nn(t.len(), dim, f_len, &phi, w, &mut y);
                y
            })
            .collect::<Vec<_>>()
            .concat();
        Self { x, t, dim, predictions }
    }

    fn ensemble(&self) -> Result<ProbePredictions<'_>> {
        Ok(ProbePredictions::new(&self.predictions, &vec![1.0; self.t.len()], self.dim)?)
    }

    /// The prediction of a law at the probes.
    pub fn theory(&self, law: &LinearLaw) -> ProbeMoments {
        traced(law.prediction_moments(&self.x, &self.t), self.dim)
    }

    /// Theory against ensemble, and both into `arrays`.
    ///
    /// # Errors
    /// Predictions that are not finite.
    pub fn compare(&self, law: &LinearLaw, problem: &Problem, arrays: &mut Arrays) -> Result<KernelNumbers> {
        let moments = self.theory(law);
        let ensemble = self.ensemble()?;
        let resamples = problem.config.compare.bootstrap;
        let found = ensemble.compare(&moments, resamples, CONFIDENCE, problem.streams)?;
        let source = format!("theory_{}", law.closure().name());
        self.save(&source, moments, arrays)?;
        // Half the width of a normal interval at this confidence, in standard errors.
        let widths = 2.0 * 1.959_963_984_540_054;
        Ok(KernelNumbers {
            mean_error: found.mean_error.value,
            variance_ratio: found.variance_ratio.value,
            correlation: found.correlation.value,
            mean_error_floor: Some(found.mean_error_floor),
            variance_ratio_se: Some((found.variance_ratio.hi - found.variance_ratio.lo) / widths),
        })
    }

    /// The probes and the ensemble's moments into `arrays`.
    ///
    /// # Errors
    /// Predictions that are not finite.
    pub fn save_ensemble(&self, arrays: &mut Arrays) -> Result<()> {
        arrays.insert_shaped("probe_x", &[self.t.len(), self.dim], self.x.clone())?;
        arrays.insert("probe_t", self.t.clone());
        self.save("ensemble", self.ensemble()?.moments(), arrays)
    }

    fn save(&self, source: &str, moments: ProbeMoments, arrays: &mut Arrays) -> Result<()> {
        arrays.insert_shaped(format!("{source}_mean"), &[self.t.len(), self.dim], moments.mean)?;
        arrays.insert(format!("{source}_var"), moments.variance);
        Ok(())
    }

    /// Skewness and excess kurtosis of ŝ over members at each probe; `None` for too few members.
    ///
    /// # Errors
    /// Predictions that are not finite.
    pub fn gaussianity(&self, problem: &Problem) -> Result<Option<Gaussianity>> {
        let members = problem.config.ensemble.members;
        if members < FEWEST_FOR_SHAPE {
            return Ok(None);
        }
        let ensemble = self.ensemble()?;
        let (found, variance) = (ensemble.gaussianity()?, ensemble.moments().variance);
        let typical = variance.iter().sum::<f64>() / variance.len() as f64;
        // Where no feature reaches, the members agree to rounding: there is no shape to measure.
        let alive: Vec<usize> =
            (0..found.skewness_map.len()).filter(|i| variance[i / self.dim] > NEGLIGIBLE * typical).collect();
        // ŝ = a y + b x: the sign of a is that of the skewness, and nothing else changes.
        let sign =
            |q: usize| problem.spec.prediction.score_coefficients(&problem.schedule, self.t[q]).0.signum();
        let skewness = alive.iter().map(|&i| sign(i / self.dim) * found.skewness_map[i]);
        let kurtosis = alive.iter().map(|&i| found.excess_kurtosis_map[i]);
        let weights: Vec<f64> = alive.iter().map(|&i| variance[i / self.dim]).collect();
        Ok(Some(Gaussianity {
            models: members,
            probes: alive.len(),
            skewness: cumulant(&skewness.collect::<Vec<_>>(), &weights, found.skewness_error),
            excess_kurtosis: cumulant(&kurtosis.collect::<Vec<_>>(), &weights, found.excess_kurtosis_error),
        }))
    }
}

/// Variance, relative to its mean over probes, below which a probe is left out of the shape statistics.
const NEGLIGIBLE: f64 = 1e-9;

/// Coverage of every interval of a comparison.
pub const CONFIDENCE: f64 = 0.95;

/// Summary over probes; the mean weighs a probe by its variance, as the effective dynamics feel it.
fn cumulant(values: &[f64], weights: &[f64], standard_error: f64) -> Cumulant {
    let count = values.len() as f64;
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    Cumulant {
        mean: values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / weights.iter().sum::<f64>(),
        median_abs: sizes[sizes.len() / 2],
        max_abs: sizes[sizes.len() - 1],
        standard_error,
        share_beyond_two_se: sizes.iter().filter(|s| **s > 2.0 * standard_error).count() as f64 / count,
    }
}

/// tr Var y from the variances of the components.
fn traced(moments: PredictionMoments, dim: usize) -> ProbeMoments {
    let variance = moments.variance.chunks_exact(dim).map(|v| v.iter().sum()).collect();
    ProbeMoments { mean: moments.mean, variance }
}

/// Maps of the predictions' variance over (t, x), in one dimension: ensemble and theory on the same points.
///
/// # Errors
/// Predictions that are not finite.
pub fn maps(
    problem: &Problem,
    ensemble: &LinearEnsemble,
    laws: &[LinearLaw],
    arrays: &mut Arrays,
) -> Result<()> {
    let (positions, times) = MAP;
    let [lo, hi] = problem.config.compare.range;
    let (start, end) = (problem.schedule.t_min(), problem.schedule.t_max());
    let step = |lo: f64, hi: f64, i: usize, n: usize| lo + (hi - lo) * i as f64 / (n - 1) as f64;
    let map_x: Vec<f64> = (0..positions).map(|i| step(lo, hi, i, positions)).collect();
    let map_t: Vec<f64> = (0..times).map(|k| step(start, end, k, times)).collect();
    let x: Vec<f64> = map_t.iter().flat_map(|_| map_x.iter().copied()).collect();
    let t: Vec<f64> = map_t.iter().flat_map(|t| std::iter::repeat_n(*t, positions)).collect();
    let probes = Probes::at(x, t, ensemble);
    let shape = [times, positions];
    arrays.insert_shaped("ensemble_var_map", &shape, probes.ensemble()?.moments().variance)?;
    for law in laws {
        let name = format!("theory_{}_var_map", law.closure().name());
        arrays.insert_shaped(name, &shape, probes.theory(law).variance)?;
    }
    arrays.insert("map_x", map_x);
    arrays.insert("map_t", map_t);
    Ok(())
}
