//! What figures over position and time share: maps over (x, t) in one dimension, over the plane at some times in two.

use crate::plot::{ColorScale, HeatPanel};
use crate::record::Arrays;
use crate::report::number::significant;

/// Most times shown as rows of maps over the plane, and most positions of correlations in time.
const MOST_ROWS: usize = 3;

/// Where maps have their values.
pub enum Places {
    /// Positions and times.
    Line {
        /// Positions.
        x: Vec<f64>,
        /// Times.
        t: Vec<f64>,
    },
    /// The plane at some times.
    Plane {
        /// First coordinates.
        x: Vec<f64>,
        /// Second coordinates.
        y: Vec<f64>,
        /// Times.
        t: Vec<f64>,
    },
}

impl Places {
    /// Those of maps over (x, t).
    pub fn line(arrays: &Arrays) -> Option<Self> {
        let [x, t] = ["map_x", "map_t"].map(|n| arrays.vector(n).filter(|v| !v.is_empty()));
        Some(Self::Line { x: x?, t: t? })
    }

    /// Those of maps over the plane.
    pub fn plane(arrays: &Arrays) -> Option<Self> {
        let [x, y, t] = ["plane_x", "plane_y", "plane_t"].map(|n| arrays.vector(n).filter(|v| !v.is_empty()));
        Some(Self::Plane { x: x?, y: y?, t: t? })
    }

    /// The map of `source` as panels: one over (x, t), or one for each time shown. None where there is no such array.
    pub fn panels(
        &self,
        arrays: &Arrays,
        source: &str,
        title: &str,
        value: fn(f64) -> f64,
    ) -> Option<Vec<HeatPanel>> {
        let ends = around;
        Some(match self {
            Self::Line { x, t } => {
                let map =
                    arrays.matrix(&format!("{source}_map")).filter(|m| m.dim() == (t.len(), x.len()))?;
                vec![HeatPanel {
                    title: title.to_owned(),
                    values: map.t().iter().map(|v| value(*v)).collect(),
                    nx: x.len(),
                    ny: t.len(),
                    x: ends(x),
                    y: ends(t),
                    ..HeatPanel::default()
                }]
            }
            Self::Plane { x, y, t } => {
                let shape = [t.len(), x.len(), y.len()];
                let map = arrays.get(&format!("{source}_plane")).filter(|a| a.shape() == shape)?;
                let panel = |k: usize| HeatPanel {
                    title: format!("{title}, t = {}", significant(t[k], 2)),
                    values: map.outer_iter().nth(k).into_iter().flatten().map(|v| value(*v)).collect(),
                    nx: x.len(),
                    ny: y.len(),
                    x: ends(x),
                    y: ends(y),
                    ..HeatPanel::default()
                };
                evenly(t.len()).into_iter().map(panel).collect()
            }
        })
    }

    /// Labels of the two axes.
    pub fn labels(&self) -> (String, String) {
        let (x, y) = match self {
            Self::Line { .. } => ("x", "time t"),
            Self::Plane { .. } => ("x₁", "x₂"),
        };
        (x.to_owned(), y.to_owned())
    }

    /// Whether both axes have one unit.
    pub fn is_plane(&self) -> bool {
        matches!(self, Self::Plane { .. })
    }
}

/// The range of cells that have evenly spaced nodes as their middles.
pub fn around(nodes: &[f64]) -> (f64, f64) {
    let (first, last) = (nodes.first().copied().unwrap_or(0.0), nodes.last().copied().unwrap_or(0.0));
    let half = 0.5 * (last - first) / nodes.len().saturating_sub(1).max(1) as f64;
    (first - half, last + half)
}

/// At most [`MOST_ROWS`] of `count` places, the first and the last among them.
pub fn evenly(count: usize) -> Vec<usize> {
    let rows = count.min(MOST_ROWS);
    (0..rows).map(|i| if rows < 2 { 0 } else { (i * (count - 1)) / (rows - 1) }).collect()
}

/// Row by row from columns of equal length, one a source.
pub fn rows_of(columns: &[Vec<HeatPanel>]) -> Vec<HeatPanel> {
    let rows = columns.first().map_or(0, Vec::len);
    (0..rows).flat_map(|k| columns.iter().filter_map(move |c| c.get(k)).cloned()).collect()
}

/// A diverging scale over the sizes of the values but for the largest `1 − share` of them, which would pale the rest.
pub fn diverging_to<'a>(
    label: &str,
    share: f64,
    panels: impl IntoIterator<Item = &'a HeatPanel>,
) -> ColorScale {
    let values = panels.into_iter().flat_map(|p| &p.values);
    let mut sizes: Vec<f64> = values.map(|v| v.abs()).filter(|v| v.is_finite()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let at = (share * sizes.len() as f64) as usize;
    let reach = sizes.get(at.min(sizes.len().saturating_sub(1))).copied().filter(|r| *r > 0.0);
    ColorScale::diverging(label, reach.unwrap_or(1.0))
}
