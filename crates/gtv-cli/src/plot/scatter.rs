//! The theory's variance of the learned score against the ensemble's, probe point by probe point.

use super::axes::{Axis, CENTER, Panel};
use super::canvas::{Figure, Page, Stroke};
use super::layout::Layout;
use super::numbers::Numbers;
use super::sheet::Sheet;
use super::style::{Key, SOFT, faded};

/// One closure's variances.
#[derive(Debug, Clone)]
pub struct ScatterPanel {
    /// Title and colour.
    pub key: Key,
    /// (ensemble, theory) at each probe point.
    pub pairs: Vec<(f64, f64)>,
}

/// Panels side by side with the same axes, logarithmic both ways.
#[derive(Debug, Clone, Default)]
pub struct Scatter {
    /// The closures.
    pub panels: Vec<ScatterPanel>,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
}

const SIDE: f64 = 220.0;

impl Scatter {
    fn layout(&self, sheet: Sheet) -> Layout {
        let panels = self.panels.len();
        let columns = if panels == 4 { 2 } else { panels.clamp(1, 3) };
        Layout { panels, columns, cell: (SIDE, SIDE), margins: [72.0, 28.0, 32.0, 64.0], gap: (24.0, 40.0) }
            .on(sheet)
    }

    /// Both axes: all positive pairs, at most eight decades down from the largest.
    fn range(&self) -> (f64, f64) {
        let all = self.panels.iter().flat_map(|p| &p.pairs).flat_map(|&(a, b)| [a, b]);
        let positive: Vec<f64> = all.filter(|v| v.is_finite() && *v > 0.0).collect();
        let hi = positive.iter().copied().fold(0.0, f64::max);
        let lo = positive.iter().copied().fold(f64::INFINITY, f64::min);
        if hi > 0.0 { ((lo / 1.5).max(1e-8 * hi), hi * 1.5) } else { (1e-3, 1.0) }
    }
}

impl Figure for Scatter {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["panel", "x", "y"]);
        for panel in &self.panels {
            for (x, y) in &panel.pairs {
                numbers.push(&[&panel.key.label], [Some(*x), Some(*y)]);
            }
        }
        numbers
    }

    fn size(&self, sheet: Sheet) -> (f64, f64) {
        self.layout(sheet).size()
    }

    fn paint(&self, page: &Page) {
        let layout = self.layout(page.sheet());
        let (lo, hi) = self.range();
        if self.panels.is_empty() {
            return page.text((0.5 * layout.size().0, 60.0), "no probe points were saved", CENTER);
        }
        for (i, part) in self.panels.iter().enumerate() {
            let (x, y) = layout.shared(i, Axis::log(lo, hi, &self.x_label), Axis::log(lo, hi, &self.y_label));
            let panel = Panel::new(page, layout.rect(i), x, y);
            panel.grid_x();
            panel.grid_y();
            page.line(&[panel.at(lo, lo), panel.at(hi, hi)], Stroke::dashed(SOFT, 1.0, 4.0, 3.0));
            let inside = |v: f64| v >= lo && v <= hi;
            for &(a, b) in part.pairs.iter().filter(|(a, b)| inside(*a) && inside(*b)) {
                page.disc(panel.at(a, b), 2.6, faded(part.key.role.color(), 0.65));
            }
            panel.axes();
            panel.title(&part.key.label, 12.0);
        }
    }
}
