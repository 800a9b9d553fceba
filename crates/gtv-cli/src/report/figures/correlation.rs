//! Correlation of the prediction between times, measured and predicted: at fixed positions, or, in more than two dimensions, along
//! sampling paths.

use super::maps::{around, evenly, rows_of};
use super::{Picture, Place, ReportFigure, distinct_theories};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::{Arrays, Saved};
use crate::report::levels::ENSEMBLE;
use crate::report::number::significant;
use ndarray::ArrayViewD;

/// Rows are positions or paths, columns sources.
pub struct Correlation;

/// What the rows are, and their times.
struct Rows {
    /// What each row is of.
    titles: Vec<String>,
    /// Times of each.
    times: usize,
    /// The first and the last, on the axis.
    ends: (f64, f64),
    /// The end of the arrays' names.
    suffix: &'static str,
    /// What the axes show.
    labels: [&'static str; 2],
    /// What the caption says.
    caption: &'static str,
}

impl Rows {
    /// At a datum and in the gap next to it.
    fn fixed(arrays: &Arrays) -> Option<Self> {
        let t = arrays.vector("corr_t").filter(|t| t.len() > 1)?;
        let position = |x: ArrayViewD<'_, f64>| {
            let row: Vec<String> = x.iter().map(|v| significant(*v, 2)).collect();
            format!("x = {}", row.join(", "))
        };
        Some(Self {
            titles: arrays.get("corr_x")?.outer_iter().map(position).collect(),
            times: t.len(),
            ends: around(&t),
            suffix: "_time_corr",
            labels: ["time t", "time t′"],
            caption: "Correlation over models between the prediction at (x, t) and at (x, t′): rows are positions.",
        })
    }

    /// Along paths of the exact score.
    fn along_paths(arrays: &Arrays) -> Option<Self> {
        let times = arrays.vector("path_t").filter(|t| t.len() > 1)?.len();
        let paths = *arrays.get("path_x")?.shape().first()?;
        Some(Self {
            titles: (1..=paths).map(|path| format!("path {path}")).collect(),
            times,
            ends: (-0.5, times as f64 - 0.5),
            suffix: "_path_corr",
            labels: ["point of the path, from T to ε", "another point of it"],
            caption: "Correlation over models between the prediction at two points of a sampling path of the exact score: rows are paths.",
        })
    }
}

impl ReportFigure for Correlation {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let rows = Rows::fixed(arrays).or_else(|| Rows::along_paths(arrays))?;
        let (count, times, ends, suffix) = (rows.titles.len(), rows.times, rows.ends, rows.suffix);
        let column = |(source, title): (&str, String)| -> Option<Vec<HeatPanel>> {
            let map = arrays.get(&format!("{source}{suffix}"));
            let map = map.filter(|a| a.shape() == [count, times, times])?;
            let panel = |k: usize| HeatPanel {
                title: format!("{title}, {}", rows.titles[k]),
                values: map.outer_iter().nth(k).into_iter().flatten().copied().collect(),
                nx: times,
                ny: times,
                x: ends,
                y: ends,
                ..HeatPanel::default()
            };
            Some(evenly(count).into_iter().map(panel).collect())
        };
        let theories = distinct_theories(arrays, suffix);
        let white = theories.iter().any(|(_, closures)| closures.split(", ").any(|c| c == "white"));
        let sources = std::iter::once((ENSEMBLE, ENSEMBLE.to_owned())).chain(theories);
        let columns: Vec<Vec<HeatPanel>> = sources.filter_map(column).collect();
        let panels = rows_of(&columns);
        if panels.is_empty() {
            return None;
        }
        let maps = Heatmaps {
            panels,
            columns: columns.len(),
            x_label: rows.labels[0].into(),
            y_label: rows.labels[1].into(),
            scales: vec![ColorScale::diverging("correlation", 1.0)],
            square: true,
            ..Heatmaps::default()
        };
        let white = if white { " White noise would be coloured on the diagonal alone." } else { "" };
        let caption = format!(
            "{} Where it stays near 1, a model errs the same way all along a path, and the paths that share the model move \
             together.{white}",
            rows.caption
        );
        Some(Picture::new(
            ("time_correlation", Place::Prediction),
            maps,
            caption,
            "Correlation between times of the learned prediction",
        ))
    }
}
