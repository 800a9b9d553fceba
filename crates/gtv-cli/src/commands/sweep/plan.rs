//! A sweep before any work: its cells, each a comparison with its own settings.
//!
//! Cells are numbered in the order of the product, the last factor varying fastest; DIR/cells/NNN-key=value… is the folder of
//! one. They are run in another order, a coarse picture first.

use super::cost::Cost;
use super::order;
use crate::config::{Change, Loaded, Problem, Sweep, Swept, Type, keys};
use crate::context::Context;
use crate::failure::UsageError;
use crate::run_dir::Fingerprint;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use toml::Value;

/// Where the cells are, in the sweep's folder.
pub const CELLS: &str = "cells/";
/// The keys of the data.
const DATA: &str = "data.";
/// Most cells of a sweep.
const MOST_CELLS: usize = 10_000;
/// Longest name of a cell's folder, in characters.
const LONGEST_NAME: usize = 120;

/// One combination of values.
pub struct Cell {
    /// Its place in the product, from 0.
    pub index: usize,
    /// Its folder, relative to the sweep's.
    pub folder: String,
    /// The value of each swept key.
    pub values: Vec<Value>,
}

impl Cell {
    /// Its name: its number and its values.
    pub fn name(&self) -> &str {
        self.folder.trim_start_matches(CELLS)
    }
}

/// A sweep before any work.
pub struct Plan {
    config: PathBuf,
    sets: Vec<String>,
    changes: Vec<Change>,
    /// The config that the cells share.
    pub base: Loaded,
    /// What is gone through.
    pub lists: Sweep,
    /// The sweep's own `config.toml`, `[sweep]` with every value spelled out.
    pub resolved: String,
    /// The product of the factors' values.
    pub cells: Vec<Cell>,
}

impl Plan {
    /// Reads a config and lays out its cells; `sets` are the arguments behind `changes`.
    ///
    /// # Errors
    /// A config that cannot be read, without `[sweep]`, or with a key that is also fixed on the command line.
    pub fn read(config: &Path, sets: &[String], changes: &[Change], ctx: &Context) -> Result<Self> {
        let base = Loaded::read(Some(config), changes, ctx)?;
        let mut lists = base.swept()?;
        lists.keys.iter_mut().filter(|swept| is_path(&swept.key)).for_each(|swept| anchor(swept, config));
        let place = || config.display().to_string();
        if lists.keys.is_empty() {
            let reason = "no [sweep]: expected dotted keys with the values they take, e.g. \"model.samples\" = [256, 1024]";
            return Err(UsageError::Run { path: place(), reason: reason.to_owned() }.into());
        }
        for swept in &lists.keys {
            let fixed = if swept.key == "seed" { ctx.seed.map(|n| ("--seed", n.to_string())) } else { None };
            let set = sets.iter().find(|s| s.split('=').next().is_some_and(|k| k.trim() == swept.key));
            if let Some((argument, value)) = fixed.or_else(|| set.map(|s| ("--set", s.clone()))) {
                let key = &swept.key;
                let reason = format!("[sweep] varies {key}; change its list with --set sweep.{key}=[...]");
                return Err(UsageError::Argument { argument, value, reason }.into());
            }
        }
        let lengths = lists.lengths();
        let count = lengths.iter().try_fold(1usize, |n, len| n.checked_mul(*len));
        let Some(count) = count.filter(|n| *n <= MOST_CELLS) else {
            let reason = format!("[sweep] has more than {MOST_CELLS} combinations; shorten its lists");
            return Err(UsageError::Run { path: place(), reason }.into());
        };
        let digits = (count - 1).to_string().len().max(3);
        let cells = (0..count).map(|index| cell(index, digits, &lists)).collect();
        // Where the data differ from cell to cell, so does what is chosen to fit them.
        let of_data = lists.keys.iter().any(|swept| swept.key.starts_with(DATA));
        let shared = if of_data { base.to_toml_for_any_data() } else { base.to_toml() };
        let resolved = format!("{shared}\n{}", lists.to_toml());
        let (config, sets) = (config.to_owned(), sets.to_vec());
        Ok(Self { config, sets, changes: changes.to_vec(), base, lists, resolved, cells })
    }

    /// Builds every cell, so that no work starts on a sweep that cannot be finished.
    ///
    /// # Errors
    /// What is wrong with the first cell that cannot be built, with the cell, the key and the value.
    pub fn validate(&self, ctx: &Context) -> Result<Vec<Checked>> {
        let muted = ctx.muted();
        self.cells.iter().map(|cell| Ok(Checked::of(&self.problem(cell, &muted)?))).collect()
    }

    /// The places of the cells in the order in which they are run: a coarse picture of the whole first.
    pub fn coarse_first(&self) -> Vec<usize> {
        let lengths = self.lists.lengths();
        let levels: Vec<Vec<usize>> = self
            .lists
            .factors
            .iter()
            .zip(&lengths)
            .map(|(factor, len)| self.refinement(factor, *len))
            .collect();
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        order.sort_by_key(|&index| {
            let places = places(index, &lengths);
            (places.iter().zip(&levels).map(|(place, level)| level[*place]).max(), index)
        });
        order
    }

    /// How late each place of a factor is looked at.
    fn refinement(&self, factor: &[usize], len: usize) -> Vec<usize> {
        let keys = || factor.iter().map(|&k| &self.lists.keys[k]);
        if keys().any(|swept| swept.key == "seed") {
            // Seeds are repetitions.
            (0..len).collect()
        } else if keys().all(|swept| swept.values.iter().any(|v| v.as_float().is_none() && !v.is_integer())) {
            // Names have no coarse picture.
            vec![0; len]
        } else {
            order::levels(len)
        }
    }

    /// The comparison of a cell.
    ///
    /// # Errors
    /// A setting that cannot be, with the cell's name.
    pub fn problem(&self, cell: &Cell, ctx: &Context) -> Result<Problem> {
        let named = || format!("cell {}", cell.name());
        let loaded = self.loaded(cell, ctx)?;
        let problem = loaded.build(ctx).with_context(named)?;
        loaded.check_comparison(&problem).with_context(named)?;
        Ok(problem)
    }

    /// The config of a cell.
    ///
    /// # Errors
    /// A key that does not exist, or a value it cannot take, with the cell's name.
    pub fn loaded(&self, cell: &Cell, ctx: &Context) -> Result<Loaded> {
        let own = self.lists.keys.iter().zip(&cell.values).map(|(swept, value)| {
            let place = format!("[sweep] {} = {value}", swept.key);
            Change::argument(&swept.key, value.clone(), place)
        });
        let changes: Vec<Change> = self.changes.iter().cloned().chain(own).collect();
        Loaded::read(Some(&self.config), &changes, ctx).with_context(|| format!("cell {}", cell.name()))
    }

    /// The comparison that makes the cell by itself.
    pub fn command(&self, cell: &Cell, folder: &Path, ctx: &Context) -> Vec<String> {
        let mut words = vec!["gtv-cli".to_owned(), "compare".to_owned(), self.config.display().to_string()];
        let sets = self.sets.iter().filter(|s| !s.trim_start().starts_with("sweep.")).cloned();
        let own = self.lists.keys.iter().zip(&cell.values);
        let own = own.map(|(swept, value)| format!("{}={value}", swept.key));
        words.extend(sets.chain(own).flat_map(|s| ["--set".to_owned(), s]));
        if let Some(seed) = ctx.seed {
            words.extend(["--seed".to_owned(), seed.to_string()]);
        }
        words.extend(["--out".to_owned(), folder.display().to_string()]);
        words
    }
}

/// What is known of a cell that can be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checked {
    /// What determines its numbers.
    pub fingerprint: Fingerprint,
    /// What it takes.
    pub cost: Cost,
}

impl Checked {
    fn of(problem: &Problem) -> Self {
        Self { fingerprint: problem.fingerprint, cost: Cost::of(problem) }
    }
}

fn is_path(key: &str) -> bool {
    keys().of(key).any(|k| k.kind == Type::Path)
}

/// A swept path is relative to the config that lists it, as one in `[data]` is.
fn anchor(swept: &mut Swept, config: &Path) {
    let folder = std::env::current_dir().unwrap_or_default().join(config.parent().unwrap_or(Path::new("")));
    for value in &mut swept.values {
        if let Some(path) = value.as_str() {
            *value = folder.join(path).to_string_lossy().into_owned().into();
        }
    }
}

/// The places of the factors in the cell of an index: the last factor varies fastest.
fn places(index: usize, lengths: &[usize]) -> Vec<usize> {
    let mut rest = index;
    let mut places: Vec<usize> = lengths
        .iter()
        .rev()
        .map(|len| {
            let place = rest % len;
            rest /= len;
            place
        })
        .collect();
    places.reverse();
    places
}

fn cell(index: usize, digits: usize, lists: &Sweep) -> Cell {
    let values = lists.values(&places(index, &lists.lengths()));
    let named = |key: &str, value: &Value| match value.as_str().and_then(|path| Path::new(path).file_name()) {
        Some(name) if is_path(key) => in_a_name(&name.to_string_lossy().into_owned().into()),
        Some(_) | None => in_a_name(value),
    };
    let settings = lists.keys.iter().zip(&values).map(|(k, v)| format!("-{}={}", k.key, named(&k.key, v)));
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

    fn lists(all: &[(&str, &[Value])]) -> Sweep {
        let swept =
            |(key, values): &(&str, &[Value])| Swept { key: (*key).to_owned(), values: values.to_vec() };
        Sweep { keys: all.iter().map(swept).collect(), factors: (0..all.len()).map(|k| vec![k]).collect() }
    }

    #[test]
    fn identities_cells_are_the_product_with_the_last_key_fastest() {
        let numbers = |all: &[i64]| all.iter().map(|n| Value::Integer(*n)).collect::<Vec<_>>();
        let keys = lists(&[("model.samples", &numbers(&[64, 128])), ("seed", &numbers(&[0, 1, 2]))]);
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
        let long = cell(0, 3, &lists(&[("title", &["x".repeat(500).into()])]));
        assert!(long.folder.len() < 140);
    }
}
