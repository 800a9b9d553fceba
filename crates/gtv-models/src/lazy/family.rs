//! The file of an infinitely wide network, trained on P points: `training.x` (P × D), `training.t` (P), `coefficients` (P × D),
//! all float64, and, where the initial function is not subtracted, `initial.weights` (K × D) on the features of its kernel.
//!
//! y = skip_t x + f_0 + Σ_n K((x, t), (x_n, t_n)) coefficients_n, K the tangent kernel of the run's config.

use super::{Folder, about, encode, file, numbers, open, tensors};
use crate::config::Problem;
use crate::io::write_bytes;
use anyhow::Result;
use gtv_models::lazy::{LazyEnsemble, LazyField, LazyMember, LazyTrainer};
use gtv_theory::features::FeatureMap;
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use std::sync::Arc;

const NAMES: [&str; 4] = ["training.x", "training.t", "coefficients", "initial.weights"];

/// The shapes of a member's arrays, in the order of [`NAMES`]; the last is empty for a centred one.
fn shapes(trainer: &LazyTrainer) -> Vec<Vec<usize>> {
    let (samples, dim) = (trainer.spec().samples, trainer.model().dim());
    let mut shapes = vec![vec![samples, dim], vec![samples], vec![samples, dim]];
    shapes.extend(trainer.initial().map(|f| vec![f.len(), dim]));
    shapes
}

/// Writes every member.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(run: &Path, problem: &Problem, ensemble: &LazyEnsemble) -> Result<()> {
    let (folder, about) = (Folder::create(run)?, about(problem));
    let shapes = shapes(ensemble.trainer());
    for (i, member) in ensemble.members().iter().enumerate() {
        let arrays: [&[f64]; 4] = [&member.x, &member.t, &member.coefficients, &member.initial];
        let bytes: Vec<Vec<u8>> =
            arrays.iter().map(|a| a.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = NAMES.into_iter().zip(&shapes).zip(&bytes);
        let views = views
            .map(|((name, shape), bytes)| Ok((name, TensorView::new(Dtype::F64, shape.clone(), bytes)?)));
        write_bytes(&file(run, i), &encode(views.collect::<Result<_>>()?, &about)?)?;
    }
    folder.keep(ensemble.members().len())
}

/// Reads one member.
///
/// # Errors
/// A file that is missing or damaged, or that does not fit the run's config.
pub fn load(run: &Path, trainer: &LazyTrainer, member: usize) -> Result<LazyField> {
    let path = file(run, member);
    let bytes = open(&path)?;
    let tensors = tensors(&path, &bytes)?;
    let shapes = shapes(trainer);
    let named = NAMES.into_iter().zip(&shapes);
    let arrays: Vec<Vec<f64>> = named
        .map(|(name, shape)| numbers(&path, &tensors, name, (Dtype::F64, shape), f64::from_le_bytes))
        .collect::<Result<_>>()?;
    let mut next = arrays.into_iter();
    let mut take = || next.next().unwrap_or_default();
    let (x, t, coefficients, initial) = (Arc::new(take()), Arc::new(take()), take(), Arc::new(take()));
    Ok(trainer.field(&LazyMember { x, t, coefficients, initial })?)
}
