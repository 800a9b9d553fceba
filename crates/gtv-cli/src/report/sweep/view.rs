//! A sweep's cells in groups that differ in the seed alone, and the numbers of each.

use std::collections::BTreeSet;

use crate::record::{Estimate, SweepCell, SweepKey, SweepRecord, shown};
use crate::report::levels::{closure, ranked};
use crate::report::metrics;
use crate::report::number::{estimate, plain, significant};
use crate::report::table::{Table, TableRow};

/// Fewer seeds than this give no standard error.
const FEWEST_SEEDS: usize = 5;

/// Cells that differ in the seed alone.
pub struct Group<'a> {
    /// Values of the keys but for the seed.
    pub values: Vec<&'a serde_json::Value>,
    cells: Vec<&'a SweepCell>,
}

/// A sweep's record with what reports show of it.
pub struct View<'a> {
    /// The record.
    pub record: &'a SweepRecord,
    /// Places of the keys that are not the seed.
    pub keys: Vec<usize>,
    /// Cells that differ in the seed alone.
    pub groups: Vec<Group<'a>>,
    /// The metric shown, if any cell has one.
    pub metric: Option<String>,
}

impl<'a> View<'a> {
    /// The view of a record.
    pub fn new(record: &'a SweepRecord) -> Self {
        let keys: Vec<usize> = (0..record.keys.len()).filter(|&k| record.keys[k].key != "seed").collect();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for cell in &record.cells {
            let values: Vec<_> = keys.iter().map(|&k| &cell.values[k]).collect();
            match groups.iter_mut().find(|g| g.values == values) {
                Some(group) => group.cells.push(cell),
                None => groups.push(Group { values, cells: vec![cell] }),
            }
        }
        let names = record.cells.iter().flat_map(|c| c.quantities.keys());
        let to_ensemble = names.filter_map(|n| distance(n).map(|(_, metric)| metric.to_owned()));
        let found: Vec<String> = to_ensemble.collect::<BTreeSet<_>>().into_iter().collect();
        let metric = metrics::main(&found).map(str::to_owned);
        Self { record, keys, groups, metric }
    }

    /// The key of a place among those that are not the seed.
    pub fn key(&self, place: usize) -> &'a SweepKey {
        &self.record.keys[self.keys[place]]
    }

    /// Whether a key changes together with one before it, so that it makes no direction of its own.
    pub fn follows(&self, place: usize) -> bool {
        let group = self.record.zip.iter().find(|group| group.contains(&self.key(place).key));
        group.is_some_and(|group| (0..place).any(|earlier| group.contains(&self.key(earlier).key)))
    }

    /// Whether two keys change together.
    pub fn go_together(&self, a: usize, b: usize) -> bool {
        let has = |group: &Vec<String>, place: usize| group.contains(&self.key(place).key);
        self.record.zip.iter().any(|group| has(group, a) && has(group, b))
    }

    /// F/P for each value of a key, where it depends on that key alone.
    pub fn loads(&self, place: usize) -> Option<Vec<f64>> {
        let of = |value: &serde_json::Value| {
            let here = self.groups.iter().filter(|g| g.values[place] == value);
            let mut found = here.filter_map(|g| Some(g.number("load")?.value));
            let first = found.next()?;
            found.all(|load| (load - first).abs() <= 1e-9 * first).then_some(first)
        };
        self.key(place).values.iter().map(of).collect()
    }

    /// Number of seeds, 0 where the seed is not swept.
    fn seeds(&self) -> usize {
        self.record.keys.iter().find(|k| k.key == "seed").map_or(0, |k| k.values.len())
    }

    /// What stands beside a mean over seeds; none where the seed is not swept.
    pub fn spread(&self) -> Option<&'static str> {
        match self.seeds() {
            0 | 1 => None,
            few if few < FEWEST_SEEDS => Some("mean and [least, most] over seeds"),
            _ => Some("mean ± standard error over seeds"),
        }
    }

    /// The middle part of the names `<before>X<after>` that occur, in the order of levels.
    pub fn parts(&self, part: impl Fn(&str) -> Option<&str>) -> Vec<String> {
        let names = self.record.cells.iter().flat_map(|c| c.quantities.keys());
        let found: BTreeSet<&str> = names.filter_map(|n| part(n)).collect();
        ranked(found).into_iter().map(str::to_owned).collect()
    }

    /// Levels with the main distance to the ensemble.
    pub fn levels(&self) -> Vec<String> {
        self.parts(|name| distance(name).filter(|(_, m)| Some(*m) == self.metric.as_deref()).map(|(l, _)| l))
    }

    /// The distance of a level to the ensemble over a group.
    pub fn distance(&self, group: &Group<'_>, level: &str) -> Option<Estimate> {
        let metric = self.metric.as_deref()?;
        let names =
            [format!("distances.{level}.ensemble.{metric}"), format!("distances.ensemble.{level}.{metric}")];
        names.iter().find_map(|name| group.number(name))
    }

    pub fn table(&self) -> Table {
        let (head, rows) = self.texts();
        let row = |mut row: Vec<String>| TableRow::new(row.remove(0), row);
        Table {
            head,
            rows: rows.into_iter().map(row).collect(),
            note: "Floor: the same statistic between two samples of these sizes with equal law; the largest over closures.".into(),
            ..Table::default()
        }
    }

    /// Head and rows of the table: swept values, distances of the closures, the largest floor.
    pub fn texts(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let levels: Vec<String> = self.levels().into_iter().filter(|l| closure(l).is_some()).collect();
        let mut head: Vec<String> = self.keys.iter().map(|&k| self.record.keys[k].key.clone()).collect();
        if self.seeds() > 0 {
            head.push("seeds".into());
        }
        head.extend(levels.iter().filter_map(|l| closure(l)).map(str::to_owned));
        head.push("floor".into());
        let row = |group: &Group<'_>| {
            let mut row: Vec<String> = group.values.iter().map(|v| shown(v)).collect();
            if self.seeds() > 0 {
                row.push(format!("{} of {}", group.finished().count(), self.seeds()));
            }
            let found: Vec<Option<Estimate>> = levels.iter().map(|l| self.distance(group, l)).collect();
            row.extend(found.iter().map(|e| e.as_ref().map_or("–".to_owned(), |e| group.text(e))));
            row.push(plain(found.iter().flatten().filter_map(|e| e.floor).fold(f64::NAN, f64::max)));
            row
        };
        (head, self.groups.iter().map(row).collect())
    }
}

impl Group<'_> {
    fn finished(&self) -> impl Iterator<Item = &&SweepCell> {
        self.cells.iter().filter(|c| c.finished)
    }

    /// A number of the group: a cell's own with its interval, or the mean over cells with its standard error, or with their
    /// range where they are few.
    pub fn number(&self, name: &str) -> Option<Estimate> {
        let all: Vec<&Estimate> = self.finished().filter_map(|c| c.quantities.get(name)).collect();
        let (count, one) = (all.len() as f64, **all.first()?);
        if all.len() == 1 {
            return Some(one);
        }
        let mean = |v: &dyn Fn(&Estimate) -> f64| all.iter().map(|e| v(e)).sum::<f64>() / count;
        let value = mean(&|e| e.value);
        let (lo, hi) = if all.len() < FEWEST_SEEDS {
            all.iter().fold((value, value), |(lo, hi), e| (lo.min(e.value), hi.max(e.value)))
        } else {
            let error = (mean(&|e| (e.value - value).powi(2)) / (count - 1.0)).sqrt();
            (value - error, value + error)
        };
        let floor = Some(mean(&|e| e.floor.unwrap_or(f64::NAN))).filter(|f| f.is_finite());
        Some(Estimate { value, lo: Some(lo), hi: Some(hi), floor })
    }

    /// A number of the group as a text.
    fn text(&self, e: &Estimate) -> String {
        match e.ends() {
            Some((_, hi)) if self.finished().count() >= FEWEST_SEEDS => {
                format!("{} ± {}", plain(e.value), significant(hi - e.value, 2))
            }
            _ => estimate(e),
        }
    }
}

/// Level and metric of `distances.{level}.ensemble.{metric}`, in either order of the levels.
pub fn distance(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.strip_prefix("distances.")?.split('.');
    match (parts.next()?, parts.next()?, parts.next()?) {
        (level, "ensemble", metric) | ("ensemble", level, metric) => Some((level, metric)),
        _ => None,
    }
}
