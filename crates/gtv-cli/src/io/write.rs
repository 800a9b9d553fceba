//! Writing results: to a temporary name beside the target, flushed to disk, then renamed.
//!
//! A reader therefore sees the old file or the new one, never a part of it; an error leaves nothing behind.

use super::error::WriteError;
use ndarray::{ArrayViewD, IxDyn};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use serde::Serialize;
use std::io::{self, BufWriter, Cursor, Seek, Write};
use std::path::Path;

/// What an encoder writes into.
pub trait Sink: Write + Seek {}
impl<T: Write + Seek> Sink for T {}

/// Whether the arrays of an npz file are deflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Raw bytes: fast, for noise that does not compress.
    Stored,
    /// Deflated, as `numpy.savez_compressed`.
    Deflate,
}

/// One array of an npz file.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its name.
    pub name: &'a str,
    /// Lengths of its axes.
    pub shape: &'a [usize],
    /// Its values, row-major.
    pub values: &'a [f64],
}

/// The folder of a path, `.` for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How the names of temporary files begin and end.
const TEMPORARY: (&str, &str) = (".gtv-", ".tmp");

/// Whether a name is that of a temporary file.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// Removes the temporary files in a folder whose writers were killed.
///
/// A writer holds a lock on its file, which ends with it whatever happens; a file whose lock is free is nobody's.
pub fn remove_leftovers(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|e| is_temporary(&e.path()) && e.file_type().is_ok_and(|t| t.is_file())) {
        let path = entry.path();
        // What cannot be removed does no harm, and is no reason to stop.
        if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// A temporary file beside the target, locked for as long as it is open.
fn temporary(path: &Path) -> Result<tempfile::NamedTempFile, WriteError> {
    loop {
        let file = unlocked(path)?;
        // Not every file system has locks; nothing is removed there.
        let locked = file.as_file().try_lock().is_ok();
        // Between its making and its locking somebody may have taken it for a leftover.
        if !locked || file.path().exists() {
            return Ok(file);
        }
    }
}

/// A temporary file with the mode that a plain new file would have.
fn unlocked(path: &Path) -> Result<tempfile::NamedTempFile, WriteError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less the umask, as for any file; tempfile's own default is private to the user.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // The path in tempfile's message is the temporary one; ours is added by WriteError.
    let plain = |e: io::Error| {
        e.raw_os_error().map_or_else(|| io::Error::from(e.kind()), io::Error::from_raw_os_error)
    };
    builder.tempfile_in(folder(path)).map_err(|e| WriteError::new(path, "create the file", inner(e, plain)))
}

/// tempfile wraps errors to add its path; the system's code is inside.
fn inner(error: io::Error, plain: impl Fn(io::Error) -> io::Error) -> io::Error {
    let code = error
        .get_ref()
        .and_then(|e| std::error::Error::source(e))
        .and_then(|e| e.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    code.map_or_else(|| plain(error), io::Error::from_raw_os_error)
}

/// Whether the path is something else than a regular file (a device, a pipe), which a rename would replace.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Makes sure, before long work starts, that a file can be written there, and removes what a killed write left.
///
/// # Errors
/// [`WriteError`] when the target is a folder, or its folder is missing or cannot be written to.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Err(WriteError::new(path, "write the file", io::ErrorKind::IsADirectory.into()));
    }
    if is_special(path) {
        return Ok(());
    }
    remove_leftovers(folder(path));
    temporary(path).map(drop)
}

/// Writes a file through `encode`, all of it or nothing.
///
/// # Errors
/// [`WriteError`] naming the path, after which the path is as it was before.
pub fn write_atomic(
    path: &Path,
    encode: impl FnOnce(&mut dyn Sink) -> io::Result<()>,
) -> Result<(), WriteError> {
    if is_special(path) {
        let mut memory = Cursor::new(Vec::new());
        let fail = |e| WriteError::new(path, "write to it", e);
        encode(&mut memory).map_err(fail)?;
        let mut device = std::fs::OpenOptions::new().write(true).open(path).map_err(fail)?;
        return device.write_all(memory.get_ref()).and_then(|()| device.flush()).map_err(fail);
    }
    let mut file = temporary(path)?;
    let fail = |e| WriteError::new(path, "write the file", e);
    {
        let mut latch = Latch::new(BufWriter::with_capacity(1 << 16, file.as_file_mut()));
        let encoded = encode(&mut latch);
        latch.finish().and(encoded).map_err(fail)?;
    }
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|e| WriteError::new(path, "replace the file", e.error))?;
    // The rename itself lasts once the folder is on disk; not every system lets a folder be opened.
    if let Ok(folder) = std::fs::File::open(folder(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A sink that keeps the first error and swallows what follows.
///
/// Archive writers finish themselves when they are dropped and would print their own message about a full disk.
struct Latch<W> {
    inner: W,
    failed: Option<io::Error>,
    position: u64,
    end: u64,
}

impl<W: Write + Seek> Latch<W> {
    fn new(inner: W) -> Self {
        Self { inner, failed: None, position: 0, end: 0 }
    }

    fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.inner.flush(),
        }
    }
}

impl<W: Write> Write for Latch<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.inner.write_all(bytes).err();
        }
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_none() {
            self.failed = self.inner.flush().err();
        }
        Ok(())
    }
}

impl<W: Seek> Seek for Latch<W> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(n) => Some(n),
            io::SeekFrom::End(by) => self.end.checked_add_signed(by),
            io::SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        if self.failed.is_none() {
            self.failed = self.inner.seek(io::SeekFrom::Start(self.position)).err();
        }
        Ok(self.position)
    }
}

/// Writes bytes.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomic(path, |sink| sink.write_all(bytes))
}

/// Writes a value as indented JSON.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), WriteError> {
    write_atomic(path, |sink| {
        serde_json::to_writer_pretty(&mut *sink, value)?;
        sink.write_all(b"\n")
    })
}

/// Writes a table with a header line; numbers in the shortest form that reads back the same.
///
/// # Shapes
/// `values`: rows × `header.len()`, row-major.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_csv(path: &Path, header: &[&str], values: &[f64]) -> Result<(), WriteError> {
    write_atomic(path, |sink| {
        let mut writer = csv::Writer::from_writer(sink);
        writer.write_record(header)?;
        for row in values.chunks_exact(header.len().max(1)) {
            writer.write_record(row.iter().map(f64::to_string))?;
        }
        writer.flush()
    })
}

fn view<'a>(shape: &[usize], values: &'a [f64]) -> io::Result<ArrayViewD<'a, f64>> {
    ArrayViewD::from_shape(IxDyn(shape), values).map_err(io::Error::other)
}

/// Writes one array of f64.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_npy(path: &Path, shape: &[usize], values: &[f64]) -> Result<(), WriteError> {
    let array = view(shape, values).map_err(|e| WriteError::new(path, "encode the array", e))?;
    write_atomic(path, |sink| {
        array.write_npy(sink).map_err(|e| match e {
            ndarray_npy::WriteNpyError::Io(e) => e,
            other => io::Error::other(other),
        })
    })
}

/// Writes named arrays of f64; equal content gives equal bytes (no time stamps).
///
/// # Errors
/// As [`write_atomic`].
pub fn write_npz(path: &Path, arrays: &[Named<'_>], compression: Compression) -> Result<(), WriteError> {
    write_atomic(path, |sink| {
        let mut npz = match compression {
            Compression::Stored => NpzWriter::new(sink),
            Compression::Deflate => NpzWriter::new_compressed(sink),
        };
        for array in arrays {
            npz.add_array(array.name, &view(array.shape, array.values)?).map_err(plain)?;
        }
        npz.finish().map_err(plain)?;
        Ok(())
    })
}

/// The system's error inside the npz writer's.
fn plain(error: ndarray_npy::WriteNpzError) -> io::Error {
    use ndarray_npy::{WriteNpyError, WriteNpzError};
    match error {
        WriteNpzError::Npy(WriteNpyError::Io(e)) => e,
        WriteNpzError::Zip(zip::result::ZipError::Io(e)) => e,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::read_array;
    use crate::memory::Budget;

    #[test]
    fn identities_what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let values = [0.1, -1.0 / 3.0, 1e-300, 12345.678, -0.0, 5.0];
        let npy = folder.path().join("a.npy");
        write_npy(&npy, &[3, 2], &values).unwrap();
        let csv = folder.path().join("a.csv");
        write_csv(&csv, &["x", "y"], &values).unwrap();
        let npz = folder.path().join("a.npz");
        for compression in [Compression::Stored, Compression::Deflate] {
            let arrays = [
                Named { name: "first", shape: &[2], values: &values[..2] },
                Named { name: "deep/name", shape: &[3, 2], values: &values },
            ];
            write_npz(&npz, &arrays, compression).unwrap();
            let once = std::fs::read(&npz).unwrap();
            write_npz(&npz, &arrays, compression).unwrap();
            assert_eq!(once, std::fs::read(&npz).unwrap(), "equal content gives equal bytes");
            for (path, key) in [(&npy, None), (&csv, None), (&npz, Some("deep/name"))] {
                let back = read_array(path, key, &Budget::new(None)).unwrap();
                assert_eq!((back.shape.as_slice(), back.values.as_slice()), (&[3, 2][..], &values[..]));
            }
        }
        let json = folder.path().join("a.json");
        write_json(&json, &values).unwrap();
        let back: Vec<f64> = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(back, values);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file stays");
    }

    #[test]
    fn an_encoder_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_bytes(&path, b"old").unwrap();
        let failed = write_atomic(&path, |sink| {
            sink.write_all(b"new")?;
            Err(io::Error::other("a fault of the encoder"))
        });
        assert!(failed.unwrap_err().to_string().contains("a fault of the encoder"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_npy(&path, &[2, 2], &[1.0]).is_err(), "a shape that does not fit");
    }

    /// A disk with room for so many bytes.
    struct Small(Cursor<Vec<u8>>, usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() as usize + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn the_first_error_is_kept_and_positions_go_on() {
        let mut latch = Latch::new(Small(Cursor::new(Vec::new()), 10));
        latch.write_all(&[1; 8]).unwrap();
        latch.write_all(&[2; 8]).unwrap();
        assert_eq!(latch.stream_position().unwrap(), 16);
        assert_eq!(latch.seek(io::SeekFrom::End(-1)).unwrap(), 15);
        assert_eq!(latch.seek(io::SeekFrom::Start(3)).unwrap(), 3);
        latch.flush().unwrap();
        assert_eq!(latch.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut whole = Latch::new(Small(Cursor::new(Vec::new()), 10));
        whole.write_all(&[1; 8]).unwrap();
        whole.seek(io::SeekFrom::Start(0)).unwrap();
        whole.write_all(&[2; 2]).unwrap();
        assert_eq!(whole.seek(io::SeekFrom::End(0)).unwrap(), 8);
        assert_eq!(whole.inner.0.get_ref()[..3], [2, 2, 1]);
        whole.finish().unwrap();
    }
}
