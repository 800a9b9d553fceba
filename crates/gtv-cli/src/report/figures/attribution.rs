//! Distances between neighbours on the way from the data to the ensemble.

use super::distances::distance_plot;
use super::{Picture, Place, ReportFigure};
use crate::plot::Key;
use crate::record::Saved;
use crate::report::levels::{ENSEMBLE, card};
use crate::report::view::chain;

/// One row a step.
pub struct Attribution;

impl ReportFigure for Attribution {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let chain = chain(&saved.record);
        let steps = chain.windows(2).map(|w| {
            let (from, to) = (card(&w[0]), card(&w[1]));
            let role = if w[1] == ENSEMBLE { from.role } else { to.role };
            let label = format!("{} → {}", from.short, to.short);
            (Key { label, role }, w[0].as_str(), w[1].as_str())
        });
        Some(Picture::new(
            ("attribution", Place::Attribution),
            distance_plot(&saved.record, steps.collect())?,
            "The same distances between neighbours on the way from the data to the ensemble: each step adds one effect. Steps do \
             not add up; distances obey only the triangle inequality.",
            "Distances between neighbouring levels",
        ))
    }
}
