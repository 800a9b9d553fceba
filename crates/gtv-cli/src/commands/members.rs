//! Trained members on disk: `members/member-00000.safetensors`, one file a model, with plain layer names and metadata that
//! name the run.

use crate::config::Problem;
use crate::failure::UsageError;
use crate::io::{ReadError, WriteError, write_bytes};
use anyhow::Result;
use gtv_models::{Error, Family, Members};
use gtv_theory::ScoreField;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A member's file in a run's folder.
pub fn file(run: &Path, member: usize) -> PathBuf {
    run.join("members").join(format!("member-{member:05}.safetensors"))
}

/// Writes every member, and removes what an earlier run with more members has left.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(run: &Path, problem: &Problem, members: &dyn Members) -> Result<()> {
    let folder = run.join("members");
    fs::create_dir_all(&folder).map_err(|e| WriteError::new(&folder, "create the folder", e))?;
    let about = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("gtv_run".to_owned(), problem.fingerprint.hex()),
        ("schedule".to_owned(), serde_json::to_string(&problem.config.schedule)?),
    ]);
    for member in 0..members.len() {
        write_bytes(&file(run, member), &members.encode(member, &about)?)?;
    }
    let mut beyond = (members.len()..).map(|member| file(run, member));
    while let Some(path) = beyond.next().filter(|p| p.exists()) {
        fs::remove_file(&path).map_err(|e| WriteError::new(&path, "remove the file", e))?;
    }
    Ok(())
}

/// Reads one member.
///
/// # Errors
/// A file that is missing or damaged, or that does not fit the run's config.
pub fn load(run: &Path, family: &dyn Family, member: usize) -> Result<Box<dyn ScoreField>> {
    let path = file(run, member);
    let bytes = fs::read(&path).map_err(|cause| ReadError::Io { path: path.clone(), cause })?;
    family.decode(&bytes).map_err(|error| match error {
        Error::Member { reason } => UsageError::Run { path: path.display().to_string(), reason }.into(),
        other => other.into(),
    })
}
