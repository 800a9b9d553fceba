//! `[sweep]`: dotted keys of the config with the values they take; a sweep is their product.

use super::error::{ConfigError, Place};
use super::load::Loaded;
use toml::{Table, Value};

/// One key of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// The key, dotted, without `sweep.`.
    pub key: String,
    /// Its values in order.
    pub values: Vec<Value>,
    /// Whether the values are points of a range, to be rounded where the key wants whole numbers.
    pub spaced: bool,
}

/// Most values of one key.
const MOST_VALUES: i64 = 10_000;

impl Loaded {
    /// The keys of `[sweep]` in the order of the file, those set on the command line last; none without a `[sweep]`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for an entry that is no list and no range, or an empty one.
    pub fn swept(&self) -> Result<Vec<Swept>, ConfigError> {
        let mut entries = Vec::new();
        match &self.sweep {
            None => {}
            Some(Value::Table(table)) => flatten(table, "", &mut entries),
            Some(other) => return Err(self.wrong("", format!("is {other}, expected a section [sweep]"))),
        }
        // The same key twice: spelled as one name it is what the command line sets, which comes last.
        entries.sort_by_key(|(key, _)| (self.line(key), key.clone()));
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
        entries.into_iter().map(|(key, value)| self.one(key, value)).collect()
    }

    fn wrong(&self, key: &str, reason: String) -> ConfigError {
        let key = if key.is_empty() { "sweep".to_owned() } else { format!("sweep.{key}") };
        ConfigError::Value { place: self.place(&key), key, reason }
    }

    fn line(&self, key: &str) -> usize {
        match self.place(&format!("sweep.{key}")) {
            Place::File { line, .. } => line,
            _ => usize::MAX,
        }
    }

    fn one(&self, key: String, value: &Value) -> Result<Swept, ConfigError> {
        let (values, spaced) = match value {
            Value::Array(list) => (list.clone(), false),
            Value::Table(range) => {
                let values = points(range).map_err(|reason| self.wrong(&key, reason))?;
                (values.into_iter().map(Value::Float).collect(), true)
            }
            other => {
                let reason = format!(
                    "is {other}, expected a list of values, {{ log = [first, last, count] }} or {{ linear = [first, last, count] }}"
                );
                return Err(self.wrong(&key, reason));
            }
        };
        if values.is_empty() {
            return Err(self.wrong(&key, "is an empty list, expected at least one value".to_owned()));
        }
        if let Some(twice) = values.iter().enumerate().find(|(i, v)| values[..*i].contains(v)) {
            return Err(self.wrong(&key, format!("holds {} twice; remove one", twice.1)));
        }
        Ok(Swept { key, values, spaced })
    }
}

/// Entries by dotted key, whether written as `"model.samples" = …` or `model.samples = …`.
fn flatten<'a>(table: &'a Table, prefix: &str, entries: &mut Vec<(String, &'a Value)>) {
    let dotted = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    let section = |value: &'a Value| value.as_table().filter(|t| !is_range(t));
    // Nested tables first, so that a quoted name overrides them.
    for (name, inner) in table.iter().filter_map(|(name, value)| Some((name, section(value)?))) {
        flatten(inner, &dotted(name), entries);
    }
    let values = table.iter().filter(|(_, value)| section(value).is_none());
    entries.extend(values.map(|(name, value)| (dotted(name), value)));
}

fn is_range(table: &Table) -> bool {
    table.is_empty() || ["log", "linear"].iter().any(|k| table.contains_key(*k))
}

/// The points of `{ log = [first, last, count] }` or `{ linear = … }`, both ends exact.
fn points(range: &Table) -> Result<Vec<f64>, String> {
    let expected = "expected { log = [first, last, count] } or { linear = [first, last, count] }";
    let (kind, value) = match range.iter().next() {
        Some((kind, value)) if range.len() == 1 => (kind.as_str(), value),
        _ => return Err(format!("is {}, {expected}", Value::Table(range.clone()))),
    };
    let number = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64));
    let parts = value.as_array().map(Vec::as_slice);
    let Some([first, last, count]) = parts else { return Err(format!("has {kind} = {value}, {expected}")) };
    let (Some(first), Some(last), Some(count)) = (number(first), number(last), count.as_integer()) else {
        return Err(format!("has {kind} = {value}, expected two numbers and a whole number of points"));
    };
    if !(2..=MOST_VALUES).contains(&count) {
        return Err(format!("asks for {count} points, expected 2 to {MOST_VALUES}"));
    }
    let finite = first.is_finite() && last.is_finite() && first != last;
    if !finite || (kind == "log" && (first <= 0.0 || last <= 0.0)) {
        let sign = if kind == "log" { "positive" } else { "finite" };
        return Err(format!("runs from {first} to {last}, expected two different {sign} numbers"));
    }
    let step = |i: i64| {
        let u = i as f64 / (count - 1) as f64;
        if kind == "log" { first * (last / first).powf(u) } else { first + (last - first) * u }
    };
    Ok((0..count).map(|i| if i + 1 == count { last } else { step(i) }).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Loaded};
    use super::*;

    fn swept(text: &str, sets: &[&str]) -> Result<Vec<Swept>, ConfigError> {
        let changes: Vec<Change> = sets.iter().map(|s| Change::set(s).unwrap()).collect();
        Loaded::parse(text, Some("a.toml".as_ref()), &changes).unwrap().swept()
    }

    #[test]
    fn identities_keys_come_in_the_order_of_the_file_however_they_are_written() {
        let text = "[sweep]\nseed = [0, 1]\n\"model.samples\" = [64, 128]\nmodel.ridge = { log = [1e-3, 1e-1, 3] }\n";
        let keys = swept(text, &[]).unwrap();
        assert_eq!(
            keys.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(),
            ["seed", "model.samples", "model.ridge"]
        );
        let ridge: Vec<f64> = keys[2].values.iter().map(|v| v.as_float().unwrap()).collect();
        assert_eq!((ridge[0], ridge[2]), (1e-3, 1e-1));
        assert!((ridge[1] - 1e-2).abs() < 1e-15 && keys[2].spaced && !keys[1].spaced);
        let linear = swept("[sweep]\n\"model.ridge\" = { linear = [0, 1, 5] }", &[]).unwrap();
        assert_eq!(linear[0].values[1], Value::Float(0.25));
        assert!(swept("[model]\nsamples = 5", &[]).unwrap().is_empty());
    }

    #[test]
    fn identities_the_command_line_replaces_and_adds_lists() {
        for text in ["[sweep]\n\"model.samples\" = [64]\n", "[sweep]\nmodel.samples = [64]\n"] {
            let keys = swept(text, &["sweep.model.samples=[1, 2]", "sweep.seed=[0, 1]"]).unwrap();
            assert_eq!(keys.len(), 2, "{text}");
            let samples = keys.iter().find(|s| s.key == "model.samples").unwrap();
            assert_eq!(samples.values, [Value::Integer(1), Value::Integer(2)], "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        for (entry, parts) in [
            ("\"model.samples\" = []", &["a.toml:2", "sweep.model.samples", "empty list"][..]),
            ("\"model.samples\" = 64", &["is 64", "expected a list"]),
            ("\"model.samples\" = {}", &["log = [first, last, count]"]),
            ("\"model.samples\" = { log = [1, 2] }", &["log = [1, 2]", "first, last, count"]),
            ("\"model.samples\" = { log = [0, 2, 3] }", &["0 to 2", "positive"]),
            ("\"model.samples\" = { linear = [1, 2, 1] }", &["1 points", "2 to"]),
            ("\"model.samples\" = { linear = [1, 2, 2.5] }", &["whole number of points"]),
            ("\"model.samples\" = { linear = [1, 2, 3], log = [1, 2, 3] }", &["log = [first, last, count]"]),
            ("seed = [0, 1, 0]", &["sweep.seed", "0 twice"]),
        ] {
            let said = swept(&format!("[sweep]\n{entry}\n"), &[]).unwrap_err().to_string();
            for part in parts {
                assert!(said.contains(part), "{said:?} does not say {part:?}");
            }
        }
        assert!(swept("sweep = 3", &[]).unwrap_err().to_string().contains("expected a section"));
    }
}
