//! Opening what a user names: a file, standard input, or the pipe of a process substitution.
//!
//! A regular file has a length. A pipe has none and is read to its end, or to the memory there is. A named pipe and a
//! device may never end, or never begin, and are refused.

use super::error::ReadError;
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::path::Path;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// Bytes to be read.
pub(super) enum Source {
    /// A regular file, and its length.
    File(File, u64),
    /// Something that can be read once, from front to back.
    Pipe(Box<dyn Read>),
}

impl Source {
    /// Opens a path, or standard input for `-`.
    ///
    /// # Errors
    /// [`ReadError`] for what is missing, a folder, a named pipe, a device or a terminal.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let fail = |e| ReadError::io(path, e);
        if path == Path::new(STDIN) {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                return Err(ReadError::not_a_file(path, "standard input is a terminal"));
            }
            return Ok(Self::Pipe(Box::new(stdin)));
        }
        let about = std::fs::metadata(path).map_err(fail)?;
        if about.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        if about.is_file() {
            return Ok(Self::File(File::open(path).map_err(fail)?, about.len()));
        }
        match what(&about) {
            // Opening a pipe that this process holds cannot wait for a writer, as opening a named one does.
            "a pipe" if is_descriptor(path) => Ok(Self::Pipe(Box::new(File::open(path).map_err(fail)?))),
            what => Err(ReadError::not_a_file(path, &format!("this is {what}"))),
        }
    }
}

/// Whether a path names a file that this process has open: `<(command)` of a shell, `/dev/stdin`.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"].iter().any(|folder| path.starts_with(folder))
}

/// What it is that is neither file nor folder.
fn what(about: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = about.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    let _ = about;
    "no regular file"
}

/// The whole of a file that has a limit, such as a config.
///
/// # Errors
/// [`ReadError`] as for every source, or for more than `most` bytes; `what` says what was expected.
pub fn read_limited(path: &Path, most: u64, what: &str) -> Result<Vec<u8>, ReadError> {
    let too_long = || {
        let reason = format!("longer than {}; expected {what}", crate::memory::Bytes(most));
        ReadError::format(path, reason)
    };
    let (source, length): (Box<dyn Read>, u64) = match Source::open(path)? {
        Source::File(file, length) => (Box::new(file), length),
        Source::Pipe(pipe) => (pipe, 0),
    };
    if length > most {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes).map_err(|e| ReadError::io(path, e))?;
    if bytes.len() as u64 > most { Err(too_long()) } else { Ok(bytes) }
}
