//! Trained members on disk: `members/member-00000.safetensors`, one file a model, with plain layer names and metadata that
//! name the run.

pub mod lazy;
pub mod linear;
pub mod network;

use crate::config::Problem;
use crate::failure::UsageError;
use crate::io::{ReadError, WriteError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// A member's file in a run's folder.
pub fn file(run: &Path, member: usize) -> PathBuf {
    run.join("members").join(format!("member-{member:05}.safetensors"))
}

/// The folder of the members' files.
struct Folder<'a> {
    run: &'a Path,
}

impl<'a> Folder<'a> {
    fn create(run: &'a Path) -> Result<Self, WriteError> {
        let path = run.join("members");
        fs::create_dir_all(&path).map_err(|e| WriteError::new(&path, "create the folder", e))?;
        Ok(Self { run })
    }

    /// Removes what an earlier run with more members has left.
    fn keep(self, members: usize) -> anyhow::Result<()> {
        let mut beyond = (members..).map(|member| file(self.run, member));
        while let Some(path) = beyond.next().filter(|p| p.exists()) {
            fs::remove_file(&path).map_err(|e| WriteError::new(&path, "remove the file", e))?;
        }
        Ok(())
    }
}

/// Metadata of every member's file.
fn about(problem: &Problem) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("gtv_run".to_owned(), problem.fingerprint.hex()),
    ])
}

/// A safetensors file of these tensors and metadata; equal content gives equal bytes, which the library's own order of metadata
/// does not.
fn encode(tensors: Vec<(&str, TensorView<'_>)>, about: &BTreeMap<String, String>) -> anyhow::Result<Vec<u8>> {
    let plain = serialize(tensors, None)?;
    // Eight bytes for the length of the header, a JSON object padded with spaces to a multiple of 8, and the tensors.
    let (len, rest) = plain.split_first_chunk::<8>().ok_or_else(|| anyhow::anyhow!("no header"))?;
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    let header = std::str::from_utf8(header)?.trim_end().trim_start_matches('{');
    let mut header = format!("{{\"__metadata__\":{},{header}", serde_json::to_string(about)?);
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let len = (header.len() as u64).to_le_bytes();
    Ok([&len[..], header.as_bytes(), data].concat())
}

fn open(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(fs::read(path).map_err(|cause| ReadError::Io { path: path.to_owned(), cause })?)
}

/// The tensors of a member's file.
fn tensors<'a>(path: &Path, bytes: &'a [u8]) -> anyhow::Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes)
        .map_err(|e| damaged(path, &format!("not a readable safetensors file ({e})")))
}

/// A tensor's finite numbers of N bytes, in the shape that the run's config describes.
fn numbers<const N: usize, T: Copy + Display + Into<f64>>(
    path: &Path,
    tensors: &SafeTensors<'_>,
    name: &str,
    (dtype, shape): (Dtype, &[usize]),
    read: impl Fn([u8; N]) -> T,
) -> anyhow::Result<Vec<T>> {
    let tensor = tensors.tensor(name).map_err(|_| damaged(path, &format!("it has no tensor {name}")))?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let reason = format!(
            "{name} is {:?} of shape {:?}, but the run's config describes {dtype:?} of shape {shape:?}",
            tensor.dtype(),
            tensor.shape()
        );
        return Err(damaged(path, &reason));
    }
    let values: Vec<T> = tensor.data().as_chunks::<N>().0.iter().map(|v| read(*v)).collect();
    match values.iter().position(|v| !(*v).into().is_finite()) {
        Some(i) => Err(damaged(path, &format!("{name} holds {} at place {i}", values[i]))),
        None => Ok(values),
    }
}

fn damaged(path: &Path, reason: &str) -> anyhow::Error {
    UsageError::Run { path: path.display().to_string(), reason: format!("{reason}; train again") }.into()
}
