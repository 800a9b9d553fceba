//! A network's two files: `member-….safetensors` with its layers, as `torch.nn.Linear` stores them, and `optimizer-….safetensors` with
//! v̂ = v/(1 − β₂^k), Adam's final second moment of each parameter, under the same names.
//!
//! Multipliers are inside the layers of the first and outside of the second: v̂ belongs to the parameters that were trained. The
//! metadata of the second say how: every key of `[training]`, `samples` (P) and `batch_size` (B).

use super::{Layer, MlpField, NetworkForm, Task, Weights};
use crate::error::{Error, Result};
use crate::family::MemberFiles;
use crate::weights_file::{encode, numbers, tensors};
use gtv_theory::ntk::LayerScaling;
use safetensors::tensor::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A network from its file.
///
/// # Errors
/// [`Error::Member`] for a file that is damaged or of another architecture.
pub(super) fn network(task: &Task, file: &[u8]) -> Result<MlpField> {
    let form = Arc::new(NetworkForm::of(task));
    let stored = tensors(file)?;
    let weights = |prefix| weights(&stored, form.layers(), prefix).map(Arc::new);
    let initial = task.training().centred.then(|| weights("initial.")).transpose()?;
    Ok(MlpField::new(form.clone(), weights("")?, initial))
}

/// A network with what its optimizer kept.
///
/// # Errors
/// As [`network`], of either file.
pub(super) fn restored(task: &Task, files: &MemberFiles) -> Result<MlpField> {
    let field = network(task, &files.model)?;
    let Some(optimizer) = &files.optimizer else { return Ok(field) };
    let moments = weights(&tensors(optimizer)?, field.layers(), "")?;
    let mut all = moments.layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias));
    if all.any(|v| *v < 0.0) {
        let reason = "a second moment of the optimizer is negative; train again".to_owned();
        return Err(Error::Member { reason });
    }
    Ok(field.with_second_moments(Arc::new(moments)))
}

/// The file of a network.
///
/// # Errors
/// None for a valid network.
pub(super) fn encoded(field: &MlpField, about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut named = named("", field.layers(), field.weights());
    if let Some(initial) = field.initial() {
        named.extend(self::named("initial.", field.layers(), initial));
    }
    file(&named, about)
}

/// The file of what its optimizer kept; none where that is nothing.
///
/// # Errors
/// None for a valid network.
pub(super) fn encoded_moments(field: &MlpField, about: &BTreeMap<String, String>) -> Result<Option<Vec<u8>>> {
    let moments = field.second_moments().map(|moments| named("", field.layers(), moments));
    moments.map(|named| file(&named, about)).transpose()
}

/// How a task trains its members, as metadata.
///
/// # Errors
/// None for a valid task.
pub(super) fn training(task: &Task) -> Result<BTreeMap<String, String>> {
    let failed = |e: serde_json::Error| Error::Member { reason: e.to_string() };
    let mut about = BTreeMap::from([
        ("samples".to_owned(), task.problem().samples().to_string()),
        ("batch_size".to_owned(), task.batch_size().to_string()),
    ]);
    if let serde_json::Value::Object(keys) = serde_json::to_value(task.training()).map_err(failed)? {
        about.extend(keys.into_iter().map(|(key, value)| match value {
            serde_json::Value::String(text) => (key, text),
            other => (key, other.to_string()),
        }));
    }
    Ok(about)
}

type Named = (String, Vec<usize>, Vec<u8>);

fn file(named: &[Named], about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let tensors = named.iter().map(|(name, shape, bytes)| (&name[..], Dtype::F32, shape.clone(), &bytes[..]));
    encode(tensors, about)
}

fn weights(stored: &SafeTensors<'_>, layers: &[LayerScaling], prefix: &str) -> Result<Weights> {
    let values = |name: &str, shape: &[usize]| numbers(stored, name, (Dtype::F32, shape), f32::from_le_bytes);
    let layer = |(l, scaling): (usize, &LayerScaling)| -> Result<Layer> {
        let name = layer_name(prefix, l, layers.len());
        let (rows, columns) = (scaling.fan_out, scaling.fan_in);
        let stored = values(&format!("{name}.weight"), &[rows, columns])?;
        let weight = (0..columns).flat_map(|i| (0..rows).map(move |o| o * columns + i)).map(|k| stored[k]);
        let weight = weight.collect();
        let bias = match scaling.bias {
            Some(_) => values(&format!("{name}.bias"), &[rows])?,
            None => Vec::new(),
        };
        Ok(Layer { weight, bias })
    };
    Ok(Weights { layers: layers.iter().enumerate().map(layer).collect::<Result<_>>()? })
}

/// The tensors of one network; a layer's weight is stored fan_in × fan_out and written fan_out × fan_in.
fn named(prefix: &str, layers: &[LayerScaling], weights: &Weights) -> Vec<Named> {
    let mut made = Vec::new();
    for (l, (scaling, layer)) in layers.iter().zip(&weights.layers).enumerate() {
        let (rows, columns) = (scaling.fan_out, scaling.fan_in);
        let entry = |o: usize, i: usize| layer.weight[i * rows + o].to_le_bytes();
        let bytes = (0..rows).flat_map(|o| (0..columns).flat_map(move |i| entry(o, i))).collect();
        let name = layer_name(prefix, l, layers.len());
        made.push((format!("{name}.weight"), vec![rows, columns], bytes));
        if scaling.bias.is_some() {
            let bytes = layer.bias.iter().flat_map(|v| v.to_le_bytes()).collect();
            made.push((format!("{name}.bias"), vec![rows], bytes));
        }
    }
    made
}

fn layer_name(prefix: &str, layer: usize, layers: usize) -> String {
    if layer + 1 == layers { format!("{prefix}readout") } else { format!("{prefix}layers.{layer}") }
}
