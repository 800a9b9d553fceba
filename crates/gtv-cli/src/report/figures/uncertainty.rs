//! Where in (x, t) a trained network's score is least certain, by its own run.

use super::maps::Places;
use super::{Picture, Place, ReportFigure};
use crate::plot::{ColorScale, Heatmaps};
use crate::record::Saved;

/// The map of the standard deviation between retrainings.
pub struct Uncertainty;

impl ReportFigure for Uncertainty {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let places = Places::line(&saved.arrays)?;
        let panels = places.panels(&saved.arrays, "uncertainty", "", |v| v)?;
        let largest =
            panels.iter().flat_map(|p| &p.values).copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let (x_label, y_label) = places.labels();
        let scales = vec![ColorScale::new("standard deviation of σ ŝ", Some((0.0, largest)))];
        let maps = Heatmaps { panels, columns: 1, x_label, y_label, scales, ..Heatmaps::default() };
        let caption = "Standard deviation between retrainings of the predicted noise −σ ŝ(x, t), as the network's own run tells it: \
                       the noise itself has 1 in each coordinate.";
        let alt = "Map over position and time of the predicted standard deviation between retrainings";
        Some(Picture::new(("uncertainty", Place::OneRun), maps, caption, alt))
    }
}
