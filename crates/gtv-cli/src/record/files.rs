//! Reading and writing of records.

use super::{Arrays, Record, SCHEMA};
use crate::config::Problem;
use crate::io::{Compression, Named, ReadError, WriteError, read_archive, write_bytes, write_npz};
use crate::memory::Budget;
use crate::run_dir::RunDir;
use anyhow::Context;
use ndarray::ArrayD;
use std::path::Path;
use std::time::SystemTime;

/// The text of a record's `summary.json`.
///
/// # Errors
/// Never for a record built by this program.
pub fn to_json(record: &Record) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(record)? + "\n")
}

/// Reads the text of a `summary.json`; `path` is named in errors.
///
/// # Errors
/// If the text is not JSON, lacks a field, or comes from a newer program.
pub fn from_json(text: &str, path: &Path) -> Result<Record, ReadError> {
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

/// Writes an npz file of arrays.
///
/// # Errors
/// If the file cannot be written.
pub fn write_arrays(arrays: &Arrays, path: &Path) -> Result<(), WriteError> {
    let standard: Vec<_> = arrays.iter().map(|(name, a)| (name, a.shape(), a.as_standard_layout())).collect();
    let named: Vec<Named<'_>> = standard
        .iter()
        .map(|(name, shape, a)| Named { name, shape, values: a.as_slice().unwrap_or_default() })
        .collect();
    write_npz(path, &named, Compression::Deflate)
}

/// Reads an npz file of float64 arrays.
///
/// # Errors
/// If the file is missing, damaged, or holds another element type.
pub fn read_arrays(path: &Path) -> Result<Arrays, ReadError> {
    let arrays = read_archive(path, &Budget::new(None))?;
    let shaped = |(name, shape, values): (String, Vec<usize>, Vec<f64>)| {
        Some((name, ArrayD::from_shape_vec(shape, values).ok()?))
    };
    // The reader has checked that shapes fit.
    Ok(arrays.into_iter().filter_map(shaped).collect())
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
    /// What a study of a problem has found, with all that a report says of the run; `command` is what made it.
    ///
    /// # Errors
    /// Never for a record built by this program.
    pub fn new(
        problem: &Problem,
        mut record: Record,
        arrays: Arrays,
        command: Vec<String>,
        warnings: Vec<String>,
    ) -> anyhow::Result<Self> {
        record.fingerprint = problem.fingerprint.hex();
        record.config = serde_json::to_value(&problem.settings)?;
        record.command = command;
        env!("GTV_COMMIT").clone_into(&mut record.commit);
        record.finished = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        record.warnings = warnings;
        Ok(Self { record, arrays, config_toml: RunDir::config_text(&problem.resolved) })
    }

    /// Writes `summary.json` and `arrays.npz` into a run's folder, whose `config.toml` is there from its start.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        write_arrays(&self.arrays, &dir.join("arrays.npz"))?;
        Ok(write_bytes(&dir.join("summary.json"), to_json(&self.record)?.as_bytes())?)
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
        let record = from_json(&text("summary.json")?, &dir.join("summary.json"))?;
        let config_toml = text("config.toml")?;
        let path = dir.join("arrays.npz");
        let arrays = match read_arrays(&path) {
            Err(e @ ReadError::Io { .. }) => return Err(e).with_context(missing),
            other => other?,
        };
        Ok(Self { record, arrays, config_toml })
    }
}
