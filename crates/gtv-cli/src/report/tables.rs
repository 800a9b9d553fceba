//! The tables of a report as rows of text, and the short table for the terminal.

use serde::Serialize;

use super::answer::{chain, effect};
use super::findings::source_name;
use super::number::{bracket, count, duration, estimate, interval, plain, with_error};
use crate::plot::style::{level_label, level_rank, main_metric, metric_label, metric_name, ranked};
use crate::record::{Estimate, Interval, Record};

/// One level's row.
#[derive(Serialize)]
pub struct LevelRow {
    name: String,
    meaning: &'static str,
    models: String,
    samples: String,
    diverged: String,
    cells: Vec<Option<Cell>>,
}

/// A number with its interval and, for a distance, its floor.
#[derive(Serialize)]
pub struct Cell {
    value: String,
    bracket: String,
    floor: Option<String>,
}

/// The distances between two levels, one cell a metric.
#[derive(Serialize)]
pub struct DistanceRow {
    from: String,
    to: String,
    effect: &'static str,
    cells: Vec<Option<Cell>>,
}

/// The shares of one level near each datum.
#[derive(Serialize)]
pub struct MassRow {
    name: String,
    cells: Vec<Option<Cell>>,
}

/// A titled list of texts.
#[derive(Serialize)]
pub struct Line {
    name: String,
    cells: Vec<String>,
}

fn meaning(level: &str) -> &'static str {
    match level {
        "data" => "the data with the forward noise that is left at t = ε: p(x | ε)",
        "pf_ode" => "probability-flow ODE with the true score, integrated as the ensemble is",
        "mean_score" => "PF-ODE with the average learned score: adds bias",
        "theory_paper" => "effective dynamics; V in the unbiased, expressive limit (paper, Prop. 5.1–5.2)",
        "theory_leading" => {
            "effective dynamics; mean and V to leading order in 1/P, residuals instead of label noise"
        }
        "theory_finite-p" => "effective dynamics; mean and V with self-consistent leverage at finite P",
        "theory_shot-noise" => "as finite-p, with every cumulant to first order in one sample's influence",
        "points" => "the data points themselves, before any noise",
        "theory_naive" => "one fresh proxy score a step (Prop. 4.1): noise κ D C D, white in time (Itô)",
        "theory_fokker-planck" => "the naive estimator's density, solved on a grid instead of sampled",
        "theory_white" => {
            "V as at equal times, independent between steps: what correlation in time does not explain"
        }
        "theory_matched-white" => {
            "white noise of the coloured one's strength integrated over the time lag, whatever the number of steps"
        }
        "theory_damped" => "V times exp(−|t − t′|/ℓ): between white noise and the models' own correlation",
        "theory_linear-noise" => {
            "each deterministic path with the Gaussian spread that V gives it to first order"
        }
        "theory_semiclassical" => "small-noise formula of the paper (Eq. 18), normalised numerically",
        "gaussian_empirical" => {
            "Gaussian fields with the ensemble's own mean and covariance: isolates the closure"
        }
        "ensemble" => "the trained models, averaged",
        _ => "effective dynamics of this closure",
    }
}

fn interval_cell(i: &Interval) -> Cell {
    Cell { value: plain(i.value), bracket: bracket(i.lo, i.hi), floor: None }
}

/// The table of levels.
pub fn levels(record: &Record) -> Vec<LevelRow> {
    let row = |key: &str| {
        let l = &record.levels[key];
        LevelRow {
            name: level_label(key),
            meaning: meaning(key),
            models: count(l.models),
            samples: count(l.samples),
            diverged: count(l.diverged),
            cells: [&l.memorized_fraction, &l.nearest_distance, &l.gap_mass, &l.total_variance]
                .map(|i| i.as_ref().map(interval_cell))
                .into(),
        }
    };
    ranked(record.levels.keys().map(String::as_str)).into_iter().map(row).collect()
}

/// Metrics in the order of their columns, the leading one first.
pub fn metrics(record: &Record) -> Vec<String> {
    let mut metrics = record.metrics();
    if let Some(main) = main_metric(&metrics).map(str::to_owned) {
        metrics.sort_by_key(|m| (*m != main, m.clone()));
    }
    metrics
}

/// Labels of the metrics, with units.
pub fn metric_labels(record: &Record) -> Vec<String> {
    metrics(record).iter().map(|m| metric_label(m)).collect()
}

fn distance_cell(e: &Estimate) -> Cell {
    Cell { value: plain(e.value), bracket: bracket(e.lo, e.hi), floor: Some(plain(e.floor)) }
}

/// Each level's distances to the ensemble.
pub fn to_ensemble(record: &Record) -> Vec<DistanceRow> {
    let metrics = metrics(record);
    let row = |level: &str| {
        let cells: Vec<_> =
            metrics.iter().map(|m| record.distance(level, "ensemble", m).map(distance_cell)).collect();
        let any = cells.iter().any(Option::is_some);
        any.then(|| DistanceRow { from: level_label(level), to: level_label("ensemble"), effect: "", cells })
    };
    named_levels(record).into_iter().filter(|l| *l != "ensemble").filter_map(row).collect()
}

/// Every other pair of levels with a distance.
pub fn other_distances(record: &Record) -> Vec<DistanceRow> {
    let metrics = metrics(record);
    let mut rows = Vec::new();
    for a in ranked(record.distances.keys().map(String::as_str)).into_iter().filter(|a| *a != "ensemble") {
        let ends = record.distances[a].keys().map(String::as_str);
        for b in ranked(ends).into_iter().filter(|b| *b != "ensemble") {
            let cells = metrics.iter().map(|m| record.distances[a][b].get(m).map(distance_cell)).collect();
            rows.push(DistanceRow { from: level_label(a), to: level_label(b), effect: "", cells });
        }
    }
    rows
}

/// Levels that have a distance or a summary.
fn named_levels(record: &Record) -> Vec<&str> {
    let ends = record.distances.iter().flat_map(|(a, to)| std::iter::once(a).chain(to.keys()));
    ranked(ends.chain(record.levels.keys()).map(String::as_str))
}

/// Neighbours on the way from the data to the ensemble.
pub fn attribution(record: &Record) -> Vec<DistanceRow> {
    let metrics = metrics(record);
    let row = |w: &[String]| {
        let cells: Vec<_> =
            metrics.iter().map(|m| record.distance(&w[0], &w[1], m).map(distance_cell)).collect();
        let any = cells.iter().any(Option::is_some);
        any.then(|| DistanceRow {
            from: level_label(&w[0]),
            to: level_label(&w[1]),
            effect: effect(&w[1]),
            cells,
        })
    };
    chain(record).windows(2).filter_map(row).collect()
}

/// Theory against ensemble at the level of the prediction, by closure.
pub fn kernel(record: &Record) -> Vec<Line> {
    let row = |(name, k): (&String, &crate::record::KernelNumbers)| Line {
        name: name.clone(),
        cells: vec![
            plain(k.mean_error),
            k.mean_error_floor.map_or_else(|| "–".into(), plain),
            with_error(k.variance_ratio, k.variance_ratio_se),
            plain(k.correlation),
        ],
    };
    let mut closures: Vec<_> = record.kernel.iter().collect();
    closures.sort_by_key(|(name, _)| level_rank(&format!("theory_{name}")));
    closures.into_iter().map(row).collect()
}

/// E_ρ tr Var y by source: measured with its share, then each closure's prediction with its share; the total last.
pub fn sources(record: &Record) -> Vec<Line> {
    let all = &record.variance_sources;
    let total = all.get("total");
    let with_share = |text: String, value: f64, whole: Option<f64>| match whole {
        Some(whole) if whole > 0.0 && value.is_finite() => format!("{text} ({:.0} %)", 100.0 * value / whole),
        _ => text,
    };
    let closures = source_closures(record);
    let row = |name: &String| {
        let s = &all[name];
        let whole = total.and_then(|t| t.measured).map(|i| i.value);
        let measured = s.measured.map_or("–".to_owned(), |i| with_share(interval(&i), i.value, whole));
        let predicted = closures.iter().map(|c| {
            let whole = total.and_then(|t| t.predicted.get(c)).copied();
            s.predicted.get(c).map_or("–".to_owned(), |v| with_share(plain(*v), *v, whole))
        });
        Line { name: source_name(name), cells: std::iter::once(measured).chain(predicted).collect() }
    };
    let mut names: Vec<&String> = all.keys().collect();
    names.sort_by_key(|n| (*n == "total", n.as_str() != "label-noise", n.as_str()));
    names.into_iter().map(row).collect()
}

/// The closures that predict variances by source, in the order of levels.
pub fn source_closures(record: &Record) -> Vec<String> {
    let named = record.variance_sources.values().flat_map(|s| s.predicted.keys());
    let mut closures: Vec<String> = named.cloned().collect();
    closures.sort_by_key(|c| (level_rank(&format!("theory_{c}")), c.clone()));
    closures.dedup();
    closures
}

/// Skewness and kurtosis over probes.
pub fn gaussianity(record: &Record) -> Vec<Line> {
    let Some(g) = &record.gaussianity else { return Vec::new() };
    let row = |name: &str, c: &crate::record::Cumulant| Line {
        name: name.to_owned(),
        cells: vec![
            plain(c.mean),
            plain(c.median_abs),
            plain(c.max_abs),
            plain(c.standard_error),
            format!("{} %", plain(100.0 * c.share_beyond_two_se)),
        ],
    };
    vec![row("skewness", &g.skewness), row("excess kurtosis", &g.excess_kurtosis)]
}

/// Most data whose masses are listed one by one.
const LISTED: usize = 8;

/// Number of columns of [`masses`].
pub fn listed_data(record: &Record) -> usize {
    record.levels.values().map(|l| l.mass_near.len()).max().unwrap_or(0).min(LISTED)
}

/// Share of samples near each of the first data, by level.
pub fn masses(record: &Record) -> Vec<MassRow> {
    let columns = listed_data(record);
    let row = |key: &str| {
        let near = &record.levels[key].mass_near;
        let cells = (0..columns).map(|i| near.get(i).map(interval_cell)).collect();
        (!near.is_empty()).then(|| MassRow { name: level_label(key), cells })
    };
    ranked(record.levels.keys().map(String::as_str)).into_iter().filter_map(row).collect()
}

/// Mean and covariance of x0, where the dimension allows it.
pub fn moments(record: &Record) -> Vec<Line> {
    let list = |v: &[f64]| v.iter().map(|x| plain(*x)).collect::<Vec<_>>().join(", ");
    let row = |key: &str| {
        let l = &record.levels[key];
        let d = l.mean.len();
        let rows: Vec<String> = l.covariance.chunks(d.max(1)).map(list).collect();
        ((1..=3).contains(&d))
            .then(|| Line { name: level_label(key), cells: vec![list(&l.mean), rows.join("; ")] })
    };
    ranked(record.levels.keys().map(String::as_str)).into_iter().filter_map(row).collect()
}

/// Seconds by stage, longest first.
pub fn timing(record: &Record) -> Vec<Line> {
    let mut stages: Vec<_> = record.timing.iter().collect();
    stages.sort_by(|a, b| b.1.total_cmp(a.1));
    stages
        .into_iter()
        .map(|(name, s)| Line { name: name.replace('_', " "), cells: vec![duration(*s)] })
        .collect()
}

/// The table that ends `gtv-cli compare`: each level's distance to the ensemble, then the closures' numbers.
pub fn terminal_table(record: &Record) -> String {
    let metrics = metrics(record);
    let Some(metric) = metrics.first() else { return "no distances were computed\n".into() };
    let mut rows = vec![[
        "level".into(),
        format!("{} to ensemble", metric_name(metric)),
        "floor".into(),
        "memorized".into(),
    ]];
    for level in named_levels(record) {
        let e = record.distance(level, "ensemble", metric);
        let memorized = record.levels.get(level).and_then(|l| l.memorized_fraction.as_ref());
        rows.push([
            level.to_owned(),
            e.map_or_else(|| "–".into(), estimate),
            e.map_or_else(|| "–".into(), |e| plain(e.floor)),
            memorized.map_or_else(|| "–".into(), interval),
        ]);
    }
    let mut text = aligned(&rows);
    if !record.kernel.is_empty() {
        let mut rows =
            vec![["closure".into(), "mean error".into(), "variance ratio".into(), "correlation".into()]];
        for line in kernel(record) {
            let [mean, _, ratio, correlation] = <[String; 4]>::try_from(line.cells).unwrap_or_default();
            rows.push([line.name, mean, ratio, correlation]);
        }
        text += "\n";
        text += &aligned(&rows);
    }
    text
}

/// Columns padded to equal width.
pub fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let cells = |row: &R, c: usize| row.as_ref().get(c).map_or(0, |text| text.chars().count());
    let columns = rows.iter().map(|r| r.as_ref().len()).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|r| cells(r, c)).max().unwrap_or(0)).collect();
    let line = |row: &R| {
        let padded = row.as_ref().iter().zip(&widths);
        let padded = padded.map(|(text, w)| format!("{text}{}", " ".repeat(w - text.chars().count())));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
