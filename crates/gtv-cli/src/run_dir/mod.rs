//! The folder of a run: its resolved config, and partial results that let an interrupted run resume.

mod parts;

pub use parts::PartStore;

use crate::failure::UsageError;
use crate::io::{WriteError, write_bytes};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

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

#[cfg(test)]
mod tests {
    use super::*;

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
