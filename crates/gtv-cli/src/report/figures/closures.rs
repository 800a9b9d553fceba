//! Each closure's density against the trained ensemble's, in one dimension.

use super::density::{Bins, data_on_axis};
use super::{Picture, Place, ReportFigure, levels_with};
use crate::plot::{Curve, Densities, DensityPanel};
use crate::record::Saved;
use crate::report::levels::{ENSEMBLE, OWN_MOMENTS, card, closure};
use crate::report::number::plain;

/// One panel a closure, with the spread between models.
pub struct Closures;

impl ReportFigure for Closures {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let bins = Bins::of(saved)?;
        let ensemble = bins.curve(arrays, ENSEMBLE, true)?;
        let data = data_on_axis(arrays);
        let (mut panels, mut widths) = (Vec::new(), Vec::new());
        for level in levels_with(arrays, "_density") {
            if closure(level).is_none() && level != OWN_MOMENTS {
                continue;
            }
            let Some(predicted) = bins.curve(arrays, level, true) else { continue };
            if let Some(ratio) = band_ratio(&ensemble, &predicted) {
                widths.push(format!("{} {}", closure(level).unwrap_or(&card(level).short), plain(ratio)));
            }
            let curves = vec![ensemble.clone(), predicted];
            panels.push(DensityPanel {
                title: card(level).label,
                x: bins.x.clone(),
                curves,
                data: data.clone(),
            });
        }
        if panels.is_empty() {
            return None;
        }
        let widths = if widths.is_empty() {
            String::new()
        } else {
            format!(
                " Mean width of the predicted band over that of the measured one, both weighted by the ensemble's density: {}.",
                widths.join(", ")
            )
        };
        let caption = format!(
            "Each closure against the trained ensemble{}. Bands: quartiles between models, predicted and measured. The Gaussian \
             with the ensemble's own moments shows what a Gaussian closure gives when mean and covariance are right.{widths}",
            bins.said()
        );
        let columns = panels.len().min(2);
        let figure = Densities { panels, columns };
        Some(Picture::new(
            ("closures", Place::Levels),
            figure,
            caption,
            "Densities of each closure and of the ensemble",
        ))
    }
}

/// Σ ρ (q75 − q25) of the prediction over that of the ensemble, ρ the ensemble's density.
fn band_ratio(ensemble: &Curve, predicted: &Curve) -> Option<f64> {
    let width = |curve: &Curve| -> Option<f64> {
        let (lo, hi) = curve.band.as_ref()?;
        Some(lo.iter().zip(hi).zip(&ensemble.density).map(|((lo, hi), rho)| rho * (hi - lo)).sum())
    };
    let ratio = width(predicted)? / width(ensemble)?;
    ratio.is_finite().then_some(ratio)
}
