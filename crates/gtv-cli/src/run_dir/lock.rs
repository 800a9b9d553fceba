//! One process at a time in a folder of results.
//!
//! The folder holds the file `.gtv-lock`, locked by the process that works there, with a line that says which one it
//! is. The system gives the lock up when the process ends, however it ends; a file that is left over locks nobody out.

use crate::context::Context;
use crate::io::WriteError;
use crate::progress::Spell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file's name.
const NAME: &str = ".gtv-lock";
/// Time between two looks at a folder that is waited for.
const PAUSE: Duration = Duration::from_millis(200);

/// A folder that this process holds, until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    /// None where the file system has no locks.
    file: Option<File>,
}

/// Another process works in the folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: {holder} is writing to this folder; wait for it with --wait, or choose another --out",
    .folder.display()
)]
pub struct Held {
    /// The folder.
    pub folder: PathBuf,
    /// The process, as it describes itself, and for how long.
    pub holder: String,
}

impl FolderLock {
    /// Takes a folder that exists, waiting for at most `patience` if another process holds it.
    ///
    /// # Errors
    /// [`Held`] with the other process; an interrupt while waiting; [`WriteError`] when the file cannot be made.
    pub fn take(folder: &Path, patience: Duration, ctx: &Context) -> anyhow::Result<Self> {
        let path = folder.join(NAME);
        let started = Instant::now();
        let mut told = false;
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|e| WriteError::new(&path, "create the lock file", e))?;
            match file.try_lock() {
                // The last holder removes the file; a lock on a file that is gone is worth nothing.
                Ok(()) if is_at(&file, &path) => {
                    // Without the line nothing but a message is worse.
                    let _ = file.set_len(0).and_then(|()| (&file).write_all(this_process().as_bytes()));
                    return Ok(Self { path, file: Some(file) });
                }
                Ok(()) => continue,
                Err(TryLockError::Error(_)) => return Ok(Self { path, file: None }),
                Err(TryLockError::WouldBlock) => {}
            }
            let held = Held { folder: folder.to_owned(), holder: holder(&path) };
            if started.elapsed() >= patience {
                return Err(held.into());
            }
            if !told && started.elapsed() > Duration::from_secs(1) {
                ctx.note(&format!("waiting: {} is writing to {}", held.holder, folder.display()));
                told = true;
            }
            ctx.interrupt.check()?;
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether a file is the lock of a folder.
    pub fn is_lock(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == NAME)
    }

    /// Who holds a folder, if somebody does.
    pub fn holder_of(folder: &Path) -> Option<Held> {
        let path = folder.join(NAME);
        let file = File::open(&path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(Held { folder: folder.to_owned(), holder: holder(&path) }),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // While it is still locked, so that nobody locks what is about to go. A file that stays does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file is the one that a path names now.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let same = |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        file.metadata().is_ok_and(|a| std::fs::metadata(path).is_ok_and(|b| same(a, b)))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// `process 1234 on host (gtv-cli compare a.toml)`.
fn this_process() -> String {
    const LONGEST: usize = 200;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let place = if host.trim().is_empty() { String::new() } else { format!(" on {}", host.trim()) };
    let words: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let command: String = words.join(" ").chars().take(LONGEST).collect();
    format!("process {}{place} (gtv-cli {command})", std::process::id())
}

/// What the holder says of itself, and since when.
fn holder(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let text = text.lines().next().unwrap_or("another process").to_owned();
    let since = std::fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    since.map_or(text.clone(), |since| format!("{text}, for {},", Spell(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = Context::silent();
        let first = FolderLock::take(dir.path(), Duration::ZERO, &ctx).unwrap();
        let refused = FolderLock::take(dir.path(), Duration::ZERO, &ctx).unwrap_err();
        let text = refused.downcast_ref::<Held>().unwrap().to_string();
        assert!(
            text.contains(&format!("process {}", std::process::id())) && text.contains("--wait"),
            "{text}"
        );
        assert!(FolderLock::holder_of(dir.path()).is_some());
        drop(first);
        assert_eq!(FolderLock::holder_of(dir.path()), None);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the lock leaves nothing behind");
        // What a killed process leaves is a file that nobody has locked.
        std::fs::write(dir.path().join(NAME), "process 1 on moon").unwrap();
        FolderLock::take(dir.path(), Duration::ZERO, &ctx).unwrap();
    }

    #[test]
    fn waiting_ends_when_the_folder_is_free_and_never_gives_it_to_two() {
        let dir = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let ctx = Context::silent();
                    let _held = FolderLock::take(dir.path(), Duration::from_secs(60), &ctx).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(20));
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                });
            }
        });
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = Context::silent();
        let _first = FolderLock::take(dir.path(), Duration::ZERO, &ctx).unwrap();
        ctx.interrupt.raise();
        let stopped = FolderLock::take(dir.path(), Duration::MAX, &ctx).unwrap_err();
        assert!(stopped.is::<crate::interrupt::Interrupted>());
    }
}
