//! Correlation of the prediction between times at fixed positions, measured and predicted.

use super::maps::{around, evenly, rows_of};
use super::{Picture, Place, ReportFigure, distinct_theories};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::Saved;
use crate::report::levels::ENSEMBLE;
use crate::report::number::significant;

/// Rows are positions, columns sources.
pub struct Correlation;

impl ReportFigure for Correlation {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let t = arrays.vector("corr_t").filter(|t| t.len() > 1)?;
        let x = arrays.get("corr_x")?;
        let (count, times) = (*x.shape().first()?, t.len());
        let ends = around(&t);
        let position = |k: usize| {
            let row =
                x.outer_iter().nth(k).into_iter().flatten().map(|v| significant(*v, 2)).collect::<Vec<_>>();
            row.join(", ")
        };
        let column = |(source, title): (&str, String)| -> Option<Vec<HeatPanel>> {
            let map = arrays.get(&format!("{source}_time_corr"));
            let map = map.filter(|a| a.shape() == [count, times, times])?;
            let panel = |k: usize| HeatPanel {
                title: format!("{title}, x = {}", position(k)),
                values: map.outer_iter().nth(k).into_iter().flatten().copied().collect(),
                nx: times,
                ny: times,
                x: ends,
                y: ends,
                ..HeatPanel::default()
            };
            Some(evenly(count).into_iter().map(panel).collect())
        };
        let theories = distinct_theories(arrays, "_time_corr");
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
            x_label: "time t".into(),
            y_label: "time t′".into(),
            scales: vec![ColorScale::diverging("correlation", 1.0)],
            square: true,
            ..Heatmaps::default()
        };
        let white = if white { " White noise would be coloured on the diagonal alone." } else { "" };
        let caption = format!(
            "Correlation over models between the prediction at (x, t) and at (x, t′): rows are positions. Where it stays near 1, \
             a model errs the same way all along a path, and the paths that share the model move together.{white}"
        );
        Some(Picture::new(
            ("time_correlation", Place::Prediction),
            maps,
            caption,
            "Correlation between times of the learned prediction at fixed positions",
        ))
    }
}
