//! `[sweep]`: dotted keys of the config with the values they take. A sweep is their product; keys that `zip` names together
//! change together and are one factor of it.

use super::error::{ConfigError, Place};
use super::keys::{Type, keys};
use super::load::Loaded;
use toml::{Table, Value};

/// One key of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// The key, dotted, without `sweep.`.
    pub key: String,
    /// Its values in order.
    pub values: Vec<Value>,
}

/// What a sweep goes through.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sweep {
    /// The keys in the order of the file, those set on the command line last.
    pub keys: Vec<Swept>,
    /// The factors of the product, the last varying fastest: places in `keys`, several where they change together.
    pub factors: Vec<Vec<usize>>,
}

/// Most values of one key.
const MOST_VALUES: i64 = 10_000;
/// The entry of `[sweep]` that is no key: lists of keys that change together.
const ZIP: &str = "zip";

impl Loaded {
    /// The lists of `[sweep]`; none without a `[sweep]`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for an entry that is no list and no range, or an empty one; for a `zip` of keys that are not
    /// swept, or of lists that differ in length.
    pub fn swept(&self) -> Result<Sweep, ConfigError> {
        let mut entries = Vec::new();
        let mut zip = None;
        match &self.sweep {
            None => {}
            Some(Value::Table(table)) => {
                zip = table.get(ZIP);
                flatten(table, "", &mut entries);
            }
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
        let names: Vec<String> = entries.iter().map(|(key, _)| key.clone()).collect();
        let groups = zip
            .map_or(Ok(Vec::new()), |zip| together(zip, &names).map_err(|reason| self.wrong(ZIP, reason)))?;
        let zipped = |place: usize| groups.iter().position(|group| group.contains(&place));
        let keys: Vec<Swept> = entries
            .into_iter()
            .enumerate()
            .map(|(place, (key, value))| self.one(key, value, zipped(place).is_some()))
            .collect::<Result<_, _>>()?;
        for group in &groups {
            check_together(group, &keys).map_err(|reason| self.wrong(ZIP, reason))?;
        }
        let mut factors: Vec<Vec<usize>> = Vec::new();
        for place in 0..keys.len() {
            match zipped(place).map(|group| &groups[group]) {
                None => factors.push(vec![place]),
                Some(group) if group.iter().min() == Some(&place) => factors.push(group.clone()),
                Some(_) => {}
            }
        }
        Ok(Sweep { keys, factors })
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

    fn one(&self, key: String, value: &Value, zipped: bool) -> Result<Swept, ConfigError> {
        let values = match value {
            Value::Array(list) => list.clone(),
            Value::Table(range) => {
                let points = points(range).map_err(|reason| self.wrong(&key, reason))?;
                let mut points = in_kind(&key, &points);
                if !zipped {
                    // Points that become one by rounding are one; in a zip each has its partner.
                    points.dedup();
                }
                points
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
        let twice = values.iter().enumerate().find(|(i, v)| values[..*i].contains(v));
        if let Some(twice) = twice.filter(|_| !zipped) {
            return Err(self.wrong(&key, format!("holds {} twice; remove one", twice.1)));
        }
        Ok(Swept { key, values })
    }
}

impl Sweep {
    /// Places that each factor has.
    pub fn lengths(&self) -> Vec<usize> {
        self.factors.iter().map(|factor| self.keys[factor[0]].values.len()).collect()
    }

    /// The values of all keys where each factor is at a place.
    pub fn values(&self, places: &[usize]) -> Vec<Value> {
        let place = |key: usize| {
            let factor = self.factors.iter().position(|factor| factor.contains(&key));
            factor.map_or(0, |factor| places[factor])
        };
        self.keys.iter().enumerate().map(|(k, swept)| swept.values[place(k)].clone()).collect()
    }

    /// The keys that change together, by name.
    pub fn zipped(&self) -> Vec<Vec<String>> {
        let names = |factor: &Vec<usize>| factor.iter().map(|&k| self.keys[k].key.clone()).collect();
        self.factors.iter().filter(|factor| factor.len() > 1).map(names).collect()
    }

    /// `[sweep]` with every value spelled out.
    pub fn to_toml(&self) -> String {
        let mut text = "[sweep]\n".to_owned();
        let groups: Vec<Value> = self.zipped().into_iter().map(Value::from).collect();
        if !groups.is_empty() {
            text.push_str(&format!("{ZIP} = {}\n", Value::Array(groups)));
        }
        for swept in &self.keys {
            text.push_str(&format!("\"{}\" = {}\n", swept.key, Value::Array(swept.values.clone())));
        }
        text
    }
}

/// The groups of `zip = [["model.samples", "training.steps"], …]`, as places among the swept keys.
fn together(zip: &Value, names: &[String]) -> Result<Vec<Vec<usize>>, String> {
    let expected = "expected lists of swept keys, e.g. zip = [[\"model.samples\", \"training.steps\"]]";
    let Some(groups) = zip.as_array() else { return Err(format!("is {zip}, {expected}")) };
    let mut used: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for group in groups {
        let keys: Option<Vec<&str>> =
            group.as_array().and_then(|keys| keys.iter().map(Value::as_str).collect());
        let Some(keys) = keys.filter(|keys| keys.len() > 1) else {
            return Err(format!("holds {group}, {expected}, two or more in each"));
        };
        let mut places = Vec::new();
        for key in keys {
            let Some(place) = names.iter().position(|name| name == key) else {
                return Err(format!(
                    "names \"{key}\", which has no list in [sweep]; it has {}",
                    names.join(", ")
                ));
            };
            if used.contains(&place) {
                return Err(format!("names \"{key}\" twice; a key changes with one group of others"));
            }
            used.push(place);
            places.push(place);
        }
        found.push(places);
    }
    Ok(found)
}

/// Lists that are gone through side by side have one length, and no two places with the same values.
fn check_together(group: &[usize], keys: &[Swept]) -> Result<(), String> {
    let first = &keys[group[0]];
    for swept in group.iter().map(|&k| &keys[k]) {
        let (a, b) = (first.values.len(), swept.values.len());
        if a != b {
            let (one, other) = (&first.key, &swept.key);
            return Err(format!("needs lists of one length, but {one} has {a} values and {other} has {b}"));
        }
    }
    let at = |place: usize| group.iter().map(|&k| keys[k].values[place].to_string()).collect::<Vec<_>>();
    match (0..first.values.len()).find(|&place| (0..place).any(|earlier| at(earlier) == at(place))) {
        None => Ok(()),
        Some(place) => Err(format!("has the values {} twice; remove one", at(place).join(", "))),
    }
}

/// The points of a range, rounded where the key takes whole numbers only.
fn in_kind(key: &str, points: &[f64]) -> Vec<Value> {
    let whole = keys().of(key).any(|k| k.kind == Type::Whole);
    let value = |v: &f64| if whole { Value::Integer(v.round() as i64) } else { Value::Float(*v) };
    points.iter().map(value).collect()
}

/// Entries by dotted key, whether written as `"model.samples" = …` or `model.samples = …`.
fn flatten<'a>(table: &'a Table, prefix: &str, entries: &mut Vec<(String, &'a Value)>) {
    let dotted = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    let section = |value: &'a Value| value.as_table().filter(|t| !is_range(t));
    // Nested tables first, so that a quoted name overrides them.
    for (name, inner) in table.iter().filter_map(|(name, value)| Some((name, section(value)?))) {
        flatten(inner, &dotted(name), entries);
    }
    let is_key = |name: &str| !(prefix.is_empty() && name == ZIP);
    let values = table.iter().filter(|(name, value)| is_key(name) && section(value).is_none());
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

    fn sweep(text: &str, sets: &[&str]) -> Result<Sweep, ConfigError> {
        let changes: Vec<Change> = sets.iter().map(|s| Change::set(s).unwrap()).collect();
        Loaded::parse(text, Some("a.toml".as_ref()), &changes).unwrap().swept()
    }

    fn swept(text: &str, sets: &[&str]) -> Result<Vec<Swept>, ConfigError> {
        sweep(text, sets).map(|sweep| sweep.keys)
    }

    #[test]
    fn identities_zipped_keys_are_one_factor() {
        let text = "[sweep]\n\"model.samples\" = [64, 128, 256]\nseed = [0, 1]\n\"model.ridge\" = [0.3, 0.2, 0.3]\n\
                    zip = [[\"model.ridge\", \"model.samples\"]]\n";
        let found = sweep(text, &[]).unwrap();
        assert_eq!((found.lengths(), found.zipped().len()), (vec![3, 2], 1));
        let at = found.values(&[2, 1]);
        assert_eq!(at, [Value::Integer(256), Value::Integer(1), Value::Float(0.3)]);
        // What is written is read as the same.
        assert_eq!(sweep(&found.to_toml(), &[]).unwrap().lengths(), [3, 2]);
        // Rounding a range does not take a partner away.
        let range = "[sweep]\nzip = [[\"model.samples\", \"seed\"]]\n\"model.samples\" = { linear = [1, 2, 4] }\nseed = [0, 1, 2, 3]\n";
        assert_eq!(sweep(range, &[]).unwrap().lengths(), [4]);
        for (zip, parts) in [
            ("zip = 3", &["a.toml:2", "sweep.zip", "is 3", "lists of swept keys"][..]),
            ("zip = [[\"seed\"]]", &["two or more"]),
            (
                "zip = [[\"seed\", \"model.ridge\"]]",
                &["\"model.ridge\"", "no list", "it has seed, model.samples"],
            ),
            ("zip = [[\"seed\", \"seed\"]]", &["\"seed\" twice"]),
            ("zip = [[\"seed\", \"model.samples\"]]", &["one length", "seed has 2", "model.samples has 3"]),
            ("zip = [[\"seed\", \"model.draws\"]]\n\"model.draws\" = [4, 4]", &["7, 4 twice"]),
        ] {
            let text = format!("[sweep]\n{zip}\nseed = [7, 7]\n\"model.samples\" = [1, 2, 3]\n");
            let said = sweep(&text, &[]).unwrap_err().to_string();
            for part in parts {
                assert!(said.contains(part), "{said:?} does not say {part:?}");
            }
        }
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
        assert!((ridge[1] - 1e-2).abs() < 1e-15);
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
