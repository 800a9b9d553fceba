//! Errors of files: they name the file, the place in it, what was expected, and what to do.

use crate::memory::TooLarge;
use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a file that a user brings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refuses to open or read it.
    #[error("{}: {}", .path.display(), describe(.cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The name's ending is not one of the known formats.
    #[error("{}: expected a file that ends in {expected}", .path.display())]
    Ending {
        /// The file.
        path: PathBuf,
        /// The endings that are read.
        expected: &'static str,
    },
    /// The content is not what the ending promises.
    #[error("{}: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        reason: String,
    },
    /// An npz archive has no array of that name.
    #[error("{}: {}; it holds {}", .path.display(), .key.as_ref().map_or("name the array to read (key = \"...\" in a config, FILE.npz:NAME on the command line)".to_owned(), |k| format!("there is no array {k:?}")), .present.join(", "))]
    Key {
        /// The file.
        path: PathBuf,
        /// The array asked for, if one was.
        key: Option<String>,
        /// The arrays that are there.
        present: Vec<String>,
    },
    /// It is a terminal, a named pipe or a device, which may never end.
    #[error("{}: {what}; expected a regular file, or `-` for standard input", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The values do not fit into memory.
    #[error("{}: {cause}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The estimate.
        cause: Box<TooLarge>,
    },
    /// A cell of a csv file is no number.
    #[error("{}: line {line}, column {column}: expected a number, found {found:?}{advice}", .path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: usize,
        /// The cell.
        found: String,
        /// What may have been meant, after a semicolon.
        advice: &'static str,
    },
    /// A line of a csv file is longer or shorter than the first.
    #[error("{}: line {line} has {found} values, but the lines before it have {expected}", .path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Values on the lines before.
        expected: usize,
        /// Values on this line.
        found: usize,
    },
    /// The array has no element.
    #[error("{}: the array is empty (shape {shape:?}); at least one value is needed", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A NaN or an infinity.
    #[error("{}: {value} at {position}: every value must be finite; remove or replace it", .path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The value.
        value: f64,
        /// Its place.
        position: String,
    },
    /// The array has another shape than its use asks for.
    #[error("{}: shape {found:?}, expected {expected}", .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The shape found.
        found: Vec<usize>,
        /// The shape expected, in words.
        expected: String,
    },
    /// The values are well-formed but make no data set (duplicates, weights that are no probabilities).
    #[error("{}: {cause}", .path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        cause: gtv_theory::Error,
    },
}

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action}: {}", .path.display(), describe(.cause))]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was being done to it.
    pub action: &'static str,
    /// The system's reason.
    pub cause: io::Error,
}

impl ReadError {
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    pub(super) fn not_a_file(path: &Path, what: &str) -> Self {
        Self::NotAFile { path: path.to_owned(), what: what.to_owned() }
    }

    pub(super) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }
}

impl WriteError {
    /// A failed action on a path.
    pub fn new(path: &Path, action: &'static str, cause: io::Error) -> Self {
        Self { path: path.to_owned(), action, cause }
    }
}

/// The system's reason with what to do about it.
fn describe(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let text = match error.kind() {
        Kind::NotFound => "no such file or folder; check the path",
        Kind::PermissionDenied => "permission denied; check the file's owner and mode",
        Kind::IsADirectory => "this is a folder, expected a file",
        Kind::NotADirectory => "a part of the path is a file, not a folder",
        Kind::StorageFull => "the disk is full; free some space and run again",
        Kind::QuotaExceeded => "the disk quota is used up; free some space and run again",
        Kind::ReadOnlyFilesystem => "the file system is read-only; choose another place",
        _ => return error.to_string(),
    };
    text.to_owned()
}
