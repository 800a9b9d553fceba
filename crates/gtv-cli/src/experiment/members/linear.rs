//! A linear model's file: one tensor, `readout.weight`, D × F in float64 as `torch.nn.Linear` stores it.

use super::{Folder, about, damaged, encode, file, open};
use crate::config::Problem;
use crate::io::write_bytes;
use anyhow::Result;
use gtv_models::LinearEnsemble;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

const TENSOR: &str = "readout.weight";

/// Writes every member.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(run: &Path, problem: &Problem, ensemble: &LinearEnsemble) -> Result<()> {
    let (dim, features) = (problem.cloud.dim(), problem.spec.features.len());
    let (folder, about) = (Folder::create(run)?, about(problem));
    for (member, weights) in ensemble.members().enumerate() {
        let bytes: Vec<u8> = (0..dim)
            .flat_map(|d| (0..features).flat_map(move |f| weights[f * dim + d].to_le_bytes()))
            .collect();
        let view = TensorView::new(Dtype::F64, vec![dim, features], &bytes)?;
        write_bytes(&file(run, member), &encode(vec![(TENSOR, view)], &about)?)?;
    }
    folder.keep(ensemble.len())
}

/// Reads one member's W, F × D.
///
/// # Errors
/// A file that is missing or damaged, or that does not fit the run's config.
pub fn load(run: &Path, problem: &Problem, member: usize) -> Result<Vec<f64>> {
    let (dim, features) = (problem.cloud.dim(), problem.spec.features.len());
    let path = file(run, member);
    let damaged = |reason: String| damaged(&path, &reason);
    let bytes = open(&path)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| damaged(format!("not a readable safetensors file ({e})")))?;
    let tensor = tensors.tensor(TENSOR).map_err(|_| damaged(format!("it has no tensor {TENSOR}")))?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != [dim, features] {
        return Err(damaged(format!(
            "{TENSOR} is {:?} of shape {:?}, but the run's config describes F64 of shape [{dim}, {features}]",
            tensor.dtype(),
            tensor.shape()
        )));
    }
    let rows: Vec<f64> = tensor.data().as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
    if let Some(i) = rows.iter().position(|v| !v.is_finite()) {
        return Err(damaged(format!("{TENSOR} holds {} at place {i}", rows[i])));
    }
    Ok((0..features).flat_map(|f| (0..dim).map(move |d| d * features + f)).map(|i| rows[i]).collect())
}
