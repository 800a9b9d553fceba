//! `gtv-cli merge`: the folders of a sweep's shards as one sweep.
//!
//! Shards belong together when their `config.toml` (the resolved config with the swept values spelled out) is the same.
//! Finished cells are copied into the folder written to, each once. Equal cells in several shards must have equal fingerprints
//! and numbers; cells that are damaged or of another sweep are named and left out.

use super::sweep::{CELLS, Cell, Plan, State, finished};
use crate::args::MergeArgs;
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{WriteError, is_temporary};
use crate::record::{Record, quantities};
use crate::run_dir::RunDir;
use crate::warnings::Warning;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Runs the command.
///
/// # Errors
/// Folders that are no sweeps or not shards of one; cells that differ where they must not; a folder that cannot be written;
/// damaged cells that no folder has whole, after the others are put together.
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
    let is_out = |dir: &Path| same(dir, &out);
    let earlier =
        (out.join("config.toml").is_file() && !args.dirs.iter().any(|dir| is_out(dir))).then(|| out.clone());
    for dir in args.dirs[1..].iter().chain(&earlier) {
        let other = shard(dir, &quiet)?;
        if let Some(difference) = difference(&plan.resolved, &other.resolved) {
            let reason = format!("not a shard of the same sweep as {}: {difference}", first.display());
            return Err(refused(dir, reason));
        }
    }
    let mut dirs = vec![out.clone()];
    for dir in args.dirs {
        if is_out(&dir) {
            continue;
        }
        if dirs.iter().any(|known| same(known, &dir)) {
            ctx.note(&format!("{} is named twice; it counts once", dir.display()));
        } else {
            dirs.push(dir);
        }
    }
    let mut found = Found::default();
    for cell in &plan.cells {
        found.look_for(&plan, cell, &dirs, ctx)?;
    }
    for dir in &dirs {
        found.name_strangers(&plan, dir, ctx);
    }
    found.tell(ctx);
    let _run = RunDir::create(&out, &plan.resolved, ctx)?;
    for (cell, (_, dir)) in found.sources.iter().filter(|(_, (_, dir))| *dir != out) {
        ctx.interrupt.check()?;
        let folder = &plan.cells[*cell].folder;
        bring(&dir.join(folder), &out.join(folder))?;
    }
    plan.summarise(&out, ctx)?;
    match &found.lost[..] {
        [] => Ok(()),
        [first, ..] => anyhow::bail!(
            "{} of {} cells are damaged and nowhere whole: {first}; gtv-cli sweep runs them again",
            found.lost.len(),
            plan.cells.len()
        ),
    }
}

/// Whether two paths name one folder.
fn same(a: &Path, b: &Path) -> bool {
    a == b || fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
}

/// The cells that are there.
#[derive(Default)]
struct Found {
    /// Records by cell, with the folder that each is taken from.
    sources: BTreeMap<usize, (Record, PathBuf)>,
    /// How many cells of a folder another has as well, and the first of them.
    twice: BTreeMap<(PathBuf, PathBuf), (usize, String)>,
    /// Damaged cells that no folder has whole.
    lost: Vec<String>,
}

impl Found {
    /// Looks in every folder for a cell; the first that has it finished is its source, and all must agree.
    fn look_for(&mut self, plan: &Plan, cell: &Cell, dirs: &[PathBuf], ctx: &Context) -> Result<()> {
        let quiet = ctx.muted();
        let mut damaged = Vec::new();
        for dir in dirs {
            let folder = dir.join(&cell.folder);
            let record = match plan.state(cell, dir, &quiet)? {
                State::Missing | State::Begun | State::Failed(_) => continue,
                State::Foreign => {
                    let about = "its config is not that of this sweep's cell".to_owned();
                    ctx.warn(&Warning::LeftOut { path: folder, about });
                    continue;
                }
                State::Damaged(reason) => {
                    ctx.warn(&Warning::LeftOut { path: folder.clone(), about: format!("damaged: {reason}") });
                    damaged.push(format!("{}: {reason}", folder.display()));
                    continue;
                }
                State::Finished(record) => *record,
            };
            self.check_version(cell, &record, dir)?;
            match self.sources.get(&cell.index) {
                None => {
                    self.sources.insert(cell.index, (record, dir.clone()));
                }
                Some((earlier, from)) => {
                    check_equal(cell, (earlier, from), (&record, dir))?;
                    let pair = (from.clone(), dir.clone());
                    self.twice.entry(pair).or_insert_with(|| (0, cell.name().to_owned())).0 += 1;
                }
            }
        }
        if !self.sources.contains_key(&cell.index) {
            self.lost.append(&mut damaged);
        }
        Ok(())
    }

    fn check_version(&self, cell: &Cell, record: &Record, dir: &Path) -> Result<()> {
        match self.sources.values().next() {
            Some((known, from)) if known.version != record.version => {
                let reason = format!(
                    "{} was made by gtv-cli {}, but cells in {} by {}; run one of them again",
                    cell.folder,
                    record.version,
                    from.display(),
                    known.version
                );
                Err(refused(dir, reason))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Names what lies among the cells and is none of them.
    fn name_strangers(&self, plan: &Plan, dir: &Path, ctx: &Context) {
        let entries = fs::read_dir(dir.join(CELLS)).into_iter().flatten().flatten().map(|entry| entry.path());
        let known = |path: &Path| plan.cells.iter().any(|cell| dir.join(&cell.folder) == path);
        let mut strangers: Vec<PathBuf> =
            entries.filter(|path| !is_temporary(path) && !known(path)).collect();
        strangers.sort();
        for path in strangers {
            let fingerprint = match finished(&path) {
                Some(Ok(record)) => Some(record.fingerprint),
                Some(Err(_)) | None => None,
            };
            let twin = self
                .sources
                .iter()
                .find(|(_, (record, _))| Some(&record.fingerprint) == fingerprint.as_ref());
            let about = match twin {
                Some((index, _)) => format!("a copy of {}, which counts once", plan.cells[*index].name()),
                None => "no cell of this sweep".to_owned(),
            };
            ctx.warn(&Warning::LeftOut { path, about });
        }
    }

    /// Says which cells are in several folders.
    fn tell(&self, ctx: &Context) {
        for ((from, dir), (count, first)) in &self.twice {
            let (from, dir) = (from.display(), dir.display());
            ctx.note(&format!("{count} cells of {dir} are in {from} too, with the same numbers, and count once; the first is {first}"));
        }
    }
}

/// The same cell in two folders must be the same.
fn check_equal(cell: &Cell, (a, from): (&Record, &Path), (b, dir): (&Record, &Path)) -> Result<()> {
    let numbers = |record: &Record| serde_json::to_value(quantities(record));
    let what = if a.fingerprint != b.fingerprint {
        "its data or the program's version"
    } else if numbers(a)? != numbers(b)? {
        "its numbers, though config, data and version are the same"
    } else {
        return Ok(());
    };
    let reason = format!(
        "{} differs from the one in {} ({what}); remove the wrong one and run it again",
        cell.folder,
        from.display()
    );
    Err(refused(dir, reason))
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
