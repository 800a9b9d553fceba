//! `gtv-cli sweep`: one comparison for every combination of the values in `[sweep]`, and their summary.
//!
//! DIR/config.toml holds the resolved config with the swept values spelled out; DIR/cells/NNN-key=value… is a complete
//! `compare` folder each, numbered in the order of the product (the last key varies fastest). A cell whose folder
//! is complete and has the fingerprint of this config, data and program version is not run again, so an
//! interrupted sweep goes on by the same command and `--resume` is what happens anyway; finished cells keep their numbers
//! when a list is made longer and their places shift. `--shard i/n` runs the cells
//! of index ≡ i − 1 mod n; `gtv-cli merge` puts the shards' folders together.

use super::{compare, opening};
use crate::args::{Shard, SweepArgs};
use crate::config::{Change, Loaded, Problem, Swept, Type, keys};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::WriteError;
use crate::record::{Record, SWEEP_SCHEMA, SweepCell, SweepKey, SweepRecord, quantities};
use crate::report::sweep as report;
use crate::run_dir::{Fingerprint, FolderLock, Held, RunDir};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Value;

/// Most cells of a sweep.
const MOST_CELLS: usize = 10_000;
/// How long to wait for a folder that other shards hold for moments only.
const SHORTLY: Duration = Duration::from_secs(600);
/// Longest name of a cell's folder, in characters.
const LONGEST_NAME: usize = 120;

/// Runs the command.
///
/// # Errors
/// A cell that cannot be run, found before any work; an interrupt or a failed write, after which the same command goes
/// on; cells that failed, after all others have been run.
pub fn run(args: SweepArgs, ctx: &Context) -> Result<()> {
    let plan = Plan::read(&args.config, &args.changes.sets, &args.changes.changes()?, ctx)?;
    let fingerprints = plan.validate(ctx)?;
    opening::announce_many(plan.cells.len(), &plan.problem(&plan.cells[0], &ctx.muted())?, ctx);
    let out = args.out.unwrap_or_else(|| RunDir::default_path(Some(&args.config), "sweep"));
    {
        // Shards share the folder and each holds it for a moment at a time; what they work on is a cell.
        let _run = RunDir::create_within(&out, &plan.resolved, SHORTLY.max(ctx.patience()), ctx)?;
        plan.adopt(&fingerprints, &out)?;
    }
    let shard = args.shard.unwrap_or(Shard { part: 1, of: 1 });
    let mine: Vec<(&Cell, Fingerprint)> =
        plan.cells.iter().zip(fingerprints).filter(|(cell, _)| shard.has(cell.index)).collect();
    let bar = ctx.progress("cells", mine.len() as u64);
    let mut failures = BTreeMap::new();
    let mut busy = Vec::new();
    for (done, (cell, fingerprint)) in mine.iter().enumerate() {
        let progress = || format!("{done} of {} cells are finished", mine.len());
        ctx.interrupt.check().with_context(progress)?;
        let folder = out.join(&cell.folder);
        let whole = || finished(&folder).is_some_and(|r| r.fingerprint == fingerprint.hex());
        if !whole() {
            ctx.take_warnings();
            ctx.about(cell.folder.trim_start_matches(CELLS));
            let outcome = plan.problem(cell, ctx).and_then(|problem| {
                let run = RunDir::create(&folder, &problem.resolved, ctx)?;
                // Another process may have finished it in the meantime.
                if whole() {
                    return Ok(());
                }
                compare::into_folder(&problem, &run, plan.command(cell, &folder, ctx), false, ctx).map(drop)
            });
            match outcome {
                Ok(()) => {}
                Err(error) if ctx.interrupt.raised() => return Err(error).with_context(progress),
                Err(error) if error.is::<Held>() => busy.push(error),
                Err(error) => {
                    failures.insert(cell.index, format!("{error:#}"));
                }
            }
        }
        bar.advance(1);
    }
    drop(bar);
    {
        let _run = RunDir::hold(&out, SHORTLY.max(ctx.patience()), ctx)?;
        plan.summarise(&out, &failures, ctx)?;
    }
    let first = failures.iter().next();
    if let Some((index, reason)) = first {
        let folder = &plan.cells[*index].folder;
        anyhow::bail!("{} of {} cells failed; {folder}: {reason}", failures.len(), mine.len());
    }
    let others = busy.len();
    match busy.into_iter().next() {
        Some(held) => Err(held.context(format!(
            "{others} of {} cells are left to another process, and the same command adds them when it is done",
            mine.len()
        ))),
        None => Ok(()),
    }
}

/// One combination of values.
pub struct Cell {
    /// Its place in the product, from 0.
    pub index: usize,
    /// Its folder, relative to the sweep's.
    pub folder: String,
    /// The value of each swept key.
    pub values: Vec<Value>,
}

/// A sweep before any work.
pub struct Plan {
    config: PathBuf,
    sets: Vec<String>,
    changes: Vec<Change>,
    base: Loaded,
    keys: Vec<Swept>,
    /// The sweep's own `config.toml`, `[sweep]` with every value spelled out.
    pub resolved: String,
    /// The product of the keys' values.
    pub cells: Vec<Cell>,
}

impl Plan {
    /// Reads a config and lays out its cells; `sets` are the arguments behind `changes`.
    ///
    /// # Errors
    /// A config that cannot be read, without `[sweep]`, or with a key that is also fixed on the command line.
    pub fn read(config: &Path, sets: &[String], changes: &[Change], ctx: &Context) -> Result<Self> {
        let base = Loaded::read(Some(config), changes, ctx)?;
        let mut keys = base.swept()?;
        let place = || config.display().to_string();
        if keys.is_empty() {
            let reason = "no [sweep]: expected dotted keys with the values they take, e.g. \"model.samples\" = [256, 1024]";
            return Err(UsageError::Run { path: place(), reason: reason.to_owned() }.into());
        }
        for swept in &keys {
            let fixed = if swept.key == "seed" { ctx.seed.map(|n| ("--seed", n.to_string())) } else { None };
            let set = sets.iter().find(|s| s.split('=').next().is_some_and(|k| k.trim() == swept.key));
            if let Some((argument, value)) = fixed.or_else(|| set.map(|s| ("--set", s.clone()))) {
                let key = &swept.key;
                let reason = format!("[sweep] varies {key}; change its list with --set sweep.{key}=[...]");
                return Err(UsageError::Argument { argument, value, reason }.into());
            }
        }
        let count = keys.iter().try_fold(1usize, |n, k| n.checked_mul(k.values.len()));
        let Some(count) = count.filter(|n| *n <= MOST_CELLS) else {
            let reason = format!("[sweep] has more than {MOST_CELLS} combinations; shorten its lists");
            return Err(UsageError::Run { path: place(), reason }.into());
        };
        for swept in keys.iter_mut().filter(|k| k.spaced) {
            round_to_whole(swept);
        }
        let count = keys.iter().map(|k| k.values.len()).product::<usize>().min(count);
        let digits = (count - 1).to_string().len().max(3);
        let cells = (0..count).map(|index| cell(index, digits, &keys)).collect();
        let mut resolved = base.to_toml();
        resolved.push_str("\n[sweep]\n");
        for swept in &keys {
            resolved.push_str(&format!("\"{}\" = {}\n", swept.key, Value::Array(swept.values.clone())));
        }
        let (config, sets) = (config.to_owned(), sets.to_vec());
        Ok(Self { config, sets, changes: changes.to_vec(), base, keys, resolved, cells })
    }

    /// Builds every cell, so that no work starts on a sweep that cannot be finished.
    ///
    /// # Errors
    /// What is wrong with the first cell that cannot be built, with the cell, the key and the value.
    fn validate(&self, ctx: &Context) -> Result<Vec<Fingerprint>> {
        let muted = ctx.muted();
        self.cells.iter().map(|cell| Ok(self.problem(cell, &muted)?.fingerprint)).collect()
    }

    /// Gives finished cells of an earlier sweep in the folder their places in this one: a longer list shifts numbers.
    fn adopt(&self, fingerprints: &[Fingerprint], out: &Path) -> Result<()> {
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let folders = std::fs::read_dir(out.join(CELLS)).into_iter().flatten().flatten();
        for path in folders.map(|entry| entry.path()) {
            if let Some(record) = finished(&path) {
                found.insert(record.fingerprint, path);
            }
        }
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |e| WriteError::new(&path, "move the finished cell", e)
        };
        // By way of a name that no cell has, since cells may change places; a kill between leaves them to be found again.
        let mut moves = Vec::new();
        for (cell, fingerprint) in self.cells.iter().zip(fingerprints) {
            let (place, name) = (out.join(&cell.folder), fingerprint.hex());
            if let Some(from) = found.get(&name).filter(|from| **from != place) {
                let aside = out.join(CELLS).join(format!(".gtv-{name}.tmp"));
                std::fs::rename(from, &aside).map_err(fail(from))?;
                moves.push((aside, place));
            }
        }
        for (aside, place) in moves {
            if let Some(record) = finished(&place) {
                // Not wanted now, but when its list is long again.
                let kept = out.join(CELLS).join(format!(".gtv-{}.tmp", record.fingerprint));
                std::fs::rename(&place, &kept).map_err(fail(&place))?;
            } else if place.exists() {
                if let Some(held) = FolderLock::holder_of(&place) {
                    // What is moved aside is found there the next time.
                    return Err(held.into());
                }
                std::fs::remove_dir_all(&place).map_err(fail(&place))?;
            }
            std::fs::rename(&aside, &place).map_err(fail(&aside))?;
        }
        Ok(())
    }

    fn problem(&self, cell: &Cell, ctx: &Context) -> Result<Problem> {
        let named = || format!("cell {}", cell.folder.trim_start_matches(CELLS));
        let loaded = self.loaded(cell, ctx)?;
        let problem = loaded.build(ctx).with_context(named)?;
        loaded.check_quadrature(&problem).with_context(named)?;
        Ok(problem)
    }

    /// The config of a cell.
    ///
    /// # Errors
    /// A key that does not exist, or a value it cannot take, with the cell's name.
    pub fn loaded(&self, cell: &Cell, ctx: &Context) -> Result<Loaded> {
        let own = self.keys.iter().zip(&cell.values).map(|(swept, value)| {
            let place = format!("[sweep] {} = {value}", swept.key);
            Change::argument(&swept.key, self.anchored(&swept.key, value), place)
        });
        let changes: Vec<Change> = self.changes.iter().cloned().chain(own).collect();
        Loaded::read(Some(&self.config), &changes, ctx)
            .with_context(|| format!("cell {}", cell.folder.trim_start_matches(CELLS)))
    }

    /// A swept path is relative to the config that lists it, as one in `[data]` is.
    fn anchored(&self, key: &str, value: &Value) -> Value {
        let is_path = keys().of(key).any(|k| k.kind == Type::Path);
        match (is_path, value.as_str(), self.config.parent()) {
            (true, Some(path), Some(folder)) => {
                let here = std::env::current_dir().unwrap_or_default();
                here.join(folder).join(path).to_string_lossy().into_owned().into()
            }
            _ => value.clone(),
        }
    }

    /// The comparison that makes the cell by itself.
    fn command(&self, cell: &Cell, folder: &Path, ctx: &Context) -> Vec<String> {
        let mut words = vec!["gtv-cli".to_owned(), "compare".to_owned(), self.config.display().to_string()];
        let sets = self.sets.iter().filter(|s| !s.trim_start().starts_with("sweep.")).cloned();
        let own = self.keys.iter().zip(&cell.values);
        let own = own.map(|(swept, value)| format!("{}={}", swept.key, self.anchored(&swept.key, value)));
        words.extend(sets.chain(own).flat_map(|s| ["--set".to_owned(), s]));
        if let Some(seed) = ctx.seed {
            words.extend(["--seed".to_owned(), seed.to_string()]);
        }
        words.extend(["--out".to_owned(), folder.display().to_string()]);
        words
    }

    /// Writes sweep.csv, sweep.json, figures and report from the cells in a folder, and prints the table.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn summarise(&self, out: &Path, failures: &BTreeMap<usize, String>, ctx: &Context) -> Result<()> {
        let muted = ctx.muted();
        let cells = self.cells.iter().map(|cell| -> Result<SweepCell> {
            let record = self.found(cell, out, &muted)?.filter(|_| !failures.contains_key(&cell.index));
            Ok(SweepCell {
                index: cell.index,
                folder: cell.folder.clone(),
                finished: record.is_some(),
                failure: failures.get(&cell.index).cloned(),
                values: cell.values.iter().map(serde_json::to_value).collect::<Result<_, _>>()?,
                quantities: record.as_ref().map(quantities).unwrap_or_default(),
            })
        });
        let key = |swept: &Swept| -> Result<SweepKey> {
            let values = swept.values.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            Ok(SweepKey { key: swept.key.clone(), values })
        };
        let record = SweepRecord {
            schema: SWEEP_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: serde_json::to_value(self.base.table())?,
            keys: self.keys.iter().map(key).collect::<Result<_>>()?,
            cells: cells.collect::<Result<_>>()?,
        };
        record.write(out)?;
        report::render(&record, &self.resolved, out)?;
        ctx.say(&report::terminal_table(&record))?;
        let missing = record.missing().count();
        if missing > 0 {
            ctx.say(&format!(
                "{missing} of {} cells are missing (report.html lists them); the same command runs those of its shard, \
                 gtv-cli merge adds those of other shards\n",
                record.cells.len()
            ))?;
        }
        ctx.say(&format!("report: {}", out.join("report.html").display()))
    }

    /// The record of a cell, if its folder in `out` is complete and was made by this config.
    ///
    /// # Errors
    /// As [`Plan::loaded`].
    pub fn found(&self, cell: &Cell, out: &Path, ctx: &Context) -> Result<Option<Record>> {
        let folder = out.join(&cell.folder);
        let resolved = self.loaded(cell, ctx)?.to_toml();
        let ours = std::fs::read_to_string(folder.join("config.toml"))
            .is_ok_and(|text| text == RunDir::config_text(&resolved));
        Ok(if ours { finished(&folder) } else { None })
    }
}

/// Where the cells are, in the sweep's folder.
const CELLS: &str = "cells/";

/// The record of a comparison's folder, if the comparison came to its end: the parts go last.
fn finished(folder: &Path) -> Option<Record> {
    let complete = ["report.html", "arrays.npz", "config.toml"].iter().all(|f| folder.join(f).is_file());
    if !complete || folder.join("parts").exists() {
        return None;
    }
    let path = folder.join("summary.json");
    crate::record::from_json(&std::fs::read_to_string(&path).ok()?, &path).ok()
}

/// Rounds the points of a range where the key takes whole numbers only; points that become one are one.
fn round_to_whole(swept: &mut Swept) {
    let whole = keys().of(&swept.key).any(|k| k.kind == Type::Whole);
    if whole {
        let points = swept.values.iter().filter_map(Value::as_float);
        let mut rounded: Vec<Value> = points.map(|v| Value::Integer(v.round() as i64)).collect();
        rounded.dedup();
        swept.values = rounded;
    }
}

/// The cell of an index: the last key varies fastest.
fn cell(index: usize, digits: usize, keys: &[Swept]) -> Cell {
    let mut rest = index;
    let mut values = Vec::with_capacity(keys.len());
    for swept in keys.iter().rev() {
        values.push(swept.values[rest % swept.values.len()].clone());
        rest /= swept.values.len();
    }
    values.reverse();
    let settings = keys.iter().zip(&values).map(|(k, v)| format!("-{}={}", k.key, in_a_name(v)));
    let name: String = settings.collect::<String>().chars().take(LONGEST_NAME).collect();
    Cell { index, folder: format!("{CELLS}{index:0digits$}{name}"), values }
}

/// A value as a part of a file name: four digits of a number, no character that a shell or a file system minds.
fn in_a_name(value: &Value) -> String {
    let text = match value {
        Value::Float(v) => match format!("{v:.3e}").parse::<f64>() {
            Ok(short) if short != 0.0 && !(1e-5..1e6).contains(&short.abs()) => format!("{short:e}"),
            Ok(short) => short.to_string(),
            Err(_) => v.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_alphanumeric() || "-_.+".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(key: &str, values: &[Value]) -> Swept {
        Swept { key: key.to_owned(), values: values.to_vec(), spaced: false }
    }

    #[test]
    fn identities_cells_are_the_product_with_the_last_key_fastest() {
        let keys = [
            swept("model.samples", &[Value::Integer(64), Value::Integer(128)]),
            swept("seed", &[Value::Integer(0), Value::Integer(1), Value::Integer(2)]),
        ];
        let cells: Vec<Cell> = (0..6).map(|i| cell(i, 3, &keys)).collect();
        assert_eq!(cells[0].folder, "cells/000-model.samples=64-seed=0");
        assert_eq!(cells[4].folder, "cells/004-model.samples=128-seed=1");
        assert_eq!(cells[5].values, [Value::Integer(128), Value::Integer(2)]);
    }

    #[test]
    fn identities_names_of_folders_are_plain() {
        let name = |v: Value| in_a_name(&v);
        assert_eq!(name(Value::Float(1.0 / 3000.0)), "0.0003333");
        assert_eq!(name(Value::Float(2.5e-9)), "2.5e-9");
        assert_eq!(name(Value::Float(0.0)), "0");
        assert_eq!(name("a b/../c.npy".into()), "a_b_.._c.npy");
        assert_eq!(name(Value::Array(vec!["paper".into(), "leading".into()])), "__paper____leading__");
        let long = cell(0, 3, &[swept("title", &["x".repeat(500).into()])]);
        assert!(long.folder.len() < 140);
    }

    #[test]
    fn identities_shards_are_a_partition() {
        for of in 1..5 {
            for index in 0..20 {
                assert_eq!((1..=of).filter(|&part| Shard { part, of }.has(index)).count(), 1);
            }
        }
        for text in ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
