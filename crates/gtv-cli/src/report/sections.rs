//! The sections of a report below the answer: what each says, and its tables. Figures stand in the section they name.

use serde::Serialize;

use super::findings::source_name;
use super::levels::{ENSEMBLE, card, label, ranked, ranked_closures};
use super::likelihood::likelihood;
use super::metrics;
use super::number::{count, estimate, plain, with_error};
use super::outside::outside;
use super::table::{Cell, Table, TableRow};
use super::view::{all_levels, chain};
use crate::record::{Cumulant, Estimate, KernelNumbers, LevelRecord, Record};

/// Where in the report something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Under the answer.
    Answer,
    /// Distributions by themselves.
    Levels,
    /// Their distances to the ensemble.
    Distances,
    /// Step by step from the data to the ensemble.
    Attribution,
    /// The prediction y before any sampling.
    Prediction,
    /// The shape of its distribution over models.
    Gaussianity,
    /// Error bars from single runs.
    OneRun,
    /// Samples, and where they lie.
    Samples,
}

impl Place {
    /// In the order of the report.
    pub const ALL: [Self; 8] = [
        Self::Answer,
        Self::Levels,
        Self::Distances,
        Self::Attribution,
        Self::Prediction,
        Self::Gaussianity,
        Self::OneRun,
        Self::Samples,
    ];
}

/// A section of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its title; empty under the answer.
    pub title: &'static str,
    /// What it shows.
    pub intro: String,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// The section of a place, with the tables that the record has numbers for.
pub fn section(record: &Record, place: Place) -> Section {
    let (id, title, intro, tables): (_, _, &str, Vec<Table>) = match place {
        Place::Answer => ("answer", "", "", vec![]),
        Place::Levels => (
            "levels",
            "Levels",
            "Each level is a distribution over x₀. From one to the next, one effect is added, so the gap between the data and \
             what is learned can be attributed.",
            vec![levels_table(record), outside(record)],
        ),
        Place::Distances => {
            ("distances", "Distances to the ensemble", "", vec![to_ensemble(record), other_distances(record)])
        }
        Place::Attribution => (
            "attribution",
            "Attribution",
            "From the data to the trained ensemble, step by step, with the most complete closure that was computed.",
            vec![attribution(record)],
        ),
        Place::Prediction => (
            "prediction",
            "The learned prediction itself",
            "A model predicts y(x, t), from which the score follows linearly. Before any sampling, its mean and variance over \
             training randomness can be compared directly, averaged over the training distribution ρ of (x, t).",
            vec![kernel(record), sources(record)],
        ),
        Place::Gaussianity => (
            "gaussianity",
            "Gaussianity of the learned score",
            "Closures of second order treat the score at a point as Gaussian over models. Skewness and excess kurtosis test that.",
            vec![gaussianity(record)],
        ),
        Place::OneRun => (
            "one_run",
            "Error bars from one run",
            "What networks trained on other data would have learned, predicted from trained networks alone: linear about their \
             parameters, in the metric of their optimiser, through its own steps.",
            super::one_run::tables(record),
        ),
        Place::Samples => {
            ("samples", "Samples and mass", "", vec![likelihood(record), masses(record), moments(record)])
        }
    };
    let tables = tables.into_iter().filter(|t| !t.rows.is_empty()).collect();
    Section { id, title, intro: intro.to_owned(), tables }
}

pub fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn named(text: String, below: &str) -> Cell {
    let below = if below.is_empty() { vec![] } else { vec![below.to_owned()] };
    Cell { text, below, strong: false }
}

/// Levels that have a summary, in reading order.
fn summaries(record: &Record) -> impl Iterator<Item = (&str, &LevelRecord)> {
    ranked(record.levels.keys().map(String::as_str)).into_iter().map(|l| (l, &record.levels[l]))
}

/// "within …", where the radius about a datum is known.
pub fn near_radius(record: &Record) -> Option<String> {
    record.levels.values().find_map(|l| l.near_radius).map(plain)
}

fn levels_table(record: &Record) -> Table {
    let row = |(level, l): (&str, &LevelRecord)| {
        let mut below = vec![count(l.samples)];
        if l.diverged > 0 {
            below.push(format!("{} diverged", count(l.diverged)));
        }
        if l.exhausted > 0 {
            below.push(format!("{} given up", count(l.exhausted)));
        }
        let numbers = [&l.memorized_fraction, &l.nearest_distance, &l.gap_mass, &l.total_variance];
        let first = Cell { text: count(l.models), below, strong: false };
        let cells = std::iter::once(first).chain(numbers.map(|n| n.as_ref().into()));
        TableRow::new(named(label(level), card(level).meaning), cells)
    };
    let gaps =
        near_radius(record).map_or(String::new(), |r| format!(" Gaps: further than {r} from every datum."));
    Table {
        head: head(&[
            "Level",
            "Models, samples",
            "Memorized fraction",
            "Distance to nearest datum",
            "Mass in gaps",
            "Total variance",
        ]),
        rows: summaries(record).map(row).collect(),
        note: format!(
            "Memorized: nearest datum more than three times nearer than the second nearest.{gaps} Total variance: tr Cov x₀. \
             Diverged paths are left out of every number."
        ),
        ..Table::default()
    }
}

/// Metrics in the order of their columns, the leading one first.
pub fn metric_columns(record: &Record) -> Vec<String> {
    let mut all = record.metrics();
    if let Some(main) = metrics::main(&all).map(str::to_owned) {
        all.sort_by_key(|m| (*m != main, m.clone()));
    }
    all
}

/// A table of distances: a row for each pair that has one.
fn distance_table(record: &Record, first: &str, rows: Vec<(Cell, &str, &str)>) -> Table {
    let metrics = metric_columns(record);
    let row = |(name, a, b): (Cell, &str, &str)| {
        let found: Vec<Option<&Estimate>> = metrics.iter().map(|m| record.distance(a, b, m)).collect();
        found.iter().any(Option::is_some).then(|| TableRow::new(name, found))
    };
    let columns = metrics.iter().map(|m| metrics::label(m));
    Table {
        head: std::iter::once(first.to_owned()).chain(columns).collect(),
        rows: rows.into_iter().filter_map(row).collect(),
        ..Table::default()
    }
}

fn to_ensemble(record: &Record) -> Table {
    let levels = all_levels(record).into_iter().filter(|l| *l != ENSEMBLE);
    distance_table(record, "Level", levels.map(|l| (label(l).into(), l, ENSEMBLE)).collect())
}

fn other_distances(record: &Record) -> Table {
    let others = |keys: Vec<&'_ String>| -> Vec<String> {
        let levels = ranked(keys.into_iter().map(String::as_str));
        levels.into_iter().filter(|l| *l != ENSEMBLE).map(str::to_owned).collect()
    };
    let pairs: Vec<(String, String)> = others(record.distances.keys().collect())
        .into_iter()
        .flat_map(|a| others(record.distances[&a].keys().collect()).into_iter().map(move |b| (a.clone(), b)))
        .collect();
    let rows =
        pairs.iter().map(|(a, b)| (format!("{} → {}", label(a), label(b)).into(), a.as_str(), b.as_str()));
    let table = distance_table(record, "From → to", rows.collect());
    let caption = format!("Distances between the other pairs of levels ({})", table.rows.len());
    Table { caption, folded: true, ..table }
}

fn attribution(record: &Record) -> Table {
    let chain = chain(record);
    let rows = chain.windows(2).map(|w| {
        let step = format!("{} → {}", label(&w[0]), label(&w[1]));
        (named(step, card(&w[1]).adds), w[0].as_str(), w[1].as_str())
    });
    distance_table(record, "Step, and what it adds", rows.collect())
}

/// The closures' numbers in the order of levels, each with mean error, its floor, variance ratio and correlation.
pub fn closure_numbers(record: &Record) -> Vec<(&str, [Option<String>; 4])> {
    let numbers = |k: &KernelNumbers| {
        [
            Some(plain(k.mean_error)),
            k.mean_error_floor.map(plain),
            Some(with_error(k.variance_ratio, k.variance_ratio_se)),
            Some(plain(k.correlation)),
        ]
    };
    let closures = ranked_closures(record.kernel.keys().map(String::as_str));
    closures.into_iter().map(|c| (c, numbers(&record.kernel[c]))).collect()
}

fn kernel(record: &Record) -> Table {
    Table {
        head: head(&["Closure", "Mean error", "its floor", "Variance ratio", "Correlation"]),
        rows: closure_numbers(record).into_iter().map(|(c, n)| TableRow::new(c.to_owned(), n)).collect(),
        note: "<b>Mean error</b>: ‖E y<sub>theory</sub> − E y<sub>ensemble</sub>‖ / ‖E y<sub>ensemble</sub>‖ in L²(ρ); its \
               floor is what a perfect theory would show against this many models. <b>Variance ratio</b>: E<sub>ρ</sub> tr \
               Var<sub>theory</sub> y / E<sub>ρ</sub> tr Var<sub>ensemble</sub> y; 1 is right. <b>Correlation</b> over ρ of the \
               two variance maps; 1 says that the variance is put where it is."
            .into(),
        ..Table::default()
    }
}

/// E_ρ tr Var y by source: measured with its share, then each closure's prediction with its share; the total last.
fn sources(record: &Record) -> Table {
    let all = &record.variance_sources;
    let with_share = |text: String, value: f64, whole: Option<f64>| match whole {
        Some(whole) if whole > 0.0 && value.is_finite() => format!("{text} ({:.0} %)", 100.0 * value / whole),
        _ => text,
    };
    let closures = ranked_closures(all.values().flat_map(|s| s.predicted.keys()).map(String::as_str));
    let total = all.get("total");
    let row = |name: &str| {
        let s = &all[name];
        let whole = total.and_then(|t| t.measured).map(|i| i.value);
        let measured = s.measured.map(|i| with_share(estimate(&i), i.value, whole));
        let predicted = closures.iter().map(|c| {
            let whole = total.and_then(|t| t.predicted.get(*c)).copied();
            s.predicted.get(*c).map(|v| with_share(plain(*v), *v, whole))
        });
        TableRow::new(source_name(name), std::iter::once(measured).chain(predicted))
    };
    let mut names: Vec<&str> = all.keys().map(String::as_str).collect();
    names.sort_by_key(|n| (*n == "total", *n != "label-noise", *n));
    Table {
        caption: "Variance of y by source of training randomness, E tr Var y over ρ, in units of y²".into(),
        head: head(&[&["Source", "Measured"], &closures[..]].concat()),
        rows: names.into_iter().map(row).collect(),
        note: "In brackets: share of the total of the same column. Without label noise (the true score as the target) only the \
               other sources are left."
            .into(),
        ..Table::default()
    }
}

fn gaussianity(record: &Record) -> Table {
    let Some(g) = &record.gaussianity else { return Table::default() };
    let row = |name: &str, c: &Cumulant| {
        let beyond = format!("{} %", plain(100.0 * c.share_beyond_two_se));
        let numbers = [c.mean, c.median_abs, c.max_abs, c.standard_error].map(plain);
        TableRow::new(name.to_owned(), numbers.into_iter().chain([beyond]))
    };
    Table {
        head: head(&[
            "Cumulant",
            "Mean",
            "Median |·|",
            "Largest |·|",
            "Standard error at a probe",
            "Beyond two",
        ]),
        rows: vec![row("skewness", &g.skewness), row("excess kurtosis", &g.excess_kurtosis)],
        note: format!(
            "At {} probes over {} models; for Gaussian scores 4.6 % of the probes lie beyond two standard errors.",
            count(g.probes),
            count(g.models)
        ),
        ..Table::default()
    }
}

/// Most data whose masses are listed one by one.
const LISTED: usize = 8;

fn masses(record: &Record) -> Table {
    let data = record.levels.values().map(|l| l.mass_near.len()).max().unwrap_or(0);
    let columns = data.min(LISTED);
    let with_masses = summaries(record).filter(|(_, l)| !l.mass_near.is_empty());
    let row = |(level, l): (&str, &LevelRecord)| {
        TableRow::new(label(level), (0..columns).map(|i| l.mass_near.get(i)))
    };
    let within = near_radius(record).map_or(String::new(), |r| format!(" (within {r})"));
    let first = if columns < data { format!(", the first {columns} of {data}") } else { String::new() };
    let numbered = (1..=columns).map(|i| format!("datum {i}"));
    Table {
        caption: format!("Share of samples near each datum{within}{first}"),
        head: std::iter::once("Level".to_owned()).chain(numbered).collect(),
        rows: with_masses.map(row).collect(),
        ..Table::default()
    }
}

/// Mean and covariance of x0, where the dimension allows it.
fn moments(record: &Record) -> Table {
    let list = |v: &[f64]| v.iter().map(|x| plain(*x)).collect::<Vec<_>>().join(", ");
    let row = |(level, l): (&str, &LevelRecord)| {
        let rows: Vec<String> = l.covariance.chunks(l.mean.len()).map(list).collect();
        TableRow::new(label(level), [list(&l.mean), rows.join("; ")])
    };
    Table {
        caption: "Moments of x₀".into(),
        head: head(&["Level", "Mean", "Covariance (rows)"]),
        rows: summaries(record).filter(|(_, l)| (1..=3).contains(&l.mean.len())).map(row).collect(),
        ..Table::default()
    }
}
