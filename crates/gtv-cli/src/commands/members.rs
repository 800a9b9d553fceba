//! Trained members on disk: `members/member-00000.safetensors`, one file a model, with plain layer names and metadata that
//! name the run; beside it `members/optimizer-00000.safetensors`, what Adam kept of it.

use crate::config::Problem;
use crate::failure::UsageError;
use crate::io::{ReadError, WriteError, write_bytes};
use anyhow::Result;
use gtv_models::family::MemberFiles;
use gtv_models::{Error, Family, Members};
use gtv_theory::ScoreField;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A member's file in a run's folder.
pub fn file(run: &Path, member: usize) -> PathBuf {
    run.join("members").join(format!("member-{member:05}.safetensors"))
}

/// The file of what a member's optimizer kept.
fn optimizer_file(run: &Path, member: usize) -> PathBuf {
    run.join("members").join(format!("optimizer-{member:05}.safetensors"))
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
        match members.encode_optimizer(member, &about)? {
            Some(bytes) => write_bytes(&optimizer_file(run, member), &bytes)?,
            None => remove(&optimizer_file(run, member))?,
        }
    }
    let mut beyond = (members.len()..).take_while(|member| file(run, *member).exists());
    beyond.try_for_each(|member| {
        remove(&file(run, member))?;
        remove(&optimizer_file(run, member))
    })?;
    Ok(())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), WriteError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(WriteError::new(path, "remove the file", e))
        }
        _ => Ok(()),
    }
}

/// Reads some members as their family has them, with what their optimizers kept.
///
/// # Errors
/// As [`load`].
pub fn restore(run: &Path, problem: &Problem, which: &[usize]) -> Result<Box<dyn Members>> {
    let read = |path: PathBuf| fs::read(&path).map_err(|cause| ReadError::Io { path, cause });
    let files = which.iter().map(|&member| {
        let optimizer = Some(optimizer_file(run, member)).filter(|path| path.exists());
        Ok(MemberFiles { model: read(file(run, member))?, optimizer: optimizer.map(read).transpose()? })
    });
    let files = files.collect::<Result<Vec<_>, ReadError>>()?;
    let draws: Vec<_> = which.iter().map(|&member| problem.study.members[member]).collect();
    problem.study.family.restore(&draws, &files).map_err(|error| match error {
        Error::Member { reason } => {
            UsageError::Run { path: run.join("members").display().to_string(), reason }.into()
        }
        other => other.into(),
    })
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
