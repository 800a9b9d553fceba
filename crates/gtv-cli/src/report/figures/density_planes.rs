//! The density of x₀ at each level, in the plane.

use super::{Picture, Place, ReportFigure, data_points, levels_with};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::Saved;
use crate::report::levels::{OWN_MOMENTS, card, closure, label};
use crate::report::view::main_theory;

/// The way from the data to the ensemble, side by side.
pub struct DensityPlanes;

impl ReportFigure for DensityPlanes {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let main = main_theory(&saved.record);
        let on_the_way =
            |l: &str| l != OWN_MOMENTS && (closure(l).is_none() || main.as_deref().is_none_or(|m| m == l));
        let (maps, cut) = density_maps(saved, on_the_way, 5)?;
        let cut = if cut { " The data and the PF-ODE exceed the scale, which the others set." } else { "" };
        let caption = format!(
            "Average density of x₀ at each level, on one colour scale that shows ridges and gaps (a power of the density); \
             rings: the data.{cut}"
        );
        let alt = "Heatmaps of the density of each level on one colour scale";
        Some(Picture::new(("density", Place::Answer), maps, caption, alt))
    }
}

/// Maps of the levels that are wanted, at most so many a row, and whether a spiky one exceeds the scale.
pub fn density_maps(
    saved: &Saved,
    wanted: impl Fn(&str) -> bool,
    columns: usize,
) -> Option<(Heatmaps, bool)> {
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
        Some((
            card(level).role.is_spiky(),
            HeatPanel { title, values, nx, ny, x, y, points, ..HeatPanel::default() },
        ))
    };
    let levels = levels_with(arrays, "_density").into_iter().filter(|l| wanted(l));
    let found: Vec<(bool, HeatPanel)> = levels.filter_map(panel).collect();
    let values = |spiky: bool| {
        let panels = found.iter().filter(move |(s, _)| *s == spiky);
        panels.flat_map(|(_, p)| &p.values).copied().filter(|v| v.is_finite())
    };
    let all_spiky = values(false).all(|v| v <= 0.0);
    let scale = ColorScale::power("density (1/units of x²)", values(all_spiky));
    let cut = !all_spiky && scale.range.is_some_and(|(_, top)| values(true).any(|v| v > top));
    let panels: Vec<HeatPanel> = found.into_iter().map(|(_, panel)| panel).collect();
    (!panels.is_empty()).then(|| {
        let (x_label, y_label) = ("first coordinate of x₀".into(), "second coordinate of x₀".into());
        let scales = vec![scale];
        (
            Heatmaps {
                columns: panels.len().min(columns),
                panels,
                x_label,
                y_label,
                scales,
                square: true,
                ..Heatmaps::default()
            },
            cut,
        )
    })
}
