//! The shape of the learned score's distribution over models.

use super::maps::{Places, diverging_to};
use super::{Picture, Place, ReportFigure};
use crate::plot::{HeatPanel, Heatmaps};
use crate::record::Saved;
use crate::report::levels::ENSEMBLE;
use crate::report::number::plain;
use crate::report::view::models;

/// Share of the values that the scale reaches.
const REACH: f64 = 0.98;

/// Maps of skewness and excess kurtosis.
pub struct Shape;

impl ReportFigure for Shape {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let (record, arrays) = (&saved.record, &saved.arrays);
        let places = Places::line(arrays).or_else(|| Places::plane(arrays))?;
        let map = |scale: usize, source: &str, title: &str| -> Option<Vec<HeatPanel>> {
            let panels = places.panels(arrays, source, title, |v| v)?;
            Some(panels.into_iter().map(|p| HeatPanel { scale, ..p }).collect())
        };
        let rows = [map(0, "skewness", "skewness")?, map(1, "kurtosis", "excess kurtosis")?];
        let (x_label, y_label) = places.labels();
        let maps = Heatmaps {
            columns: rows[0].len(),
            panels: rows.concat(),
            x_label,
            y_label,
            scales: vec![
                diverging_to("skewness", REACH, &rows[0]),
                diverging_to("excess kurtosis", REACH, &rows[1]),
            ],
            square: places.is_plane(),
            ..Heatmaps::default()
        };
        let n = record.gaussianity.as_ref().map_or_else(|| models(record, ENSEMBLE), |g| g.models);
        let error = |k: f64| if n > 0 { plain((k / n as f64).sqrt()) } else { "–".into() };
        let caption = format!(
            "Skewness and excess kurtosis over models of the learned score at (x, t); both are 0 for a Gaussian law, with \
             standard errors √(6/N) = {} and √(24/N) = {} at a point. Grey: too little variance to have a shape. The scales end \
             at the {} % quantile of the size.",
            error(6.0),
            error(24.0),
            100.0 * REACH
        );
        let alt = "Maps of the skewness and the excess kurtosis of the learned score over models";
        Some(Picture::new(("gaussianity_maps", Place::Gaussianity), maps, caption, alt))
    }
}
