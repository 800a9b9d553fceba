//! The summary of a sweep: `report.html` with links to the cells' own reports, figures, and the table on stdout.
//!
//! Where `seed` is swept, cells that differ in it alone are one group, shown as mean ± standard error over seeds; fewer than
//! `FEWEST_SEEDS` have no standard error worth its name, and are shown as mean and range.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use minijinja::context;
use minijinja::value::Serde;

use super::html::{environment, figure};
use super::levels::{DATA, card, closure, key, of_closure, ranked};
use super::metrics;
use super::number::{estimate, plain, significant};
use super::table::{Table, TableRow, aligned};
use crate::io::write_bytes;
use crate::plot::{Figure, LinePanel, LineSeries, Lines, Spacing};
use crate::record::{Estimate, SweepCell, SweepRecord, shown};

/// Fewer seeds than this give no standard error.
const FEWEST_SEEDS: usize = 5;

/// Most panels of a figure; further combinations are in the tables alone.
const MOST_PANELS: usize = 12;

/// Draws the figures and writes `report.html`; `config` is the sweep's `config.toml`.
///
/// # Errors
/// If a figure cannot be drawn or a file cannot be written.
pub fn render(record: &SweepRecord, config: &str, dir: &Path) -> Result<()> {
    let view = View::new(record);
    let folder = dir.join("figures");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut drawn = Vec::new();
    for SweepFigure { id, caption, alt, lines } in view.figures() {
        drawn.push(figure(id, &caption, &lines.draw(&folder.join(id), alt)?));
        lines.numbers().write(&folder.join(format!("{id}.csv")))?;
    }
    let environment =
        environment("sweep.html", concat!(include_str!("macros.html"), include_str!("sweep.html")))?;
    let cells: Vec<_> = record
        .cells
        .iter()
        .map(|c| {
            let values: Vec<String> = c.values.iter().map(shown).collect();
            let (folder, failure) = (c.folder.as_str(), c.failure.as_deref());
            context! { folder, finished => c.finished, failure, values, index => c.index }
        })
        .collect();
    let page = context! {
        version => record.version.as_str(),
        title => record.config.get("title").and_then(|t| t.as_str()).unwrap_or(""),
        keys => record.keys.iter().map(|k| k.key.clone()).collect::<Vec<_>>(),
        total => record.cells.len(),
        missing => record.missing().count(),
        spread => view.spread(),
        metric => view.metric.as_deref().map(metrics::label),
        numbers => Serde(view.table()),
        figures => drawn,
        cells,
        config,
    };
    Ok(write_bytes(
        &dir.join("report.html"),
        environment.get_template("sweep.html")?.render(page)?.as_bytes(),
    )?)
}

/// The short table of a sweep: a row for each combination of settings, a column for each theory level.
pub fn terminal_table(record: &SweepRecord) -> String {
    let view = View::new(record);
    let Some(metric) = &view.metric else {
        return "no finished cell has a distance to a trained ensemble\n".into();
    };
    let (head, rows) = view.texts();
    let rows: Vec<&[String]> = std::iter::once(&head[..]).chain(rows.iter().map(Vec::as_slice)).collect();
    let spread = view.spread().map_or_else(String::new, |s| format!(", {s}"));
    format!("{} to the trained ensemble{spread}\n{}", metrics::name(metric), aligned(&rows))
}

/// A figure of a sweep.
struct SweepFigure {
    id: &'static str,
    caption: String,
    alt: &'static str,
    lines: Lines,
}

/// Cells that differ in the seed alone.
struct Group<'a> {
    /// Values of the keys but for the seed.
    values: Vec<&'a serde_json::Value>,
    cells: Vec<&'a SweepCell>,
}

struct View<'a> {
    record: &'a SweepRecord,
    /// Places of the keys that are not the seed.
    keys: Vec<usize>,
    groups: Vec<Group<'a>>,
    /// The metric shown, if any cell has one.
    metric: Option<String>,
}

impl<'a> View<'a> {
    fn new(record: &'a SweepRecord) -> Self {
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

    /// Number of seeds, 0 where the seed is not swept.
    fn seeds(&self) -> usize {
        self.record.keys.iter().find(|k| k.key == "seed").map_or(0, |k| k.values.len())
    }

    /// What stands beside a mean over seeds; none where the seed is not swept.
    fn spread(&self) -> Option<&'static str> {
        match self.seeds() {
            0 | 1 => None,
            few if few < FEWEST_SEEDS => Some("mean and [least, most] over seeds"),
            _ => Some("mean ± standard error over seeds"),
        }
    }

    /// The middle part of the names `<before>X<after>` that occur, in the order of levels.
    fn parts(&self, part: impl Fn(&str) -> Option<&str>) -> Vec<String> {
        let names = self.record.cells.iter().flat_map(|c| c.quantities.keys());
        let found: BTreeSet<&str> = names.filter_map(|n| part(n)).collect();
        ranked(found).into_iter().map(str::to_owned).collect()
    }

    /// Levels with the main distance to the ensemble.
    fn levels(&self) -> Vec<String> {
        self.parts(|name| distance(name).filter(|(_, m)| Some(*m) == self.metric.as_deref()).map(|(l, _)| l))
    }

    /// The distance of a level to the ensemble over a group.
    fn distance(&self, group: &Group<'_>, level: &str) -> Option<Estimate> {
        let metric = self.metric.as_deref()?;
        let names =
            [format!("distances.{level}.ensemble.{metric}"), format!("distances.ensemble.{level}.{metric}")];
        names.iter().find_map(|name| group.number(name))
    }

    fn table(&self) -> Table {
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
    fn texts(&self) -> (Vec<String>, Vec<Vec<String>>) {
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

    /// The key on the horizontal axis: the first numeric one with several values, else the first.
    fn axis(&self) -> Option<usize> {
        let key = |k: &usize| &self.record.keys[self.keys[*k]];
        let several = |k: &usize| key(k).values.len() > 1;
        let numeric = |k: &usize| key(k).values.iter().all(serde_json::Value::is_number);
        let all = || 0..self.keys.len();
        all().find(|k| several(k) && numeric(k)).or_else(|| all().find(several)).or_else(|| all().next())
    }

    fn spacing(&self) -> Spacing {
        let Some(axis) = self.axis() else { return Spacing::Names(vec!["all seeds".into()]) };
        let values = &self.record.keys[self.keys[axis]].values;
        match values.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>() {
            Some(numbers) if is_logarithmic(&numbers) => Spacing::Log,
            Some(_) => Spacing::Linear,
            None => Spacing::Names(values.iter().map(shown).collect()),
        }
    }

    /// Where a group stands on the horizontal axis.
    fn position(&self, group: &Group<'_>) -> f64 {
        let Some(axis) = self.axis() else { return 0.0 };
        let values = &self.record.keys[self.keys[axis]].values;
        let names = values.iter().any(|v| !v.is_number());
        let place = values.iter().position(|v| v == group.values[axis]).unwrap_or(0);
        if names { place as f64 } else { group.values[axis].as_f64().unwrap_or(0.0) }
    }

    /// Lines of the levels, whose numbers `number` finds.
    fn lines(&self, levels: &[String], number: impl Fn(&Group<'_>, &str) -> Option<Estimate>) -> Lines {
        let axis = self.axis();
        let others = |g: &Group<'_>| {
            let named = (0..self.keys.len())
                .filter(|k| Some(*k) != axis && self.record.keys[self.keys[*k]].values.len() > 1);
            let named =
                named.map(|k| format!("{} = {}", self.record.keys[self.keys[k]].key, shown(g.values[k])));
            named.collect::<Vec<_>>().join(", ")
        };
        let mut titles: Vec<String> = Vec::new();
        for group in &self.groups {
            let title = others(group);
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
        titles.truncate(MOST_PANELS);
        let panel = |title: &String| {
            let mut groups: Vec<&Group<'_>> = self.groups.iter().filter(|g| others(g) == *title).collect();
            groups.sort_by(|a, b| self.position(a).total_cmp(&self.position(b)));
            let series = levels.iter().map(|level| {
                let point = |g: &&Group<'_>| Some((self.position(g), number(g, level)?));
                LineSeries { key: key(level), points: groups.iter().filter_map(point).collect() }
            });
            let floor = groups.iter().filter_map(|g| {
                let floors = levels.iter().filter(|l| closure(l).is_some());
                let floor = floors.filter_map(|l| number(g, l)?.floor).fold(f64::NAN, f64::max);
                floor.is_finite().then(|| (self.position(g), floor))
            });
            LinePanel { title: title.clone(), series: series.collect(), floor: floor.collect() }
        };
        Lines {
            panels: titles.iter().map(panel).collect(),
            x_label: axis.map_or_else(String::new, |k| self.record.keys[self.keys[k]].key.clone()),
            spacing: self.spacing(),
            ..Lines::default()
        }
    }

    fn figures(&self) -> Vec<SweepFigure> {
        let bars = self.spread().unwrap_or("intervals as in the cells' reports");
        let mut figures = Vec::new();
        let learned = |levels: Vec<String>| -> Vec<String> {
            levels.into_iter().filter(|l| card(l).role > card(DATA).role).collect()
        };
        if let Some(metric) = &self.metric {
            let lines = self.lines(&learned(self.levels()), |g, l| self.distance(g, l));
            figures.push(SweepFigure {
                id: "sweep_distance",
                caption: format!(
                    "Distance of each level to the trained ensemble; {bars}. In the grey area a level cannot be told from the \
                     ensemble."
                ),
                alt: "Distance of each level to the trained ensemble against the swept setting",
                lines: Lines { y_label: metrics::labelled(metric, " to the ensemble"), ..lines },
            });
        }
        let closures = self.parts(|n| n.strip_prefix("kernel.")?.strip_suffix(".variance_ratio"));
        if !closures.is_empty() {
            let theories: Vec<String> = closures.iter().map(|c| of_closure(c)).collect();
            let theories: Vec<String> =
                ranked(theories.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
            let name = |l: &str| format!("kernel.{}.variance_ratio", closure(l).unwrap_or(l));
            let lines = self.lines(&theories, |g, l| g.number(&name(l)));
            figures.push(SweepFigure {
                id: "sweep_variance_ratio",
                caption: format!(
                    "Variance of the learned prediction y over the training distribution, predicted over measured; {bars}. 1 is \
                     right."
                ),
                alt: "Ratio of predicted to measured total variance against the swept setting",
                lines: Lines {
                    y_label: "predicted / measured variance of y".into(),
                    reference: Some(1.0),
                    ..lines
                },
            });
        }
        let levels = learned(self.parts(|n| n.strip_prefix("levels.")?.strip_suffix(".gap_mass")));
        if !levels.is_empty() {
            let lines = self.lines(&levels, |g, l| g.number(&format!("levels.{l}.gap_mass")));
            figures.push(SweepFigure {
                id: "sweep_gap_mass",
                caption: format!("Share of samples near no datum, by level; {bars}."),
                alt: "Share of samples near no datum, by level, against the swept setting",
                lines: Lines { y_label: "mass in gaps".into(), ..lines },
            });
        }
        figures
    }
}

impl Group<'_> {
    fn finished(&self) -> impl Iterator<Item = &&SweepCell> {
        self.cells.iter().filter(|c| c.finished)
    }

    /// A number of the group: a cell's own with its interval, or the mean over cells with its standard error, or with their
    /// range where they are few.
    fn number(&self, name: &str) -> Option<Estimate> {
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
fn distance(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.strip_prefix("distances.")?.split('.');
    match (parts.next()?, parts.next()?, parts.next()?) {
        (level, "ensemble", metric) | ("ensemble", level, metric) => Some((level, metric)),
        _ => None,
    }
}

/// Whether values are spaced more evenly in their logarithm; two values are where they differ tenfold.
fn is_logarithmic(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [first, .., last] = sorted[..] else { return false };
    if first <= 0.0 {
        return false;
    }
    if sorted.len() == 2 {
        return last / first >= 10.0;
    }
    let unevenness = |f: fn(f64) -> f64| {
        let steps: Vec<f64> = sorted.windows(2).map(|w| f(w[1]) - f(w[0])).collect();
        let (least, most) = steps.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
        most / least
    };
    unevenness(f64::ln) < unevenness(|v| v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SweepKey;

    #[test]
    fn identities_spacing_follows_the_values() {
        assert!(is_logarithmic(&[64.0, 128.0, 256.0]) && is_logarithmic(&[4096.0, 256.0, 1024.0]));
        assert!(is_logarithmic(&[1e-4, 1e-2]) && !is_logarithmic(&[1.0, 2.0]));
        assert!(
            !is_logarithmic(&[1.0, 2.0, 3.0])
                && !is_logarithmic(&[0.0, 1.0, 10.0])
                && !is_logarithmic(&[5.0])
        );
    }

    #[test]
    fn identities_a_standard_error_needs_five_seeds() {
        let cell = |seed: usize| SweepCell {
            index: seed,
            folder: String::new(),
            finished: true,
            failure: None,
            values: vec![seed.into()],
            quantities: [("distances.theory_paper.ensemble.w1".to_owned(), (0.1 * seed as f64).into())]
                .into(),
        };
        let table = |seeds: usize| {
            let keys = vec![SweepKey { key: "seed".into(), values: (1..=seeds).map(Into::into).collect() }];
            let cells = (1..=seeds).map(cell).collect();
            terminal_table(&SweepRecord {
                schema: 1,
                version: String::new(),
                config: serde_json::Value::Null,
                keys,
                cells,
            })
        };
        assert!(table(2).contains("0.150 [0.100, 0.200]") && !table(2).contains('±'), "{}", table(2));
        // The standard error of 0.1, …, 0.5: √(0.025/5).
        assert!(table(5).contains("0.300 ± 0.071"), "{}", table(5));
    }

    #[test]
    fn identities_distances_are_found_in_either_order() {
        assert_eq!(distance("distances.pf_ode.ensemble.w1"), Some(("pf_ode", "w1")));
        assert_eq!(distance("distances.ensemble.theory_white.js"), Some(("theory_white", "js")));
        assert_eq!(distance("distances.data.pf_ode.w1"), None);
        assert_eq!(distance("levels.ensemble.gap_mass"), None);
    }
}
