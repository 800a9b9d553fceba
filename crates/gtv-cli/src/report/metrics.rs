//! What metrics are called, with their units, the one that leads a report first.

use gtv_theory::compare::{MetricCard, MetricName};

fn card(metric: &str) -> Option<&'static MetricCard> {
    MetricName::find(metric).map(|m| m.card())
}

/// A metric's name without its unit; of one that this program does not know, its name in the record.
pub fn name(metric: &str) -> String {
    card(metric).map_or_else(|| metric.replace('_', " "), |card| card.label.to_owned())
}

/// A metric's name, followed by `what` and its unit.
pub fn labelled(metric: &str, what: &str) -> String {
    let unit = card(metric).map(|card| card.unit).filter(|unit| !unit.is_empty());
    let unit = unit.map(|unit| format!(" ({unit})")).unwrap_or_default();
    name(metric) + what + &unit
}

/// A metric's name with its unit.
pub fn label(metric: &str) -> String {
    labelled(metric, "")
}

/// The metric that leads the report: the first one known, or the first there is.
pub fn main(metrics: &[String]) -> Option<&str> {
    let rank = |metric: &str| MetricName::all().position(|m| m.card().name == metric).unwrap_or(usize::MAX);
    metrics.iter().map(String::as_str).min_by_key(|m| (rank(m), *m))
}
