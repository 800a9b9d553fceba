//! What a file says, held against the keys that there are: unknown keys, keys of another kind, types, names and ranges
//! are refused; what is not said is filled in.

use super::derived;
use super::error::{Choices, ConfigError, Place};
use super::keys::{Choice, Condition, Default, HOISTED, Key, Keys, Range, Type, keys};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The values of all keys that are used, by dotted key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(pub(super) BTreeMap<String, Value>);

impl Settings {
    /// Checks a config's table and fills it in.
    ///
    /// # Errors
    /// [`ConfigError`] for the first key that is wrong; `place` says where it was set.
    pub fn resolve(given: &Table, place: &dyn Fn(&str) -> Place) -> Result<Self, ConfigError> {
        let reader = Reader { keys: keys(), place };
        let mut said = BTreeMap::new();
        reader.collect("", given, &mut said)?;
        // Kinds first: what the other keys may be depends on them.
        for path in reader.keys.all.iter().flat_map(|k| &k.when).flat_map(|c| &c.0).map(|(tag, _)| tag) {
            if let (Some(value), Some(key)) = (said.get(path), reader.keys.of(path).next()) {
                reader.value(key, value)?;
            }
        }
        let mut all = said.clone();
        for (path, value) in &said {
            let Some(key) = used(path, &said) else { return Err(reader.misplaced(path, &said)) };
            all.insert(path.clone(), reader.value(key, value)?);
        }
        for key in reader.keys.all.iter().filter(|k| holds(&k.when, &said)) {
            match &key.default {
                Default::Value(value) => {
                    all.entry(key.path.clone()).or_insert_with(|| value.clone());
                }
                Default::Required if !all.contains_key(&key.path) => {
                    let reason = "is missing; this kind needs it".to_owned();
                    return Err(ConfigError::Value {
                        place: place(key.section()),
                        key: key.path.clone(),
                        reason,
                    });
                }
                Default::Required | Default::Unset | Default::Derived(_) => {}
            }
        }
        let mut all = Self(all);
        for key in reader.keys.all.iter().filter(|k| holds(&k.when, &said)) {
            if matches!(key.default, Default::Derived(_)) && !all.0.contains_key(&key.path) {
                all.0.extend(derived::value(&key.path, &all).map(|value| (key.path.clone(), value)));
            }
        }
        Ok(all)
    }

    /// The value of a key, where it is used.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Whether a key goes with these settings.
    pub fn uses(&self, key: &Key) -> bool {
        holds(&key.when, &self.0)
    }

    /// A whole number.
    pub fn whole(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_integer)
    }

    /// The settings as nested tables, as a file has them.
    pub fn table(&self) -> Table {
        self.nested(&|key| key.to_owned())
    }

    /// The same, nested as the types are.
    pub(super) fn typed(&self) -> Table {
        self.nested(&|key| match key.strip_prefix(HOISTED.1) {
            Some(rest) if rest.starts_with('.') => format!("{}{rest}", HOISTED.0),
            _ => key.to_owned(),
        })
    }

    fn nested(&self, place: &dyn Fn(&str) -> String) -> Table {
        nest(self.0.iter().map(|(key, value)| (place(key), value.clone())).collect())
    }
}

/// Dotted keys as tables within tables.
fn nest(entries: Vec<(String, Value)>) -> Table {
    let mut sections: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    let mut table = Table::new();
    for (key, value) in entries {
        match key.split_once('.') {
            Some((section, rest)) => {
                sections.entry(section.to_owned()).or_default().push((rest.to_owned(), value))
            }
            None => {
                table.insert(key, value);
            }
        }
    }
    table.extend(sections.into_iter().map(|(name, inner)| (name, Value::Table(nest(inner)))));
    table
}

type Said = BTreeMap<String, Value>;

/// The entry of a path that is used with these settings.
fn used(path: &str, said: &Said) -> Option<&'static Key> {
    keys().all.iter().find(|k| k.path == path && holds(&k.when, said))
}

fn holds(when: &[Condition], said: &Said) -> bool {
    when.iter().all(|c| fulfilled(c, said))
}

fn fulfilled(condition: &Condition, said: &Said) -> bool {
    condition.0.iter().any(|(tag, values)| {
        let among = |v: &Value| v.as_str().is_some_and(|name| values.iter().any(|n| n == name));
        match current(tag, said) {
            Some(Value::Array(list)) => list.iter().any(among),
            Some(value) => among(value),
            None => false,
        }
    })
}

/// The value of a tag: what is said, else its default where it is used.
fn current<'a>(tag: &str, said: &'a Said) -> Option<&'a Value> {
    let key = used(tag, said)?;
    match (said.get(tag), &key.default) {
        (Some(value), _) => Some(value),
        (None, Default::Value(value)) => Some(value),
        (None, Default::Unset | Default::Derived(_) | Default::Required) => None,
    }
}

struct Reader<'a> {
    keys: &'static Keys,
    place: &'a dyn Fn(&str) -> Place,
}

impl Reader<'_> {
    /// The keys of a table and of the sections in it.
    fn collect(&self, section: &str, table: &Table, said: &mut Said) -> Result<(), ConfigError> {
        for (name, value) in table {
            let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            match value {
                Value::Table(inner) if self.keys.has_section(&path) => self.collect(&path, inner, said)?,
                other if self.keys.has_section(&path) => {
                    return Err(self.wrong_type(&path, other, "a section".to_owned()));
                }
                other if self.keys.of(&path).next().is_some() => {
                    said.insert(path, other.clone());
                }
                _ => return Err(self.unknown(section, &path, name)),
            }
        }
        Ok(())
    }

    /// The value in the form that the types take, if it is allowed.
    fn value(&self, key: &Key, value: &Value) -> Result<Value, ConfigError> {
        self.typed(&key.path, &key.kind, &key.range, value)
    }

    fn typed(&self, path: &str, kind: &Type, range: &Range, value: &Value) -> Result<Value, ConfigError> {
        match (kind, value) {
            (Type::Flag, Value::Boolean(_)) | (Type::Text | Type::Path, Value::String(_)) => {
                Ok(value.clone())
            }
            (Type::Whole, Value::Integer(n)) => {
                self.within(path, range, *n as f64, true)?;
                Ok(value.clone())
            }
            (Type::Number, Value::Integer(n)) => {
                self.within(path, range, *n as f64, false)?;
                Ok(Value::Float(*n as f64))
            }
            (Type::Number, Value::Float(v)) => {
                self.within(path, range, *v, false)?;
                Ok(value.clone())
            }
            (Type::Name(choices), Value::String(name)) => {
                if choices.iter().any(|c| c.name == *name) {
                    return Ok(value.clone());
                }
                let known = choices.iter().map(|c| c.name.clone()).collect();
                Err(ConfigError::UnknownName {
                    place: (self.place)(path),
                    key: path.to_owned(),
                    value: name.clone(),
                    choices: Box::new(Choices::near(name, known)),
                })
            }
            (Type::List(inner, len), Value::Array(list)) if len.is_none_or(|n| n == list.len()) => {
                if range.filled && list.is_empty() {
                    return Err(self.wrong(path, "is an empty list, expected at least one".to_owned()));
                }
                let typed =
                    list.iter().map(|v| self.typed(path, inner, range, v)).collect::<Result<Vec<_>, _>>()?;
                let ends: Vec<f64> = typed.iter().filter_map(Value::as_float).collect();
                if range.increasing && !ends.windows(2).all(|w| w[0] < w[1]) {
                    let reason = format!("is {value}, expected finite ends, the second above the first");
                    return Err(self.wrong(path, reason));
                }
                Ok(Value::Array(typed))
            }
            (Type::Table(inner), Value::Table(table)) => self.list_entry(path, inner, table),
            (Type::Either(kinds), _) => {
                let unfit = |e: &ConfigError| {
                    matches!(e, ConfigError::WrongType { .. } | ConfigError::UnknownName { .. })
                };
                let mut tried = kinds.iter().map(|kind| self.typed(path, kind, range, value));
                tried
                    .find(|found| !found.as_ref().is_err_and(unfit))
                    .unwrap_or_else(|| Err(self.wrong_type(path, value, in_words(kind))))
            }
            _ => Err(self.wrong_type(path, value, in_words(kind))),
        }
    }

    /// A table in a list, such as a component of a mixture.
    fn list_entry(&self, path: &str, keys: &[Key], table: &Table) -> Result<Value, ConfigError> {
        let mut typed = Table::new();
        for (name, value) in table {
            let Some(key) = keys.iter().find(|k| k.path == *name) else {
                let known = keys.iter().map(|k| k.path.clone()).collect();
                let choices = Box::new(Choices::near(name, known));
                let key = format!("{path}.{name}");
                return Err(ConfigError::UnknownKey { place: (self.place)(path), key, choices });
            };
            let inner = format!("{path}.{name}");
            typed.insert(name.clone(), self.typed(&inner, &key.kind, &key.range, value)?);
        }
        for key in keys.iter().filter(|k| !table.contains_key(&k.path)) {
            match &key.default {
                Default::Value(value) => {
                    typed.insert(key.path.clone(), value.clone());
                }
                Default::Required => {
                    return Err(self.wrong(path, format!("has no {}; each needs it", key.path)));
                }
                Default::Unset | Default::Derived(_) => {}
            }
        }
        Ok(Value::Table(typed))
    }

    fn within(&self, path: &str, range: &Range, value: f64, whole: bool) -> Result<(), ConfigError> {
        let infinite = range.infinite && value == f64::INFINITY;
        let inside = range.least.is_none_or(|v| value >= v)
            && range.most.is_none_or(|v| value <= v)
            && range.above.is_none_or(|v| value > v)
            && range.below.is_none_or(|v| value < v);
        if inside && (value.is_finite() || infinite) {
            return Ok(());
        }
        Err(self.wrong(path, format!("is {value}, expected {}", range.in_words(whole))))
    }

    fn wrong(&self, path: &str, reason: String) -> ConfigError {
        ConfigError::Value { place: (self.place)(path), key: path.to_owned(), reason }
    }

    fn wrong_type(&self, path: &str, found: &Value, expected: String) -> ConfigError {
        let found = match found {
            Value::Table(_) => "a section".to_owned(),
            other => other.to_string(),
        };
        ConfigError::WrongType { place: (self.place)(path), key: path.to_owned(), found, expected }
    }

    fn unknown(&self, section: &str, path: &str, name: &str) -> ConfigError {
        let mut known = self.keys.names_in(section);
        if section.is_empty() {
            known.push("sweep".to_owned());
        }
        let mut choices = Choices::near(name, known);
        if let Some(nearest) = choices.nearest.as_mut().filter(|_| !section.is_empty()) {
            *nearest = format!("{section}.{nearest}");
        }
        ConfigError::UnknownKey {
            place: (self.place)(path),
            key: path.to_owned(),
            choices: Box::new(choices),
        }
    }

    /// A key that exists, but not with these settings.
    fn misplaced(&self, path: &str, said: &Said) -> ConfigError {
        // The first condition of each entry that does not hold, and how many did before it: the most is the nearest miss.
        let failing = |key: &'static Key| {
            let at = key.when.iter().position(|c| !fulfilled(c, said))?;
            Some((at, &key.when[at]))
        };
        let missed: Vec<(usize, &Condition)> = self.keys.of(path).filter_map(failing).collect();
        let nearest = missed.iter().map(|(at, _)| *at).max();
        let conditions = missed.iter().filter(|(at, _)| Some(*at) == nearest).flat_map(|(_, c)| &c.0);
        let mut tags: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        conditions.for_each(|(tag, values)| tags.entry(tag).or_default().extend(values.iter().cloned()));
        let belongs: Vec<String> = tags.iter().map(|(tag, values)| setting(tag, values)).collect();
        let here = tags.keys().filter_map(|tag| Some(format!("{tag} = {}", current(tag, said)?)));
        ConfigError::OtherKind {
            place: (self.place)(path),
            key: path.to_owned(),
            belongs: belongs.join(" or "),
            here: here.collect::<Vec<_>>().join(", "),
        }
    }
}

/// `model.kind = "lazy" or "mlp"`.
pub(super) fn setting(tag: &str, values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("\"{v}\"")).collect();
    format!("{tag} = {}", values.join(" or "))
}

/// A type as a reader calls it.
pub(super) fn in_words(kind: &Type) -> String {
    let quoted = |choices: &[Choice]| {
        let names: Vec<String> = choices.iter().map(|c| format!("\"{}\"", c.name)).collect();
        names.join(", ")
    };
    match kind {
        Type::Flag => "true or false".to_owned(),
        Type::Whole => "a whole number, 0 or above".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Text => "a text in quotes".to_owned(),
        Type::Path => "a path in quotes".to_owned(),
        Type::Name(_) => "a name in quotes".to_owned(),
        Type::List(inner, len) => {
            let items = match **inner {
                Type::Number => "numbers",
                Type::Whole => "whole numbers",
                Type::Name(_) => "names in quotes",
                Type::Table(_) => "tables",
                Type::Flag | Type::Text | Type::Path | Type::List(..) | Type::Either(_) => "values",
            };
            len.map_or(format!("a list of {items}"), |len| format!("a list of {len} {items}"))
        }
        Type::Table(_) => "a table".to_owned(),
        Type::Either(kinds) => {
            let named = |kind: &Type| match kind {
                Type::Name(choices) => quoted(choices),
                other => in_words(other),
            };
            kinds.iter().map(named).collect::<Vec<_>>().join(" or ")
        }
    }
}

impl Range {
    /// The numbers as a reader calls them.
    pub(super) fn in_words(&self, whole: bool) -> String {
        let number = if whole { "a whole number" } else { "a finite number" };
        let end = if self.infinite { ", or inf" } else { "" };
        match (self.least, self.most, self.above, self.below) {
            (Some(least), Some(most), _, _) => format!("{number} from {least} to {most}"),
            (Some(least), _, _, Some(below)) => format!("{number} from {least}, below {below}"),
            (_, _, Some(above), Some(below)) => format!("{number} between {above} and {below}"),
            (_, Some(most), Some(above), _) => format!("{number} above {above}, at most {most}"),
            (_, _, Some(above), None) => format!("{number} above {above}{end}"),
            (Some(least), None, None, None) if whole && least > 0.0 => {
                format!("at least {least} (a whole number)")
            }
            (Some(least), None, None, None) => format!("{number}, {least} or above{end}"),
            (None, Some(most), None, _) => format!("{number}, at most {most}"),
            (None, None, None, Some(below)) => format!("{number} below {below}"),
            (None, None, None, None) => number.to_owned(),
        }
    }
}
