//! An array read from a file, whatever the format: f64, row-major, finite.

use super::error::ReadError;
use super::{csv_file, npy};
use std::path::{Path, PathBuf};

/// The content of an array file.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f64>,
    path: PathBuf,
}

/// Reads an array by the ending of its name: `.npy`, `.npz` (the array `key`, or the only one) or `.csv`.
///
/// Floats of 32 and 64 bits and integers of every size are read, in either byte order and memory order.
///
/// # Errors
/// [`ReadError`] for a file that is missing, malformed, truncated, empty or holds a NaN or an infinity.
pub fn read_array(path: &Path, key: Option<&str>) -> Result<Array, ReadError> {
    const ENDINGS: &str = ".npy, .npz or .csv";
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let (shape, values) = match (ending.as_deref(), key) {
        (Some("npy"), None) => npy::read_npy(path)?,
        (Some("csv"), None) => csv_file::read_csv(path)?,
        (Some("npz"), key) => npy::read_npz(path, key)?,
        (Some("npy" | "csv"), Some(_)) => {
            return Err(ReadError::format(
                path,
                "an array's name (key) was given, but only .npz files hold named arrays",
            ));
        }
        _ => return Err(ReadError::Ending { path: path.to_owned(), expected: ENDINGS }),
    };
    let array = Array { shape, values, path: path.to_owned() };
    if array.values.is_empty() {
        return Err(ReadError::Empty { path: array.path, shape: array.shape });
    }
    match array.values.iter().position(|v| !v.is_finite()) {
        Some(flat) => Err(ReadError::NotFinite {
            path: path.to_owned(),
            value: array.values[flat],
            position: position(&array.shape, flat),
        }),
        None => Ok(array),
    }
}

/// `index [3, 1]`, from the flat index.
fn position(shape: &[usize], mut flat: usize) -> String {
    let mut index = vec![0; shape.len()];
    for (i, n) in index.iter_mut().zip(shape).rev() {
        *i = flat % n;
        flat /= n;
    }
    format!("index {index:?}")
}

impl Array {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// (rows, columns) of an array of points: the first axis counts points, the others are one point's coordinates.
    ///
    /// A one-dimensional array is a list of points in one dimension, an array of images is flattened.
    ///
    /// # Errors
    /// [`ReadError::Shape`] for a single number (no axis).
    pub fn rows(&self) -> Result<(usize, usize), ReadError> {
        match self.shape.split_first() {
            Some((&rows, rest)) => Ok((rows, rest.iter().product())),
            None => Err(self.wrong_shape("an array with at least one axis, (points, dimension)")),
        }
    }

    /// The values of a list: shape (n) or (n, 1).
    ///
    /// # Errors
    /// [`ReadError::Shape`] for any other shape; `what` says whose list it is.
    pub fn list(&self, what: &str, len: usize) -> Result<&[f64], ReadError> {
        match *self.shape {
            [n] | [n, 1] if n == len => Ok(&self.values),
            _ => Err(self.wrong_shape(&format!("({len}), {what}"))),
        }
    }

    /// The error that this array's shape is not the one `expected`.
    pub fn wrong_shape(&self, expected: &str) -> ReadError {
        ReadError::Shape { path: self.path.clone(), found: self.shape.clone(), expected: expected.to_owned() }
    }
}
