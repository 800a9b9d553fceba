//! Grids of heatmaps with data points over them: maps over the plane or over (x, t), on one colour scale or several.

use super::axes::{Axis, CENTER, NORMAL, Panel, color_bar, title_lines};
use super::canvas::{Figure, Page, Rect, Stroke};
use super::layout::Layout;
use super::numbers::Numbers;
use super::sheet::Sheet;
use super::style::{ColorScale, EXPERIMENT, SOFT, colored, faded, rgb};

/// One map.
#[derive(Debug, Clone, Default)]
pub struct HeatPanel {
    /// Title; empty for none.
    pub title: String,
    /// Values, `nx` × `ny`, x first (row-major, y fastest).
    pub values: Vec<f64>,
    /// Cells along x.
    pub nx: usize,
    /// Cells along y.
    pub ny: usize,
    /// Range of x.
    pub x: (f64, f64),
    /// Range of y.
    pub y: (f64, f64),
    /// Points drawn over the map.
    pub points: Vec<[f64; 2]>,
    /// Lines drawn over the map, in pieces.
    pub contours: Vec<[[f64; 2]; 2]>,
    /// Its colour scale: 0 the first, i the i-th of the further ones; all maps of a row have the same.
    pub scale: usize,
}

/// A grid of maps, row by row.
#[derive(Debug, Clone, Default)]
pub struct Heatmaps {
    /// The maps.
    pub panels: Vec<HeatPanel>,
    /// Maps a row.
    pub columns: usize,
    /// Label of the horizontal axes, with unit.
    pub x_label: String,
    /// Label of the vertical axes, with unit.
    pub y_label: String,
    /// Ticks of the horizontal axes with their texts, where x only counts places.
    pub x_ticks: Vec<(f64, String)>,
    /// The same of the vertical axes.
    pub y_ticks: Vec<(f64, String)>,
    /// Colour scales, the first for maps that ask for no other.
    pub scales: Vec<ColorScale>,
    /// Whether x and y have the same unit, so that panels are drawn to scale.
    pub square: bool,
}

const LEFT_SPACE: f64 = 62.0;
const RIGHT_SPACE: f64 = 96.0;
const BOTTOM_SPACE: f64 = 48.0;
const TITLE: f64 = 30.0;
const GAP: f64 = 14.0;
/// The least area of a panel for each mark of a data point, in square points.
const MARK: f64 = 40.0;

impl HeatPanel {
    /// An empty place.
    pub fn blank() -> Self {
        Self::default()
    }

    fn is_blank(&self) -> bool {
        self.nx == 0 && self.ny == 0
    }

    fn is_drawable(&self) -> bool {
        self.nx > 0 && self.ny > 0 && self.values.len() == self.nx * self.ny
    }

    fn paint(&self, page: &Page, panel: &Panel, range: (f64, f64), scale: &ColorScale) {
        let rect = panel.rect;
        if self.is_drawable() {
            let rows =
                (0..self.ny).rev().flat_map(|j| (0..self.nx).map(move |i| self.values[i * self.ny + j]));
            page.image(rect, colored(rows, self.nx, self.ny, range, scale.palette, scale.power));
        } else {
            page.text(rect.middle(), "no values", CENTER);
        }
        page.frame(rect, SOFT, 0.6);
        let inside =
            |p: &&[f64; 2]| (self.x.0..=self.x.1).contains(&p[0]) && (self.y.0..=self.y.1).contains(&p[1]);
        // Open marks, and dots where these would hide the map.
        let crowded = self.points.len() as f64 * MARK > rect.width() * rect.height();
        let radius = if self.points.len() > 40 { 1.6 } else { 3.2 };
        for at in self.points.iter().filter(inside).map(|p| panel.at(p[0], p[1])) {
            if crowded {
                page.disc(at, 0.75, faded(EXPERIMENT, 0.6));
            } else {
                page.ring(at, radius, Stroke::full(rgb(255, 255, 255), 2.0));
                page.ring(at, radius, Stroke::full(EXPERIMENT, 0.9));
            }
        }
        for stroke in [Stroke::full(rgb(255, 255, 255), 3.4), Stroke::full(rgb(0, 0, 0), 1.6)] {
            for [a, b] in &self.contours {
                page.line(&[panel.at(a[0], a[1]), panel.at(b[0], b[1])], stroke);
            }
        }
        panel.title(&self.title, 12.0);
    }
}

impl Heatmaps {
    fn layout(&self, sheet: Sheet) -> Layout {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let layout = Layout {
            panels: self.panels.len(),
            columns,
            cell: self.cell(columns),
            margins: [LEFT_SPACE, TITLE, RIGHT_SPACE, BOTTOM_SPACE],
            gap: (GAP, TITLE),
        }
        .on(sheet);
        let lines = |p: &HeatPanel| title_lines(&p.title, sheet, layout.cell.0).len();
        let more = self.panels.iter().map(lines).max().unwrap_or(1).saturating_sub(1);
        layout.spaced(more as f64 * sheet.line(NORMAL))
    }

    /// The colour bars from the top: the first row, the row after the last, and their scale.
    fn bars(&self, columns: usize) -> Vec<(usize, usize, usize)> {
        let mut bars: Vec<(usize, usize, usize)> = Vec::new();
        for (row, panels) in self.panels.chunks(columns).enumerate() {
            let Some(scale) = panels.iter().find(|p| !p.is_blank()).map(|p| p.scale) else { continue };
            match bars.last_mut() {
                Some((_, end, last)) if *last == scale => *end = row + 1,
                Some(_) | None => bars.push((row, row + 1, scale)),
            }
        }
        bars
    }

    fn cell(&self, columns: usize) -> (f64, f64) {
        let width = match columns {
            1 => 420.0,
            2 => 320.0,
            3 => 230.0,
            _ => 165.0,
        };
        let drawn = self.panels.first().map_or(1.0, |p| (p.y.1 - p.y.0) / (p.x.1 - p.x.0));
        let ratio = if self.square && drawn.is_finite() && drawn > 0.0 { drawn.clamp(0.3, 2.0) } else { 0.8 };
        (width, width * ratio)
    }

    /// The range of a colour scale: as given, or from 0 (or the least value) to the largest.
    fn range(&self, scale: usize) -> (f64, f64) {
        if let Some(range) = self.scales.get(scale).and_then(|s| s.range) {
            return range;
        }
        let panels = self.panels.iter().filter(|p| p.scale == scale);
        let values = panels.flat_map(|p| &p.values).copied().filter(|v| v.is_finite());
        let (lo, hi) = values.fold((0.0_f64, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        if hi > lo { (lo, hi) } else { (lo, lo + 1.0) }
    }
}

impl Figure for Heatmaps {
    /// Values at the middles of the cells.
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["panel", "x", "y", "value"]);
        let middle = |(lo, hi): (f64, f64), i: usize, n: usize| lo + (hi - lo) * (i as f64 + 0.5) / n as f64;
        for panel in self.panels.iter().filter(|p| p.is_drawable()) {
            for (i, column) in panel.values.chunks_exact(panel.ny).enumerate() {
                for (j, value) in column.iter().enumerate() {
                    let (x, y) = (middle(panel.x, i, panel.nx), middle(panel.y, j, panel.ny));
                    numbers.push(&[&panel.title], [Some(x), Some(y), Some(*value)]);
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
        if self.panels.is_empty() {
            return page.text((0.5 * width, 0.5 * height), "no maps were saved", CENTER);
        }
        let plain = ColorScale::new("", None);
        for (i, map) in self.panels.iter().enumerate().filter(|(_, map)| !map.is_blank()) {
            let ticks = if layout.columns > 1 { 4 } else { 6 };
            let axis = |(lo, hi), label: &str, named: &[(f64, String)]| {
                let every = named.len().div_ceil(ticks).max(1);
                let named = named.iter().step_by(every).cloned().collect();
                Axis { ticks, named, ..Axis::linear(lo, hi, label) }
            };
            let x = axis(map.x, &self.x_label, &self.x_ticks);
            let (x, y) = layout.shared(i, x, axis(map.y, &self.y_label, &self.y_ticks));
            let panel = Panel::new(page, layout.rect(i), x, y);
            map.paint(page, &panel, self.range(map.scale), self.scales.get(map.scale).unwrap_or(&plain));
            panel.axes();
        }
        for (from, to, scale) in self.bars(layout.columns) {
            let Some(colors) = self.scales.get(scale) else { continue };
            let (upper, lower) = (layout.rect(from * layout.columns), layout.rect((to - 1) * layout.columns));
            let x0 = width - RIGHT_SPACE + 16.0;
            let bar = Rect { x0, y0: upper.y0, x1: x0 + 14.0, y1: lower.y1.min(upper.y0 + 340.0) };
            color_bar(page, bar, self.range(scale), colors);
        }
    }
}
