//! Numbers against a swept setting: one line with error bars a level, resampling floors, one panel a combination of the rest.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::axes::{Axis, CENTER, Entry, Panel, legend};
use super::canvas::{Figure, Page, Rect, Text};
use super::layout::Layout;
use super::style::{GRID, LevelStyle, SOFT, faded, level_style};

/// One point of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinePoint {
    /// Position on the horizontal axis.
    pub x: f64,
    /// The number.
    pub value: f64,
    /// Ends of its error bar; NaN for none.
    pub lo: f64,
    /// Ends of its error bar; NaN for none.
    pub hi: f64,
}

/// The points of one level.
#[derive(Debug, Clone, Default)]
pub struct LineSeries {
    /// The level, which decides the colour.
    pub level: String,
    /// Its name in the legend.
    pub label: String,
    /// Points in the order of x.
    pub points: Vec<LinePoint>,
}

/// One panel.
#[derive(Debug, Clone, Default)]
pub struct LinePanel {
    /// Title; empty for none.
    pub title: String,
    /// Lines.
    pub series: Vec<LineSeries>,
    /// Resampling floor by position: the grey area below it cannot be told from zero.
    pub floor: Vec<(f64, f64)>,
}

/// How the values of the horizontal axis are spaced.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Spacing {
    /// Evenly in the value.
    #[default]
    Linear,
    /// Evenly in its logarithm.
    Log,
    /// Not numbers: the i-th name is at x = i.
    Names(Vec<String>),
}

/// Panels with the same axes.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// The panels, row by row.
    pub panels: Vec<LinePanel>,
    /// Label of the horizontal axes.
    pub x_label: String,
    /// Label of the vertical axes, with unit.
    pub y_label: String,
    /// Spacing of the horizontal axes.
    pub spacing: Spacing,
    /// A value to compare with, drawn across.
    pub reference: Option<f64>,
    /// What the figure shows, for readers who cannot see it.
    pub alt: String,
}

/// Name of the floor in the legend.
const FLOOR: &str = "floor: the same for equal laws";
/// Most positions that are all numbered on the axis.
const MOST_TICKS: usize = 8;

impl Lines {
    fn points(&self) -> impl Iterator<Item = &LinePoint> {
        self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points)
    }

    fn layout(&self) -> Layout {
        let panels = self.panels.len().max(1);
        let (columns, cell) = match panels {
            1 => (1, (560.0, 330.0)),
            2 | 4 => (2, (330.0, 230.0)),
            _ => (3, (240.0, 180.0)),
        };
        // Room for the legend, at a generous width of its letters.
        let room = columns as f64 * cell.0;
        let (mut rows, mut used) = (1.0, 0.0);
        for entry in self.entries() {
            let wide = 51.0 + 7.0 * entry.label.chars().count() as f64;
            (rows, used) =
                if used > 0.0 && used + wide > room { (rows + 1.0, wide) } else { (rows, used + wide) };
        }
        let above = 34.0 + 18.0 * rows;
        Layout { panels, columns, cell, margins: [76.0, above, 24.0, 50.0], gap: (24.0, 56.0) }
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for series in self.panels.iter().flat_map(|p| &p.series) {
            if entries.iter().all(|e| e.label != series.label) {
                let style = level_style(&series.level);
                entries.push(Entry { label: series.label.clone(), style, band: false });
            }
        }
        if self.panels.iter().any(|p| !p.floor.is_empty()) {
            let style = LevelStyle { color: SOFT, width: 1.0, dash: Some((2.0, 2.0)) };
            entries.push(Entry { label: FLOOR.to_owned(), style, band: true });
        }
        entries
    }

    fn x_axis(&self) -> Axis {
        if let Spacing::Names(names) = &self.spacing {
            let named = names.iter().enumerate().map(|(i, n)| (i as f64, n.clone())).collect();
            return Axis { named, ..Axis::linear(-0.5, names.len() as f64 - 0.5, &self.x_label) };
        }
        let mut at: Vec<f64> = self.points().map(|p| p.x).filter(|x| x.is_finite()).collect();
        at.sort_by(f64::total_cmp);
        at.dedup();
        let (lo, hi) = (at.first().copied().unwrap_or(0.0), at.last().copied().unwrap_or(1.0));
        let axis = if self.spacing == Spacing::Log {
            let room = (hi / lo).powf(0.05).max(1.05);
            Axis::log(lo / room, hi * room, &self.x_label)
        } else {
            let room = 0.05 * (hi - lo);
            Axis::linear(lo - room, hi + room, &self.x_label)
        };
        let named =
            if at.len() <= MOST_TICKS { at.iter().map(|v| (*v, tick(*v))).collect() } else { Vec::new() };
        Axis { named, ..axis }
    }

    /// Logarithmic where all values are positive and span a factor of 8, otherwise over all values, and from zero where
    /// they are positive.
    fn y_axis(&self) -> Axis {
        let ends = |p: &LinePoint| [p.value, p.lo, p.hi];
        let drawn: Vec<f64> =
            self.points().flat_map(ends).chain(self.reference).filter(|v| v.is_finite()).collect();
        let hi = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lo = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let values = || self.points().map(|p| p.value).filter(|v| v.is_finite());
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(0.0, f64::max);
        if least > 0.0 && most / least > 8.0 {
            let floors = self.panels.iter().flat_map(|p| &p.floor).map(|f| f.1);
            let lowest = floors.chain(self.reference).filter(|f| *f > 0.0).fold(least, f64::min);
            return Axis { ticks: 5, ..Axis::log(0.7 * lowest.max(0.05 * least), 1.3 * hi, &self.y_label) };
        }
        let span = if hi > lo { hi - lo } else { hi.abs().max(1.0) };
        let from = if lo >= 0.0 { 0.0 } else { lo - 0.06 * span };
        Axis { ticks: 6, ..Axis::linear(from, hi + 0.06 * span, &self.y_label) }
    }
}

/// A position on the axis in at most four digits.
fn tick(v: f64) -> String {
    let short = format!("{v:.3e}").parse::<f64>().unwrap_or(v);
    let text = if short != 0.0 && !(1e-4..1e6).contains(&short.abs()) {
        format!("{short:e}")
    } else {
        short.to_string()
    };
    super::axes::minus(&text)
}

impl LinePanel {
    fn paint<B: DrawingBackend>(
        &self,
        page: &Page<B>,
        panel: &Panel<B>,
        reference: Option<f64>,
    ) -> Result<()> {
        panel.grid_y()?;
        let (lo, hi) = (panel.y.lo, panel.y.hi);
        let across = |x: f64| (panel.x.lo..=panel.x.hi).contains(&x);
        let floor: Vec<(f64, f64)> = self.floor.iter().copied().filter(|f| across(f.0)).collect();
        if floor.len() > 1 {
            let (x, y): (Vec<f64>, Vec<f64>) = floor.iter().copied().unzip();
            panel.band(&x, &vec![lo; x.len()], &y, faded(GRID, 0.7))?;
            let style = LevelStyle { color: SOFT, width: 1.0, dash: Some((2.0, 2.0)) };
            panel.curve(&x, &y, style)?;
        } else if let Some((x, y)) = floor.first() {
            let (x, y) = panel.at(*x, y.clamp(lo, hi));
            page.dashed(&[(x - 16.0, y), (x + 16.0, y)], SOFT, 1.0, (2.0, 2.0))?;
        }
        if let Some(at) = reference {
            let ends = [panel.at(panel.x.lo, at), panel.at(panel.x.hi, at)];
            page.dashed(&ends, SOFT, 1.0, (4.0, 3.0))?;
        }
        let count = self.series.len() as f64;
        for (i, series) in self.series.iter().enumerate() {
            let style = level_style(&series.level);
            // Error bars of different levels stand beside each other.
            let aside = 3.0 * (i as f64 - 0.5 * (count - 1.0));
            let at = |x: f64, y: f64| {
                let (px, py) = panel.at(x, y);
                (px + aside, py)
            };
            let places: Vec<(f64, f64)> = series
                .points
                .iter()
                .filter(|p| across(p.x) && (lo..=hi).contains(&p.value))
                .map(|p| at(p.x, p.value))
                .collect();
            match style.dash {
                None => page.line(&places, style.color, style.width)?,
                Some(dash) => page.dashed(&places, style.color, style.width, dash)?,
            }
            for p in series.points.iter().filter(|p| across(p.x)) {
                if p.lo.is_finite() && p.hi.is_finite() && p.value.is_finite() {
                    let (from, to) = (at(p.x, p.lo.clamp(lo, hi)), at(p.x, p.hi.clamp(lo, hi)));
                    page.line(&[from, to], style.color, 1.2)?;
                    for end in [from, to] {
                        page.line(&[(end.0 - 2.5, end.1), (end.0 + 2.5, end.1)], style.color, 1.2)?;
                    }
                }
            }
            for place in places {
                page.disc(place, 3.2, style.color)?;
            }
        }
        let title = Text { bold: true, ..CENTER };
        let rect = panel.rect;
        page.text((0.5 * (rect.x0 + rect.x1), rect.y0 - 12.0), &self.title, title)
    }
}

impl Figure for Lines {
    fn alt(&self) -> String {
        self.alt.clone()
    }

    fn size(&self) -> (f64, f64) {
        self.layout().size()
    }

    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()> {
        let layout = self.layout();
        let (width, height) = layout.size();
        if self.points().all(|p| !p.value.is_finite()) {
            return page.text((0.5 * width, 0.5 * height), "no numbers were saved", CENTER);
        }
        let key = Rect { x0: layout.margins[0], y0: 6.0, x1: width - 10.0, y1: height };
        legend(page, key, &self.entries())?;
        for (i, part) in self.panels.iter().enumerate() {
            let (x, y) = (self.x_axis(), self.y_axis());
            let x = if layout.is_lowest(i) { x } else { Axis { label: String::new(), ..x } };
            let y = if layout.is_first(i) { y } else { y.bare() };
            let panel = Panel::new(page, layout.rect(i), x, y);
            part.paint(page, &panel, self.reference)?;
            panel.axis_x()?;
            panel.axis_y()?;
        }
        Ok(())
    }
}
