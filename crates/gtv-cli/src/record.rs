//! What a comparison saves: numbers (`summary.json`), arrays (`arrays.npz`) and the resolved config. Plots and
//! reports read only these, so a report can be rendered again from a run directory alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use ndarray_npy::NpzReader;
use serde::{Deserialize, Serialize};

use crate::io::{Compression, Named, ReadError, WriteError, write_bytes, write_npz};

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
    /// The seed every random stream derives from.
    pub seed: u64,
    /// The device the ensemble was trained on.
    pub device: String,
    /// The command line that made the record, the program's name first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The resolved config.
    pub config: serde_json::Value,
    /// D, the dimension of x.
    #[serde(default)]
    pub dimension: usize,
    /// Coverage that every interval aims at.
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    /// Height and width, where a data point is an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_shape: Option<[usize; 2]>,
    /// Distances between levels.
    #[serde(default)]
    pub distances: Distances,
    /// The statistics of the learned prediction y, theory against ensemble, by closure.
    #[serde(default)]
    pub kernel: BTreeMap<String, KernelNumbers>,
    /// The closure whose mean score makes the level `mean_score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_score_closure: Option<String>,
    /// How Gaussian the learned score is over the ensemble.
    #[serde(default)]
    pub gaussianity: Option<Gaussianity>,
    /// What is known of each level on its own.
    #[serde(default)]
    pub levels: BTreeMap<String, LevelSummary>,
    /// Relative errors of the quadratures behind the theory, each from a second resolution.
    #[serde(default)]
    pub quadrature: BTreeMap<String, f64>,
    /// Wall-clock seconds by stage.
    #[serde(default)]
    pub timing: BTreeMap<String, f64>,
    /// Warnings given while the numbers were made.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A number with its bootstrap interval and, for a distance, the value that equal distributions would give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    #[serde(with = "number")]
    pub value: f64,
    /// Lower end of the interval.
    #[serde(with = "number")]
    pub lo: f64,
    /// Upper end of the interval.
    #[serde(with = "number")]
    pub hi: f64,
    /// The same statistic between two resamples of one distribution, at the same sizes.
    #[serde(with = "number")]
    pub floor: f64,
}

/// A number with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    #[serde(with = "number")]
    pub value: f64,
    /// Lower end.
    #[serde(with = "number")]
    pub lo: f64,
    /// Upper end.
    #[serde(with = "number")]
    pub hi: f64,
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
    /// Standard error of the variance ratio over members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance_ratio_se: Option<f64>,
}

/// Third and fourth standardised cumulants of the learned score over the ensemble, at probe points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gaussianity {
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
pub struct LevelSummary {
    /// Samples drawn, over all models.
    #[serde(default)]
    pub samples: usize,
    /// Models they come from; 1 for a level without randomness between models.
    #[serde(default)]
    pub models: usize,
    /// Paths that left the finite numbers, excluded from everything else.
    #[serde(default)]
    pub diverged: usize,
    /// Share of samples whose nearest datum is three times nearer than the second nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorized_fraction: Option<Interval>,
    /// Mean distance to the nearest datum, in units of x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_distance: Option<Interval>,
    /// Distance from a datum within which a sample counts as near it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_radius: Option<f64>,
    /// Share of samples near each datum, in the order of the data; empty where there are too many data to list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mass_near: Vec<Interval>,
    /// Share of samples near no datum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_mass: Option<Interval>,
    /// tr Cov x0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_variance: Option<Interval>,
    /// Mean of x0, D values.
    #[serde(default)]
    pub mean: Vec<f64>,
    /// Covariance of x0, D × D row-major; empty where D is too large to be worth saving.
    #[serde(default)]
    pub covariance: Vec<f64>,
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
            seed: 0,
            device: "cpu".to_owned(),
            command: Vec::new(),
            config: serde_json::Value::Null,
            dimension: 0,
            confidence: default_confidence(),
            image_shape: None,
            distances: BTreeMap::new(),
            kernel: BTreeMap::new(),
            mean_score_closure: None,
            gaussianity: None,
            levels: BTreeMap::new(),
            quadrature: BTreeMap::new(),
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

    /// The text of `summary.json`.
    ///
    /// # Errors
    /// Never for a record built by this program.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the text of a `summary.json`; `path` is named in errors.
    ///
    /// # Errors
    /// If the text is not JSON, lacks a field, or comes from a newer program.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, ReadError> {
        let refuse = |reason: String| ReadError::Format { path: path.to_owned(), reason };
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|e| refuse(format!("not valid JSON ({e}); make the run again")))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            None => Err(refuse("no `schema`: expected the record of gtv-cli compare".into())),
            Some(s) if s > u64::from(SCHEMA) => Err(refuse(format!(
                "schema {s}, but this gtv-cli reads up to {SCHEMA}; use the version that wrote it or a newer one"
            ))),
            Some(_) => serde_json::from_value(value)
                .map_err(|e| refuse(format!("not the fields of a record ({e}); make the run again"))),
        }
    }
}

/// Named arrays of a comparison: the contents of `arrays.npz`, float64 throughout.
///
/// Names: `x_edges`, `y_edges`; `<level>_density` (bins, or bins × bins with x first); `<level>_q25`, `<level>_q75`;
/// `probe_x` (n × D), `probe_t` (n), `<source>_mean`, `<source>_var` at the probes; in one dimension `map_x`,
/// `map_t` and `<source>_var_map` (times × positions); for images `samples_<level>` and `nearest_<level>` (k × D); `data`
/// (M × D), where it is small. A source is `ensemble` or `theory_<closure>`; a variance is the trace over outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arrays(BTreeMap<String, ArrayD<f64>>);

impl Arrays {
    /// Adds a vector.
    pub fn insert(&mut self, name: impl Into<String>, values: Vec<f64>) {
        self.0.insert(name.into(), Array1::from(values).into_dyn());
    }

    /// Adds a row-major array of the stated shape.
    ///
    /// # Errors
    /// If the number of values is not the product of the shape.
    pub fn insert_shaped(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        values: Vec<f64>,
    ) -> anyhow::Result<()> {
        let name = name.into();
        let found = values.len();
        let array = ArrayD::from_shape_vec(IxDyn(shape), values)
            .with_context(|| format!("array {name} has {found} values, its shape is {shape:?}"))?;
        self.0.insert(name, array);
        Ok(())
    }

    /// The array of this name.
    pub fn get(&self, name: &str) -> Option<&ArrayD<f64>> {
        self.0.get(name)
    }

    /// The values of a vector, if there is one of this name.
    pub fn vector(&self, name: &str) -> Option<Vec<f64>> {
        let array = self.0.get(name)?;
        (array.ndim() == 1).then(|| array.iter().copied().collect())
    }

    /// The matrix of this name, if there is one.
    pub fn matrix(&self, name: &str) -> Option<Array2<f64>> {
        self.0.get(name)?.clone().into_dimensionality().ok()
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Writes an npz file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let standard: Vec<_> =
            self.0.iter().map(|(name, a)| (name, a.shape(), a.as_standard_layout())).collect();
        let named: Vec<Named<'_>> = standard
            .iter()
            .map(|(name, shape, a)| Named {
                name: name.as_str(),
                shape,
                values: a.as_slice().unwrap_or_default(),
            })
            .collect();
        write_npz(path, &named, Compression::Deflate)
    }

    /// Reads an npz file of float64 arrays.
    ///
    /// # Errors
    /// If the file is missing, damaged, or holds another element type.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let damaged = |reason: String| ReadError::Format { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|cause| ReadError::Io { path: path.to_owned(), cause })?;
        let open = |e| damaged(format!("not a readable npz file ({e}); make the run again"));
        let mut npz = NpzReader::new(BufReader::new(file)).map_err(open)?;
        let mut arrays = BTreeMap::new();
        for name in npz.names().map_err(open)? {
            let array: ArrayD<f64> = npz.by_name(&name).map_err(|e| {
                damaged(format!("array {name} is not readable as float64 ({e}); make the run again"))
            })?;
            arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        }
        Ok(Self(arrays))
    }
}

/// A record with its arrays and the text of its config: all a report needs.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// `summary.json`.
    pub record: Record,
    /// `arrays.npz`.
    pub arrays: Arrays,
    /// `config.toml`, word for word.
    pub config_toml: String,
}

impl Saved {
    /// Writes `summary.json` and `arrays.npz` into a run's folder, whose `config.toml` is there from its start.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        self.arrays.write(&dir.join("arrays.npz"))?;
        Ok(write_bytes(&dir.join("summary.json"), self.record.to_json()?.as_bytes())?)
    }

    /// Reads the record in a run's folder.
    ///
    /// # Errors
    /// If the directory or one of its files is missing or damaged.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let missing = || {
            format!(
                "no complete record in {}: a report needs the summary.json, arrays.npz and config.toml that \
                 `gtv-cli compare CONFIG --out DIR` writes",
                dir.display()
            )
        };
        let text = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path)
                .map_err(|cause| ReadError::Io { path, cause })
                .with_context(missing)
        };
        let record = Record::from_json(&text("summary.json")?, &dir.join("summary.json"))?;
        let config_toml = text("config.toml")?;
        let path = dir.join("arrays.npz");
        let arrays = match Arrays::read(&path) {
            Err(e @ ReadError::Io { .. }) => return Err(e).with_context(missing),
            other => other?,
        };
        Ok(Self { record, arrays, config_toml })
    }
}

/// JSON has no NaN: a number that is not finite is written as null and read as NaN.
mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}
