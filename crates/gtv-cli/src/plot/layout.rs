//! Equal panels in rows and columns on a page, with room around and between them for axes and titles.

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
    /// Rows of panels, at least 1.
    pub fn rows(&self) -> usize {
        self.panels.div_ceil(self.columns).max(1)
    }

    /// Width and height of the page.
    pub fn size(&self) -> (f64, f64) {
        let [left, top, right, bottom] = self.margins;
        let along = |n: usize, cell: f64, gap: f64| n as f64 * cell + (n as f64 - 1.0) * gap;
        let (width, height) =
            (along(self.columns, self.cell.0, self.gap.0), along(self.rows(), self.cell.1, self.gap.1));
        (left + width + right, top + height + bottom)
    }

    /// The panel of this number, counted row by row.
    pub fn rect(&self, i: usize) -> Rect {
        let (row, column) = ((i / self.columns) as f64, (i % self.columns) as f64);
        let (x0, y0) = (
            self.margins[0] + column * (self.cell.0 + self.gap.0),
            self.margins[1] + row * (self.cell.1 + self.gap.1),
        );
        Rect { x0, y0, x1: x0 + self.cell.0, y1: y0 + self.cell.1 }
    }

    /// Whether the panel is the first of its row.
    pub fn is_first(&self, i: usize) -> bool {
        i.is_multiple_of(self.columns)
    }

    /// Whether there is no panel below.
    pub fn is_lowest(&self, i: usize) -> bool {
        i + self.columns >= self.panels
    }
}
