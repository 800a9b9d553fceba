//! The kinds of numbers a record is made of.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::SpreadRecord;
use gtv_theory::compare;
use serde::{Deserialize, Serialize};

use gtv_theory::number;

/// A number with what is known of its error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    #[serde(with = "number")]
    pub value: f64,
    /// Lower end of its interval; none where too few models give no interval.
    #[serde(default)]
    pub lo: Option<f64>,
    /// Upper end of its interval.
    #[serde(default)]
    pub hi: Option<f64>,
    /// Of a distance: the same statistic between two resamples of one distribution, at the same sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
}

impl Estimate {
    /// Both ends of the interval, where it has finite ones.
    pub fn ends(&self) -> Option<(f64, f64)> {
        self.lo.zip(self.hi).filter(|(lo, hi)| lo.is_finite() && hi.is_finite())
    }

    /// Its order with respect to another number: different only where the intervals are disjoint, equal where they overlap;
    /// none where an interval is missing.
    pub fn clearly(&self, other: &Self) -> Option<Ordering> {
        let ((lo, hi), (other_lo, other_hi)) = self.ends().zip(other.ends())?;
        Some(match () {
            () if lo > other_hi => Ordering::Greater,
            () if hi < other_lo => Ordering::Less,
            () => Ordering::Equal,
        })
    }
}

/// The end of an interval, where there is one.
fn finite(end: f64) -> Option<f64> {
    Some(end).filter(|end| end.is_finite())
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Self { value, lo: None, hi: None, floor: None }
    }
}

impl From<compare::Interval> for Estimate {
    fn from(i: compare::Interval) -> Self {
        Self { value: i.value, lo: finite(i.lo), hi: finite(i.hi), floor: None }
    }
}

impl From<compare::DistanceEstimate> for Estimate {
    fn from(e: compare::DistanceEstimate) -> Self {
        Self { value: e.value, lo: finite(e.lo), hi: finite(e.hi), floor: Some(e.floor) }
    }
}

/// Theory against ensemble for the model's prediction y(x, t), under the training distribution ρ of (x, t).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KernelNumbers {
    /// ‖E y_theory − E y_ensemble‖ / ‖E y_ensemble‖ in L²(ρ).
    #[serde(with = "number")]
    pub mean_error: f64,
    /// E_ρ tr Var_theory y / E_ρ tr Var_ensemble y.
    #[serde(with = "number")]
    pub variance_ratio: f64,
    /// Correlation over ρ of the two maps (x, t) ↦ tr Var y.
    #[serde(with = "number")]
    pub correlation: f64,
    /// The mean error that a perfect theory would show, from the ensemble's finite size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_error_floor: Option<f64>,
    /// Standard error of the variance ratio over members; null where they are too few to tell.
    #[serde(default)]
    pub variance_ratio_se: Option<f64>,
}

/// Third and fourth standardised cumulants of the learned score over the ensemble, at probe points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaussianityRecord {
    /// N, the number of trained models.
    pub models: usize,
    /// The number of (probe, coordinate) pairs.
    pub probes: usize,
    /// Skewness; standard error √(6/N).
    pub skewness: Cumulant,
    /// Excess kurtosis; standard error √(24/N).
    pub excess_kurtosis: Cumulant,
}

/// A standardised cumulant summarised over probe points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cumulant {
    /// Mean over probes, each weighted by the ensemble's variance there.
    #[serde(with = "number")]
    pub mean: f64,
    /// Median over probes of the absolute value.
    #[serde(with = "number")]
    pub median_abs: f64,
    /// Largest absolute value over probes.
    #[serde(with = "number")]
    pub max_abs: f64,
    /// Standard error of the value at one probe if the score were Gaussian.
    #[serde(with = "number")]
    pub standard_error: f64,
    /// Share of probes beyond two standard errors (0.046 if the score were Gaussian).
    #[serde(with = "number")]
    pub share_beyond_two_se: f64,
}

/// One level on its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LevelRecord {
    /// Samples drawn, over all models.
    #[serde(default)]
    pub samples: usize,
    /// Models they come from; 1 for a level without randomness between models.
    #[serde(default)]
    pub models: usize,
    /// Paths that left the finite numbers, excluded from everything else.
    #[serde(default)]
    pub diverged: usize,
    /// Paths that were given up after `sampling.max_steps` steps, excluded alike.
    #[serde(default)]
    pub exhausted: usize,
    /// Share of samples whose nearest datum is three times nearer than the second nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorized_fraction: Option<Estimate>,
    /// Mean distance to the nearest datum, in units of x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_distance: Option<Estimate>,
    /// Distance from a datum within which a sample counts as near it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_radius: Option<f64>,
    /// Share of samples near each datum, in the order of the data; empty where there are too many data to list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mass_near: Vec<Estimate>,
    /// Share of samples near no datum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_mass: Option<Estimate>,
    /// How much its models differ; none for a level of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<SpreadRecord>,
    /// tr Cov x0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_variance: Option<Estimate>,
    /// Mean of x0, D values.
    #[serde(default, with = "number::list")]
    pub mean: Vec<f64>,
    /// Covariance of x0, D × D row-major; empty where D is too large to be worth saving.
    #[serde(default, with = "number::list")]
    pub covariance: Vec<f64>,
}

/// E_ρ tr Var y that one source of training randomness gives the prediction y(x, t).
///
/// Sources: `label-noise` (the labels, given where the (x, t) fall: "through variance"), `placement` (where the (x, t)
/// fall), `points` (which data points were drawn, in a training set of two levels), and their sum, `total`. Of networks in a
/// crossed design also `data`, `init` and `interaction`, which sum to `total`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VarianceSource {
    /// Of the trained ensemble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Estimate>,
    /// Of the theory, by closure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "number::map")]
    pub predicted: BTreeMap<String, f64>,
}

/// A pool of models, each trained on a set of its own, that are each other's partners.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// Models in the pool.
    pub models: usize,
    /// Generations of them, until their variance had settled.
    pub generations: usize,
    /// Relative change of the variance in the last one.
    pub change: f64,
    /// The variance that they had by themselves, over the closure's, to which they were brought.
    pub ratio: f64,
}

/// How likely one level finds held-out points: the density at t = ε, by the instantaneous change of variables.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodRecord {
    /// Points whose paths arrived.
    pub points: usize,
    /// Points whose paths did not.
    pub failed: usize,
    /// Models that the law is the average of.
    pub models: usize,
    /// Mean of ln q over points.
    pub nats: Estimate,
    /// Mean of −ln q/(D ln 2).
    pub bits_per_dimension: Estimate,
}

/// Features of a user's own, at listed points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FeaturesRecord {
    /// Q.
    pub points: usize,
    /// F, after those that tell nothing new are left out.
    pub features: usize,
    /// Share of the trace of their Gram matrix that is left out.
    pub missed: f64,
}

/// What there is of an ensemble that was trained elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutsideRecord {
    /// N.
    pub members: usize,
    /// Samples of each member, of the one with the fewest; 0 where there are none.
    pub samples: usize,
    /// Points at which predictions are known; 0 where there are none, or the members answer everywhere.
    pub points: usize,
    /// Whether the members answer at every point.
    pub anywhere: bool,
    /// The features that the theory predicts from, where they were brought as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeaturesRecord>,
    /// Parts of the comparison that there is too little for, with what they need.
    #[serde(default)]
    pub missing: BTreeMap<String, String>,
}
