//! The density of x₀ at each level, in one dimension.

use super::{Picture, Place, ReportFigure, data_points, levels_with};
use crate::plot::{Curve, Densities, DensityPanel};
use crate::record::{Arrays, Saved};
use crate::report::levels::{ENSEMBLE, OWN_MOMENTS, closure, key};
use crate::report::view::main_theory;

/// All levels but those beside the main theory, in one panel.
pub struct Density;

impl ReportFigure for Density {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let x = centres(arrays)?;
        let main = main_theory(&saved.record);
        let mut levels = levels_with(arrays, "_density");
        levels.retain(|l| {
            *l != OWN_MOMENTS && (closure(l).is_none() || main.as_deref().is_none_or(|m| m == *l))
        });
        // The theory is drawn last: it is the thinner line of the two that should coincide.
        levels.sort_by_key(|l| closure(l).is_some());
        let curves: Vec<Curve> =
            levels.into_iter().filter_map(|l| curve(arrays, l, x.len(), l == ENSEMBLE)).collect();
        if curves.is_empty() {
            return None;
        }
        let panel = DensityPanel { title: String::new(), x, curves, data: data_on_axis(arrays) };
        Some(Picture::new(
            ("density", Place::Answer),
            Densities { panels: vec![panel], columns: 1 },
            "Average density of x₀ at each level. Triangles on the axis mark the data; the band holds the middle half of the \
             trained models at each x₀. Peaks of the data or the PF-ODE that would flatten the rest are cut, with their height \
             written above.",
            "Densities of the data, the exact PF-ODE, the mean score, the theory and the trained ensemble",
        ))
    }
}

/// Centres of the bins, in one dimension.
pub fn centres(arrays: &Arrays) -> Option<Vec<f64>> {
    if arrays.get("y_edges").is_some() {
        return None;
    }
    Some(arrays.vector("x_edges")?.windows(2).map(|e| 0.5 * (e[0] + e[1])).collect())
}

/// The density of a level over `bins` bins, with its quartiles between models if wanted.
pub fn curve(arrays: &Arrays, level: &str, bins: usize, band: bool) -> Option<Curve> {
    let of = |what: &str| arrays.vector(&format!("{level}_{what}")).filter(|d| d.len() == bins);
    let band = if band { of("q25").zip(of("q75")) } else { None };
    Some(Curve { key: key(level), density: of("density")?, band })
}

/// Positions of the data.
pub fn data_on_axis(arrays: &Arrays) -> Vec<f64> {
    data_points(arrays).into_iter().filter_map(|p| p.first().copied()).collect()
}
