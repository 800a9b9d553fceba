//! The short table that ends `gtv-cli compare`: each level's distance to the ensemble, then the closures' numbers.

use super::answer::no_interval;
use super::levels::ENSEMBLE;
use super::metrics;
use super::number::{estimate, plain};
use super::sections::{closure_numbers, metric_columns};
use super::table::aligned;
use super::view::all_levels;
use crate::record::Record;

/// The table's text.
pub fn terminal_table(record: &Record) -> String {
    let metrics = metric_columns(record);
    let Some(metric) = metrics.first() else { return "no distances were computed\n".into() };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let mut rows = vec![[
        "level".into(),
        format!("{} to ensemble", metrics::name(metric)),
        "floor".into(),
        "memorized".into(),
    ]];
    let levels = all_levels(record);
    for level in &levels {
        let e = record.distance(level, ENSEMBLE, metric);
        let memorized = record.levels.get(*level).and_then(|l| l.memorized_fraction.as_ref());
        rows.push([
            (*level).to_owned(),
            or_dash(e.map(estimate)),
            or_dash(e.and_then(|e| e.floor).map(plain)),
            or_dash(memorized.map(estimate)),
        ]);
    }
    let mut text = aligned(&rows);
    if !record.kernel.is_empty() {
        let head = ["closure", "mean error", "variance ratio", "correlation"].map(str::to_owned);
        let numbers = closure_numbers(record).into_iter();
        let rows: Vec<[String; 4]> = std::iter::once(head)
            .chain(numbers.map(|(c, [mean, _, ratio, correlation])| {
                [c.to_owned(), or_dash(mean), or_dash(ratio), or_dash(correlation)]
            }))
            .collect();
        text = text + "\n" + &aligned(&rows);
    }
    let distances = levels.iter().filter_map(|l| record.distance(l, ENSEMBLE, metric));
    if distances.clone().count() > 0 && distances.into_iter().all(|e| e.ends().is_none()) {
        text += &format!("{}\n", no_interval(record));
    }
    text
}
