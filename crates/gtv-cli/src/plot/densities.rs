//! One-dimensional densities of levels, with the quartile band between models: one panel, or a grid of them.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::axes::{Axis, CENTER, Entry, LEFT, Panel, legend};
use super::canvas::{Figure, Page, Rect, Text};
use super::style::{INK, LevelStyle, SOFT, faded, level_label, level_rank, level_style};

/// The density of one level.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// The level: decides colour and name.
    pub level: String,
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
    /// Curves, later ones above earlier ones; the legend lists them in the order of levels.
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
    /// What the figure shows, for readers who cannot see it.
    pub alt: String,
}

/// Levels whose peaks may be cut, so that the others stay legible: they consist of sharp spikes by nature.
fn is_spiky(level: &str) -> bool {
    matches!(level, "points" | "data" | "pf_ode")
}

impl DensityPanel {
    /// The upper end of the vertical axis. Spiky levels count unless they would flatten everything else.
    fn top(&self) -> f64 {
        let peak = |spiky: bool| {
            let curves = self.curves.iter().filter(|c| spiky || !is_spiky(&c.level));
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

    fn range(&self) -> (f64, f64) {
        match (self.x.first(), self.x.last()) {
            (Some(&a), Some(&b)) => (a, b),
            _ => (0.0, 1.0),
        }
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>, rect: Rect, x: Axis, y_label: &str) -> Result<()> {
        let top = self.top();
        let y = Axis { ticks: if rect.height() < 150.0 { 4 } else { 6 }, ..Axis::linear(0.0, top, y_label) };
        let panel = Panel::new(page, rect, x, y);
        panel.grid_y()?;
        for curve in &self.curves {
            let style = level_style(&curve.level);
            if let Some((lo, hi)) = &curve.band {
                panel.band(&self.x, lo, hi, faded(style.color, 0.28))?;
                // Edges tell two bands apart where they lie over each other.
                let edge = LevelStyle { color: faded(style.color, 0.75), width: 0.7, dash: None };
                panel.curve(&self.x, lo, edge)?;
                panel.curve(&self.x, hi, edge)?;
            }
        }
        for curve in &self.curves {
            panel.curve(&self.x, &curve.density, level_style(&curve.level))?;
        }
        panel.axis_x()?;
        panel.axis_y()?;
        let size = if rect.width() < 250.0 { 0.6 } else { 1.0 };
        for &datum in &self.data {
            let (x, y) = panel.at(datum, 0.0);
            page.fill(&[(x - 4.5 * size, y - 8.0 * size), (x + 4.5 * size, y - 8.0 * size), (x, y)], INK)?;
        }
        for (at, value) in self.cut_peaks(top) {
            let (x, y) = panel.at(at, top);
            page.fill(&[(x - 3.0, y - 1.5), (x + 3.0, y - 1.5), (x, y - 6.5)], SOFT)?;
            let style = Text { size: 9.5, color: SOFT, ..LEFT };
            page.text((x + 5.0, y - 5.0), &format!("to {}", short(value)), style)?;
        }
        let title = Text { bold: true, ..CENTER };
        page.text((0.5 * (rect.x0 + rect.x1), rect.y0 - 16.0), &self.title, title)
    }
}

fn short(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

impl Densities {
    fn columns(&self) -> usize {
        self.columns.clamp(1, self.panels.len().max(1))
    }

    fn shape(&self) -> (usize, usize) {
        (self.panels.len().div_ceil(self.columns()).max(1), self.columns())
    }

    fn entries(&self) -> Vec<Entry> {
        let mut levels: Vec<(&str, bool)> = Vec::new();
        for curve in self.panels.iter().flat_map(|p| &p.curves) {
            match levels.iter_mut().find(|(level, _)| *level == curve.level) {
                Some((_, band)) => *band |= curve.band.is_some(),
                None => levels.push((&curve.level, curve.band.is_some())),
            }
        }
        levels.sort_by_key(|&(level, _)| level_rank(level));
        let single = self.panels.len() == 1;
        let label = |(level, band): (&str, bool)| {
            let name = level_label(level);
            Entry {
                label: if band && single { format!("{name} (band: quartiles of models)") } else { name },
                style: level_style(level),
                band,
            }
        };
        levels.into_iter().map(label).collect()
    }
}

impl Figure for Densities {
    fn alt(&self) -> String {
        self.alt.clone()
    }

    fn size(&self) -> (f64, f64) {
        match self.shape() {
            (1, 1) => (760.0, 470.0),
            // Few panels have room for two bands each.
            (rows, columns @ 1..=2) => (60.0 + 375.0 * columns as f64, 110.0 + 260.0 * rows as f64),
            (rows, columns) => (60.0 + 225.0 * columns as f64, 110.0 + 190.0 * rows as f64),
        }
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let (width, height) = self.size();
        let (rows, columns) = self.shape();
        let key = Rect { x0: 62.0, y0: 8.0, x1: width - 12.0, y1: height };
        let used = legend(page, key, &self.entries())?;
        let body = Rect { x0: 22.0, y0: key.y0 + used + 6.0, x1: width, y1: height - 24.0 };
        for (i, panel) in self.panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let title = if panel.title.is_empty() { 16.0 } else { 28.0 };
            let rect = body.cell((rows, columns), (row, column)).inset(40.0, title, 16.0, 26.0);
            let (lo, hi) = panel.range();
            let last_row = i + columns >= self.panels.len();
            let x = Axis {
                ticks: if columns > 1 { 4 } else { 9 },
                ..Axis::linear(lo, hi, if last_row { "x₀" } else { "" })
            };
            panel.paint(page, rect, x, if column == 0 { "density (1/units of x)" } else { "" })?;
        }
        if self.panels.is_empty() {
            page.text((0.5 * width, 0.5 * height), "no densities were saved", CENTER)?;
        }
        Ok(())
    }
}
