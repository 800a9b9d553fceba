//! What is printed of the keys: a config, plain or commented; the explanation of a key; docs/config.md and its JSON Schema.

use super::check::{Settings, in_words, setting};
use super::error::Choices;
use super::keys::{self, Default, HOISTED, Key, Type, is_tagged, keys};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use toml::Value;

/// Column of the comments in a commented config.
const COLUMN: usize = 30;
/// Width of a line in a commented config.
const WIDTH: usize = 120;

/// The settings as TOML, in the order of the keys.
pub(super) fn plain(settings: &Settings) -> String {
    sections(settings, &|key| {
        settings.get(&key.path).map_or(String::new(), |value| format!("{} = {}\n", key.name(), shown(value)))
    })
}

/// The settings as TOML with the meaning of every key that goes with them; keys that are not set are there as comments.
pub fn commented(settings: &Settings) -> String {
    sections(settings, &|key| {
        let assigned = match settings.get(&key.path) {
            Some(value) => format!("{} = {}", key.name(), shown(value)),
            None => format!("# {} = ({})", key.name(), key.value_in_words()),
        };
        let about = match &key.kind {
            Type::Name(choices) => {
                let names: Vec<&str> = choices.iter().map(|c| c.name.as_str()).collect();
                format!("{} One of {}.", key.meaning, names.join(", "))
            }
            _ => key.meaning.clone(),
        };
        if assigned.len() < COLUMN && COLUMN + 2 + about.chars().count() <= WIDTH {
            return format!("{assigned:COLUMN$}# {about}\n");
        }
        let above: String = wrapped(&about).iter().map(|line| format!("# {line}\n")).collect();
        format!("{above}{assigned}\n")
    })
}

/// A value as TOML; small numbers with an exponent.
fn shown(value: &Value) -> String {
    match value {
        Value::Float(v) if *v != 0.0 && v.abs() < 1e-4 => format!("{v:e}"),
        other => other.to_string(),
    }
}

fn sections(settings: &Settings, line: &dyn Fn(&Key) -> String) -> String {
    let mut out = String::new();
    for (section, _) in &keys().sections {
        let used = keys().all.iter().filter(|k| k.section() == section && settings.uses(k));
        let body: String = used.map(line).collect();
        if !body.is_empty() && !section.is_empty() {
            let _ = writeln!(out, "{}[{section}]", if out.is_empty() { "" } else { "\n" });
        }
        out.push_str(&body);
    }
    out
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last =
            lines.last_mut().filter(|l| l.is_empty() || l.chars().count() + word.chars().count() < WIDTH - 2);
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => line.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

impl Key {
    /// What its value must be: type and range.
    pub fn value_in_words(&self) -> String {
        match &self.kind {
            Type::Whole => self.range.in_words(true),
            Type::Number => self.range.in_words(false),
            Type::Name(choices) => {
                let names: Vec<String> = choices.iter().map(|c| format!("\"{}\"", c.name)).collect();
                names.join(", ")
            }
            Type::List(inner, None) => match &**inner {
                Type::Name(choices) => {
                    let names: Vec<String> = choices.iter().map(|c| format!("\"{}\"", c.name)).collect();
                    format!("a list of {}", names.join(", "))
                }
                _ => in_words(&self.kind),
            },
            Type::List(_, Some(_)) if self.range.increasing => {
                format!("{}, the second above the first", in_words(&self.kind))
            }
            other => in_words(other),
        }
    }

    fn default_in_words(&self) -> String {
        match &self.default {
            Default::Value(value) => shown(value),
            Default::Unset => "not set".to_owned(),
            Default::Derived(words) => words.clone(),
            Default::Required => "must be given".to_owned(),
        }
    }

    /// The settings that it goes with; empty for all.
    fn used_with(&self) -> String {
        let one = |(tag, values): &(String, Vec<String>)| setting(tag, values);
        let any = |c: &super::Condition| c.0.iter().map(one).collect::<Vec<_>>().join(" or ");
        self.when.iter().map(any).collect::<Vec<_>>().join(" and ")
    }

    /// Names that it can be set to, with what they stand for.
    fn choices(&self) -> &[super::Choice] {
        match &self.kind {
            Type::Name(choices) => choices,
            Type::List(inner, _) => match &**inner {
                Type::Name(choices) => choices,
                _ => &[],
            },
            _ => &[],
        }
    }
}

/// Everything about a key; of a section, the list of its keys.
///
/// # Errors
/// The nearest names where there is no such key.
pub fn explained(path: &str) -> Result<String, Choices> {
    let mut out = String::new();
    for key in keys().of(path) {
        let _ = writeln!(out, "{path}\n  {}", key.meaning);
        let mut row = |name: &str, text: String| {
            let _ = writeln!(out, "  {name:<9}{text}");
        };
        row("type", if key.choices().is_empty() { key.value_in_words() } else { in_words(&key.kind) });
        row("default", key.default_in_words());
        key.unit.iter().for_each(|unit| row("unit", unit.clone()));
        let with = key.used_with();
        if !with.is_empty() {
            row("used with", format!(" {with}"));
        }
        for (i, choice) in key.choices().iter().enumerate() {
            row(if i == 0 { "choices" } else { "" }, format!("{:<16} {}", choice.name, choice.meaning));
        }
    }
    if out.is_empty() && keys().has_section(path) && !path.is_empty() {
        out = listed(Some(path));
    }
    if out.is_empty() {
        return Err(near(path));
    }
    Ok(out)
}

/// The keys that a name may stand for, the nearest first: by the whole of it or by its last part.
fn near(path: &str) -> Choices {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |key: &Key| {
        let whole = strsim::damerau_levenshtein(path, &key.path);
        whole.min(strsim::damerau_levenshtein(&last(path), key.name()))
    };
    let mut scored: Vec<(usize, &str)> = keys().all.iter().map(|k| (distance(k), k.path.as_str())).collect();
    scored.sort_unstable();
    scored.dedup();
    let nearest = scored.first().filter(|(distance, _)| *distance <= 2).map(|(_, key)| (*key).to_owned());
    Choices { nearest, known: scored.into_iter().take(5).map(|(_, key)| key.to_owned()).collect() }
}

/// The keys with their defaults and meanings, of one section or of all.
pub fn listed(section: Option<&str>) -> String {
    let mut out = String::new();
    for (name, about) in keys().sections.iter().filter(|(name, _)| section.is_none_or(|s| s == name)) {
        if !name.is_empty() {
            let _ = writeln!(out, "{}[{name}]  {about}", if out.is_empty() { "" } else { "\n" });
        }
        for key in keys().all.iter().filter(|k| k.section() == name) {
            let _ = writeln!(out, "  {:<20} {:<24} {}", key.name(), key.default_in_words(), key.meaning);
        }
    }
    out
}

/// docs/config.md.
pub fn markdown() -> String {
    let mut out = "# Every key of a config\n\n\
                   This page is made from the types that a config is read into: `gtv-cli explain --format markdown`. \
                   `gtv-cli explain KEY` tells about one key, `gtv-cli init` writes a config to start from, and \
                   [config.schema.json](config.schema.json) is for editors.\n\n\
                   Every key has a default. Keys that the chosen kinds do not use are refused. \
                   `[sweep]` holds dotted keys with the values they take: `gtv-cli sweep --help`.\n"
        .to_owned();
    for (section, about) in &keys().sections {
        let title = if section.is_empty() { "At the top".to_owned() } else { format!("`[{section}]`") };
        let _ = write!(out, "\n## {title}\n\n");
        if !section.is_empty() {
            let _ = write!(out, "{about}\n\n");
        }
        out.push_str("| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
        for key in keys().all.iter().filter(|k| k.section() == section) {
            let cell = |text: &str| text.replace('|', "\\|");
            let default = match &key.default {
                Default::Value(value) => format!("`{}`", shown(value)),
                Default::Unset | Default::Derived(_) | Default::Required => key.default_in_words(),
            };
            let value = if key.choices().is_empty() { key.value_in_words() } else { in_words(&key.kind) };
            let unit = key.unit.iter().map(|u| format!(" (unit: {u})")).collect::<String>();
            let mut meaning = key.meaning.clone();
            for choice in key.choices() {
                let _ = write!(meaning, "<br>`{}`: {}", choice.name, choice.meaning);
            }
            let with = key.used_with();
            if !with.is_empty() {
                let _ = write!(meaning, "<br>*Used with {}.*", with.replace('"', ""));
            }
            let row = [format!("`{}`", key.name()), value + &unit, default, meaning];
            let _ = writeln!(out, "| {} |", row.map(|c| cell(&c)).join(" | "));
        }
    }
    out
}

/// docs/config.schema.json, for editors that complete and check a config as it is written: the schema of the types, but that
/// every key can be left out and that `[training]` stands beside `[model]`.
pub fn json_schema() -> Json {
    let mut root = keys::schema();
    let (outer, inner) = HOISTED.0.split_once('.').unwrap_or_default();
    let mut moved = Vec::new();
    for variant in root["properties"][outer]["oneOf"].as_array_mut().into_iter().flatten() {
        let properties = variant["properties"].as_object_mut();
        moved.extend(properties.and_then(|p| p.remove(inner)));
    }
    root["properties"][HOISTED.1] = json!({ "anyOf": moved });
    root["properties"]["sweep"] = json!({
        "type": "object",
        "description": "Dotted keys with the values they take: a list, { log = [first, last, count] } or { linear = … }."
    });
    loosen(&mut root, true);
    root
}

/// Lets keys be left out; `whole` where no other part of the schema allows further keys.
fn loosen(schema: &mut Json, whole: bool) {
    let tagged = is_tagged(schema);
    match schema {
        Json::Array(parts) => parts.iter_mut().for_each(|part| loosen(part, whole)),
        Json::Object(object) => {
            let given = object.get("properties").and_then(|p| p.get("path")).is_some();
            let required = object.remove("required");
            object
                .extend(required.filter(|_| given).map(|_| ("required".to_owned(), json!(["kind", "path"]))));
            object.remove("additionalProperties");
            if whole && (tagged || object.contains_key("properties")) {
                object.insert("unevaluatedProperties".to_owned(), false.into());
            }
            // Without its tag, a part fits several variants.
            if let Some(variants) = object.remove("oneOf") {
                object.insert("anyOf".to_owned(), variants);
            }
            for (name, inner) in object.iter_mut() {
                match name.as_str() {
                    "properties" => {
                        inner.as_object_mut().into_iter().flatten().for_each(|(_, p)| loosen(p, true))
                    }
                    "anyOf" | "allOf" => loosen(inner, !tagged && whole && name == "anyOf"),
                    "items" => loosen(inner, true),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
