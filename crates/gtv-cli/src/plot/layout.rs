//! Equal panels in rows and columns on a page, with room around and between them for axes and titles.

use super::axes::Axis;
use super::canvas::Rect;

/// A grid of panels, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Number of panels.
    pub panels: usize,
    /// Panels a row, at least 1.
    pub columns: usize,
    /// Width and height of a panel.
    pub cell: (f64, f64),
    /// Space left of, above, right of and below all panels.
    pub margins: [f64; 4],
    /// Space between neighbours in a row, and between rows.
    pub gap: (f64, f64),
}

impl Layout {
    /// Width and height of the page.
    pub fn size(&self) -> (f64, f64) {
        let [left, top, right, bottom] = self.margins;
        let rows = self.panels.div_ceil(self.columns).max(1);
        let along = |n: usize, cell: f64, gap: f64| n as f64 * cell + (n as f64 - 1.0) * gap;
        let width = along(self.columns, self.cell.0, self.gap.0);
        (left + width + right, top + along(rows, self.cell.1, self.gap.1) + bottom)
    }

    /// The panel of this number, counted row by row.
    pub fn rect(&self, i: usize) -> Rect {
        let (row, column) = ((i / self.columns) as f64, (i % self.columns) as f64);
        let x0 = self.margins[0] + column * (self.cell.0 + self.gap.0);
        let y0 = self.margins[1] + row * (self.cell.1 + self.gap.1);
        Rect { x0, y0, x1: x0 + self.cell.0, y1: y0 + self.cell.1 }
    }

    /// The axes of a panel where all share them: numbers and labels stand at the left and the lower edge only.
    pub fn shared(&self, i: usize, x: Axis, y: Axis) -> (Axis, Axis) {
        let lowest = i + self.columns >= self.panels;
        (if lowest { x } else { x.bare() }, if i.is_multiple_of(self.columns) { y } else { y.bare() })
    }
}
