//! From TOML text and `--set` changes to a [`Config`], with errors that say where.

use super::error::{Choices, ConfigError, Place};
use super::{Config, DataConfig};
use crate::context::Context;
use crate::io::{ReadError, STDIN, read_small};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Longest config, in bytes.
const LONGEST: u64 = 1 << 24;

/// One change to the config, from the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    key: String,
    value: Value,
    /// The argument as typed, for messages.
    argument: String,
}

impl Change {
    /// Parses `--set KEY=VALUE`. The value is TOML (`64`, `[-2, 2]`, `"erf"`); what is not TOML is a string.
    ///
    /// # Errors
    /// [`ConfigError::Set`] without `=` or with an empty key.
    pub fn set(text: &str) -> Result<Self, ConfigError> {
        let wrong = |reason: &str| ConfigError::Set { text: text.to_owned(), reason: reason.to_owned() };
        let (key, value) =
            text.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE, e.g. --set model.samples=256"))?;
        let (key, value) = (key.trim(), value.trim());
        if key.split('.').any(|part| part.trim().is_empty()) {
            return Err(wrong("the key is empty or has an empty part; expected e.g. model.samples"));
        }
        let parsed = toml::from_str::<Table>(&format!("value = {value}"));
        let value = match parsed {
            Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| value.into()),
            _ => value.into(),
        };
        Ok(Self { key: key.to_owned(), value, argument: format!("--set {text}") })
    }

    /// The change that an argument of its own makes, e.g. `--members 10`.
    pub fn argument(key: &str, value: impl Into<Value>, argument: String) -> Self {
        Self { key: key.to_owned(), value: value.into(), argument }
    }

    /// The change that an argument with a whole number makes.
    ///
    /// # Errors
    /// [`ConfigError::WrongType`] above 2⁶³ − 1, the largest integer of TOML.
    pub fn whole(key: &str, argument: &str, value: usize) -> Result<Self, ConfigError> {
        let argument = format!("{argument} {value}");
        match i64::try_from(value) {
            Ok(value) => Ok(Self::argument(key, value, argument)),
            Err(_) => Err(ConfigError::WrongType {
                place: Place::Argument(argument),
                key: key.to_owned(),
                found: value.to_string(),
                expected: format!("a whole number of at most {}", i64::MAX),
            }),
        }
    }

    /// `--target`, in either command that takes it.
    pub fn target(target: &str) -> Self {
        let value = target.parse::<f64>().map_or_else(|_| target.into(), Value::Float);
        Self::argument("model.target", value, format!("--target {target}"))
    }

    fn apply(&self, root: &mut Table) -> Result<(), ConfigError> {
        let mut parts: Vec<&str> = self.key.split('.').map(str::trim).collect();
        if parts[0] == "sweep" && parts.len() > 1 {
            // The section's keys are dotted names themselves.
            parts = vec!["sweep", self.key.split_once('.').map_or("", |(_, rest)| rest.trim())];
        }
        let last = parts.pop().unwrap_or_default();
        let mut table = root;
        for (depth, part) in parts.iter().enumerate() {
            let entry = table.entry(*part).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().ok_or_else(|| ConfigError::Set {
                text: self.argument.trim_start_matches("--set ").to_owned(),
                reason: format!("`{}` is a value, not a section", parts[..=depth].join(".")),
            })?;
        }
        table.insert(last.to_owned(), self.value.clone());
        Ok(())
    }
}

/// A config with the place of every setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The resolved config.
    pub config: Config,
    /// `[sweep]` as it was read; a single run has no use for it.
    pub(super) sweep: Option<Value>,
    places: Places,
}

/// Where each setting was made, by dotted key.
#[derive(Debug, Clone, PartialEq, Default)]
struct Places {
    file: Option<PathBuf>,
    lines: BTreeMap<String, usize>,
    arguments: Vec<(String, String)>,
}

impl Places {
    fn of(&self, key: &str) -> Place {
        let inside = |whole: &str| whole == key || whole.starts_with(&format!("{key}."));
        if let Some((_, argument)) = self.arguments.iter().rev().find(|(k, _)| inside(k)) {
            return Place::Argument(argument.clone());
        }
        let line = self.lines.get(key).or_else(|| self.lines.iter().find(|(k, _)| inside(k)).map(|(_, l)| l));
        match (line, &self.file) {
            (Some(&line), Some(path)) => Place::File { path: path.clone(), line },
            _ => Place::Default,
        }
    }
}

impl Loaded {
    /// Reads a config file (or, without one, the defaults) and applies the changes in order, then `--seed`.
    ///
    /// Relative paths in `[data]` are taken from the config's folder, or, when set on the command line, from the
    /// current one.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read, [`ConfigError`] for what it says.
    pub fn read(path: Option<&Path>, changes: &[Change], ctx: &Context) -> anyhow::Result<Self> {
        let text = match path {
            None => String::new(),
            Some(path) => {
                let bytes = read_small(path, LONGEST, "a config in TOML")?;
                String::from_utf8(bytes).map_err(|_| ReadError::Format {
                    path: path.to_owned(),
                    reason: "not a text file in UTF-8; expected a config in TOML".to_owned(),
                })?
            }
        };
        let seed = ctx.seed.map(|n| Change::argument("seed", n as i64, format!("--seed {n}")));
        let changes: Vec<Change> = changes.iter().cloned().chain(seed).collect();
        let mut loaded = Self::parse(&text, path, &changes)?;
        loaded.anchor_paths(path)?;
        Ok(loaded)
    }

    /// Parses a config's text; `path` only names it in messages.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: Option<&Path>, changes: &[Change]) -> Result<Self, ConfigError> {
        let mut places = Places { file: path.map(Path::to_owned), ..Places::default() };
        let line_of = |offset: usize| {
            1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
        };
        let parsed = DeTable::parse(text).and_then(|spans| {
            collect_lines(spans.get_ref(), "", &line_of, &mut places.lines);
            toml::from_str::<Table>(text)
        });
        let mut table = parsed.map_err(|e| ConfigError::Syntax {
            place: match path {
                Some(path) => {
                    Place::File { path: path.to_owned(), line: line_of(e.span().map_or(0, |s| s.start)) }
                }
                None => Place::Default,
            },
            message: format!("not valid TOML: {}", e.message().replace('\n', "; ")),
        })?;
        for change in changes {
            change.apply(&mut table)?;
            places.arguments.push((change.key.clone(), change.argument.clone()));
        }
        let sweep = table.remove("sweep");
        let mut config: Config =
            serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|e| {
                let key = e.path().to_string();
                explain(&places, &table, key.trim_matches('.'), e.inner().message())
            })?;
        let misfit = |m: super::settle::Misfit| ConfigError::Value {
            place: places.of(&m.key),
            key: m.key,
            reason: m.reason,
        };
        config.schedule.settle().map_err(misfit)?;
        config.model.settle().map_err(misfit)?;
        config.training.settle(config.model.kind).map_err(misfit)?;
        config.ensemble.settle(config.model.kind).map_err(misfit)?;
        config.sampling.settle().map_err(misfit)?;
        config.theory.settle(config.model.kind).map_err(misfit)?;
        Ok(Self { config, sweep, places })
    }

    /// Where a setting was made.
    pub fn place(&self, key: &str) -> Place {
        self.places.of(key)
    }

    /// The resolved config as TOML, every key explicit.
    ///
    /// # Errors
    /// Never for a config that was read; the serializer's error otherwise.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(&self.config)?)
    }

    fn anchor_paths(&mut self, config: Option<&Path>) -> anyhow::Result<()> {
        let here = std::env::current_dir()?;
        let beside = config.and_then(Path::parent).map_or_else(|| here.clone(), |folder| here.join(folder));
        let folder_of = |key: &str| match self.places.of(key) {
            Place::Argument(_) => &here,
            _ => &beside,
        };
        let (points, weights) = (folder_of("data.path"), folder_of("data.weights"));
        if let DataConfig::File(file) = &mut self.config.data {
            if file.path != Path::new(STDIN) {
                file.path = points.join(&file.path);
            }
            if let Some(path) = &mut file.weights {
                *path = weights.join(&*path);
            }
        }
        Ok(())
    }
}

fn collect_lines(
    table: &DeTable<'_>,
    prefix: &str,
    line_of: &impl Fn(usize) -> usize,
    lines: &mut BTreeMap<String, usize>,
) {
    for (key, value) in table {
        let name: &Spanned<_> = key;
        let dotted = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        if let DeValue::Table(inner) = value.get_ref() {
            collect_lines(inner, &dotted, line_of, lines);
        }
        lines.insert(dotted, line_of(name.span().start));
    }
}

/// Turns serde's message into one that names place, key, what was found and what was expected.
fn explain(places: &Places, table: &Table, path: &str, message: &str) -> ConfigError {
    let quoted =
        |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let nearest = |name: &str, known: &[String]| {
        let scored = known.iter().map(|k| (strsim::damerau_levenshtein(name, k), k));
        scored.min().filter(|(distance, k)| *distance <= 1 + k.len() / 3).map(|(_, k)| k.clone())
    };
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let message = message.trim();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut known = quoted(rest);
        let name = if known.is_empty() { String::new() } else { known.remove(0) };
        if path.is_empty() || path == name {
            known.push("sweep".to_owned());
        }
        let key =
            if path == name || path.ends_with(&format!(".{name}")) { path.to_owned() } else { join(&name) };
        let section = key.strip_suffix(&name).unwrap_or("").to_owned();
        let nearest = nearest(&name, &known).map(|k| format!("{section}{k}"));
        let choices = Box::new(Choices { nearest, known });
        return ConfigError::UnknownKey { place: places.of(&key), key, choices };
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut known = quoted(rest);
        let value = if known.is_empty() { String::new() } else { known.remove(0) };
        let key = if path == "data" { join("kind") } else { path.to_owned() };
        let choices = Box::new(Choices { nearest: nearest(&value, &known), known });
        return ConfigError::UnknownName { place: places.of(&key), key, value, choices };
    }
    let key = if path == "data" {
        let kind = message.contains("variant identifier").then(|| "kind".to_owned());
        kind.or_else(|| culprit(table, message)).map_or(path.to_owned(), |k| join(&k))
    } else {
        path.to_owned()
    };
    let place = places.of(&key);
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match wrong.and_then(|m| m.split_once(", expected ")) {
        Some((found, expected)) => ConfigError::WrongType {
            place,
            key,
            found: found.replace("map", "a section").replace('`', ""),
            expected: in_words(expected),
        },
        None => match message.strip_prefix("missing field ") {
            Some(field) => {
                let key = join(field.trim_matches('`'));
                ConfigError::Value { place, key, reason: "is missing; this kind needs it".to_owned() }
            }
            None => ConfigError::Value { place, key, reason: format!("cannot be read: {message}") },
        },
    }
}

/// The key of `[data]` without which the message goes away; tagged enums do not say which key they trip over.
fn culprit(table: &Table, message: &str) -> Option<String> {
    let data = table.get("data")?.as_table()?;
    data.keys().filter(|k| *k != "kind").find_map(|key| {
        let mut without = data.clone();
        without.remove(key);
        let same =
            DataConfig::deserialize(Value::Table(without)).is_err_and(|e| e.message().trim() == message);
        (!same).then(|| key.clone())
    })
}

/// Rust's names of types are no help to a reader.
fn in_words(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" => "a whole number, 0 or above",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string or map" | "variant identifier" => "a name in quotes",
        "a sequence" => "a list in [ ]",
        other if other.starts_with("struct ") => "a section",
        other if other.starts_with("an array of length ") => {
            return format!("a list of {} numbers", other.trim_start_matches("an array of length "));
        }
        other => return other.to_owned(),
    }
    .to_owned()
}
