//! What a sweep saves: the numbers of all its cells in long form (`sweep.csv`) and structured (`sweep.json`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{Estimate, Record};
use crate::io::{WriteError, write_atomic, write_json};

/// The version of `sweep.json` this program writes.
pub const SWEEP_SCHEMA: u32 = 1;

/// The cells of a sweep with their numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRecord {
    /// Version of this layout, [`SWEEP_SCHEMA`].
    pub schema: u32,
    /// Version of the program that made the numbers.
    pub version: String,
    /// The config that the cells share, before their own settings.
    pub config: Value,
    /// The swept keys, the last one varying fastest.
    pub keys: Vec<SweepKey>,
    /// Keys that change together, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zip: Vec<Vec<String>>,
    /// The cells in order.
    pub cells: Vec<SweepCell>,
}

/// A key with the values it takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepKey {
    /// The key, dotted.
    pub key: String,
    /// Its values.
    pub values: Vec<Value>,
}

/// One comparison of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepCell {
    /// Its place in the product, from 0.
    pub index: usize,
    /// Its folder, relative to the sweep's.
    pub folder: String,
    /// Whether its numbers are there.
    pub finished: bool,
    /// Why not, where the program stopped at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The value of each swept key, in their order.
    pub values: Vec<Value>,
    /// Numbers by name, e.g. `distances.ensemble.pf_ode.w1`.
    pub quantities: BTreeMap<String, Estimate>,
}

/// Every number of a record by its dotted name; wall-clock times are left out, so that equal runs give equal tables.
pub fn quantities(record: &Record) -> BTreeMap<String, Estimate> {
    let mut all = BTreeMap::new();
    let mut add = |name: String, number: Estimate| {
        all.insert(name, number);
    };
    for (a, to) in &record.distances {
        for (b, metrics) in to {
            for (metric, distance) in metrics {
                add(format!("distances.{a}.{b}.{metric}"), *distance);
            }
        }
    }
    for (closure, k) in &record.kernel {
        let (ratio, half) = (k.variance_ratio, k.variance_ratio_se.map(|se| NORMAL_95 * se));
        let ends = Estimate { lo: half.map(|h| ratio - h), hi: half.map(|h| ratio + h), ..ratio.into() };
        let mean_error = Estimate { floor: k.mean_error_floor, ..k.mean_error.into() };
        add(format!("kernel.{closure}.mean_error"), mean_error);
        add(format!("kernel.{closure}.variance_ratio"), ends);
        add(format!("kernel.{closure}.correlation"), k.correlation.into());
    }
    if let Some(g) = &record.gaussianity {
        for (name, c) in [("skewness", g.skewness), ("excess_kurtosis", g.excess_kurtosis)] {
            for (part, value) in [
                ("mean", c.mean),
                ("median_abs", c.median_abs),
                ("max_abs", c.max_abs),
                ("standard_error", c.standard_error),
                ("share_beyond_two_se", c.share_beyond_two_se),
            ] {
                add(format!("gaussianity.{name}.{part}"), value.into());
            }
        }
    }
    for (source, s) in &record.variance_sources {
        if let Some(measured) = s.measured {
            add(format!("variance_sources.{source}.measured"), measured);
        }
        for (closure, value) in &s.predicted {
            add(format!("variance_sources.{source}.predicted.{closure}"), (*value).into());
        }
    }
    for (level, l) in &record.levels {
        let named = [
            ("memorized_fraction", l.memorized_fraction),
            ("nearest_distance", l.nearest_distance),
            ("gap_mass", l.gap_mass),
            ("total_variance", l.total_variance),
        ];
        for (name, i) in named.into_iter().filter_map(|(name, i)| Some((name, i?))) {
            add(format!("levels.{level}.{name}"), i);
        }
        for (list, name) in [(&l.mean, "mean"), (&l.covariance, "covariance")] {
            for (i, v) in list.iter().enumerate() {
                add(format!("levels.{level}.{name}[{i}]"), (*v).into());
            }
        }
        for (i, near) in l.mass_near.iter().enumerate() {
            add(format!("levels.{level}.mass_near[{i}]"), *near);
        }
        add(format!("levels.{level}.diverged"), (l.diverged as f64).into());
        add(format!("levels.{level}.exhausted"), (l.exhausted as f64).into());
    }
    if let Some(load) = record.load {
        add("load".to_owned(), load.into());
    }
    for (name, value) in &record.quadrature {
        add(format!("quadrature.{name}"), (*value).into());
    }
    all
}

/// Half the width of a 95 % interval in standard errors of a normal estimate.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// A swept value as a table or a label shows it: names without quotes, all else as JSON.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl SweepRecord {
    /// Writes `sweep.csv` (columns: cell, one for each swept key, quantity, value, lo, hi, floor; nothing where there is no
    /// number) and `sweep.json`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), WriteError> {
        write_json(&dir.join("sweep.json"), self)?;
        write_atomic(&dir.join("sweep.csv"), |sink| {
            let mut writer = csv::Writer::from_writer(sink);
            let keys = self.keys.iter().map(|k| k.key.as_str());
            let head = std::iter::once("cell").chain(keys);
            writer.write_record(head.chain(["quantity", "value", "lo", "hi", "floor"]))?;
            for cell in &self.cells {
                let values: Vec<String> = cell.values.iter().map(shown).collect();
                for (name, q) in &cell.quantities {
                    let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
                    let number = |v| finite(v).map_or(String::new(), |v| v.to_string());
                    let mut row = vec![cell.index.to_string()];
                    row.extend(values.iter().cloned());
                    row.push(name.clone());
                    row.extend([Some(q.value), q.lo, q.hi, q.floor].map(number));
                    writer.write_record(row)?;
                }
            }
            writer.flush()
        })
    }

    /// Cells without numbers.
    pub fn missing(&self) -> impl Iterator<Item = &SweepCell> {
        self.cells.iter().filter(|c| !c.finished)
    }
}
