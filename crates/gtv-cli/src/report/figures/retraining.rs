//! What retrainings on other data would generate, told by one trained network: its density with predicted quartiles, in one dimension.

use super::density::{Bins, data_on_axis};
use super::{Picture, Place, ReportFigure};
use crate::plot::{Densities, DensityPanel};
use crate::record::Saved;
use crate::report::levels::{ENSEMBLE, MEAN_SCORE};
use crate::report::view::one_run_level;

/// The network's own density, the average of its retrainings with their quartiles, and the ensemble's beside it where there is one.
pub struct Retraining;

impl ReportFigure for Retraining {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let level = one_run_level(&saved.record)?;
        let (bins, arrays) = (Bins::of(saved)?, &saved.arrays);
        let panel = |title: &str, levels: &[(&str, bool)]| {
            let curves: Vec<_> = levels.iter().filter_map(|(l, band)| bins.curve(arrays, l, *band)).collect();
            (curves.len() == levels.len()).then(|| DensityPanel {
                title: title.into(),
                x: bins.x.clone(),
                curves,
                data: data_on_axis(arrays),
            })
        };
        let predicted = panel("predicted from single runs", &[(MEAN_SCORE, false), (&level, true)])?;
        let measured = panel("measured", &[(ENSEMBLE, true)]);
        let panels: Vec<DensityPanel> = std::iter::once(predicted).chain(measured).collect();
        let caption = format!(
            "Density of x₀ of the trained network, and of its retrainings on other data as it predicts them{}; the band holds the \
             middle half of the retrainings at each x₀. Triangles on the axis mark the data.",
            bins.said()
        );
        let alt = "Density of a trained network with the predicted quartiles of its retrainings";
        let columns = panels.len();
        Some(Picture::new(("retraining", Place::OneRun), Densities { panels, columns }, caption, alt))
    }
}
