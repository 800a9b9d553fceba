//! Reading npy and npz, a buffer at a time: a file's values are converted as they come and are held once.

use super::array::Content;
use super::error::ReadError;
use super::npy_header::Header;
use super::source::Source;
use super::values::Values;
use crate::memory::Budget;
use ndarray::{ArrayView, IxDyn, ShapeBuilder};
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes that are converted at a time; a multiple of every value's size.
const BUFFER: usize = 1 << 16;

pub(super) fn read_npy(path: &Path, memory: &Budget) -> Result<Content, ReadError> {
    match Source::open(path)? {
        Source::File(file, length) => decode(path, None, file, Some(length), Numbers::Finite, memory),
        Source::Pipe(pipe) => decode(path, None, pipe, None, Numbers::Finite, memory),
    }
}

/// One array of an archive: that named `key`, or the only one, or else the only one of two and more axes.
pub(super) fn read_npz(path: &Path, key: Option<&str>, memory: &Budget) -> Result<Content, ReadError> {
    match Source::open(path)? {
        Source::File(file, _) => archived(path, key, BufReader::new(file), memory),
        Source::Pipe(pipe) => archived(path, key, Cursor::new(held(path, pipe, memory)?), memory),
    }
}

/// All of a pipe, since an archive is read from its end.
pub(super) fn held(path: &Path, pipe: Box<dyn Read>, memory: &Budget) -> Result<Vec<u8>, ReadError> {
    let most = memory.limit().map_or(1 << 30, |limit| limit / 4);
    let mut bytes = Vec::new();
    pipe.take(most + 1).read_to_end(&mut bytes).map_err(|e| ReadError::io(path, e))?;
    if bytes.len() as u64 > most {
        let reason = format!("more than {} from a pipe; write it to a file", crate::memory::Bytes(most));
        return Err(ReadError::format(path, reason));
    }
    Ok(bytes)
}

pub(super) fn archived(
    path: &Path,
    key: Option<&str>,
    archive: impl Read + Seek,
    memory: &Budget,
) -> Result<Content, ReadError> {
    let mut archive = ZipArchive::new(archive).map_err(|e| {
        ReadError::format(
            path,
            format!("not a readable npz archive ({e}); it may be truncated: copy or save it again"),
        )
    })?;
    let mut present: Vec<String> =
        archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
    present.sort();
    if present.is_empty() {
        return Err(ReadError::format(path, "the archive holds no array; save it again with numpy.savez"));
    }
    let name = match key {
        Some(key) if present.iter().any(|p| p == key) => key.to_owned(),
        None if present.len() == 1 => present[0].clone(),
        _ => match points_among(&mut archive).filter(|_| key.is_none()) {
            Some(name) => name,
            None => {
                return Err(ReadError::Key { path: path.to_owned(), key: key.map(str::to_owned), present });
            }
        },
    };
    let name = name.as_str();
    let broken = |e: &dyn std::fmt::Display| {
        ReadError::format(
            path,
            format!("array {name:?} cannot be unpacked ({e}); the file is damaged: save it again"),
        )
    };
    let stored = format!("{name}.npy");
    let stored = if archive.index_for_name(&stored).is_some() { stored } else { name.to_owned() };
    let mut entry = archive.by_name(&stored).map_err(|e| match e {
        ZipError::UnsupportedArchive(_) => ReadError::format(
            path,
            format!("array {name:?} is packed in another way than numpy.savez does; save it again with that"),
        ),
        _ => broken(&e),
    })?;
    let stated = entry.size();
    let content = decode(path, Some(name), &mut entry, Some(stated), Numbers::Finite, memory)?;
    // The archive's checksum is compared at the end of the entry.
    std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| broken(&e))?;
    Ok(content)
}

/// The only array of an archive that has two and more axes: points, where the others are lists such as labels.
fn points_among(archive: &mut ZipArchive<impl Read + Seek>) -> Option<String> {
    let mut found = None;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let (header, _) = Header::read(&mut entry).ok()?;
        let name = entry.name().trim_end_matches(".npy").to_owned();
        if header.shape.len() > 1 && found.replace(name).is_some() {
            return None;
        }
    }
    found
}

/// Which numbers an array may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// None but finite ones.
    Finite,
    /// All.
    Any,
}

/// An array of an archive: name, shape, values.
pub type Entry = (String, Vec<usize>, Vec<f64>);

/// Every array of an archive that this program wrote, by name; they may hold any number.
///
/// # Errors
/// [`ReadError`] for a file that is missing, damaged or larger than the memory.
pub fn read_archive(path: &Path, memory: &Budget) -> Result<Vec<Entry>, ReadError> {
    every_array(path, memory, "make the run again")
}

/// Every array of an archive that a user brings, by name; whether their numbers are finite is for the one to check who knows the names.
///
/// # Errors
/// As [`read_archive`].
pub fn read_arrays(path: &Path, memory: &Budget) -> Result<Vec<Entry>, ReadError> {
    every_array(path, memory, "save it again with numpy.savez")
}

fn every_array(path: &Path, memory: &Budget, advice: &str) -> Result<Vec<Entry>, ReadError> {
    let Source::File(file, _) = Source::open(path)? else {
        return Err(ReadError::not_a_file(path, "this is a pipe"));
    };
    let damaged = |e: ZipError| ReadError::format(path, format!("not a readable npz file ({e}); {advice}"));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let count = archive.len();
    let one = |index| {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let stated = entry.size();
        let content = decode(path, Some(&name), &mut entry, Some(stated), Numbers::Any, memory)?;
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| damaged(e.into()))?;
        Ok((name, content.shape, content.values))
    };
    (0..count).map(one).collect()
}

/// Decodes an npy file, whose length is known unless it comes from a pipe. Bytes after the array are left alone.
pub(super) fn decode(
    path: &Path,
    name: Option<&str>,
    mut reader: impl Read,
    length: Option<u64>,
    numbers: Numbers,
    memory: &Budget,
) -> Result<Content, ReadError> {
    let wrong = |reason: String| match name {
        Some(name) => ReadError::format(path, format!("array {name:?}: {reason}")),
        None => ReadError::format(path, reason),
    };
    if length == Some(0) {
        return Err(wrong("the file is empty; expected an array in npy format".to_owned()));
    }
    let (header, start) = Header::read(&mut reader).map_err(wrong)?;
    let size = header.element.size();
    let truncated = |there: u64| {
        wrong(format!(
            "the header states shape {:?} of {size}-byte values, but {there} bytes of values follow; the file is truncated or damaged",
            header.shape
        ))
    };
    let stated = header.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
    let stated = stated.filter(|n| n.checked_mul(size).is_some());
    let there = length.map(|length| length.saturating_sub(start));
    let count = match (stated, there) {
        (Some(count), None) => count,
        (Some(count), Some(there)) if (count * size) as u64 <= there => count,
        (_, there) => return Err(truncated(there.unwrap_or(0))),
    };
    let mut values = Values::new(path, memory);
    // Without a length this many may never come.
    if there.is_some() {
        values.check(count as f64)?;
    }
    let mut buffer = vec![0u8; BUFFER.min(count.saturating_mul(size))];
    while values.len() < count {
        let wanted = buffer.len().min((count - values.len()).saturating_mul(size));
        let got = fill(&mut reader, &mut buffer[..wanted]).map_err(|e| {
            wrong(format!("it cannot be read to its end ({e}); the file may be damaged: save it again"))
        })?;
        let whole = got - got % size;
        for bytes in buffer[..whole].chunks_exact_mut(size) {
            if header.big_endian {
                bytes.reverse();
            }
            let value = header.element.value(bytes);
            if numbers == Numbers::Finite && !value.is_finite() {
                let position = position(&header, values.len());
                return Err(ReadError::NotFinite { path: path.to_owned(), value, position });
            }
            values.push(value, Some(count))?;
        }
        if got < wanted {
            return Err(truncated((values.len() * size + got % size) as u64));
        }
    }
    let shape = header.shape.clone();
    let values = if header.fortran { row_major(&header, values.into_list()) } else { values.into_list() };
    Ok(Content { shape, values, header: None })
}

/// Reads until the buffer is full or there is no more.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// `index [3, 1]`, of the value that comes after `flat` others in the file.
fn position(header: &Header, mut flat: usize) -> String {
    let mut index = vec![0; header.shape.len()];
    let mut axes: Vec<usize> = (0..index.len()).collect();
    if !header.fortran {
        axes.reverse();
    }
    for axis in axes {
        index[axis] = flat % header.shape[axis];
        flat /= header.shape[axis];
    }
    format!("index {index:?}")
}

/// The values of a Fortran-ordered array in C order.
fn row_major(header: &Header, values: Vec<f64>) -> Vec<f64> {
    if header.shape.len() < 2 {
        return values;
    }
    match ArrayView::from_shape(IxDyn(&header.shape).f(), &values) {
        Ok(view) => view.iter().copied().collect(),
        Err(_) => values,
    }
}

#[cfg(test)]
mod tests;
