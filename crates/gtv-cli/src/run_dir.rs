//! The folder of a run: its resolved config, and partial results that let an interrupted run resume.
//!
//! A part is one file, `parts/KEY.part`: magic, config hash, key, count, values (f64, little endian), and the SHA-256 of all
//! of that. It is written to a temporary name and renamed, so a part is whole or absent even after `kill -9`; what
//! a failing disk does to it the checksum finds.

use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{WriteError, write_bytes};
use crate::warnings::Warning;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// First line of the config in a run folder, by which the folder is known as one.
const MARK: &str = "# gtv-cli: the resolved config of the run in this folder\n";
const MAGIC: &[u8; 8] = b"gtvpart1";

/// SHA-256 of everything that determines a run's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The hash of a resolved config, the program's version, and the data it was given (f64 arrays).
    pub fn new(config: &str, arrays: &[&[f64]]) -> Self {
        let mut hash = Sha256::new();
        for text in [env!("CARGO_PKG_VERSION"), config] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        for array in arrays {
            hash.update((array.len() as u64).to_le_bytes());
            for value in *array {
                hash.update(value.to_le_bytes());
            }
        }
        Self(hash.finalize().into())
    }

    /// Hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The folder that a run writes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Where a run goes when `--out` does not say: `runs/` and the config's name.
    pub fn default_path(config: Option<&Path>) -> PathBuf {
        let name = config.and_then(Path::file_stem).unwrap_or("train".as_ref());
        Path::new("runs").join(name)
    }

    /// Creates the folder, or takes over an empty one or that of an earlier run, and writes `config.toml` into it.
    ///
    /// # Errors
    /// [`UsageError::Out`] when the path is a file, or a folder of other things; [`WriteError`] when it cannot be
    /// written.
    pub fn create(path: &Path, resolved_config: &str) -> anyhow::Result<Self> {
        Self::refuse_foreign(path)?;
        fs::create_dir_all(path).map_err(|e| WriteError::new(path, "create the folder", e))?;
        write_bytes(&path.join("config.toml"), Self::config_text(resolved_config).as_bytes())?;
        Ok(Self { path: path.to_owned() })
    }

    /// What `config.toml` in the folder of a run of this config says.
    pub fn config_text(resolved_config: &str) -> String {
        format!("{MARK}{resolved_config}")
    }

    fn refuse_foreign(path: &Path) -> anyhow::Result<()> {
        let out =
            |reason: &str| UsageError::Out { path: path.display().to_string(), reason: reason.to_owned() };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(_) if path.exists() && !path.is_dir() => {
                return Err(out("this is a file, expected a folder; choose another --out").into());
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(WriteError::new(path, "open the folder", e).into()),
        };
        // An interrupted start can leave nothing but a temporary file.
        let occupied = entries.flatten().any(|e| !is_temporary(&e.path()));
        let ours = fs::read(path.join("config.toml")).is_ok_and(|text| text.starts_with(MARK.as_bytes()));
        if occupied && !ours {
            return Err(out(
                "the folder holds files that are not from a gtv run; choose another --out, or empty it first",
            )
            .into());
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Creates a folder inside (`figures`).
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, WriteError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|e| WriteError::new(&path, "create the folder", e))?;
        Ok(path)
    }
}

/// Whether a file is a left-over of a write that a kill cut short.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.starts_with(".gtv-") && name.ends_with(".tmp")
}

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
            ctx.warn(Warning::PartsOfAnotherConfig { path: store.folder.clone(), count: foreign });
        }
        Ok(store)
    }

    fn fail(&self, action: &'static str, e: std::io::Error) -> WriteError {
        WriteError::new(&self.folder, action, e)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.part"))
    }

    /// Whether a part begins like one, but with another fingerprint.
    fn is_foreign(&self, path: &Path) -> bool {
        use std::io::Read;
        let mut head = [0u8; 40];
        let read = fs::File::open(path).and_then(|mut f| f.read_exact(&mut head));
        read.is_ok() && head.starts_with(MAGIC) && head[8..] != self.fingerprint.0
    }

    /// The values saved under a key (letters, digits, `-` and `_`), or `None` when they have to be computed.
    ///
    /// A damaged part is named in a warning and counts as absent.
    pub fn load(&self, key: &str, ctx: &Context) -> Option<Vec<f64>> {
        let path = self.path(key);
        let reason = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => e.to_string(),
            Ok(bytes) => match self.decode(key, &bytes) {
                Some(values) => return Some(values),
                None => "the part is damaged (its checksum does not match)".to_owned(),
            },
        };
        ctx.warn(Warning::PartSkipped { path, reason });
        None
    }

    /// Saves values under a key, all of them or nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn save(&self, key: &str, values: &[f64]) -> Result<(), WriteError> {
        let mut bytes = self.head(key, values.len());
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        write_bytes(&self.path(key), &bytes)
    }

    /// Removes the store once the results are written.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(self) -> Result<(), WriteError> {
        fs::remove_dir_all(&self.folder).map_err(|e| self.fail("remove the folder", e))
    }

    fn head(&self, key: &str, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 32 + 16 + key.len() + 8 * count + 32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&(count as u64).to_le_bytes());
        bytes
    }

    fn decode(&self, key: &str, bytes: &[u8]) -> Option<Vec<f64>> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if Sha256::digest(body)[..] != *checksum {
            return None;
        }
        let head = self.head(key, 0);
        let values = body.get(head.len()..)?;
        let expected = self.head(key, values.len() / 8);
        if !body.starts_with(&expected) || values.len() % 8 != 0 {
            return None;
        }
        Some(values.as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path, config: &str) -> (PartStore, Context) {
        let ctx = Context::silent();
        let run = RunDir::create(folder, config).unwrap();
        (PartStore::open(&run, Fingerprint::new(config, &[&[1.0]]), &ctx).unwrap(), ctx)
    }

    #[test]
    fn parts_come_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let values = [0.1, -0.0, f64::NAN, f64::INFINITY, 5e-324];
        let (parts, ctx) = store(dir.path(), "a = 1\n");
        assert_eq!(parts.load("member-0001", &ctx), None);
        parts.save("member-0001", &values).unwrap();
        parts.save("empty", &[]).unwrap();
        let (again, ctx) = store(dir.path(), "a = 1\n");
        let back = again.load("member-0001", &ctx).unwrap();
        assert!(back.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits()) && back.len() == 5);
        assert_eq!(again.load("empty", &ctx), Some(vec![]));
        assert!(ctx.warnings().is_empty());
        again.finish().unwrap();
        assert!(!dir.path().join("parts").exists());
    }

    #[test]
    fn damage_anywhere_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (parts, ctx) = store(dir.path(), "a = 1\n");
        parts.save("m", &[1.0, 2.0]).unwrap();
        let path = dir.path().join("parts/m.part");
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(parts.load("m", &ctx), None, "cut at {cut}");
            let mut flipped = whole.clone();
            flipped[cut] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(parts.load("m", &ctx), None, "flipped at {cut}");
        }
        assert_eq!(ctx.warnings().len(), 2 * whole.len());
        assert!(ctx.warnings()[0].to_string().contains("m.part"));
        // A whole part under another part's name is no part of it.
        fs::write(dir.path().join("parts/n.part"), &whole).unwrap();
        assert_eq!(parts.load("n", &ctx), None);
    }

    #[test]
    fn parts_of_another_config_or_data_are_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let (parts, _) = store(dir.path(), "a = 1\n");
        parts.save("m", &[1.0]).unwrap();
        fs::write(dir.path().join("parts/.gtv-xyz.tmp"), b"left over").unwrap();
        let (other, ctx) = store(dir.path(), "a = 2\n");
        assert_eq!(other.load("m", &ctx), None);
        assert_eq!(ctx.warnings().len(), 1);
        assert_eq!(fs::read_dir(dir.path().join("parts")).unwrap().count(), 0);
        assert_ne!(Fingerprint::new("a", &[&[1.0]]), Fingerprint::new("a", &[&[2.0]]));
        assert_ne!(Fingerprint::new("a", &[&[1.0], &[2.0]]), Fingerprint::new("a", &[&[1.0, 2.0]]));
        assert_eq!(Fingerprint::new("a", &[]).hex().len(), 64);
    }

    #[test]
    fn foreign_folders_and_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("thesis");
        fs::create_dir(&folder).unwrap();
        RunDir::create(&folder, "").unwrap();
        RunDir::create(&folder, "").unwrap();
        fs::write(folder.join("config.toml"), "mine = true").unwrap();
        let refused = RunDir::create(&folder, "").unwrap_err();
        assert!(refused.to_string().contains("not from a gtv run"), "{refused}");
        assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), "mine = true");
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(RunDir::create(&file, "").unwrap_err().to_string().contains("expected a folder"));
        assert!(RunDir::create(&file.join("run"), "").is_err());
    }
}
