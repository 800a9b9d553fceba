//! The claim at a glance: data, true score, theory and ensemble on one scale, and below them their distances to the ensemble.

use super::density_planes::density_maps;
use super::distances::distance_plot;
use super::{Picture, Place, ReportFigure};
use crate::plot::Stacked;
use crate::record::Saved;
use crate::report::levels::{DATA, ENSEMBLE, MEAN_SCORE, TRUE_SCORE, key};
use crate::report::view::main_theory;

/// In the plane.
pub struct Overview;

impl ReportFigure for Overview {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let theory = main_theory(&saved.record)?;
        let shown = [DATA, TRUE_SCORE, &theory, ENSEMBLE];
        let (maps, cut) = density_maps(saved, |level| shown.contains(&level), shown.len())?;
        let rows = [DATA, TRUE_SCORE, MEAN_SCORE, &theory].map(|level| (key(level), level, ENSEMBLE));
        let distances = distance_plot(&saved.record, rows.to_vec())?;
        let cut = if cut { " The data and the PF-ODE exceed the scale, which the others set." } else { "" };
        let caption = format!(
            "What is learned, and what was said of it: the average density of x₀ of the data, of sampling with the true score, as the \
             theory predicts it, and of the trained ensemble, on one colour scale (a power of the density); rings: the data.{cut} \
             Below, how far each is from the trained ensemble: a prediction is right where its dot lies at its floor."
        );
        let alt =
            "Densities of data, true score, theory and trained ensemble, and their distances to the ensemble";
        let parts = Stacked { parts: vec![Box::new(maps), Box::new(distances)] };
        Some(Picture::new(("overview", Place::Answer), parts, caption, alt))
    }
}
