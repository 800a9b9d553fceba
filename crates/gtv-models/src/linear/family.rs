//! A linear model's file: one tensor, `readout.weight`, D × F in float64 as `torch.nn.Linear` stores it.

use super::{Folder, about, encode, file, numbers, open, tensors};
use crate::config::Problem;
use crate::io::write_bytes;
use anyhow::Result;
use gtv_models::LinearEnsemble;
use safetensors::tensor::{Dtype, TensorView};
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
    let bytes = open(&path)?;
    let shape = [dim, features];
    let rows = numbers(&path, &tensors(&path, &bytes)?, TENSOR, (Dtype::F64, &shape), f64::from_le_bytes)?;
    Ok((0..features).flat_map(|f| (0..dim).map(move |d| d * features + f)).map(|i| rows[i]).collect())
}
