//! Equal panels in rows and columns on a page, with room around and between them for axes and titles.

use super::axes::Axis;
use super::canvas::Rect;
use super::sheet::Sheet;

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

/// The least width of a panel with its numbers, and of one that stands alone in a column.
const LEAST: f64 = 60.0;
const LEAST_ALONE: f64 = 130.0;

impl Layout {
    /// The same on a sheet: as wide as its columns are, with fewer panels a row where they would get too narrow.
    pub fn on(self, sheet: Sheet) -> Self {
        let Some((alone, beside)) = sheet.widths() else { return self };
        let room = |width: f64, columns: usize| {
            let gaps = (columns as f64 - 1.0) * self.gap.0;
            (width - self.margins[0] - self.margins[2] - gaps) / columns as f64
        };
        let (columns, width) = if self.columns == 1 && room(alone, 1) >= LEAST_ALONE {
            (1, room(alone, 1))
        } else {
            let fit = (1..=self.columns).rev().find(|&n| room(beside, n) >= LEAST).unwrap_or(1);
            // A row that is too long becomes rows of about equal length.
            let rows = self.panels.max(1).div_ceil(fit);
            let columns = if self.columns >= self.panels { self.panels.max(1).div_ceil(rows) } else { fit };
            (columns, room(beside, columns))
        };
        Self { columns, cell: (width, width * self.cell.1 / self.cell.0), ..self }
    }

    /// With so much more space above all panels.
    pub fn below(self, above: f64) -> Self {
        let [left, top, right, bottom] = self.margins;
        Self { margins: [left, top + above, right, bottom], ..self }
    }

    /// With so much more space above each row of panels.
    pub fn spaced(self, above: f64) -> Self {
        Self { gap: (self.gap.0, self.gap.1 + above), ..self.below(above) }
    }

    /// Width of all panels of a row, without the space between them.
    pub fn inner_width(&self) -> f64 {
        self.columns as f64 * self.cell.0
    }

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
