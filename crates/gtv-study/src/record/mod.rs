//! What a comparison finds: numbers ([`Record`], the contents of `summary.json`) and arrays ([`Arrays`], those of `arrays.npz`).
//! Plots and reports read only these.

mod arrays;
mod described;
mod one_run;
mod parts;

pub use arrays::Arrays;
pub use described::{ARRAYS, Described, KEYS, SAMPLES, SWEEP_COLUMNS};
pub use gtv_models::family::{LazyRecord, LinearisedRecord, OneRunRecord};
pub use one_run::{Fidelity, FidelityRecord, LeastCertain, OneRunNumbers, SpreadRecord};
pub use parts::{
    Cumulant, Estimate, FeaturesRecord, GaussianityRecord, KernelNumbers, LevelRecord, LikelihoodRecord,
    OutsideRecord, PoolRecord, VarianceSource,
};

use gtv_theory::number;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of `summary.json` this program writes; it reads every version up to it.
pub const SCHEMA: u32 = 1;

/// Distances by (level A, level B, metric): `distances.{A}.{B}.{metric}` of `summary.json`.
pub type Distances = BTreeMap<String, BTreeMap<String, BTreeMap<String, Estimate>>>;

/// The numbers of one comparison of theory with a trained ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout, [`SCHEMA`].
    pub schema: u32,
    /// Version of the program that made the numbers.
    pub version: String,
    /// The commit it was built from; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The seed every random stream derives from.
    pub seed: u64,
    /// The device the ensemble was trained on.
    pub device: String,
    /// The command line that made the record, the program's name first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// When it was finished, in UTC as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finished: String,
    /// SHA-256 of all that determines the numbers: resolved config, data, program version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The resolved config.
    pub config: serde_json::Value,
    /// D, the dimension of x.
    #[serde(default)]
    pub dimension: usize,
    /// M, the number of data points; 0 where that was not saved.
    #[serde(default)]
    pub data_points: usize,
    /// F/P, features for each training sample, where the model has features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Coverage that every interval aims at.
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    /// Height and width, where a data point is an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_shape: Option<[usize; 2]>,
    /// What there is of the ensemble, where it was trained elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<OutsideRecord>,
    /// Distances between levels.
    #[serde(default)]
    pub distances: Distances,
    /// The statistics of the learned prediction y, theory against ensemble, by closure.
    #[serde(default)]
    pub kernel: BTreeMap<String, KernelNumbers>,
    /// The closure whose mean score makes the level `mean_score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_score_closure: Option<String>,
    /// The linear model that stands for a trained network in the theory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linearised: Option<LinearisedRecord>,
    /// What single trainings say of the spread between trainings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_run: Option<OneRunNumbers>,
    /// The kernel of infinitely wide networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lazy: Option<LazyRecord>,
    /// How Gaussian the learned score is over the ensemble.
    #[serde(default)]
    pub gaussianity: Option<GaussianityRecord>,
    /// E_ρ tr Var y by source of training randomness, `total` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variance_sources: BTreeMap<String, VarianceSource>,
    /// What is known of each level on its own.
    #[serde(default)]
    pub levels: BTreeMap<String, LevelRecord>,
    /// The likelihood of held-out points (`data.test`), by level; `member` is the mean over trained models, one by one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub likelihood: BTreeMap<String, LikelihoodRecord>,
    /// Relative errors of the quadratures behind the theory, each from a second resolution.
    #[serde(default, with = "number::map")]
    pub quadrature: BTreeMap<String, f64>,
    /// The pool of models of other training sets that finite-p and shot-noise take part of their noise from, in more than a few
    /// dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolRecord>,
    /// Wall-clock seconds by stage.
    #[serde(default, with = "number::map")]
    pub timing: BTreeMap<String, f64>,
    /// Warnings given while the numbers were made.
    #[serde(default)]
    pub warnings: Vec<String>,
}

fn default_confidence() -> f64 {
    0.95
}

impl Default for Record {
    /// An empty record of this program's version.
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: String::new(),
            seed: 0,
            device: "cpu".to_owned(),
            command: Vec::new(),
            finished: String::new(),
            fingerprint: String::new(),
            config: serde_json::Value::Null,
            dimension: 0,
            data_points: 0,
            load: None,
            confidence: default_confidence(),
            image_shape: None,
            outside: None,
            distances: BTreeMap::new(),
            kernel: BTreeMap::new(),
            mean_score_closure: None,
            gaussianity: None,
            variance_sources: BTreeMap::new(),
            linearised: None,
            one_run: None,
            lazy: None,
            levels: BTreeMap::new(),
            likelihood: BTreeMap::new(),
            quadrature: BTreeMap::new(),
            pool: None,
            timing: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

impl Record {
    /// The distance from level `a` to level `b`, looked up in either order.
    pub fn distance(&self, a: &str, b: &str, metric: &str) -> Option<&Estimate> {
        let ordered = |a: &str, b: &str| self.distances.get(a)?.get(b)?.get(metric);
        ordered(a, b).or_else(|| ordered(b, a))
    }

    /// The names of the metrics that occur, sorted.
    pub fn metrics(&self) -> Vec<String> {
        let inner = self.distances.values().flat_map(BTreeMap::values);
        let mut names: Vec<String> = inner.flat_map(BTreeMap::keys).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}
