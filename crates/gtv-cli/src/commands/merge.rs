//! `gtv-cli merge`: the folders of a sweep's shards as one sweep.
//!
//! Shards belong together when their `config.toml` (the resolved config with the swept values spelled out) is the same.
//! Finished cells are copied into the folder written to; equal cells in several shards must have equal fingerprints.

use super::sweep::{Cell, Plan};
use crate::args::MergeArgs;
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::WriteError;
use crate::record::Record;
use crate::run_dir::RunDir;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Runs the command.
///
/// # Errors
/// Folders that are no sweeps or not shards of one; a folder that cannot be written.
pub fn run(args: MergeArgs, ctx: &Context) -> Result<()> {
    if let Some(seed) = ctx.seed {
        let reason = "the shards' configs have their seeds in them; leave it out".to_owned();
        return Err(UsageError::Argument { argument: "--seed", value: seed.to_string(), reason }.into());
    }
    // clap asks for at least one.
    let first = args.dirs[0].clone();
    let out = args.out.unwrap_or_else(|| first.clone());
    let quiet = ctx.muted();
    let plan = shard(&first, &quiet)?;
    let earlier = (out.join("config.toml").is_file() && !args.dirs.contains(&out)).then(|| out.clone());
    for dir in args.dirs[1..].iter().chain(&earlier) {
        let other = shard(dir, &quiet)?;
        if let Some(difference) = difference(&plan.resolved, &other.resolved) {
            let reason = format!("not a shard of the same sweep as {}: {difference}", first.display());
            return Err(refused(dir, reason));
        }
    }
    let mut dirs = vec![out.clone()];
    dirs.extend(args.dirs.into_iter().filter(|d| *d != out));
    let mut copies = Vec::new();
    let mut version: Option<(String, PathBuf)> = None;
    for cell in &plan.cells {
        if let Some((record, dir)) = one_source(&plan, cell, &dirs, &quiet)? {
            let (known, from) = version.get_or_insert_with(|| (record.version.clone(), dir.clone()));
            if *known != record.version {
                let reason = format!(
                    "{} was made by gtv-cli {}, but cells in {} by {known}; run one of them again",
                    cell.folder,
                    record.version,
                    from.display()
                );
                return Err(refused(&dir, reason));
            }
            if dir != out {
                copies.push((dir.join(&cell.folder), out.join(&cell.folder)));
            }
        }
    }
    let _run = RunDir::create(&out, &plan.resolved, ctx)?;
    for (from, to) in copies {
        ctx.interrupt.check()?;
        bring(&from, &to)?;
    }
    plan.summarise(&out, &BTreeMap::new(), ctx)
}

fn refused(dir: &Path, reason: String) -> anyhow::Error {
    UsageError::Run { path: dir.display().to_string(), reason }.into()
}

fn shard(dir: &Path, ctx: &Context) -> Result<Plan> {
    let config = dir.join("config.toml");
    if !config.is_file() {
        let reason = "no config.toml: expected the folder that gtv-cli sweep wrote".to_owned();
        return Err(refused(dir, reason));
    }
    Plan::read(&config, &[], &[], ctx)
}

/// The folder that has the cell finished, the first of them; all must agree.
fn one_source(
    plan: &Plan,
    cell: &Cell,
    dirs: &[PathBuf],
    ctx: &Context,
) -> Result<Option<(Record, PathBuf)>> {
    let mut source: Option<(Record, PathBuf)> = None;
    for dir in dirs {
        let Some(record) = plan.found(cell, dir, ctx)? else { continue };
        match &source {
            None => source = Some((record, dir.clone())),
            Some((earlier, from)) if earlier.fingerprint != record.fingerprint => {
                let reason = format!(
                    "{} differs from the one in {} (its data or the program's version); run one of them again",
                    cell.folder,
                    from.display()
                );
                return Err(refused(dir, reason));
            }
            Some(_) => {}
        }
    }
    Ok(source)
}

/// Where two configs differ first, in words; `None` for equal ones.
fn difference(a: &str, b: &str) -> Option<String> {
    let flat = |text: &str| {
        let mut entries = BTreeMap::new();
        flatten(&text.parse::<Table>().unwrap_or_default(), "", &mut entries);
        entries
    };
    let (a, b) = (flat(a), flat(b));
    let differs = |key: &&String| a.get(*key) != b.get(*key);
    let key = a.keys().chain(b.keys()).find(differs)?;
    let shown = |side: &BTreeMap<String, Value>| side.get(key).map_or("absent".to_owned(), Value::to_string);
    Some(format!("{key} is {} here and {} there", shown(&b), shown(&a)))
}

fn flatten(table: &Table, prefix: &str, entries: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(inner, &key, entries),
            other => {
                entries.insert(key, other.clone());
            }
        }
    }
}

/// Copies a finished cell: beside its place first, then by renaming, so that it is there whole or not at all.
fn bring(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let fail = |path: &Path, action| {
        let path = path.to_owned();
        move |e| WriteError::new(&path, action, e)
    };
    fs::create_dir_all(folder).map_err(fail(folder, "create the folder"))?;
    let beside = tempfile::Builder::new()
        .prefix(".gtv-")
        .suffix(".tmp")
        .tempdir_in(folder)
        .map_err(fail(folder, "create a folder inside"))?;
    let whole = beside.path().join("cell");
    copy(from, &whole).map_err(fail(to, "copy the cell"))?;
    if to.exists() {
        // An unfinished cell of the same name; the finished one takes its place.
        fs::remove_dir_all(to).map_err(fail(to, "replace the folder"))?;
    }
    Ok(fs::rename(&whole, to).map_err(fail(to, "rename the folder"))?)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_the_first_difference_is_named() {
        let a = "seed = 0\n[model]\nridge = 0.1\n[sweep]\n\"model.samples\" = [1, 2]\n";
        assert_eq!(difference(a, a), None);
        let said = difference(a, &a.replace("0.1", "0.2")).unwrap();
        assert_eq!(said, "model.ridge is 0.2 here and 0.1 there");
        let said = difference(a, &a.replace("[1, 2]", "[1]")).unwrap();
        assert_eq!(said, "sweep.model.samples is [1] here and [1, 2] there");
        assert!(difference(a, "seed = 0\n").unwrap().contains("absent here"));
    }
}
