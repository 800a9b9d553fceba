//! Samples above two dimensions, on the first principal axes of the data.

use super::{Picture, Place, ReportFigure};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::{Arrays, Saved};
use crate::report::levels::{OWN_MOMENTS, card, closure, ranked};
use crate::report::view::main_theory;

/// One row a pair of axes, one column a level.
pub struct Projections;

/// Cells along each axis.
const CELLS: usize = 40;
/// Share of the coordinates that the range holds on either side.
const HELD: f64 = 0.998;
/// Data shown as marks.
const MARKS: usize = 150;

impl ReportFigure for Projections {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        if saved.record.image_shape.is_some() {
            return None;
        }
        let arrays = &saved.arrays;
        let data = rows(arrays, "projected_points")?;
        let axes = data.first()?.len();
        let main = main_theory(&saved.record);
        let on_the_way =
            |l: &&str| *l != OWN_MOMENTS && (closure(l).is_none() || main.as_deref().is_none_or(|m| m == *l));
        let names = arrays.names().filter_map(|n| n.strip_prefix("projected_"));
        let levels = ranked(names.filter(|n| *n != "points")).into_iter().filter(on_the_way);
        let samples: Vec<(&str, Vec<Vec<f64>>)> =
            levels.filter_map(|l| Some((l, rows(arrays, &format!("projected_{l}"))?))).collect();
        let reach = reach(samples.iter().flat_map(|(_, rows)| rows).flatten().copied())?;
        let pairs: Vec<(usize, usize)> = (0..axes).flat_map(|a| (a + 1..axes).map(move |b| (a, b))).collect();
        let step = data.len().div_ceil(MARKS);
        let marks = |(a, b): (usize, usize)| data.iter().step_by(step).map(move |p| [p[a], p[b]]).collect();
        let panel = |pair: (usize, usize), level: &str, rows: &[Vec<f64>]| HeatPanel {
            title: format!("{}, {}–{}", card(level).short, pair.0 + 1, pair.1 + 1),
            values: counted(rows, pair, reach),
            nx: CELLS,
            ny: CELLS,
            x: (-reach, reach),
            y: (-reach, reach),
            points: marks(pair),
            ..HeatPanel::default()
        };
        let panels: Vec<HeatPanel> = pairs
            .iter()
            .flat_map(|pair| samples.iter().map(|(level, rows)| panel(*pair, level, rows)))
            .collect();
        let all: Vec<f64> = panels.iter().flat_map(|p| &p.values).copied().collect();
        let maps = Heatmaps {
            columns: samples.len().max(1),
            panels,
            x_label: "first axis named".into(),
            y_label: "second".into(),
            scales: vec![ColorScale::power("density (1/units of x²)", all.into_iter())],
            square: true,
            ..Heatmaps::default()
        };
        let caption = "Samples of each level on pairs of the first principal axes of the data, which each panel names, from their mean in \
                       units of x, on one colour scale that shows ridges and gaps; rings: data.";
        let alt = "Densities of samples of each level on the first principal axes of the data";
        (!maps.panels.is_empty()).then(|| Picture::new(("projections", Place::Answer), maps, caption, alt))
    }
}

fn rows(arrays: &Arrays, name: &str) -> Option<Vec<Vec<f64>>> {
    let matrix = arrays.matrix(name).filter(|m| m.nrows() > 0 && m.ncols() > 1)?;
    Some(matrix.rows().into_iter().map(|r| r.to_vec()).collect())
}

/// A symmetric range that holds nearly all coordinates.
fn reach(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sizes: Vec<f64> = values.map(f64::abs).filter(|v| v.is_finite()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let held = sizes.get((HELD * sizes.len().saturating_sub(1) as f64) as usize)?;
    (*held > 0.0).then_some(1.1 * held)
}

/// A histogram's density over the square of a range, x first.
fn counted(rows: &[Vec<f64>], (a, b): (usize, usize), reach: f64) -> Vec<f64> {
    let width = 2.0 * reach / CELLS as f64;
    let cell = |v: f64| {
        let i = ((v + reach) / width).floor();
        (i >= 0.0 && i < CELLS as f64).then_some(i as usize)
    };
    let mut density = vec![0.0; CELLS * CELLS];
    for row in rows {
        if let Some((i, j)) = cell(row[a]).zip(cell(row[b])) {
            density[i * CELLS + j] += 1.0 / (rows.len() as f64 * width * width);
        }
    }
    density
}
