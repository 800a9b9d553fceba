//! Trained members on disk: `members/member-00000.safetensors`, one file a model, with plain layer names.
//!
//! A linear model is one tensor, `readout.weight`, D × F in float64 as `torch.nn.Linear` stores it; the metadata name
//! the run's fingerprint.

use crate::config::Problem;
use crate::failure::UsageError;
use crate::io::{ReadError, write_bytes};
use anyhow::Result;
use gtv_models::LinearEnsemble;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const TENSOR: &str = "readout.weight";

fn file(run: &Path, member: usize) -> PathBuf {
    run.join("members").join(format!("member-{member:05}.safetensors"))
}

/// Writes every member.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(run: &Path, problem: &Problem, ensemble: &LinearEnsemble) -> Result<()> {
    let (dim, features) = (problem.cloud.dim(), problem.spec.features.len());
    let folder = run.join("members");
    std::fs::create_dir_all(&folder)
        .map_err(|e| anyhow::anyhow!("cannot create the folder {}: {e}", folder.display()))?;
    let about = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("gtv_run".to_owned(), problem.fingerprint.hex()),
    ]);
    for (member, weights) in ensemble.members().enumerate() {
        let bytes: Vec<u8> = (0..dim)
            .flat_map(|d| (0..features).flat_map(move |f| weights[f * dim + d].to_le_bytes()))
            .collect();
        let view = TensorView::new(Dtype::F64, vec![dim, features], &bytes)?;
        write_bytes(&file(run, member), &serialize([(TENSOR, view)], Some(about.clone()))?)?;
    }
    Ok(())
}

/// Reads one member's W, F × D.
///
/// # Errors
/// A file that is missing or damaged, or that does not fit the run's config.
pub fn load(run: &Path, problem: &Problem, member: usize) -> Result<Vec<f64>> {
    let (dim, features) = (problem.cloud.dim(), problem.spec.features.len());
    let path = file(run, member);
    let bytes = std::fs::read(&path).map_err(|cause| ReadError::Io { path: path.clone(), cause })?;
    let damaged = |reason: String| UsageError::Run { path: path.display().to_string(), reason };
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| damaged(format!("not a readable safetensors file ({e}); train again")))?;
    let tensor =
        tensors.tensor(TENSOR).map_err(|_| damaged(format!("it has no tensor {TENSOR}; train again")))?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != [dim, features] {
        return Err(damaged(format!(
            "{TENSOR} is {:?} of shape {:?}, but the run's config describes F64 of shape [{dim}, {features}]",
            tensor.dtype(),
            tensor.shape()
        ))
        .into());
    }
    let rows: Vec<f64> = tensor.data().as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
    if let Some(i) = rows.iter().position(|v| !v.is_finite()) {
        return Err(damaged(format!("{TENSOR} holds {} at place {i}; train again", rows[i])).into());
    }
    Ok((0..features).flat_map(|f| (0..dim).map(move |d| d * features + f)).map(|i| rows[i]).collect())
}
