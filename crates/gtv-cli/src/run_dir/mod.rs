//! The folder of a run: its resolved config, and partial results that let an interrupted run resume.

mod lock;
mod parts;

pub use lock::{FolderLock, Held};
pub use parts::PartStore;

use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{WriteError, is_temporary, remove_leftovers, write_bytes};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folders inside that a run writes files into.
const SUBFOLDERS: [&str; 3] = ["figures", "parts", "members"];

/// First line of the config in a run folder, by which the folder is known as one.
const MARK: &str = "# gtv-cli: the resolved config of the run in this folder\n";

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

/// The folder that a run writes into, which no other process writes into at the same time.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Given up when the run is dropped.
    _lock: FolderLock,
}

impl RunDir {
    /// Where a run goes when `--out` does not say: `runs/` and the config's name, or `otherwise` without a config.
    pub fn default_path(config: Option<&Path>, otherwise: &str) -> PathBuf {
        let name = config.and_then(Path::file_stem).unwrap_or(otherwise.as_ref());
        Path::new("runs").join(name)
    }

    /// Creates the folder, or takes over an empty one or that of an earlier run, and writes `config.toml` into it. What
    /// killed runs left half-written is removed.
    ///
    /// # Errors
    /// [`UsageError::Out`] when the path is a file, or a folder of other things; [`Held`] when another process works
    /// there and is not waited for; [`WriteError`] when it cannot be written.
    pub fn create(path: &Path, resolved_config: &str, ctx: &Context) -> anyhow::Result<Self> {
        Self::create_within(path, resolved_config, ctx.patience(), ctx)
    }

    /// The same, waiting for at most `patience` for another process.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn create_within(
        path: &Path,
        resolved_config: &str,
        patience: Duration,
        ctx: &Context,
    ) -> anyhow::Result<Self> {
        Self::refuse_foreign(path)?;
        fs::create_dir_all(path).map_err(|e| WriteError::new(path, "create the folder", e))?;
        let run = Self::hold(path, patience, ctx)?;
        write_bytes(&path.join("config.toml"), Self::config_text(resolved_config).as_bytes())?;
        Ok(run)
    }

    /// Takes a folder as it is, to write into it again.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn hold(path: &Path, patience: Duration, ctx: &Context) -> anyhow::Result<Self> {
        let lock = FolderLock::take(path, patience, ctx)?;
        remove_leftovers(path);
        for folder in SUBFOLDERS {
            remove_leftovers(&path.join(folder));
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
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
        let occupied = entries.flatten().any(|e| !is_temporary(&e.path()) && !FolderLock::is_lock(&e.path()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_folders_and_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("thesis");
        fs::create_dir(&folder).unwrap();
        let ctx = Context::silent();
        RunDir::create(&folder, "", &ctx).unwrap();
        let first = RunDir::create(&folder, "", &ctx).unwrap();
        assert!(RunDir::create(&folder, "", &ctx).unwrap_err().is::<Held>());
        drop(first);
        fs::write(folder.join("config.toml"), "mine = true").unwrap();
        let refused = RunDir::create(&folder, "", &ctx).unwrap_err();
        assert!(refused.to_string().contains("not from a gtv run"), "{refused}");
        assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), "mine = true");
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(RunDir::create(&file, "", &ctx).unwrap_err().to_string().contains("expected a folder"));
        assert!(RunDir::create(&file.join("run"), "", &ctx).is_err());
    }

    #[test]
    fn what_a_killed_run_left_half_written_is_removed_and_live_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = Context::silent();
        fs::create_dir_all(dir.path().join("figures")).unwrap();
        let left = ["config.toml", ".gtv-a.tmp", ".gtv-lock", "figures/.gtv-b.tmp", "figures/.gtv-live.tmp"];
        for name in left {
            fs::write(dir.path().join(name), MARK).unwrap();
        }
        fs::create_dir(dir.path().join(".gtv-kept.tmp")).unwrap();
        let live = fs::File::open(dir.path().join("figures/.gtv-live.tmp")).unwrap();
        live.lock().unwrap();
        drop(RunDir::create(dir.path(), "", &ctx).unwrap());
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // Finished cells that a sweep keeps aside are folders.
        assert_eq!(names(dir.path()), [".gtv-kept.tmp", "config.toml", "figures"]);
        assert_eq!(names(&dir.path().join("figures")), [".gtv-live.tmp"]);
    }
}
