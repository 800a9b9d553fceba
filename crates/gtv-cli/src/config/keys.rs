//! Every key of a config, with its type, default, range, meaning and the settings that it goes with.
//!
//! The list is read off the JSON Schema of [`Config`](super::Config), which schemars derives from the specs themselves: their
//! doc comments are the meanings, their `Default`s the defaults, the variants of tagged enums the kinds. Three attributes of
//! a field add what Rust's types do not say: `when` (the settings with which it is used), `unit`, and `derived` (its default,
//! in words, where that follows from other keys).

use serde_json::{Map, Value as Json};
use std::sync::LazyLock;
use toml::Value;

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// true or false.
    Flag,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// A path, relative to the config.
    Path,
    /// One of some names.
    Name(Vec<Choice>),
    /// A list, of a fixed length or any.
    List(Box<Type>, Option<usize>),
    /// A table with keys of its own.
    Table(Vec<Key>),
    /// One of several.
    Either(Vec<Type>),
}

/// A name that a key can be set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub meaning: String,
}

/// What a key is where it is not given.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// A value.
    Value(Value),
    /// Nothing: the meaning says what that means.
    Unset,
    /// What follows from other keys, in words.
    Derived(String),
    /// It must be given.
    Required,
}

/// The numbers that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// The smallest.
    pub least: Option<f64>,
    /// The largest.
    pub most: Option<f64>,
    /// All are above this one.
    pub above: Option<f64>,
    /// All are below this one.
    pub below: Option<f64>,
    /// Whether infinity is one of them.
    pub infinite: bool,
    /// Whether a pair must increase.
    pub increasing: bool,
    /// Whether a list must hold something.
    pub filled: bool,
}

/// Settings of which at least one must hold for a key to be used: a key, and the values of it (of which a list holds one).
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(pub Vec<(String, Vec<String>)>);

/// One key of a config. A path can occur several times, under different conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name, dotted.
    pub path: String,
    /// What its value must be.
    pub kind: Type,
    /// What it is where it is not given.
    pub default: Default,
    /// The numbers it takes.
    pub range: Range,
    /// What it stands for.
    pub meaning: String,
    /// The unit of its value.
    pub unit: Option<String>,
    /// All of these must hold for it to be used.
    pub when: Vec<Condition>,
}

impl Key {
    /// The section that it is in; empty at the top.
    pub fn section(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within its section.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }
}

/// The keys of a config and its sections, in the order in which they are written.
#[derive(Debug, Default)]
pub struct Keys {
    /// The keys.
    pub all: Vec<Key>,
    /// The sections by dotted name, with what they are about. The first is the top.
    pub sections: Vec<(String, String)>,
}

/// What belongs to the model's family in the types, but stands beside `[model]` in a file.
pub(super) const HOISTED: (&str, &str) = ("model.training", "training");

/// The JSON Schema of [`Config`](super::Config) as its types have it.
pub(super) fn schema() -> Json {
    // As for serialisation, since that lists every field, in order, as required.
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let generator = settings.with(|s| s.inline_subschemas = true).into_generator();
    generator.into_root_schema_for::<super::Config>().into()
}

/// The keys of [`Config`](super::Config).
pub fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let mut keys = Keys::default();
        keys.section("", &schema(), &Json::Null, &[]);
        keys.order();
        keys
    });
    &KEYS
}

impl Keys {
    /// The keys of this path, one for each set of conditions.
    pub fn of<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a Key> {
        self.all.iter().filter(move |k| k.path == path)
    }

    /// Whether there is a section of this name.
    pub fn has_section(&self, path: &str) -> bool {
        self.sections.iter().any(|(name, _)| name == path)
    }

    /// The names of keys and sections in a section, each once.
    pub fn names_in(&self, section: &str) -> Vec<String> {
        let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
        let paths = self.all.iter().map(|k| &k.path).chain(self.sections.iter().map(|(name, _)| name));
        let mut names: Vec<String> = Vec::new();
        for name in
            paths.filter_map(|p| p.strip_prefix(&prefix)).filter(|n| !n.is_empty() && !n.contains('.'))
        {
            if !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Sections in the order of their first mention, what is hoisted out of one after it, the keys of each together.
    fn order(&mut self) {
        let hoisted = |name: &str| name == HOISTED.1;
        let inside = |name: &str| HOISTED.0.split_once('.').is_some_and(|(outer, _)| name.starts_with(outer));
        let after = self.sections.iter().rposition(|(name, _)| inside(name)).unwrap_or(0);
        if let Some(at) = self.sections.iter().position(|(name, _)| hoisted(name)) {
            self.sections[at..=after.max(at)].rotate_left(1);
        }
        let place = |section: &str| self.sections.iter().position(|(name, _)| name == section);
        let mut all = std::mem::take(&mut self.all);
        all.sort_by_key(|k| place(k.section()));
        self.all = all;
    }

    fn section(&mut self, path: &str, schema: &Json, defaults: &Json, when: &[Condition]) {
        let own = &schema["default"];
        let defaults = if own.is_object() { own } else { defaults };
        if !self.has_section(path) {
            self.sections.push((path.to_owned(), text(&schema["description"])));
        }
        for variants in variants(schema) {
            self.kinds(path, schema, &variants, defaults, when);
        }
        let order = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        for name in order {
            let inner = &schema["properties"][name];
            if inner.get("const").is_none() && !inner.is_null() {
                self.property(&join(path, name), inner, when);
            }
        }
    }

    fn property(&mut self, path: &str, schema: &Json, when: &[Condition]) {
        let mut when = when.to_vec();
        when.extend(conditions(path, &schema["when"]));
        if schema["properties"].is_object() || is_tagged(schema) {
            let path = if path == HOISTED.0 { HOISTED.1 } else { path };
            self.section(path, schema, &Json::Null, &when);
        } else {
            self.add(key(path, schema, when));
        }
    }

    /// Adds a key; one that differs from an earlier one only in the kind that it belongs to is the same.
    fn add(&mut self, key: Key) {
        let apart = |key: &Key| {
            let mut rest = key.clone();
            let last = rest.when.pop().and_then(|c| c.0.into_iter().next());
            (rest, last)
        };
        let (rest, last) = apart(&key);
        let Some((tag, values)) = last else { return self.all.push(key) };
        let same = |k: &Key| {
            let (other, own) = apart(k);
            other == rest && own.is_some_and(|(own, _)| own == tag)
        };
        match self.all.iter().position(same) {
            Some(earlier) => {
                let own = self.all[earlier].when.last_mut().and_then(|c| c.0.first_mut());
                own.into_iter().for_each(|(_, all)| all.extend(values.clone()));
            }
            None => self.all.push(key),
        }
    }

    /// The variants of an enum whose tag is a key of the section.
    fn kinds(&mut self, path: &str, schema: &Json, variants: &[&Json], defaults: &Json, when: &[Condition]) {
        let Some(tag) = variants.first().and_then(|v| tag(v)) else { return };
        let name = |variant: &Json| text(&variant["properties"][tag]["const"]);
        let choices = variants.iter().map(|v| Choice { name: name(v), meaning: text(&v["description"]) });
        let about = text(&schema[format!("about {tag}")]);
        let default = toml_value(&defaults[tag]).map_or(Default::Required, Default::Value);
        self.all.push(Key {
            path: join(path, tag),
            kind: Type::Name(choices.collect()),
            default,
            range: Range::default(),
            meaning: if about.is_empty() { text(&schema["description"]) } else { about },
            unit: None,
            when: when.to_vec(),
        });
        for variant in variants {
            let own = Condition(vec![(join(path, tag), vec![name(variant)])]);
            let when: Vec<Condition> = when.iter().cloned().chain([own]).collect();
            self.section(path, variant, &Json::Null, &when);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A doc comment as one paragraph.
fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The tag of a variant: the property with a fixed value.
fn tag(variant: &Json) -> Option<&str> {
    variant["properties"].as_object()?.iter().find(|(_, v)| v.get("const").is_some()).map(|(k, _)| k.as_str())
}

/// The alternatives of a schema, enums within enums laid out flat.
fn alternatives(schema: &Json) -> Vec<&Json> {
    let lists = ["oneOf", "anyOf"].into_iter().filter_map(|k| schema[k].as_array()).flatten();
    lists.flat_map(|s| if tag(s).is_none() && is_tagged(s) { alternatives(s) } else { vec![s] }).collect()
}

pub(super) fn is_tagged(schema: &Json) -> bool {
    alternatives(schema).first().is_some_and(|s| tag(s).is_some())
}

/// The variants of each tagged enum that is a part of the section.
fn variants(schema: &Json) -> Vec<Vec<&Json>> {
    let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
    parts.filter(|part| is_tagged(part)).map(alternatives).collect()
}

/// `when = { "sibling or dotted key": ["value", …] }`.
fn conditions(path: &str, when: &Json) -> Option<Condition> {
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    let place = |key: &str| if key.contains('.') { key.to_owned() } else { join(section, key) };
    let names = |list: &Json| list.as_array().into_iter().flatten().map(text).collect();
    when.as_object().map(|all| Condition(all.iter().map(|(k, v)| (place(k), names(v))).collect()))
}

fn key(path: &str, schema: &Json, when: Vec<Condition>) -> Key {
    let number = |name: &str| schema[name].as_f64();
    let flag = |name: &str| schema[name] == true;
    let range = Range {
        least: number("minimum"),
        most: number("maximum"),
        above: number("exclusiveMinimum"),
        below: number("exclusiveMaximum"),
        infinite: flag("infinite"),
        increasing: flag("increasing"),
        filled: number("minItems") == Some(1.0),
    };
    let default = match (schema.get("derived"), schema.get("default")) {
        (Some(words), _) => Default::Derived(text(words)),
        (None, Some(value)) => toml_value(value).map_or(Default::Unset, Default::Value),
        (None, None) => Default::Required,
    };
    let unit = schema.get("unit").map(text);
    Key {
        path: path.to_owned(),
        kind: kind(schema),
        default,
        range,
        meaning: text(&schema["description"]),
        unit,
        when,
    }
}

fn kind(schema: &Json) -> Type {
    let parts = alternatives(schema);
    if !parts.is_empty() {
        return either(&parts);
    }
    if let Some(names) = schema["enum"].as_array() {
        return Type::Name(names.iter().map(|n| Choice { name: text(n), meaning: String::new() }).collect());
    }
    if schema.get("const").is_some() {
        return Type::Name(vec![Choice {
            name: text(&schema["const"]),
            meaning: text(&schema["description"]),
        }]);
    }
    // `["integer", "null"]` for an Option.
    let name = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match name {
        "boolean" => Type::Flag,
        "integer" => Type::Whole,
        "number" => Type::Number,
        "array" => {
            Type::List(Box::new(kind(&schema["items"])), schema["maxItems"].as_u64().map(|n| n as usize))
        }
        "object" => Type::Table(table(schema["properties"].as_object(), &schema["required"])),
        _ if schema["format"] == "path" => Type::Path,
        _ => Type::Text,
    }
}

/// The keys of a table in a list; all optional where one of several variants has them.
fn table(properties: Option<&Map<String, Json>>, order: &Json) -> Vec<Key> {
    let order = order.as_array().into_iter().flatten().filter_map(Json::as_str);
    order.filter_map(|name| Some(key(name, properties?.get(name)?, Vec::new()))).collect()
}

fn either(parts: &[&Json]) -> Type {
    let mut found: Vec<Type> = Vec::new();
    for part in parts.iter().filter(|p| p["type"] != "null") {
        match (kind(part), found.last_mut()) {
            (Type::Name(more), Some(Type::Name(names))) => names.extend(more),
            (Type::Table(more), Some(Type::Table(keys))) => keys.extend(more),
            (other, _) => found.push(other),
        }
    }
    for one in &mut found {
        if let Type::Table(keys) = one {
            keys.iter_mut().for_each(|k| k.default = Default::Unset);
        }
    }
    if found.len() == 1 { found.remove(0) } else { Type::Either(found) }
}

/// A default as TOML; null is none.
fn toml_value(value: &Json) -> Option<Value> {
    match value {
        Json::Null => None,
        other => Value::try_from(other).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_means() {
        for key in &keys().all {
            assert!(!key.meaning.is_empty(), "{} has no doc comment", key.path);
            if let Type::Name(choices) = &key.kind {
                let bare = choices.iter().find(|c| c.meaning.is_empty());
                assert!(bare.is_none(), "{}: {bare:?} has no doc comment", key.path);
            }
        }
        let silent = keys().sections.iter().skip(1).find(|(_, about)| about.is_empty());
        assert!(silent.is_none(), "{silent:?} has no doc comment");
    }

    #[test]
    fn conditions_name_keys_and_values_that_exist() {
        for key in &keys().all {
            for (tag, values) in key.when.iter().flat_map(|c| &c.0) {
                let choices = keys().of(tag).find_map(|k| match &k.kind {
                    Type::Name(choices) => Some(choices),
                    Type::List(inner, _) => match &**inner {
                        Type::Name(choices) => Some(choices),
                        _ => None,
                    },
                    _ => None,
                });
                let choices = choices.unwrap_or_else(|| panic!("{}: {tag} has no choices", key.path));
                for value in values {
                    assert!(choices.iter().any(|c| c.name == *value), "{}: {tag} = {value}", key.path);
                }
            }
        }
    }
}
