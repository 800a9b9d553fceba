//! Where the labels are uncertain and where the models differ.

use super::maps::Places;
use super::{Picture, Place, ReportFigure, distinct_theories};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::{Arrays, Saved};
use crate::report::levels::{ENSEMBLE, label};

/// Maps of the label's standard deviation and of the spread between models, measured and predicted: over (x, t) in one
/// dimension, over the plane with a row a source in two.
pub struct Boundary;

impl ReportFigure for Boundary {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let all = [Places::line(arrays), Places::plane(arrays)].into_iter().flatten();
        all.filter_map(|places| boundary(&places, arrays)).next()
    }
}

fn boundary(places: &Places, arrays: &Arrays) -> Option<Picture> {
    let plane = places.is_plane();
    let map = |source: &str, title: &str| places.panels(arrays, source, title, root);
    let on_its_own = |panels: Vec<HeatPanel>| -> Vec<HeatPanel> {
        panels.into_iter().map(|p| HeatPanel { scale: 1, ..p }).collect()
    };
    let labels = if plane { "labels" } else { "labels: √tr Var[y | x, t]" };
    let labels = map("proxy_cov", labels).map(on_its_own);
    let ensemble = if plane { ENSEMBLE.to_owned() } else { label(ENSEMBLE) };
    let measured = map("ensemble_var", &ensemble);
    let top = measured.iter().flatten().flat_map(|p| &p.values).copied().filter(|v| v.is_finite());
    let top = top.fold(0.0, f64::max);
    let suffix = if plane { "_var_plane" } else { "_var_map" };
    let theories = distinct_theories(arrays, suffix).into_iter().filter_map(|(level, closures)| {
        map(&format!("{level}_var"), &if plane { closures } else { format!("theory: {closures}") })
    });
    let has_labels = labels.is_some();
    let models: Vec<Vec<HeatPanel>> = measured.into_iter().chain(theories).collect();
    // A row a source over the plane; one for the labels and one or two for the models over (x, t).
    let columns = match (models.len(), &labels) {
        (0, None) => return None,
        (sources, _) if !plane => sources.clamp(1, 3),
        (_, labels) => labels.iter().chain(&models).map(Vec::len).next()?,
    };
    let mut first = labels.unwrap_or_default();
    first.resize(first.len().next_multiple_of(columns), HeatPanel::blank());
    let between = ColorScale::new(
        "standard deviation of y between models (units of y)",
        (top > 0.0).then_some((0.0, top)),
    );
    let own = has_labels.then(|| ColorScale::new("standard deviation of the label y (units of y)", None));
    let (x_label, y_label) = places.labels();
    let maps = Heatmaps {
        columns,
        panels: [first, models.concat()].concat(),
        x_label,
        y_label,
        scales: std::iter::once(between).chain(own).collect(),
        square: plane,
        ..Heatmaps::default()
    };
    let spread = "tandard deviation between models of the learned prediction y(x, t), measured and predicted, on the measured \
                  one's colour scale.";
    let caption = if has_labels {
        format!(
            "First, on its own scale: how uncertain the training label is at (x, t), √tr Var[y | x, t], the source of C. It is \
             large on the boundaries between data. Then what becomes of it: s{spread}"
        )
    } else {
        format!("S{spread}")
    };
    Some(Picture::new(
        ("variance_maps", Place::Prediction),
        maps,
        caption,
        "Maps of the labels' uncertainty and of the spread of the learned prediction between models",
    ))
}

fn root(v: f64) -> f64 {
    v.max(0.0).sqrt()
}
