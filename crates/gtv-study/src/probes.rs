//! The kernel level of a comparison: the model's prediction y at probe points of the training distribution, theory
//! against ensemble, and how Gaussian it is over members.

use crate::error::Result;
use crate::maps;
use crate::paths;
use crate::record::{Arrays, Cumulant, GaussianityRecord, KernelNumbers};
use crate::study::Study;
use crate::theory::{Solved, Theory};
use gtv_models::Members;
use gtv_models::external::Ensemble;
use gtv_theory::compare::kernel::{ProbeMoments, ProbePredictions};
use gtv_theory::law::{Law, TotalMoments};
use gtv_theory::problem::Triples;
use gtv_theory::quadrature::normal_quantile;
use std::collections::HashSet;

/// Probe points, drawn from the training distribution: averages over them are averages over ρ.
pub(crate) const PROBES: usize = 2_000;
/// Fewer members than this say nothing about the shape of their distribution.
const FEWEST_FOR_SHAPE: usize = 8;

/// Points (x, t).
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// Q × D.
    pub x: Vec<f64>,
    /// Q.
    pub t: Vec<f64>,
}

/// Points (x, t), and the members' predictions there.
pub struct Probes {
    x: Vec<f64>,
    t: Vec<f64>,
    dim: usize,
    /// N × Q × D.
    predictions: Vec<f64>,
    /// Whether the points are of ρ.
    of_training: bool,
}

impl Probes {
    /// Probes from ρ; where predictions are known at other points only, those; `None` where they are known at none.
    pub fn of(study: &Study, ensemble: &Ensemble) -> Option<Self> {
        let triples = Self::training(study);
        Self::known(triples.x, triples.t, ensemble)
            .map(|probes| Self { of_training: true, ..probes })
            .or_else(|| {
                let (x, t) = ensemble.points()?;
                Self::known(x.to_vec(), t.to_vec(), ensemble)
            })
    }

    /// The points that are drawn from ρ.
    pub fn training(study: &Study) -> Triples {
        study.problem().probes(0, PROBES)
    }

    /// All the points at which a comparison asks members: of ρ, of the maps, and along sampling paths.
    ///
    /// # Errors
    /// Settings of sampling that do not fit the schedule.
    pub fn everywhere(study: &Study) -> Result<Places> {
        let Triples { mut x, mut t, .. } = Self::training(study);
        for (more_x, more_t) in [maps::points(study), paths::points(study)?] {
            x.extend(more_x);
            t.extend(more_t);
        }
        Ok(Places { x, t })
    }

    /// The same with the points at which the theory asks for features, each point once.
    ///
    /// # Errors
    /// As [`Probes::everywhere`]; a quadrature of more nodes than is sensible.
    pub fn with_nodes(study: &Study) -> Result<Places> {
        let (members, theory) = (Self::everywhere(study)?, study.quadrature_points()?);
        let (dim, mut seen) = (study.problem().dim(), HashSet::new());
        let mut all = Places { x: Vec::new(), t: Vec::new() };
        for Places { x, t } in [members, theory] {
            for (x, t) in x.chunks_exact(dim).zip(t) {
                if seen.insert(x.iter().chain([&t]).map(|v| v.to_bits()).collect::<Vec<u64>>()) {
                    all.x.extend_from_slice(x);
                    all.t.push(t);
                }
            }
        }
        Ok(all)
    }

    /// Probes from ρ of members that answer everywhere.
    pub fn from_training(study: &Study, members: &dyn Members) -> Self {
        let Triples { x, t, .. } = Self::training(study);
        let predictions = members.predictions(&x, &t);
        Self { dim: study.problem().dim(), x, t, predictions, of_training: true }
    }

    /// Given points; `None` where the predictions are not known there.
    pub fn known(x: Vec<f64>, t: Vec<f64>, ensemble: &Ensemble) -> Option<Self> {
        let predictions = ensemble.predictions(&x, &t)?;
        Some(Self { dim: x.len() / t.len(), x, t, predictions, of_training: false })
    }

    /// Whether averages over the probes are averages over ρ.
    pub fn of_training(&self) -> bool {
        self.of_training
    }

    /// The members' predictions, checked.
    ///
    /// # Errors
    /// Predictions that are not finite, fewer than two members.
    pub fn ensemble(&self) -> Result<ProbePredictions<'_>> {
        Ok(ProbePredictions::new(&self.predictions, &vec![1.0; self.t.len()], self.dim)?)
    }

    /// The prediction of a law at the probes.
    pub fn theory(&self, theory: &Theory<'_>, law: &dyn Law) -> ProbeMoments {
        let TotalMoments { mean, variance } = theory.moments(law, &self.x, &self.t);
        ProbeMoments { mean, variance }
    }

    /// Theory against ensemble, and both into `arrays`.
    ///
    /// # Errors
    /// Predictions that are not finite.
    pub fn compare(
        &self,
        theory: &Theory<'_>,
        solved: &Solved,
        arrays: &mut Arrays,
    ) -> Result<KernelNumbers> {
        let moments = self.theory(theory, solved.law.as_ref());
        let (ensemble, settings) = (self.ensemble()?, &theory.study.compare);
        let (resamples, confidence) = (settings.bootstrap, settings.confidence);
        let found = ensemble.compare(&moments, resamples, confidence, theory.study.problem().streams())?;
        self.save(&format!("theory_{}", solved.name()), moments, arrays)?;
        // The width of a normal interval at this confidence, in standard errors.
        let widths = 2.0 * normal_quantile(0.5 + 0.5 * confidence);
        Ok(KernelNumbers {
            mean_error: found.mean_error.value,
            variance_ratio: found.variance_ratio.value,
            correlation: found.correlation.value,
            mean_error_floor: Some(found.mean_error_floor),
            // Too few members have no interval, and so no standard error.
            variance_ratio_se: Some((found.variance_ratio.hi - found.variance_ratio.lo) / widths)
                .filter(|se| se.is_finite()),
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
    pub fn gaussianity(&self, study: &Study) -> Result<Option<GaussianityRecord>> {
        let members = self.members();
        if members < FEWEST_FOR_SHAPE {
            return Ok(None);
        }
        let ensemble = self.ensemble()?;
        let (found, variance) = (ensemble.gaussianity()?, ensemble.moments().variance);
        let lives = lives(&variance);
        let alive: Vec<usize> = (0..found.skewness_map.len()).filter(|i| lives(i / self.dim)).collect();
        let sign = |q: usize| self.score_sign(study, q);
        let skewness = alive.iter().map(|&i| sign(i / self.dim) * found.skewness_map[i]);
        let kurtosis = alive.iter().map(|&i| found.excess_kurtosis_map[i]);
        let weights: Vec<f64> = alive.iter().map(|&i| variance[i / self.dim]).collect();
        Ok(Some(GaussianityRecord {
            models: members,
            probes: alive.len(),
            skewness: cumulant(&skewness.collect::<Vec<_>>(), &weights, found.skewness_error),
            excess_kurtosis: cumulant(&kurtosis.collect::<Vec<_>>(), &weights, found.excess_kurtosis_error),
        }))
    }

    /// ŝ = a y + b x: the sign of a is that of the skewness, and nothing else changes.
    fn score_sign(&self, study: &Study, q: usize) -> f64 {
        let problem = study.problem();
        problem.objective().score_coefficients(problem.schedule(), self.t[q]).0.signum()
    }

    /// Skewness and excess kurtosis of ŝ over members at each point, means over its coordinates; NaN where the members agree
    /// to rounding. `None` for too few members.
    ///
    /// # Errors
    /// Predictions that are not finite.
    pub fn shape(&self, study: &Study) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        if self.members() < FEWEST_FOR_SHAPE {
            return Ok(None);
        }
        let ensemble = self.ensemble()?;
        let (found, variance) = (ensemble.gaussianity()?, ensemble.moments().variance);
        let lives = lives(&variance);
        let mean = |map: &[f64], sign: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let rows = map.chunks_exact(self.dim).enumerate();
            rows.map(|(q, row)| {
                let value = sign(q) * row.iter().sum::<f64>() / self.dim as f64;
                if lives(q) { value } else { f64::NAN }
            })
            .collect()
        };
        let skewness = mean(&found.skewness_map, &|q| self.score_sign(study, q));
        Ok(Some((skewness, mean(&found.excess_kurtosis_map, &|_| 1.0))))
    }

    /// N.
    fn members(&self) -> usize {
        self.predictions.len() / self.x.len()
    }

    /// Where the probes are: x (Q × D) and t (Q).
    pub fn places(&self) -> (&[f64], &[f64]) {
        (&self.x, &self.t)
    }

    /// y of every member at every probe, N × Q × D.
    pub fn predictions(&self) -> &[f64] {
        &self.predictions
    }

    /// Each member's predictions less the members' mean, divided by √Q: squares sum to means over probes. N of Q × D.
    pub fn deviations(&self) -> Vec<Vec<f64>> {
        let columns = self.x.len();
        let members = self.predictions.chunks_exact(columns);
        let (count, scale) = (members.len() as f64, 1.0 / (self.t.len() as f64).sqrt());
        let mut mean = vec![0.0; columns];
        for member in members.clone() {
            mean.iter_mut().zip(member).for_each(|(m, y)| *m += y / count);
        }
        members.map(|member| member.iter().zip(&mean).map(|(y, m)| scale * (y - m)).collect()).collect()
    }

    /// tr Cov[y_q, y_q'] over members for all pairs of probes, Q × Q.
    pub fn covariance(&self) -> Vec<f64> {
        let (count, members) = (self.t.len(), self.deviations());
        let scale = count as f64 / (members.len() as f64 - 1.0);
        let mut sum = vec![0.0; count * count];
        for member in &members {
            for (row, a) in sum.chunks_exact_mut(count).zip(member.chunks_exact(self.dim)) {
                for (s, b) in row.iter_mut().zip(member.chunks_exact(self.dim)) {
                    *s += scale * a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                }
            }
        }
        sum
    }
}

/// Where no feature reaches, the members agree to rounding, and their distribution has no shape to measure.
fn lives(variance: &[f64]) -> impl Fn(usize) -> bool {
    let least = NEGLIGIBLE * variance.iter().sum::<f64>() / variance.len() as f64;
    move |q| variance[q] > least
}

/// Variance, relative to its mean over probes, below which a probe is left out of the shape statistics.
const NEGLIGIBLE: f64 = 1e-9;

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
