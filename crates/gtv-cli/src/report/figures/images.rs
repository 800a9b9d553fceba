//! Samples that are images.

use super::{Picture, Place, ReportFigure};
use crate::plot::{ImageGrid, ImageRow};
use crate::record::Saved;
use crate::report::levels::{label, ranked};

/// Samples of each level, each with its nearest datum.
pub struct Images;

impl ReportFigure for Images {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let (shape, arrays) = (saved.record.image_shape?, &saved.arrays);
        let levels = ranked(arrays.names().filter_map(|n| n.strip_prefix("samples_")));
        let flat = |name: String| arrays.get(&name).map(|a| a.iter().copied().collect::<Vec<f64>>());
        let row = |level: &str| {
            Some(ImageRow {
                label: label(level),
                samples: flat(format!("samples_{level}"))?,
                nearest: flat(format!("nearest_{level}")).unwrap_or_default(),
            })
        };
        let rows: Vec<ImageRow> = levels.into_iter().filter_map(row).collect();
        (!rows.is_empty()).then(|| {
            Picture::new(
                ("images", Place::Samples),
                ImageGrid { rows, shape },
                "Samples of each level, in no selected order, and below each the datum nearest to it. A copy of its nearest datum \
                 is memorized; a different image is not.",
                "Images sampled at each level with their nearest data",
            )
        })
    }
}
