//! Members' files: safetensors with plain layer names, which PyTorch loads, and metadata that name the run.

use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::BTreeMap;
use std::fmt::Display;

/// A tensor to write: its name, type, shape and bytes.
pub(crate) type Tensor<'a> = (&'a str, Dtype, Vec<usize>, &'a [u8]);

/// A safetensors file of these tensors and metadata; equal content gives equal bytes, which the library's own order of metadata
/// does not.
pub(crate) fn encode<'a>(
    tensors: impl IntoIterator<Item = Tensor<'a>>,
    about: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let view = |(name, dtype, shape, bytes): Tensor<'a>| {
        Ok((name, TensorView::new(dtype, shape, bytes).map_err(failed)?))
    };
    let views = tensors.into_iter().map(view).collect::<Result<Vec<_>>>()?;
    let plain = serialize(views, None).map_err(failed)?;
    // Eight bytes for the length of the header, a JSON object padded with spaces to a multiple of 8, and the tensors.
    let (len, rest) = plain.split_first_chunk::<8>().ok_or_else(|| failed("no header"))?;
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    let header = std::str::from_utf8(header).map_err(failed)?.trim_end().trim_start_matches('{');
    let mut header = format!("{{\"__metadata__\":{},{header}", serde_json::to_string(about).map_err(failed)?);
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let len = (header.len() as u64).to_le_bytes();
    Ok([&len[..], header.as_bytes(), data].concat())
}

fn failed(cause: impl Display) -> Error {
    Error::Member { reason: format!("the tensors cannot be encoded: {cause}") }
}

/// The tensors of a member's file.
pub(crate) fn tensors(bytes: &[u8]) -> Result<SafeTensors<'_>> {
    SafeTensors::deserialize(bytes).map_err(|e| damaged(format!("not a readable safetensors file ({e})")))
}

/// Numbers as little-endian bytes.
pub(crate) fn bytes<const N: usize, T: Copy>(values: &[T], write: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|v| write(*v)).collect()
}

/// A tensor's finite numbers of N bytes, in the shape that the run's config describes.
pub(crate) fn numbers<const N: usize, T: Copy + Display + Into<f64>>(
    tensors: &SafeTensors<'_>,
    name: &str,
    (dtype, shape): (Dtype, &[usize]),
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let tensor = tensors.tensor(name).map_err(|_| damaged(format!("it has no tensor {name}")))?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let reason = format!(
            "{name} is {:?} of shape {:?}, but the run's config describes {dtype:?} of shape {shape:?}",
            tensor.dtype(),
            tensor.shape()
        );
        return Err(damaged(reason));
    }
    let values: Vec<T> = tensor.data().as_chunks::<N>().0.iter().map(|v| read(*v)).collect();
    match values.iter().position(|v| !(*v).into().is_finite()) {
        Some(i) => Err(damaged(format!("{name} holds {} at place {i}", values[i]))),
        None => Ok(values),
    }
}

fn damaged(reason: String) -> Error {
    Error::Member { reason: format!("{reason}; train again") }
}
