//! Partial results of a run, and the checkpoints of a training.
//!
//! A part is one file, `parts/KEY.part`: magic, config hash, key, length, bytes, and the SHA-256 of all of that. It is
//! written to a temporary name and renamed, so a part is whole or absent even after `kill -9`; what a failing disk
//! does to it the checksum finds.

use super::{Fingerprint, RunDir};
use crate::context::Context;
use crate::io::{Sink, WriteError, is_temporary, write_atomic};
use crate::warnings::Warning;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"gtvpart2";

/// Partial results of one run.
#[derive(Debug)]
pub struct PartStore {
    folder: PathBuf,
    fingerprint: Fingerprint,
}

impl PartStore {
    /// Opens (or creates) the store of a run folder. Parts of another fingerprint are discarded with a warning.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn open(run: &RunDir, fingerprint: Fingerprint, ctx: &Context) -> Result<Self, WriteError> {
        let folder = run.subfolder("parts")?;
        let store = Self { folder, fingerprint };
        let mut foreign = 0;
        let entries = fs::read_dir(&store.folder).map_err(|e| store.fail("list the folder", e))?;
        for path in entries.flatten().map(|e| e.path()) {
            let part = path.extension().is_some_and(|e| e == "part");
            if is_temporary(&path) || (part && store.is_foreign(&path)) {
                foreign += usize::from(part);
                fs::remove_file(&path).map_err(|e| WriteError::new(&path, "remove the file", e))?;
            }
        }
        if foreign > 0 {
            ctx.warn(&Warning::PartsOfAnotherConfig { path: store.folder.clone(), count: foreign });
        }
        Ok(store)
    }

    fn fail(&self, action: &'static str, e: std::io::Error) -> WriteError {
        WriteError::new(&self.folder, action, e)
    }

    /// The file of a part.
    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.part"))
    }

    /// Whether a part begins like one, but with another fingerprint.
    fn is_foreign(&self, path: &Path) -> bool {
        use std::io::Read;
        let mut head = [0u8; 40];
        let read = fs::File::open(path).and_then(|mut f| f.read_exact(&mut head));
        read.is_ok() && head.starts_with(MAGIC) && head[8..] != self.fingerprint.0
    }

    /// The bytes saved under a key, or `None` where there are none.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub fn load_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = match fs::read(self.path(key)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
            Ok(bytes) => bytes,
        };
        let damaged = || "the part is damaged (its checksum does not match)".to_owned();
        let (start, end) = self.body(key, &bytes).ok_or_else(damaged)?;
        bytes.truncate(end);
        bytes.drain(..start);
        Ok(Some(bytes))
    }

    /// Saves the `len` bytes that `encode` writes under a key, all of them or nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn save_with(
        &self,
        key: &str,
        len: usize,
        encode: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        write_atomic(&self.path(key), |sink| {
            let mut hashing = Hashing { sink, hash: Sha256::new() };
            hashing.write_all(&self.head(key, len))?;
            encode(&mut hashing)?;
            let Hashing { sink, hash } = hashing;
            sink.write_all(&hash.finalize())
        })
    }

    /// The keys that begin so, in order.
    ///
    /// # Errors
    /// [`WriteError`] when the folder cannot be listed.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>, WriteError> {
        let entries = fs::read_dir(&self.folder).map_err(|e| self.fail("list the folder", e))?;
        let key = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".part").filter(|key| key.starts_with(prefix)).map(str::to_owned)
        };
        let mut keys: Vec<String> = entries.flatten().filter_map(key).collect();
        keys.sort();
        Ok(keys)
    }

    /// Removes a part.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn remove(&self, key: &str) -> Result<(), WriteError> {
        let path = self.path(key);
        fs::remove_file(&path).map_err(|e| WriteError::new(&path, "remove the file", e))
    }

    /// Removes the store once the results are written.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(self) -> Result<(), WriteError> {
        fs::remove_dir_all(&self.folder).map_err(|e| self.fail("remove the folder", e))
    }

    fn head(&self, key: &str, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 32 + 16 + key.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&(len as u64).to_le_bytes());
        bytes
    }

    /// Where the saved bytes begin and end in a whole part of this key.
    fn body(&self, key: &str, bytes: &[u8]) -> Option<(usize, usize)> {
        let end = bytes.len().checked_sub(32)?;
        let start = self.head(key, 0).len();
        let len = end.checked_sub(start)?;
        let whole =
            bytes.starts_with(&self.head(key, len)) && Sha256::digest(&bytes[..end])[..] == bytes[end..];
        whole.then_some((start, end))
    }
}

/// Hashes what goes through it.
struct Hashing<'a> {
    sink: &'a mut dyn Sink,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path, config: &str) -> (PartStore, Context) {
        let ctx = Context::silent();
        let run = RunDir::create(folder, config, &ctx).unwrap();
        (PartStore::open(&run, Fingerprint::new(config, &[&[1.0]]), &ctx).unwrap(), ctx)
    }

    fn save(parts: &PartStore, key: &str, bytes: &[u8]) {
        parts.save_with(key, bytes.len(), |sink| sink.write_all(bytes)).unwrap();
    }

    #[test]
    fn parts_come_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let values = [0.1, -0.0, f64::NAN, f64::INFINITY, 5e-324].map(f64::to_le_bytes).concat();
        let (parts, _) = store(dir.path(), "a = 1\n");
        assert_eq!(parts.load_bytes("member-0001"), Ok(None));
        save(&parts, "member-0001", &values);
        save(&parts, "empty", &[]);
        let (again, ctx) = store(dir.path(), "a = 1\n");
        assert_eq!(again.load_bytes("member-0001"), Ok(Some(values)));
        assert_eq!(again.load_bytes("empty"), Ok(Some(vec![])));
        assert!(ctx.warnings().is_empty());
        again.finish().unwrap();
        assert!(!dir.path().join("parts").exists());
    }

    #[test]
    fn damage_anywhere_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (parts, _) = store(dir.path(), "a = 1\n");
        save(&parts, "m", &[1, 2]);
        let path = dir.path().join("parts/m.part");
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(parts.load_bytes("m").is_err(), "cut at {cut}");
            let mut flipped = whole.clone();
            flipped[cut] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert!(parts.load_bytes("m").is_err(), "flipped at {cut}");
        }
        save(&parts, "n", &[3]);
        assert_eq!(parts.keys("").unwrap(), ["m", "n"]);
        assert_eq!(parts.keys("n").unwrap(), ["n"]);
        parts.remove("n").unwrap();
        assert_eq!(parts.load_bytes("n"), Ok(None));
        // A whole part under another part's name is no part of it.
        fs::write(dir.path().join("parts/n.part"), &whole).unwrap();
        assert!(parts.load_bytes("n").is_err());
    }

    #[test]
    fn parts_of_another_config_or_data_are_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let (parts, _) = store(dir.path(), "a = 1\n");
        save(&parts, "m", &[1]);
        fs::write(dir.path().join("parts/.gtv-xyz.tmp"), b"left over").unwrap();
        let (other, ctx) = store(dir.path(), "a = 2\n");
        assert_eq!(other.load_bytes("m"), Ok(None));
        assert_eq!(ctx.warnings().len(), 1);
        assert_eq!(fs::read_dir(dir.path().join("parts")).unwrap().count(), 0);
        assert_ne!(Fingerprint::new("a", &[&[1.0]]), Fingerprint::new("a", &[&[2.0]]));
        assert_ne!(Fingerprint::new("a", &[&[1.0], &[2.0]]), Fingerprint::new("a", &[&[1.0, 2.0]]));
        assert_eq!(Fingerprint::new("a", &[]).hex().len(), 64);
    }
}
