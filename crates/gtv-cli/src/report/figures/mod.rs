//! The figures of a report. Each is one file with one type, and one line in [`FIGURES`]; one that is drawn is shown, in the
//! section it names.

mod attribution;
mod boundary;
mod closure_planes;
mod closures;
mod correlation;
mod density;
mod density_planes;
mod distances;
mod images;
pub mod live;
mod maps;
mod overview;
mod projections;
mod retraining;
mod shape;
mod uncertainty;
mod variances;

use std::path::Path;

use anyhow::{Context, Result};

use super::levels::{closure, ranked};
use super::sections::Place;
use crate::plot::{Figure, Sheet};
use crate::record::{Arrays, Saved};

/// Every figure, in the order of the report.
pub const FIGURES: &[&dyn ReportFigure] = &[
    &overview::Overview,
    &density::Density,
    &density_planes::DensityPlanes,
    &projections::Projections,
    &closures::Closures,
    &closure_planes::ClosurePlanes,
    &distances::Distances,
    &attribution::Attribution,
    &variances::Variances,
    &boundary::Boundary,
    &correlation::Correlation,
    &shape::Shape,
    &retraining::Retraining,
    &uncertainty::Uncertainty,
    &images::Images,
];

/// A figure that a report can have.
pub trait ReportFigure: Sync {
    /// Its picture; none where the record lacks the numbers for it.
    fn picture(&self, saved: &Saved) -> Option<Picture>;
}

/// A picture with its words.
pub struct Picture {
    /// Its file stem and anchor.
    pub id: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it shows and how to read it.
    pub caption: String,
    alt: &'static str,
    figure: Box<dyn Figure>,
}

impl Picture {
    /// A figure with its place and its words, `alt` for readers who cannot see it.
    pub fn new(
        (id, place): (&'static str, Place),
        figure: impl Figure + 'static,
        caption: impl Into<String>,
        alt: &'static str,
    ) -> Self {
        Self { id, place, caption: caption.into(), alt, figure: Box::new(figure) }
    }
}

/// Draws every figure the record has the numbers for, each as `<folder>/<id>.svg`, `.png` and `.pdf` on the given sheet, with its numbers as `.csv`;
/// returns them with the texts of their SVGs for the screen.
///
/// # Errors
/// If a figure cannot be drawn or written.
pub fn draw_all(saved: &Saved, folder: &Path, sheet: Sheet) -> Result<Vec<(Picture, String)>> {
    let draw = |picture: Picture| {
        let (id, alt) = (picture.id, picture.alt);
        let drawn = picture.figure.draw(&folder.join(id), sheet, alt);
        let svg = drawn.with_context(|| format!("figure {id}"))?;
        picture.figure.numbers().write(&folder.join(format!("{id}.csv")))?;
        Ok((picture, svg))
    };
    FIGURES.iter().filter_map(|f| f.picture(saved)).map(draw).collect()
}

/// Levels that have an array `<level><suffix>`, in reading order.
fn levels_with<'a>(arrays: &'a Arrays, suffix: &str) -> Vec<&'a str> {
    ranked(arrays.names().filter_map(|n| n.strip_suffix(suffix)))
}

/// Theory levels with an array `<level><suffix>`, those with the same numbers together: the first of each, and the closures'
/// names.
fn distinct_theories<'a>(arrays: &'a Arrays, suffix: &str) -> Vec<(&'a str, String)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let array = |level: &str| arrays.get(&format!("{level}{suffix}"));
    for level in levels_with(arrays, suffix) {
        let Some(name) = closure(level) else { continue };
        match groups.iter_mut().find(|(first, _)| array(first) == array(level)) {
            Some((_, names)) => names.push(name),
            None => groups.push((level, vec![name])),
        }
    }
    groups.into_iter().map(|(level, names)| (level, names.join(", "))).collect()
}

/// The data, one row each; none where there are too many to be saved.
fn data_points(arrays: &Arrays) -> Vec<Vec<f64>> {
    let rows = arrays.matrix("data").map(|m| m.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>());
    rows.or_else(|| arrays.vector("data").map(|v| v.into_iter().map(|x| vec![x]).collect()))
        .unwrap_or_default()
}
