//! Predicted against measured statistics of a model's prediction y at probe points z_q with weights ρ_q:
//!   mean_error = ‖ȳ_theory − ȳ‖_ρ / ‖ȳ‖_ρ,  variance_ratio = E_ρ tr Var_theory / E_ρ tr Var,
//!   correlation = the weighted Pearson correlation of the two maps tr Var(z).
//!
//! Gaussianity: skewness and excess kurtosis over members at each probe point and component.

use super::bootstrap::{Interval, Resamples};
use crate::error::{Error, Result, check_finite, check_len};
use crate::rng::Streams;
use rayon::prelude::*;

/// Mean and variance of a prediction at probe points.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeMoments {
    /// Q × D, row-major.
    pub mean: Vec<f64>,
    /// tr Cov y, Q.
    pub variance: Vec<f64>,
}

/// How well a theory predicts the statistics of a prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelComparison {
    /// Relative L²(ρ) error of the mean.
    pub mean_error: f64,
    /// E_ρ tr Var_theory / E_ρ tr Var_ensemble.
    pub variance_ratio: f64,
    /// Correlation of the variance maps; NaN when one of them is constant.
    pub correlation: f64,
}

/// [`KernelComparison`] with intervals over members, which fewer than 5 do not have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelEstimate {
    /// Relative L²(ρ) error of the mean.
    pub mean_error: Interval,
    /// The `mean_error` to expect if the theory's mean is right, from the standard error of the ensemble's mean:
    /// (E_ρ tr Var / N)^½ / ‖ȳ‖_ρ.
    pub mean_error_floor: f64,
    /// E_ρ tr Var_theory / E_ρ tr Var_ensemble.
    pub variance_ratio: Interval,
    /// Correlation of the variance maps.
    pub correlation: Interval,
}

/// Shape of the distribution over members, summarised over probe points with weights ρ_q Var_q.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussianity {
    /// Root of the weighted mean square of the skewness (its sign differs between points).
    pub skewness: f64,
    /// Standard error of a single skewness of N Gaussian members, √(6/N).
    pub skewness_error: f64,
    /// Weighted mean of the excess kurtosis.
    pub excess_kurtosis: f64,
    /// Standard error of a single excess kurtosis, √(24/N): an upper bound for the mean's.
    pub excess_kurtosis_error: f64,
    /// Skewness at each point and component, Q × D (0 where members do not vary).
    pub skewness_map: Vec<f64>,
    /// Excess kurtosis, Q × D.
    pub excess_kurtosis_map: Vec<f64>,
}

/// Members' predictions at probe points, checked once.
///
/// ```
/// use gtv_theory::compare::kernel::ProbePredictions;
/// // Two members at two places.
/// let found = ProbePredictions::new(&[1.0, 5.0, 3.0, 5.0], &[1.0, 1.0], 1)?.moments();
/// assert_eq!((found.mean, found.variance), (vec![2.0, 5.0], vec![2.0, 0.0]));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProbePredictions<'a> {
    values: &'a [f64],
    weights: Vec<f64>,
    members: usize,
    dim: usize,
}

impl<'a> ProbePredictions<'a> {
    /// Predictions of N members at Q points of weight ρ_q, which are divided by their sum.
    ///
    /// # Shapes
    /// `values`: N × Q × `dim`, row-major; `weights`: Q.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`], [`Error::Weights`]; [`Error::OutOfRange`] for fewer than
    /// two members.
    pub fn new(values: &'a [f64], weights: &[f64], dim: usize) -> Result<Self> {
        let weights = normalised(weights)?;
        let columns = weights.len() * dim;
        if values.is_empty() || dim == 0 {
            return Err(Error::Empty { name: "the members' predictions" });
        }
        let members = values.len() / columns;
        check_len("the members' predictions", members.max(1) * columns, values.len())?;
        check_finite("the members' predictions", values, columns)?;
        if members < 2 {
            return Err(Error::OutOfRange {
                name: "members",
                value: members as f64,
                expected: "at least 2, to have a variance",
            });
        }
        Ok(Self { values, weights, members, dim })
    }

    /// The ensemble's mean and variance (divided by N − 1).
    pub fn moments(&self) -> ProbeMoments {
        let centre = self.mean();
        let features = self.features(&centre);
        let uniform = vec![1.0 / self.members as f64; self.members];
        let mut row = vec![0.0; self.weights.len() * (self.dim + 1)];
        for (w, f) in uniform.iter().zip(features.chunks_exact(row.len())) {
            row.iter_mut().zip(f).for_each(|(r, f)| *r += w * f);
        }
        self.read(&row, &centre)
    }

    fn mean(&self) -> Vec<f64> {
        let columns = self.weights.len() * self.dim;
        let mut mean = vec![0.0; columns];
        for member in self.values.chunks_exact(columns) {
            mean.iter_mut().zip(member).for_each(|(m, v)| *m += v / self.members as f64);
        }
        mean
    }

    /// y − centre and ‖y − centre‖² per point: N × Q × (D + 1). Both are linear in the members' weights.
    fn features(&self, centre: &[f64]) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.members * self.weights.len() * (self.dim + 1));
        for member in self.values.chunks_exact(centre.len()) {
            for (y, c) in member.chunks_exact(self.dim).zip(centre.chunks_exact(self.dim)) {
                out.extend(y.iter().zip(c).map(|(y, c)| y - c));
                out.push(y.iter().zip(c).map(|(y, c)| (y - c) * (y - c)).sum());
            }
        }
        out
    }

    fn read(&self, row: &[f64], centre: &[f64]) -> ProbeMoments {
        let unbiased = self.members as f64 / (self.members - 1) as f64;
        let (mut mean, mut variance) =
            (Vec::with_capacity(centre.len()), Vec::with_capacity(self.weights.len()));
        for (f, c) in row.chunks_exact(self.dim + 1).zip(centre.chunks_exact(self.dim)) {
            mean.extend(f.iter().zip(c).map(|(f, c)| f + c));
            let shift: f64 = f[..self.dim].iter().map(|f| f * f).sum();
            variance.push(unbiased * (f[self.dim] - shift).max(0.0));
        }
        ProbeMoments { mean, variance }
    }

    /// Compares a theory with these members, with intervals from resampling members.
    ///
    /// # Errors
    /// As [`compare_kernels`]; [`Error::OutOfRange`] for a confidence outside (0, 1).
    pub fn compare(
        &self,
        theory: &ProbeMoments,
        resamples: usize,
        confidence: f64,
        streams: Streams,
    ) -> Result<KernelEstimate> {
        super::bootstrap::check_confidence(confidence)?;
        let ensemble = self.moments();
        let value = compare_kernels(theory, &ensemble, &self.weights)?;
        let centre = self.mean();
        let features = self.features(&centre);
        let drawn = Resamples::draw(&vec![1.0; self.members], resamples, 0, streams)?;
        let columns = self.weights.len() * (self.dim + 1);
        // Resampling N of N members shrinks the expected variance by (N − 1)/N; undone so that the ratio is unbiased.
        let factor = drawn.variance_factor();
        let mixed = drawn.mix(&features)?;
        let draws: Vec<KernelComparison> = mixed[columns..]
            .par_chunks_exact(columns)
            .map(|row| {
                let mut moments = self.read(row, &centre);
                moments.variance.iter_mut().for_each(|v| *v *= factor);
                relative(theory, &moments, &self.weights)
            })
            .collect();
        let interval = |pick: fn(&KernelComparison) -> f64, domain| {
            let mut values: Vec<f64> = draws.iter().map(pick).filter(|v| v.is_finite()).collect();
            drawn.interval(pick(&value), &mut values, confidence, domain)
        };
        let noise: f64 = ensemble.variance.iter().zip(&self.weights).map(|(v, w)| v * w).sum();
        let norm = squared_norm(&ensemble.mean, &self.weights);
        Ok(KernelEstimate {
            mean_error: interval(|k| k.mean_error, (0.0, f64::INFINITY)),
            mean_error_floor: (noise / self.members as f64 / norm).sqrt(),
            variance_ratio: interval(|k| k.variance_ratio, (0.0, f64::INFINITY)),
            correlation: interval(|k| k.correlation, (-1.0, 1.0)),
        })
    }

    /// Skewness and excess kurtosis over members (Fisher's unbiased forms G₁, G₂).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than four members.
    pub fn gaussianity(&self) -> Result<Gaussianity> {
        if self.members < 4 {
            return Err(Error::OutOfRange {
                name: "members",
                value: self.members as f64,
                expected: "at least 4, to have a kurtosis",
            });
        }
        let columns = self.weights.len() * self.dim;
        let n = self.members as f64;
        let shape: Vec<[f64; 3]> = (0..columns)
            .into_par_iter()
            .with_min_len(64)
            .map(|c| shape(self.values.iter().skip(c).step_by(columns), n))
            .collect();
        let weight = |c: usize| self.weights[c / self.dim] * shape[c][0];
        let total: f64 = (0..columns).map(weight).sum();
        let mean = |f: &dyn Fn(&[f64; 3]) -> f64| {
            if total > 0.0 {
                (0..columns).map(|c| weight(c) * f(&shape[c])).sum::<f64>() / total
            } else {
                0.0
            }
        };
        Ok(Gaussianity {
            skewness: mean(&|s| s[1] * s[1]).sqrt(),
            skewness_error: (6.0 / n).sqrt(),
            excess_kurtosis: mean(&|s| s[2]),
            excess_kurtosis_error: (24.0 / n).sqrt(),
            skewness_map: shape.iter().map(|s| s[1]).collect(),
            excess_kurtosis_map: shape.iter().map(|s| s[2]).collect(),
        })
    }
}

/// (variance, G₁, G₂) of a column.
fn shape<'a>(column: impl Iterator<Item = &'a f64> + Clone, n: f64) -> [f64; 3] {
    let mean = column.clone().sum::<f64>() / n;
    let (mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0);
    for v in column {
        let d = v - mean;
        m2 += d * d / n;
        m3 += d * d * d / n;
        m4 += d * d * d * d / n;
    }
    // Members that agree up to rounding have no shape.
    if m2 <= (1e-14 * mean).powi(2) {
        return [0.0; 3];
    }
    let (g1, g2) = (m3 / m2.powf(1.5), m4 / (m2 * m2) - 3.0);
    let skewness = g1 * (n * (n - 1.0)).sqrt() / (n - 2.0);
    let kurtosis = ((n + 1.0) * g2 + 6.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
    [m2, skewness, kurtosis]
}

/// Compares a theory's moments with an ensemble's.
///
/// # Shapes
/// `weights`: Q, divided by their sum.
///
/// # Errors
/// [`Error::Shape`], [`Error::NotFinite`], [`Error::Weights`]; [`Error::OutOfRange`] when the ensemble's mean or its
/// variance vanishes at every probe point, so that nothing can be relative to it.
///
/// ```
/// use gtv_theory::compare::kernel::{ProbeMoments, compare_kernels};
/// let ensemble = ProbeMoments { mean: vec![1.0, 1.0], variance: vec![0.1, 0.3] };
/// let theory = ProbeMoments { mean: vec![1.0, 1.2], variance: vec![0.2, 0.6] };
/// let found = compare_kernels(&theory, &ensemble, &[1.0, 1.0])?;
/// assert!((found.mean_error - 0.02f64.sqrt()).abs() < 1e-12);
/// assert!((found.variance_ratio - 2.0).abs() < 1e-12 && (found.correlation - 1.0).abs() < 1e-12);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn compare_kernels(
    theory: &ProbeMoments,
    ensemble: &ProbeMoments,
    weights: &[f64],
) -> Result<KernelComparison> {
    let weights = normalised(weights)?;
    for moments in [theory, ensemble] {
        check_len("variance at probe points", weights.len(), moments.variance.len())?;
        check_len("mean at probe points", ensemble.mean.len(), moments.mean.len())?;
        check_finite("mean at probe points", &moments.mean, 1)?;
        check_finite("variance at probe points", &moments.variance, 1)?;
    }
    let dim = ensemble.mean.len() / weights.len();
    check_len("mean at probe points", dim.max(1) * weights.len(), ensemble.mean.len())?;
    let positive = |name, value: f64| {
        if value > 0.0 {
            Ok(())
        } else {
            Err(Error::OutOfRange {
                name,
                value,
                expected: "above 0 at some probe point: members that answer 0 or all alike are nothing to compare with",
            })
        }
    };
    positive("the ensemble's mean prediction", squared_norm(&ensemble.mean, &weights))?;
    positive("the ensemble's variance", average(&ensemble.variance, &weights))?;
    Ok(relative(theory, ensemble, &weights))
}

fn relative(theory: &ProbeMoments, ensemble: &ProbeMoments, weights: &[f64]) -> KernelComparison {
    let gap: Vec<f64> = theory.mean.iter().zip(&ensemble.mean).map(|(a, b)| a - b).collect();
    KernelComparison {
        mean_error: (squared_norm(&gap, weights) / squared_norm(&ensemble.mean, weights)).sqrt(),
        variance_ratio: average(&theory.variance, weights) / average(&ensemble.variance, weights),
        correlation: correlation(&theory.variance, &ensemble.variance, weights),
    }
}

fn average(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(v, w)| v * w).sum()
}

fn squared_norm(rows: &[f64], weights: &[f64]) -> f64 {
    let dim = rows.len() / weights.len();
    rows.chunks_exact(dim.max(1)).zip(weights).map(|(r, w)| w * r.iter().map(|v| v * v).sum::<f64>()).sum()
}

fn correlation(a: &[f64], b: &[f64], weights: &[f64]) -> f64 {
    let (ma, mb) = (average(a, weights), average(b, weights));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for ((a, b), w) in a.iter().zip(b).zip(weights) {
        aa += w * (a - ma) * (a - ma);
        bb += w * (b - mb) * (b - mb);
        ab += w * (a - ma) * (b - mb);
    }
    (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0)
}

fn normalised(weights: &[f64]) -> Result<Vec<f64>> {
    if weights.is_empty() {
        return Err(Error::Empty { name: "the set of probe points" });
    }
    if let Some((i, w)) = weights.iter().enumerate().find(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::Weights {
            reason: format!("probe weight {i} is {w}, expected a finite number, at least 0"),
        });
    }
    let total: f64 = weights.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return Err(Error::Weights {
            reason: format!("probe weights sum to {total}, expected a positive sum"),
        });
    }
    Ok(weights.iter().map(|w| w / total).collect())
}
