//! Distances of each level to the trained ensemble.

use super::{Picture, Place, ReportFigure};
use crate::plot::{DistancePlot, Key, MetricPanel};
use crate::record::{Record, Saved};
use crate::report::levels::{ENSEMBLE, key};
use crate::report::metrics;
use crate::report::sections::metric_columns;
use crate::report::view::all_levels;

/// One row a level, one panel a metric.
pub struct Distances;

impl ReportFigure for Distances {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let levels = all_levels(&saved.record).into_iter().filter(|l| *l != ENSEMBLE);
        let plot = distance_plot(&saved.record, levels.map(|l| (key(l), l, ENSEMBLE)).collect())?;
        Some(Picture::new(
            ("distances", Place::Distances),
            plot,
            "Distance of each level to the trained ensemble. A level whose dot lies at its floor or below is as near as two \
             ensembles of these sizes with one law; one whose interval reaches the floor is not told from that for certain.",
            "Distances of each level to the trained ensemble, with intervals and floors",
        ))
    }
}

/// A plot of the distances between pairs of levels; pairs without any are left out.
pub fn distance_plot(record: &Record, pairs: Vec<(Key, &str, &str)>) -> Option<DistancePlot> {
    let metrics = metric_columns(record);
    let any = |(_, a, b): &(Key, &str, &str)| metrics.iter().any(|m| record.distance(a, b, m).is_some());
    let pairs: Vec<_> = pairs.into_iter().filter(any).collect();
    let panel = |metric: &String| MetricPanel {
        label: metrics::label(metric),
        estimates: pairs.iter().map(|(_, a, b)| record.distance(a, b, metric).copied()).collect(),
    };
    (!pairs.is_empty()).then(|| DistancePlot {
        panels: metrics.iter().map(panel).collect(),
        rows: pairs.iter().map(|p| p.0.clone()).collect(),
        confidence: record.confidence,
    })
}
