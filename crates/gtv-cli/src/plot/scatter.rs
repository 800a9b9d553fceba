//! The theory's variance of the learned score against the ensemble's, probe point by probe point.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::axes::{Axis, CENTER, Panel};
use super::canvas::{Figure, Page, Text};
use super::layout::Layout;
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
    fn layout(&self) -> Layout {
        let panels = self.panels.len();
        let columns = if panels == 4 { 2 } else { panels.clamp(1, 3) };
        Layout { panels, columns, cell: (SIDE, SIDE), margins: [72.0, 28.0, 32.0, 64.0], gap: (24.0, 62.0) }
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
        self.layout().size()
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let layout = self.layout();
        let (lo, hi) = self.range();
        if self.panels.is_empty() {
            return page.text((0.5 * self.size().0, 60.0), "no probe points were saved", CENTER);
        }
        for (i, part) in self.panels.iter().enumerate() {
            let rect = layout.rect(i);
            let y = Axis::log(lo, hi, &self.y_label);
            let y = if layout.is_first(i) { y } else { y.bare() };
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
