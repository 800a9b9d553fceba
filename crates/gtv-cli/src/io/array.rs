//! An array read from a file, whatever the format: f64, row-major, finite.

use super::error::ReadError;
use super::source::{STDIN, Source};
use super::{csv_file, npy};
use crate::context::Context;
use crate::memory::Budget;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// The content of an array file.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f64>,
    /// The line of a csv file that was taken for a header, with its place.
    pub header: Option<String>,
    path: PathBuf,
}

/// What a format's reader finds.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
    pub(super) header: Option<String>,
}

/// Reads an array by the ending of its name: `.npy`, `.npz` (the array `key`, or the only one, or the only one of two and more axes) or `.csv`. From standard
/// input (`-`) and from a pipe, by its first bytes.
///
/// Floats of 32 and 64 bits and integers of every size are read, in either byte order and memory order.
///
/// # Errors
/// [`ReadError`] for a file that is missing, malformed, truncated, empty, larger than the memory, or holds a NaN or an
/// infinity.
pub fn read_array(path: &Path, key: Option<&str>, memory: &Budget) -> Result<Array, ReadError> {
    const ENDINGS: &str = ".npy, .npz or .csv";
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let content = match (ending.as_deref(), key) {
        (Some("npy"), None) => npy::read_npy(path, memory)?,
        (Some("csv"), None) => csv_file::read_csv(path, memory)?,
        (Some("npz"), key) => npy::read_npz(path, key, memory)?,
        (Some("npy" | "csv"), Some(_)) => {
            return Err(ReadError::format(
                path,
                "an array's name (key) was given, but only .npz files hold named arrays",
            ));
        }
        _ if path == Path::new(STDIN) => piped(path, key, memory)?,
        _ => match Source::open(path) {
            Ok(Source::Pipe(_)) => piped(path, key, memory)?,
            Ok(Source::File(..)) => {
                return Err(ReadError::Ending { path: path.to_owned(), expected: ENDINGS });
            }
            Err(error) => return Err(error),
        },
    };
    let Content { shape, values, header } = content;
    if values.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned(), shape });
    }
    Ok(Array { shape, values, header, path: path.to_owned() })
}

/// An array without a name: npy and npz are known by how they begin.
fn piped(path: &Path, key: Option<&str>, memory: &Budget) -> Result<Content, ReadError> {
    let Source::Pipe(mut pipe) = Source::open(path)? else {
        return Err(ReadError::not_a_file(path, "this is no longer a pipe"));
    };
    let mut start = Vec::new();
    pipe.by_ref().take(6).read_to_end(&mut start).map_err(|e| ReadError::io(path, e))?;
    if start.is_empty() {
        let reason = "nothing came through the pipe; each can be read once only";
        return Err(ReadError::format(path, reason));
    }
    let (npy, npz) = (start == b"\x93NUMPY", start.starts_with(b"PK"));
    let all: Box<dyn Read> = Box::new(Cursor::new(start).chain(pipe));
    match key {
        _ if npz => npy::archived(path, key, Cursor::new(npy::held(path, all, memory)?), memory),
        Some(_) => Err(ReadError::format(
            path,
            "an array's name (key) was given, but only an npz archive holds named arrays",
        )),
        None if npy => npy::decode(path, None, all, None, npy::Numbers::Finite, memory),
        None => csv_file::parse(path, all, memory),
    }
}

impl Array {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it came through a pipe, so that it cannot be read again.
    pub fn came_once(&self) -> bool {
        !self.path.is_file()
    }

    /// Says on stderr which line of a csv file holds no values.
    pub fn tell_of_header(&self, ctx: &Context) {
        if let Some(header) = &self.header {
            ctx.note(&format!("{}: {header} is taken for a header", self.path.display()));
        }
    }

    /// (rows, columns) of an array of points, shape (points, dimension), or (points) in one dimension.
    ///
    /// # Errors
    /// [`ReadError::Shape`] for a single number, or for three and more axes, which could be points in more than one way.
    pub fn rows(&self) -> Result<(usize, usize), ReadError> {
        match *self.shape {
            [rows] => Ok((rows, 1)),
            [rows, columns] => Ok((rows, columns)),
            [] => Err(self.wrong_shape("an array with at least one axis, (points, dimension)")),
            [..] => Err(self.wrong_shape(
                "(points, dimension): flatten it by a.reshape(len(a), -1), or with data.flatten = true in a config, \
                 if the first axis counts points",
            )),
        }
    }

    /// The same numbers as one row for each entry of the first axis.
    pub fn flattened(mut self) -> Self {
        if let Some((&rows, rest)) = self.shape.split_first() {
            self.shape = vec![rows, rest.iter().product()];
        }
        self
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
