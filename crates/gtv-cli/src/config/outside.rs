//! An ensemble that was trained elsewhere, read from files.

use super::spec::FileEnsemble;
use crate::context::Context;
use crate::io::{ReadError, read_array, read_arrays};
use gtv_models::external::{Arrays, Given};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Reads an npz of named arrays, an npy of samples, or one file of samples a member.
///
/// # Errors
/// [`ReadError`]: no such file, a file that cannot be read, a pattern that nothing fits.
pub fn read(file: &FileEnsemble, ctx: &Context) -> Result<Arrays, ReadError> {
    let paths = matching(&file.path)?;
    let archive = |path: &&PathBuf| path.extension() == Some(OsStr::new("npz"));
    let [path] = paths.as_slice() else {
        if let Some(archive) = paths.iter().find(archive) {
            let reason = format!(
                "the pattern fits {} and others; expected .npy files of samples, one a member: put predictions of all members into one .npz",
                archive.display()
            );
            return Err(ReadError::Format { path: file.path.clone(), reason });
        }
        let one = |path: &PathBuf| samples(path, format!("samples of {}", path.display()), ctx);
        let samples = paths.iter().map(one).collect::<Result<_, _>>()?;
        return Ok(Arrays { samples, ..Arrays::default() });
    };
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz")) {
        let given = read_arrays(path, &ctx.memory)?.into_iter();
        let (arrays, unknown) =
            Arrays::by_name(given.map(|(name, shape, values)| Given { name, shape, values }));
        if !unknown.is_empty() {
            ctx.note(&format!("{}: not used: {}", path.display(), unknown.join(", ")));
        }
        return Ok(arrays);
    }
    Ok(Arrays { samples: vec![samples(path, "samples".to_owned(), ctx)?], ..Arrays::default() })
}

fn samples(path: &Path, name: String, ctx: &Context) -> Result<Given, ReadError> {
    let array = read_array(path, None, &ctx.memory)?;
    array.tell_of_header(ctx);
    Ok(Given { name, shape: array.shape, values: array.values })
}

/// The files that a pattern stands for, in the order of their names; a name without `*`, `?` or `[` stands for itself.
pub(super) fn matching(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let text = path.as_os_str().to_string_lossy();
    if path.exists() || !text.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |reason: String| ReadError::Format { path: path.to_owned(), reason };
    let found = glob::glob(&text).map_err(|e| wrong(format!("not a pattern of file names: {e}")))?;
    let paths: Vec<PathBuf> = found
        .collect::<Result<_, _>>()
        .map_err(|e: glob::GlobError| ReadError::Io { path: path.to_owned(), cause: e.into() })?;
    if paths.is_empty() {
        return Err(wrong("no file has a name like this".to_owned()));
    }
    Ok(paths)
}
