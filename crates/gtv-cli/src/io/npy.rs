//! Reading npy and npz. The stated shape is checked against the bytes that are there before anything is allocated.

use super::error::ReadError;
use ndarray::ArrayD;
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

type Shaped = (Vec<usize>, Vec<f64>);

pub(super) fn read_npy(path: &Path) -> Result<Shaped, ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    decode(&bytes).map_err(|reason| ReadError::format(path, reason))
}

pub(super) fn read_npz(path: &Path, key: Option<&str>) -> Result<Shaped, ReadError> {
    let file = File::open(path).map_err(|e| ReadError::io(path, e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(ReadError::io(path, std::io::ErrorKind::IsADirectory.into()));
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| {
        ReadError::format(
            path,
            format!("not a readable npz archive ({e}); it may be truncated: copy or save it again"),
        )
    })?;
    let mut present: Vec<String> =
        archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
    present.sort();
    let name = match key {
        Some(key) if present.iter().any(|p| p == key) => key,
        None if present.len() == 1 => &present[0],
        _ => {
            return Err(ReadError::Key { path: path.to_owned(), key: key.map(str::to_owned), present });
        }
    };
    let broken = |e: &dyn std::fmt::Display| {
        ReadError::format(
            path,
            format!("array {name:?} cannot be unpacked ({e}); the file is damaged: save it again"),
        )
    };
    let stored = format!("{name}.npy");
    let stored = if archive.index_for_name(&stored).is_some() { stored } else { name.to_owned() };
    let mut bytes = Vec::new();
    let mut entry = archive.by_name(&stored).map_err(|e| broken(&e))?;
    entry.read_to_end(&mut bytes).map_err(|e| broken(&e))?;
    decode(&bytes).map_err(|reason| ReadError::format(path, format!("array {name:?}: {reason}")))
}

/// Decodes one npy file held in memory.
fn decode(bytes: &[u8]) -> Result<Shaped, String> {
    let mut rest = bytes;
    if bytes.is_empty() {
        return Err("the file is empty; expected an array in npy format".to_owned());
    }
    let header = Header::from_reader(&mut rest)
        .map_err(|e| format!("not a readable npy file ({e}); save the array again with numpy.save"))?;
    let descriptor = header.type_descriptor.as_string().cloned().unwrap_or_default();
    let size = match descriptor.trim_start_matches(['<', '>', '|', '=']) {
        "f8" | "i8" | "u8" => 8,
        "f4" | "i4" | "u4" => 4,
        "i2" | "u2" => 2,
        "i1" | "u1" | "b" | "B" => 1,
        _ => {
            return Err(format!(
                "values of type {} are not read; expected floats of 32 or 64 bits or integers: convert with .astype(\"float64\")",
                header.type_descriptor
            ));
        }
    };
    let stated = header.shape.iter().try_fold(size, |n: usize, &axis| n.checked_mul(axis));
    if stated != Some(rest.len()) {
        return Err(format!(
            "the header states shape {:?} of {size}-byte values, but {} bytes of values follow; the file is truncated or damaged",
            header.shape,
            rest.len()
        ));
    }
    let kind = descriptor.trim_start_matches(['<', '>', '|', '=']);
    match kind {
        "f8" => convert(bytes, |v: f64| v),
        "f4" => convert(bytes, |v: f32| f64::from(v)),
        "i8" => convert(bytes, |v: i64| v as f64),
        "u8" => convert(bytes, |v: u64| v as f64),
        "i4" => convert(bytes, |v: i32| f64::from(v)),
        "u4" => convert(bytes, |v: u32| f64::from(v)),
        "i2" => convert(bytes, |v: i16| f64::from(v)),
        "u2" => convert(bytes, |v: u16| f64::from(v)),
        "i1" | "b" => convert(bytes, |v: i8| f64::from(v)),
        _ => convert(bytes, |v: u8| f64::from(v)),
    }
}

fn convert<T: ReadableElement + Copy>(bytes: &[u8], to_f64: impl Fn(T) -> f64) -> Result<Shaped, String> {
    let array: ArrayD<T> = ArrayD::read_npy(bytes).map_err(|e| format!("not a readable npy file ({e})"))?;
    // Iteration is in logical order, so Fortran-ordered files come out row-major too.
    Ok((array.shape().to_vec(), array.iter().copied().map(to_f64).collect()))
}
