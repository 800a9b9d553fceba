//! Distances between levels: one row a pair of levels, one panel a metric; dots with intervals, resampling floors marked.

use super::axes::{Axis, CENTER, LEFT, Panel, RIGHT, SMALL};
use super::canvas::{Color, Figure, Page, Point, Rect, Stroke, TextStyle};
use super::layout::Layout;
use super::numbers::{Numbers, parts};
use super::sheet::Sheet;
use super::style::{GRID, INK, Key, SOFT};
use crate::record::Estimate;

/// The distances of one metric.
#[derive(Debug, Clone, Default)]
pub struct MetricPanel {
    /// The metric, with its unit.
    pub label: String,
    /// One number a row, where there is one.
    pub estimates: Vec<Option<Estimate>>,
}

/// Panels side by side over the same rows.
#[derive(Debug, Clone, Default)]
pub struct DistancePlot {
    /// Rows, from the top: what is compared, and the colour of the dots.
    pub rows: Vec<Key>,
    /// Panels, from the left.
    pub panels: Vec<MetricPanel>,
    /// Coverage of the intervals, for the key.
    pub confidence: f64,
}

const ROW: f64 = 23.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 46.0;
const LABELS: f64 = 218.0;
/// Width of the key.
const KEY: f64 = 440.0;
const GAP: f64 = 22.0;

impl MetricPanel {
    /// Logarithmic over all that is drawn where that spans a factor of 8 and is positive, otherwise from zero.
    fn axis(&self) -> Axis {
        let all = || self.estimates.iter().flatten();
        let drawn = all().flat_map(|e| [Some(e.value), e.lo, e.hi, e.floor]).flatten();
        let drawn: Vec<f64> = drawn.filter(|v| v.is_finite()).collect();
        let hi = drawn.iter().copied().fold(0.0, f64::max);
        let positive = drawn.iter().copied().filter(|&v| v > 0.0);
        let least_value = all().map(|e| e.value).fold(f64::INFINITY, f64::min);
        let least = positive.fold(f64::INFINITY, f64::min).max(0.05 * least_value);
        if least_value > 0.0 && least.is_finite() && hi / least > 8.0 {
            Axis { ticks: 5, ..Axis::log(0.8 * least, 1.25 * hi, &self.label) }
        } else {
            Axis { ticks: 4, ..Axis::linear(0.0, if hi > 0.0 { 1.08 * hi } else { 1.0 }, &self.label) }
        }
    }

    fn paint(&self, page: &Page, rect: Rect, rows: &[Key]) {
        let count = rows.len().max(1) as f64;
        let panel = Panel::new(page, rect, self.axis(), Axis::linear(0.0, count, ""));
        panel.grid_x();
        let (lo, hi) = (panel.x.lo, panel.x.hi);
        for (i, (row, estimate)) in rows.iter().zip(&self.estimates).enumerate() {
            let y = count - i as f64 - 0.5;
            let at = |v: f64| panel.at(v.clamp(lo, hi), y);
            let (_, level) = at(lo);
            page.line(&[(rect.x0, level), (rect.x1, level)], Stroke::full(GRID, 0.5));
            let Some(e) = estimate else { continue };
            let color = row.role.color();
            if let Some(floor) = e.floor.filter(|f| f.is_finite()) {
                floor_mark(page, at(floor));
            }
            if let Some((from, to)) = e.ends() {
                page.line(&[at(from), at(to)], Stroke::full(color, 2.4));
                for (x, y) in [at(from), at(to)] {
                    page.line(&[(x, y - 4.0), (x, y + 4.0)], Stroke::full(color, 1.4));
                }
            }
            if e.value.is_finite() {
                page.disc(at(e.value), 4.6, color);
            } else {
                let style = TextStyle { color: SOFT, size: SMALL, ..LEFT };
                page.text((rect.x0 + 8.0, level), "not finite", style);
            }
        }
        panel.axis_x();
    }
}

fn floor_mark(page: &Page, (x, y): Point) {
    const FLOOR: Color = INK;
    page.line(&[(x, y - 8.0), (x, y + 8.0)], Stroke::full(FLOOR, 1.2));
    page.fill(&[(x - 3.5, y - 8.0), (x + 3.5, y - 8.0), (x, y - 3.5)], FLOOR);
}

impl DistancePlot {
    fn layout(&self, sheet: Sheet) -> Layout {
        let panels = self.panels.len().max(1);
        let width = match panels {
            1 => 480.0,
            2 => 290.0,
            3 => 220.0,
            _ => 180.0,
        };
        let cell = (width, ROW * self.rows.len().max(1) as f64);
        let margins = [LABELS, ABOVE, GAP, BELOW];
        let layout = Layout { panels, columns: panels, cell, margins, gap: (GAP, BELOW) }.on(sheet);
        Layout { cell: (layout.cell.0, cell.1), ..layout }
    }
}

impl Figure for DistancePlot {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["metric", "row", "value", "lo", "hi", "floor"]);
        for panel in &self.panels {
            for (row, estimate) in self.rows.iter().zip(&panel.estimates) {
                if let Some(estimate) = estimate {
                    numbers.push(&[&panel.label, &row.label], parts(estimate));
                }
            }
        }
        numbers
    }

    fn size(&self, sheet: Sheet) -> (f64, f64) {
        self.layout(sheet).size()
    }

    fn paint(&self, page: &Page) {
        let layout = self.layout(page.sheet());
        let (width, height) = layout.size();
        if self.panels.is_empty() || self.rows.is_empty() {
            return page.text((0.5 * width, 0.5 * height), "no distances were saved", CENTER);
        }
        let key = TextStyle { size: SMALL, color: SOFT, ..LEFT };
        let left = LABELS.min(width - KEY).max(8.0);
        page.disc((left + 16.0, 14.0), 4.0, SOFT);
        page.line(&[(left, 14.0), (left + 32.0, 14.0)], Stroke::full(SOFT, 2.0));
        let percent = (100.0 * self.confidence).round();
        page.text((left + 40.0, 14.0), &format!("estimate, {percent} % bootstrap interval"), key);
        floor_mark(page, (left + 252.0, 14.0));
        page.text((left + 261.0, 14.0), "floor: the same for equal laws", key);
        for (i, panel) in self.panels.iter().enumerate() {
            let rect = layout.rect(i);
            if i.is_multiple_of(layout.columns) {
                for (k, row) in self.rows.iter().enumerate() {
                    page.text((LABELS - 9.0, rect.y0 + ROW * (k as f64 + 0.5)), &row.label, RIGHT);
                }
            }
            panel.paint(page, rect, &self.rows);
        }
    }
}
