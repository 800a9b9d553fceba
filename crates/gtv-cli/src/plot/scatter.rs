//! The theory's variance of the learned score against the ensemble's, probe point by probe point.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::axes::{Axis, CENTER, Panel};
use super::canvas::{Figure, Page, Rect, Text};
use super::style::{SOFT, faded, level_style};

/// One closure's variances.
#[derive(Debug, Clone, Default)]
pub struct ScatterPanel {
    /// The level, as `theory_finite-p`: decides the colour.
    pub level: String,
    /// Title.
    pub title: String,
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
    /// What the figure shows, for readers who cannot see it.
    pub alt: String,
}

const SIDE: f64 = 220.0;

impl Scatter {
    fn columns(&self) -> usize {
        if self.panels.len() == 4 { 2 } else { self.panels.len().clamp(1, 3) }
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
    fn alt(&self) -> String {
        self.alt.clone()
    }

    fn size(&self) -> (f64, f64) {
        let rows = self.panels.len().div_ceil(self.columns()).max(1) as f64;
        (80.0 + (SIDE + 24.0) * self.columns() as f64, 30.0 + (SIDE + 62.0) * rows)
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let columns = self.columns();
        let (lo, hi) = self.range();
        if self.panels.is_empty() {
            return page.text((0.5 * self.size().0, 60.0), "no probe points were saved", CENTER);
        }
        for (i, part) in self.panels.iter().enumerate() {
            let (row, column) = ((i / columns) as f64, i % columns);
            let (x0, y0) = (72.0 + (SIDE + 24.0) * column as f64, 28.0 + (SIDE + 62.0) * row);
            let rect = Rect { x0, y0, x1: x0 + SIDE, y1: y0 + SIDE };
            let y = Axis::log(lo, hi, &self.y_label);
            let y = if column == 0 { y } else { y.bare() };
            let panel = Panel::new(page, rect, Axis::log(lo, hi, &self.x_label), y);
            panel.grid_x()?;
            panel.grid_y()?;
            page.dashed(&[panel.at(lo, lo), panel.at(hi, hi)], SOFT, 1.0, (4.0, 3.0))?;
            let inside = |v: f64| v >= lo && v <= hi;
            for &(a, b) in part.pairs.iter().filter(|(a, b)| inside(*a) && inside(*b)) {
                page.disc(panel.at(a, b), 2.6, faded(level_style(&part.level).color, 0.65))?;
            }
            panel.axis_x()?;
            panel.axis_y()?;
            let title = Text { bold: true, ..CENTER };
            page.text((0.5 * (rect.x0 + rect.x1), rect.y0 - 12.0), &part.title, title)?;
        }
        Ok(())
    }
}
