//! The density of x₀ at each level, in the plane.

use super::{Picture, Place, ReportFigure, data_points, levels_with};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::Saved;
use crate::report::levels::{card, label};

/// One map a level, on one colour scale.
pub struct DensityPlanes;

impl ReportFigure for DensityPlanes {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let (x, y) = (arrays.vector("x_edges")?, arrays.vector("y_edges")?);
        let range = |edges: &[f64]| Some((*edges.first()?, *edges.last()?));
        let (nx, ny) = (x.len().checked_sub(1)?, y.len().checked_sub(1)?);
        let (x, y) = (range(&x)?, range(&y)?);
        let points: Vec<[f64; 2]> =
            data_points(arrays).iter().filter_map(|p| <[f64; 2]>::try_from(&p[..]).ok()).collect();
        let panel = |level: &str| {
            let density = arrays.matrix(&format!("{level}_density")).filter(|m| m.dim() == (nx, ny))?;
            let (title, values, points) = (label(level), density.iter().copied().collect(), points.clone());
            Some((card(level).role.is_spiky(), HeatPanel { title, values, nx, ny, x, y, points, scale: 0 }))
        };
        let found: Vec<(bool, HeatPanel)> =
            levels_with(arrays, "_density").into_iter().filter_map(panel).collect();
        let peak = |spiky: bool| {
            let values = found.iter().filter(|(s, _)| *s == spiky).flat_map(|(_, p)| &p.values);
            values.copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
        };
        let top = if peak(false) > 0.0 { peak(false) } else { peak(true) };
        let cut = peak(true) > top;
        if found.is_empty() {
            return None;
        }
        let maps = Heatmaps {
            panels: found.into_iter().map(|(_, panel)| panel).collect(),
            columns: 3,
            x_label: "first coordinate of x₀".into(),
            y_label: "second coordinate of x₀".into(),
            scales: vec![ColorScale::new(
                "density (1/units of x²)",
                Some((0.0, if top > 0.0 { top } else { 1.0 })),
            )],
            square: true,
        };
        let cut = if cut { " The data and the PF-ODE exceed the scale, which the others set." } else { "" };
        let caption =
            format!("Average density of x₀ at each level, on one colour scale; dots: the data.{cut}");
        Some(Picture::new(
            ("density", Place::Answer),
            maps,
            caption,
            "Heatmaps of the density of each level on one colour scale",
        ))
    }
}
