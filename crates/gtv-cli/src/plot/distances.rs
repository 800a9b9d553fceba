//! Distances between levels: dots with intervals, the resampling floor marked, one panel a metric.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::axes::{Axis, CENTER, LEFT, Panel, RIGHT, SMALL};
use super::canvas::{Figure, Page, Rect, Text};
use super::style::{GRID, INK, SOFT, level_style};
use crate::record::Estimate;

/// One distance.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is compared.
    pub label: String,
    /// The level whose colour the dot takes.
    pub level: String,
    /// The number.
    pub estimate: Estimate,
}

/// The distances of one metric.
#[derive(Debug, Clone, Default)]
pub struct MetricPanel {
    /// The metric, with its unit.
    pub label: String,
    /// Rows, from the top.
    pub rows: Vec<Row>,
}

/// A column of panels, one a metric.
#[derive(Debug, Clone, Default)]
pub struct DistancePlot {
    /// Panels, from the top.
    pub panels: Vec<MetricPanel>,
    /// What the figure shows, for readers who cannot see it.
    pub alt: String,
}

const ROW: f64 = 23.0;
const AROUND: f64 = 62.0;
const LABELS: f64 = 280.0;
const WIDTH: f64 = 760.0;

impl MetricPanel {
    fn height(&self) -> f64 {
        AROUND + ROW * self.rows.len().max(1) as f64
    }

    /// Logarithmic over all that is drawn where that spans a factor of 8 and is positive, otherwise from zero.
    fn axis(&self) -> Axis {
        let drawn = self.rows.iter().flat_map(|r| {
            let e = r.estimate;
            [e.value, e.lo, e.hi, e.floor]
        });
        let drawn: Vec<f64> = drawn.filter(|v| v.is_finite()).collect();
        let hi = drawn.iter().copied().fold(0.0, f64::max);
        let least = drawn.iter().copied().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
        let values_positive = self.rows.iter().all(|r| r.estimate.value.is_nan() || r.estimate.value > 0.0);
        if values_positive && least.is_finite() && hi / least > 8.0 {
            Axis::log((0.8 * least).max(1e-5 * hi), 1.25 * hi, &self.label)
        } else {
            Axis::linear(0.0, if hi > 0.0 { 1.08 * hi } else { 1.0 }, &self.label)
        }
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>, rect: Rect) -> Result<()> {
        let rows = self.rows.len().max(1) as f64;
        let panel = Panel::new(page, rect, self.axis(), Axis::linear(0.0, rows, ""));
        panel.grid_x()?;
        let (lo, hi) = (panel.x.lo, panel.x.hi);
        for (i, row) in self.rows.iter().enumerate() {
            let (e, y) = (row.estimate, rows - i as f64 - 0.5);
            let at = |v: f64| panel.at(v.clamp(lo, hi), y);
            let (_, level) = at(lo);
            page.line(&[(rect.x0, level), (rect.x1, level)], GRID, 0.5)?;
            page.text((rect.x0 - 9.0, level), &row.label, RIGHT)?;
            let color = level_style(&row.level).color;
            if e.lo.is_finite() && e.hi.is_finite() {
                page.line(&[at(e.lo), at(e.hi)], color, 2.4)?;
                for end in [e.lo, e.hi] {
                    let (x, y) = at(end);
                    page.line(&[(x, y - 4.0), (x, y + 4.0)], color, 1.4)?;
                }
            }
            if e.floor.is_finite() {
                let (x, y) = at(e.floor);
                page.line(&[(x, y - 8.0), (x, y + 8.0)], INK, 1.2)?;
                page.fill(&[(x - 3.5, y - 8.0), (x + 3.5, y - 8.0), (x, y - 3.5)], INK)?;
            }
            if e.value.is_finite() {
                page.disc(at(e.value), 4.6, color)?;
            } else {
                let style = Text { color: SOFT, size: SMALL, ..LEFT };
                page.text((rect.x0 + 8.0, level), "not finite", style)?;
            }
        }
        panel.axis_x()
    }
}

impl Figure for DistancePlot {
    fn alt(&self) -> String {
        self.alt.clone()
    }

    fn size(&self) -> (f64, f64) {
        let panels: f64 = self.panels.iter().map(MetricPanel::height).sum();
        (WIDTH, 26.0 + panels.max(60.0))
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        if self.panels.is_empty() {
            return page.text((0.5 * WIDTH, 40.0), "no distances were saved", CENTER);
        }
        let key = Text { size: SMALL, color: SOFT, ..LEFT };
        page.disc((LABELS + 4.0, 14.0), 4.0, SOFT)?;
        page.line(&[(LABELS - 12.0, 14.0), (LABELS + 20.0, 14.0)], SOFT, 2.0)?;
        page.text((LABELS + 28.0, 14.0), "estimate with 95 % bootstrap interval", key)?;
        let x = LABELS + 238.0;
        page.line(&[(x, 6.0), (x, 22.0)], INK, 1.2)?;
        page.fill(&[(x - 3.5, 6.0), (x + 3.5, 6.0), (x, 10.5)], INK)?;
        page.text((x + 9.0, 14.0), "floor: the same between equal distributions", key)?;
        let mut top = 26.0;
        for panel in &self.panels {
            let height = panel.height();
            let rect = Rect { x0: LABELS, y0: top + 8.0, x1: WIDTH - 22.0, y1: top + height - 46.0 };
            panel.paint(page, rect)?;
            top += height;
        }
        Ok(())
    }
}
