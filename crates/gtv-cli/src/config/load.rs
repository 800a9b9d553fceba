//! From TOML text and `--set` changes to a [`Config`], with errors that say where.

use super::check::Settings;
use super::error::{ConfigError, Place};
use super::fit::{self, Chosen, Facts, Said};
use super::keys::{Type, keys};
use super::{Config, DataConfig, data, manual};
use crate::context::Context;
use crate::io::{Array, ReadError, STDIN, read_limited};
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
    /// None takes the key out.
    value: Option<Value>,
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
        Ok(Self { key: key.to_owned(), value: Some(value), argument: format!("--set {text}") })
    }

    /// The change that an argument of its own makes, e.g. `--members 10`.
    pub fn argument(key: &str, value: impl Into<Value>, argument: String) -> Self {
        Self { key: key.to_owned(), value: Some(value.into()), argument }
    }

    /// Takes a key out that a command has no use for.
    pub fn without(key: &str, argument: String) -> Self {
        Self { key: key.to_owned(), value: None, argument }
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

    /// `--ensemble`: a file in the place of all that the config says of `[ensemble]`; its ending says of which kind it is.
    pub fn ensemble(path: &Path) -> [Self; 3] {
        let file = path.to_string_lossy().into_owned();
        let argument = format!("--ensemble {file}");
        let kind =
            if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) { "onnx" } else { "file" };
        [
            Self::argument("ensemble", Table::new(), argument.clone()),
            Self::argument("ensemble.kind", kind, argument.clone()),
            Self::argument("ensemble.path", file, argument),
        ]
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
        match &self.value {
            Some(value) => table.insert(last.to_owned(), value.clone()),
            None => table.remove(last),
        };
        Ok(())
    }
}

/// A config with the place of every setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The resolved config.
    pub config: Config,
    /// The same as it stands in a file.
    pub(super) settings: Settings,
    /// `[sweep]` as it was read; a single run has no use for it.
    pub(super) sweep: Option<Value>,
    /// Whether networks are to be trained, on a device that must be there.
    pub(super) trains: bool,
    /// What was chosen to fit the data.
    pub(super) chosen: Vec<Chosen>,
    /// Points that came through a pipe, which cannot be read again.
    pub(super) piped: Option<Array>,
    /// What was said.
    said: Table,
    /// The folder that relative paths of the command line start from.
    here: Option<PathBuf>,
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

impl Places {
    /// Whether a key was set anywhere.
    fn is_given(&self, key: &str) -> bool {
        self.lines.contains_key(key) || self.arguments.iter().any(|(set, _)| set == key)
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
                let bytes = read_limited(path, LONGEST, "a config in TOML")?;
                String::from_utf8(bytes).map_err(|_| ReadError::Format {
                    path: path.to_owned(),
                    reason: "not a text file in UTF-8; expected a config in TOML".to_owned(),
                })?
            }
        };
        Self::from_text(&text, path, changes, ctx)
    }

    /// The main job, which runs where no config is named: the text of configs/main.toml, which is part of the program.
    ///
    /// # Errors
    /// As [`Loaded::read`], for the changes.
    pub fn main_job(changes: &[Change], ctx: &Context) -> anyhow::Result<Self> {
        const MAIN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/main.toml"));
        Self::from_text(MAIN, None, changes, ctx)
    }

    fn from_text(text: &str, path: Option<&Path>, changes: &[Change], ctx: &Context) -> anyhow::Result<Self> {
        let seed = ctx.seed.map(|n| Change::argument("seed", n as i64, format!("--seed {n}")));
        let changes: Vec<Change> = changes.iter().cloned().chain(seed).collect();
        let here = std::env::current_dir()?;
        let loaded = Self::parsed(text, path, &changes, Some(&here))?;
        loaded.fitted(ctx)
    }

    /// Parses a config's text; `path` only names it in messages.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: Option<&Path>, changes: &[Change]) -> Result<Self, ConfigError> {
        Self::parsed(text, path, changes, None)
    }

    /// [`Loaded::parse`], with relative paths taken from the config's folder, or from `here`.
    fn parsed(
        text: &str,
        path: Option<&Path>,
        changes: &[Change],
        here: Option<&Path>,
    ) -> Result<Self, ConfigError> {
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
        if let Some(kind) = fit::implied_features(&table) {
            insert(&mut table, fit::FEATURES, kind.into());
        }
        let (settings, config) = typed(&table, &places, here)?;
        let (chosen, piped, here) = (Vec::new(), None, here.map(Path::to_owned));
        Ok(Self { config, settings, sweep, trains: true, chosen, piped, said: table, here, places })
    }

    /// The same with what it leaves out chosen to fit the points of a file.
    ///
    /// # Errors
    /// [`ReadError`] of the file, or [`ConfigError`].
    fn fitted(mut self, ctx: &Context) -> anyhow::Result<Self> {
        let DataConfig::File(file) = &self.config.data else { return Ok(self) };
        // What is wrong with the points is found where they are used.
        let points = data::read_points(file, self.config.compare.image, &ctx.muted())?;
        let (total, dim) = points.rows()?;
        let count = file.limit.unwrap_or(total).min(total);
        let facts = Facts::of(&points.values[..count * dim], dim);
        let given = |key: &str| self.places.is_given(key);
        let log_snr = self.schedule(&ctx.muted()).is_ok_and(|s| s.log_snr(s.t_max()).is_finite());
        let chosen = fit::choices(&facts, &Said { given: &given, all: &self.settings, log_snr });
        let mut table = self.said.clone();
        for Chosen { key, value } in &chosen {
            insert(&mut table, key, value.clone());
        }
        (self.settings, self.config) = typed(&table, &self.places, self.here.as_deref())?;
        self.chosen = chosen;
        self.piped = points.came_once().then_some(points);
        Ok(self)
    }

    /// Where a setting was made.
    pub fn place(&self, key: &str) -> Place {
        self.places.of(key)
    }

    /// The same where nothing is trained, so that it does not matter whether the program has the config's device.
    pub fn on_any_device(self) -> Self {
        Self { trains: false, ..self }
    }

    /// The resolved settings as tables.
    pub fn table(&self) -> Table {
        self.settings.table()
    }

    /// The resolved settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The resolved config as TOML, every key explicit.
    pub fn to_toml(&self) -> String {
        manual::plain(&self.settings)
    }

    /// What was said of it alone, for use with other data, to which the rest is fitted.
    pub fn to_toml_for_any_data(&self) -> String {
        let mut settings = self.settings.clone();
        settings.0.retain(|key, _| self.places.is_given(key));
        manual::plain(&settings)
    }
}

/// Settings resolved, and as the types that they are for.
fn typed(table: &Table, places: &Places, here: Option<&Path>) -> Result<(Settings, Config), ConfigError> {
    let mut settings = Settings::resolve(table, &|key| places.of(key))?;
    if let Some(here) = here {
        anchor_paths(&mut settings, places, here);
    }
    let config = Config::deserialize(settings.typed()).map_err(|e| ConfigError::Syntax {
        place: places.file.clone().map_or(Place::Default, |path| Place::File { path, line: 1 }),
        message: e.message().to_owned(),
    })?;
    Ok((settings, config))
}

/// Sets a dotted key; sections are made where there are none.
fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Makes relative paths absolute: from the config's folder, or, when set on the command line, from the current one.
fn anchor_paths(settings: &mut Settings, places: &Places, here: &Path) {
    let beside = places.file.as_deref().and_then(Path::parent);
    for key in keys().all.iter().filter(|k| k.kind == Type::Path) {
        if let Some(Value::String(path)) = settings.0.get_mut(&key.path)
            && path != STDIN
        {
            let folder = match (places.of(&key.path), beside) {
                (Place::Argument(_), _) | (_, None) => here.to_owned(),
                (Place::File { .. } | Place::Default, Some(folder)) => here.join(folder),
            };
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
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
