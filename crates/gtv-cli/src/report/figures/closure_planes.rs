//! Each closure's density beside the trained ensemble's, in the plane.

use super::density_planes::density_maps;
use super::{Picture, Place, ReportFigure};
use crate::record::Saved;
use crate::report::levels::{ENSEMBLE, OWN_MOMENTS, closure};

/// One map a closure, where there is more than the one that stands under the answer.
pub struct ClosurePlanes;

impl ReportFigure for ClosurePlanes {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let predicts = |l: &str| closure(l).is_some() || l == OWN_MOMENTS || l == ENSEMBLE;
        let (maps, _) = density_maps(saved, predicts, 4)?;
        let caption = "Each closure and the trained ensemble, on one colour scale. The Gaussian with the ensemble's own moments \
                       shows what a Gaussian closure gives when mean and covariance are right.";
        let alt = "Heatmaps of the density of each closure and of the ensemble";
        (maps.panels.len() > 2).then(|| Picture::new(("closures", Place::Levels), maps, caption, alt))
    }
}
