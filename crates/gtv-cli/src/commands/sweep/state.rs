//! How far a cell is, as its folder says it; finished ones are sealed with checksums.

use super::plan::{CELLS, Cell, Plan};
use crate::context::Context;
use crate::io::{WriteError, write_bytes};
use crate::record::Record;
use crate::run_dir::{Fingerprint, FolderLock, RunDir};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Checksums of a finished cell's numbers, as `sha256sum -c` reads them.
const SEAL: &str = "SHA256SUMS";
/// What they are of.
const SEALED: [&str; 3] = ["arrays.npz", "config.toml", "summary.json"];
/// Why a cell could not be run.
const FAILURE: &str = "failure.json";

/// How far a cell is.
#[derive(Debug)]
pub enum State {
    /// Nobody has begun it.
    Missing,
    /// It was begun, and what is kept is gone on from.
    Begun,
    /// It could not be run, for this reason; it is tried again.
    Failed(String),
    /// It looks finished, but its files are not what was written.
    Damaged(String),
    /// The folder's config is another one.
    Foreign,
    /// All is there.
    Finished(Box<Record>),
}

#[derive(Serialize, Deserialize)]
struct Failure {
    reason: String,
}

impl Plan {
    /// How far a cell is in a sweep's folder.
    ///
    /// # Errors
    /// As [`Plan::loaded`].
    pub fn state(&self, cell: &Cell, out: &Path, ctx: &Context) -> Result<State> {
        let folder = out.join(&cell.folder);
        let Ok(text) = fs::read_to_string(folder.join("config.toml")) else {
            let bare = !folder.join("summary.json").exists();
            return Ok(if bare { State::Missing } else { State::Damaged("no config.toml".to_owned()) });
        };
        let loaded = self.loaded(cell, ctx)?;
        if text != RunDir::config_text(&loaded.to_toml()) {
            let ours = text.starts_with(&RunDir::config_text(""));
            let sealed = checked(&folder).is_ok();
            return Ok(if ours && sealed {
                State::Foreign
            } else {
                State::Damaged("config.toml is not what was written".to_owned())
            });
        }
        match finished(&folder) {
            None => Ok(failure(&folder).map_or(State::Begun, |failure| State::Failed(failure.reason))),
            Some(Err(reason)) => Ok(State::Damaged(reason)),
            Some(Ok(record)) if record.config != serde_json::to_value(loaded.table())? => {
                Ok(State::Damaged("summary.json is of another config than config.toml".to_owned()))
            }
            Some(Ok(record)) => Ok(State::Finished(Box::new(record))),
        }
    }

    /// Gives finished cells of an earlier sweep in the folder their places in this one: a longer list shifts numbers.
    ///
    /// # Errors
    /// A folder that another process holds, or that cannot be moved.
    pub fn adopt(&self, fingerprints: &[Fingerprint], out: &Path) -> Result<()> {
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let folders = fs::read_dir(out.join(CELLS)).into_iter().flatten().flatten();
        for path in folders.map(|entry| entry.path()) {
            if let Some(Ok(record)) = finished(&path) {
                found.insert(record.fingerprint, path);
            }
        }
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |e| WriteError::new(&path, "move the finished cell", e)
        };
        // By way of a name that no cell has, since cells may change places; a kill between leaves them to be found again.
        let mut moves = Vec::new();
        for (cell, fingerprint) in self.cells.iter().zip(fingerprints) {
            let (place, name) = (out.join(&cell.folder), fingerprint.hex());
            if let Some(from) = found.get(&name).filter(|from| **from != place) {
                let aside = out.join(CELLS).join(format!(".gtv-{name}.tmp"));
                fs::rename(from, &aside).map_err(fail(from))?;
                moves.push((aside, place));
            }
        }
        for (aside, place) in moves {
            if let Some(Ok(record)) = finished(&place) {
                // Not wanted now, but when its list is long again.
                let kept = out.join(CELLS).join(format!(".gtv-{}.tmp", record.fingerprint));
                fs::rename(&place, &kept).map_err(fail(&place))?;
            } else if place.exists() {
                if let Some(held) = FolderLock::holder_of(&place) {
                    // What is moved aside is found there the next time.
                    return Err(held.into());
                }
                fs::remove_dir_all(&place).map_err(fail(&place))?;
            }
            fs::rename(&aside, &place).map_err(fail(&aside))?;
        }
        Ok(())
    }
}

/// The record of a comparison's folder, if the comparison came to its end (the parts go last), or what is wrong with it.
pub fn finished(folder: &Path) -> Option<Result<Record, String>> {
    let path = folder.join("summary.json");
    if folder.join("parts").exists() || !path.is_file() {
        return None;
    }
    let whole = || {
        for name in ["report.html", "arrays.npz", "config.toml"] {
            if !folder.join(name).is_file() {
                return Err(format!("no {name}"));
            }
        }
        checked(folder)?;
        let text = fs::read_to_string(&path).map_err(|e| format!("summary.json: {e}"))?;
        crate::record::from_json(&text, Path::new("summary.json")).map_err(|e| e.to_string())
    };
    Some(whole())
}

/// Seals a finished cell, and forgets earlier failures.
///
/// # Errors
/// [`WriteError`].
pub fn seal(folder: &Path) -> Result<(), WriteError> {
    let failure = folder.join(FAILURE);
    if failure.exists() {
        fs::remove_file(&failure).map_err(|e| WriteError::new(&failure, "remove the file", e))?;
    }
    let mut sums = String::new();
    for name in SEALED {
        let path = folder.join(name);
        let sum = sum(&path).map_err(|e| WriteError::new(&path, "read back the file", e))?;
        let _ = writeln!(sums, "{sum}  {name}");
    }
    write_bytes(&folder.join(SEAL), sums.as_bytes())
}

/// Whether a folder has its seal.
pub fn is_sealed(folder: &Path) -> bool {
    folder.join(SEAL).is_file()
}

/// Takes the seal off a cell that is run again.
///
/// # Errors
/// [`WriteError`].
pub fn unseal(folder: &Path) -> Result<(), WriteError> {
    let seal = folder.join(SEAL);
    match fs::remove_file(&seal) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(WriteError::new(&seal, "remove the file", e))
        }
        _ => Ok(()),
    }
}

/// Notes in a cell's folder why it could not be run.
///
/// # Errors
/// A folder that cannot be written to.
pub fn note_failure(folder: &Path, reason: &str) -> Result<()> {
    let failure = Failure { reason: reason.to_owned() };
    // A cell whose folder was never begun has nothing in it that another run would go on from.
    if folder.join("config.toml").is_file() {
        write_bytes(&folder.join(FAILURE), &serde_json::to_vec_pretty(&failure)?)?;
    }
    Ok(())
}

fn failure(folder: &Path) -> Option<Failure> {
    serde_json::from_slice(&fs::read(folder.join(FAILURE)).ok()?).ok()
}

/// Holds a folder against its seal; one of an earlier version has none.
fn checked(folder: &Path) -> Result<(), String> {
    let Ok(sums) = fs::read_to_string(folder.join(SEAL)) else { return Ok(()) };
    let stated: BTreeMap<&str, &str> =
        sums.lines().filter_map(|l| l.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    for name in SEALED {
        let found = sum(&folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
        if stated.get(name) != Some(&found.as_str()) {
            return Err(format!("{name} does not match its checksum in {SEAL}"));
        }
    }
    Ok(())
}

fn sum(path: &Path) -> std::io::Result<String> {
    let digest = Sha256::digest(fs::read(path)?);
    Ok(digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
