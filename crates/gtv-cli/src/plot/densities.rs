//! One-dimensional densities of levels, with the quartile band between models: one panel, or a grid of them.

use super::axes::{Axis, CENTER, Entry, LEFT, Panel, legend, legend_height};
use super::canvas::{Figure, Page, Rect, Stroke, TextStyle};
use super::layout::Layout;
use super::numbers::Numbers;
use super::sheet::Sheet;
use super::style::{INK, Key, SOFT, faded};

/// The density of one level.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Name and line.
    pub key: Key,
    /// Density at the panel's positions.
    pub density: Vec<f64>,
    /// Lower and upper quartile between models.
    pub band: Option<(Vec<f64>, Vec<f64>)>,
}

/// A panel of densities over the same positions.
#[derive(Debug, Clone, Default)]
pub struct DensityPanel {
    /// Title; empty for none.
    pub title: String,
    /// Positions: centres of bins.
    pub x: Vec<f64>,
    /// Curves, later ones above earlier ones; the legend lists them in the order of roles.
    pub curves: Vec<Curve>,
    /// Positions of the data, marked below the curves.
    pub data: Vec<f64>,
}

/// A grid of density panels, row by row.
#[derive(Debug, Clone, Default)]
pub struct Densities {
    /// The panels.
    pub panels: Vec<DensityPanel>,
    /// Panels a row; 0 or 1 for a single large panel.
    pub columns: usize,
}

impl DensityPanel {
    /// The upper end of the vertical axis. Spiky levels count unless they would flatten everything else.
    fn top(&self) -> f64 {
        let peak = |spiky: bool| {
            let curves = self.curves.iter().filter(|c| spiky || !c.key.role.is_spiky());
            let values = curves.flat_map(|c| c.density.iter().chain(c.band.iter().flat_map(|b| &b.1)));
            values.copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
        };
        let (all, calm) = (peak(true), peak(false));
        let top = if calm > 0.0 && all > 1.5 * calm { 1.15 * calm } else { 1.06 * all };
        if top > 0.0 { top } else { 1.0 }
    }

    /// The peaks above `top`, each with the largest value there.
    fn cut_peaks(&self, top: f64) -> Vec<(f64, f64)> {
        let mut peaks: Vec<(f64, f64)> = Vec::new();
        let highest = |i: usize| {
            let at = self.curves.iter().filter_map(|c| c.density.get(i)).copied();
            at.filter(|v| v.is_finite()).fold(0.0, f64::max)
        };
        let mut open = false;
        for (i, &x) in self.x.iter().enumerate() {
            let value = highest(i);
            match (value > top, open, peaks.last_mut()) {
                (true, true, Some(last)) if value > last.1 => *last = (x, value),
                (true, false, _) => peaks.push((x, value)),
                _ => {}
            }
            open = value > top;
        }
        peaks
    }

    /// The horizontal axis: the range of the positions.
    fn axis(&self, ticks: usize) -> Axis {
        let ends = self.x.first().zip(self.x.last());
        let (lo, hi) = ends.map_or((0.0, 1.0), |(a, b)| (*a, *b));
        Axis { ticks, ..Axis::linear(lo, hi, "x₀") }
    }

    fn paint(&self, page: &Page, panel: &Panel) {
        let rect = panel.rect;
        panel.grid_y();
        for curve in &self.curves {
            if let Some((lo, hi)) = &curve.band {
                let color = curve.key.role.color();
                panel.band(&self.x, lo, hi, faded(color, 0.18));
                // Edges tell two bands apart where they lie over each other.
                for edge in [lo, hi] {
                    panel.curve(&self.x, edge, Stroke::full(faded(color, 0.45), 0.6));
                }
            }
        }
        for curve in &self.curves {
            panel.curve(&self.x, &curve.density, curve.key.role.stroke());
        }
        panel.axes();
        let size = if rect.width() < 250.0 { 0.6 } else { 1.0 };
        for &datum in &self.data {
            let (x, y) = panel.at(datum, 0.0);
            page.fill(&[(x - 4.5 * size, y - 8.0 * size), (x + 4.5 * size, y - 8.0 * size), (x, y)], INK);
        }
        for (at, value) in self.cut_peaks(panel.y.hi) {
            let (x, y) = panel.at(at, panel.y.hi);
            page.fill(&[(x - 3.0, y - 1.5), (x + 3.0, y - 1.5), (x, y - 6.5)], SOFT);
            let height = if value >= 10.0 { format!("to {value:.0}") } else { format!("to {value:.1}") };
            page.text((x + 5.0, y - 5.0), &height, TextStyle { size: 9.5, color: SOFT, ..LEFT });
        }
        panel.title(&self.title, 16.0);
    }
}

impl Densities {
    fn layout(&self, sheet: Sheet) -> Layout {
        let panels = self.panels.len().max(1);
        let columns = self.columns.clamp(1, panels);
        // Few panels have room for two bands each.
        let cell = match (panels, columns) {
            (1, _) => (688.0, 376.0),
            (2, 2) => (352.0, 270.0),
            (_, 1 | 2) => (319.0, 202.0),
            (_, _) => (169.0, 132.0),
        };
        let titled = self.panels.iter().any(|p| !p.title.is_empty());
        let title = if titled { 28.0 } else { 16.0 };
        let margins = [62.0, 12.0 + title, 16.0, 50.0];
        let layout = Layout { panels, columns, cell, margins, gap: (24.0, 54.0) }.on(sheet);
        layout.below(legend_height(layout.inner_width(), &self.entries(), sheet))
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for curve in self.panels.iter().flat_map(|p| &p.curves) {
            match entries.iter_mut().find(|e| e.key == curve.key) {
                Some(entry) => entry.band |= curve.band.is_some(),
                None => entries.push(Entry { key: curve.key.clone(), band: curve.band.is_some() }),
            }
        }
        if let [only] = &mut entries.iter_mut().filter(|e| e.band).collect::<Vec<_>>()[..] {
            only.key.label += " (band: quartiles of models)";
        }
        entries.sort_by(|a, b| (a.key.role, &a.key.label).cmp(&(b.key.role, &b.key.label)));
        entries
    }
}

impl Figure for Densities {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["panel", "level", "x", "density", "q25", "q75"]);
        for panel in &self.panels {
            for curve in &panel.curves {
                for (i, (x, density)) in panel.x.iter().zip(&curve.density).enumerate() {
                    let band = |end: &Vec<f64>| end.get(i).copied();
                    let (lo, hi) = curve.band.as_ref().map_or((None, None), |(lo, hi)| (band(lo), band(hi)));
                    numbers.push(&[&panel.title, &curve.key.label], [Some(*x), Some(*density), lo, hi]);
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
        let key = Rect { x0: layout.margins[0], y0: 8.0, x1: width - layout.margins[2], y1: height };
        legend(page, key, &self.entries());
        for (i, part) in self.panels.iter().enumerate() {
            let rect = layout.rect(i);
            let (x_ticks, y_ticks) =
                (if layout.columns > 1 { 4 } else { 9 }, if rect.height() < 150.0 { 4 } else { 6 });
            let row = self.panels.chunks(layout.columns).nth(i / layout.columns).unwrap_or_default();
            let top = row.iter().map(DensityPanel::top).fold(0.0, f64::max);
            let y = Axis { ticks: y_ticks, ..Axis::linear(0.0, top, "density (1/units of x)") };
            let (x, y) = layout.shared(i, part.axis(x_ticks), y);
            part.paint(page, &Panel::new(page, rect, x, y));
        }
        if self.panels.is_empty() {
            page.text((0.5 * width, 0.5 * height), "no densities were saved", CENTER);
        }
    }
}
