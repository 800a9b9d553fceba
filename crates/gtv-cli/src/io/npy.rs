//! Reading npy and npz. The stated shape is checked against the bytes that are there before anything is allocated.

use super::error::ReadError;
use crate::memory::Budget;
use ndarray::ArrayD;
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

type Shaped = (Vec<usize>, Vec<f64>);

pub(super) fn read_npy(path: &Path) -> Result<Shaped, ReadError> {
    let length = std::fs::metadata(path).map_err(|e| ReadError::io(path, e))?.len();
    check_length(path, length)?;
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
    let entry = archive.by_name(&stored).map_err(|e| broken(&e))?;
    let stated = entry.size();
    check_length(path, stated)?;
    // A packed array that unpacks to more than it states is caught by the decoder, not by the memory.
    entry.take(stated.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
    decode(&bytes).map_err(|reason| ReadError::format(path, format!("array {name:?}: {reason}")))
}

/// Refuses a file that could not be held in memory with its f64 copy (at most 8 bytes for each of its own).
fn check_length(path: &Path, length: u64) -> Result<(), ReadError> {
    let formula = "9 bytes x length of the unpacked file";
    Budget::new(None)
        .check("reading it", 9.0 * length as f64, formula, "bring fewer points")
        .map_err(|refusal| ReadError::format(path, refusal.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An npy file of version 1 with the given header text and data.
    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() + 1) as u16;
        [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), b"\n", data].concat()
    }

    #[test]
    fn oracle_fortran_order_is_transposed() {
        let columns: Vec<u8> =
            [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", &columns);
        assert_eq!(decode(&file), Ok((vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    }

    #[test]
    fn every_numeric_type_is_read_in_both_byte_orders() {
        let one = |descr: &str, bytes: &[u8]| {
            decode(&npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,)}}"), bytes))
        };
        let minus_two = Ok((vec![1], vec![-2.0]));
        assert_eq!(one("<f8", &(-2.0f64).to_le_bytes()), minus_two);
        assert_eq!(one(">f4", &(-2.0f32).to_be_bytes()), minus_two);
        assert_eq!(one(">i8", &(-2i64).to_be_bytes()), minus_two);
        assert_eq!(one("<i4", &(-2i32).to_le_bytes()), minus_two);
        assert_eq!(one("<i2", &(-2i16).to_le_bytes()), minus_two);
        assert_eq!(one("|i1", &(-2i8).to_le_bytes()), minus_two);
        assert_eq!(one("|u1", &[200]), Ok((vec![1], vec![200.0])));
        assert_eq!(one("<u2", &[0, 1]), Ok((vec![1], vec![256.0])));
        assert_eq!(one(">u4", &[0, 0, 1, 0]), Ok((vec![1], vec![256.0])));
        assert_eq!(one("<u8", &256u64.to_le_bytes()), Ok((vec![1], vec![256.0])));
        for other in ["|b1", "<f2", "<c16", "|O", "<U4", "<M8[s]"] {
            assert!(one(other, &[0; 16]).is_err_and(|e| e.contains("astype")), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_allocate_without_end(
            header in "\\{'descr': '[<>|=]?[fiub][1248]', 'fortran_order': (True|False), 'shape': \\([0-9]{0,19},( [0-9]{1,19})?\\)\\}",
            data in prop::collection::vec(any::<u8>(), 0..64),
            cut in 0usize..200,
            flip in (0usize..200, any::<u8>()),
        ) {
            let mut file = npy(&header, &data);
            let _ = decode(&file);
            let _ = decode(&file[..cut.min(file.len())]);
            let at = flip.0.min(file.len() - 1);
            file[at] ^= flip.1;
            let _ = decode(&file);
            let _ = decode(&data);
        }
    }
}
