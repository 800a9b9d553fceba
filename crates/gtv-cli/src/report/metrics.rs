//! What metrics are called, with their units, the one that leads a report first.

/// A metric's name in records, in reports, and its unit.
const METRICS: [(&str, &str, &str); 8] = [
    ("w1", "W₁", "units of x"),
    ("sliced_w2", "sliced W₂", "units of x"),
    ("sliced_w1", "sliced W₁", "units of x"),
    ("w2", "W₂", "units of x"),
    ("energy", "energy distance", ""),
    ("js", "JS divergence", "nats"),
    ("kl", "KL divergence", "nats"),
    ("mmd", "MMD", ""),
];

fn rank(metric: &str) -> usize {
    METRICS.iter().position(|m| m.0 == metric).unwrap_or(METRICS.len())
}

/// A metric's name without its unit.
pub fn name(metric: &str) -> String {
    METRICS.get(rank(metric)).map_or_else(|| metric.replace('_', " "), |m| m.1.to_owned())
}

/// A metric's name, followed by `what` and its unit.
pub fn labelled(metric: &str, what: &str) -> String {
    match METRICS.get(rank(metric)).filter(|m| !m.2.is_empty()) {
        Some((_, name, unit)) => format!("{name}{what} ({unit})"),
        None => name(metric) + what,
    }
}

/// A metric's name with its unit.
pub fn label(metric: &str) -> String {
    labelled(metric, "")
}

/// The metric that leads the report: the first one known, or the first there is.
pub fn main(metrics: &[String]) -> Option<&str> {
    metrics.iter().map(String::as_str).min_by_key(|m| (rank(m), *m))
}
