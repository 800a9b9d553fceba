//! Numbers against a swept setting: one line with error bars a level, resampling floors, one panel a combination of the rest.

use super::axes::{Axis, CENTER, Entry, Panel, legend, legend_height, minus};
use super::canvas::{Figure, Page, Rect, Stroke};
use super::layout::Layout;
use super::numbers::{Numbers, parts};
use super::sheet::Sheet;
use super::style::{GRID, Key, Role, SOFT, faded};
use crate::record::Estimate;

/// The points of one level.
#[derive(Debug, Clone)]
pub struct LineSeries {
    /// Name and line.
    pub key: Key,
    /// Positions in increasing order, and numbers with the ends of their error bars.
    pub points: Vec<(f64, Estimate)>,
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
}

/// Name of the floor in the legend.
const FLOOR: &str = "floor: the same for equal laws";
/// Most positions that are all numbered on the axis.
const MOST_TICKS: usize = 8;

impl Lines {
    fn points(&self) -> impl Iterator<Item = &(f64, Estimate)> {
        self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points)
    }

    fn layout(&self, sheet: Sheet) -> Layout {
        let panels = self.panels.len().max(1);
        let (columns, cell) = match panels {
            1 => (1, (560.0, 330.0)),
            2 | 4 => (2, (330.0, 230.0)),
            _ => (3, (240.0, 180.0)),
        };
        let margins = [76.0, 42.0, 24.0, 50.0];
        let layout = Layout { panels, columns, cell, margins, gap: (24.0, 40.0) }.on(sheet);
        layout.below(legend_height(layout.inner_width(), &self.entries(), sheet))
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for series in self.panels.iter().flat_map(|p| &p.series) {
            if entries.iter().all(|e| e.key != series.key) {
                entries.push(Entry { key: series.key.clone(), band: false });
            }
        }
        if self.panels.iter().any(|p| !p.floor.is_empty()) {
            entries.push(Entry { key: Key { label: FLOOR.to_owned(), role: Role::Floor }, band: true });
        }
        entries
    }

    fn x_axis(&self) -> Axis {
        if let Spacing::Names(names) = &self.spacing {
            let named = names.iter().enumerate().map(|(i, n)| (i as f64, n.clone())).collect();
            return Axis { named, ..Axis::linear(-0.5, names.len() as f64 - 0.5, &self.x_label) };
        }
        let mut at: Vec<f64> = self.points().map(|p| p.0).filter(|x| x.is_finite()).collect();
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
        let ends = |(_, e): &(f64, Estimate)| [Some(e.value), e.lo, e.hi];
        let drawn = self.points().flat_map(ends).flatten().chain(self.reference);
        let drawn: Vec<f64> = drawn.filter(|v| v.is_finite()).collect();
        let hi = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lo = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let values = || self.points().map(|p| p.1.value).filter(|v| v.is_finite());
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
    minus(&text)
}

impl LinePanel {
    fn paint(&self, page: &Page, panel: &Panel, reference: Option<f64>) {
        panel.grid_y();
        let (lo, hi) = (panel.y.lo, panel.y.hi);
        let across = |x: f64| (panel.x.lo..=panel.x.hi).contains(&x);
        let floor: Vec<(f64, f64)> = self.floor.iter().copied().filter(|f| across(f.0)).collect();
        if floor.len() > 1 {
            let (x, y): (Vec<f64>, Vec<f64>) = floor.iter().copied().unzip();
            panel.band(&x, &vec![lo; x.len()], &y, faded(GRID, 0.7));
            panel.curve(&x, &y, Role::Floor.stroke());
        } else if let Some((x, y)) = floor.first() {
            let (x, y) = panel.at(*x, y.clamp(lo, hi));
            page.line(&[(x - 16.0, y), (x + 16.0, y)], Role::Floor.stroke());
        }
        if let Some(at) = reference {
            let ends = [panel.at(panel.x.lo, at), panel.at(panel.x.hi, at)];
            page.line(&ends, Stroke::dashed(SOFT, 1.0, 4.0, 3.0));
        }
        let count = self.series.len() as f64;
        for (i, series) in self.series.iter().enumerate() {
            let stroke = series.key.role.stroke();
            // Error bars of different levels stand beside each other.
            let aside = 3.0 * (i as f64 - 0.5 * (count - 1.0));
            let at = |x: f64, y: f64| {
                let (px, py) = panel.at(x, y);
                (px + aside, py)
            };
            let shown = || series.points.iter().filter(|(x, e)| across(*x) && e.value.is_finite());
            let places: Vec<(f64, f64)> =
                shown().filter(|(_, e)| (lo..=hi).contains(&e.value)).map(|(x, e)| at(*x, e.value)).collect();
            page.line(&places, stroke);
            for (x, (from, to)) in shown().filter_map(|(x, e)| Some((*x, e.ends()?))) {
                let ends = [at(x, from.clamp(lo, hi)), at(x, to.clamp(lo, hi))];
                page.line(&ends, Stroke::full(stroke.color, 1.2));
                for (x, y) in ends {
                    page.line(&[(x - 2.5, y), (x + 2.5, y)], Stroke::full(stroke.color, 1.2));
                }
            }
            for place in places {
                page.disc(place, 3.2, stroke.color);
            }
        }
        panel.title(&self.title, 12.0);
    }
}

impl Figure for Lines {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["panel", "level", "x", "value", "lo", "hi", "floor"]);
        for panel in &self.panels {
            for series in &panel.series {
                for (x, estimate) in &series.points {
                    let x = match &self.spacing {
                        Spacing::Names(names) => names.get(*x as usize).cloned().unwrap_or_default(),
                        Spacing::Linear | Spacing::Log => x.to_string(),
                    };
                    numbers.push(&[&panel.title, &series.key.label, &x], parts(estimate));
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
        if self.points().all(|(_, e)| !e.value.is_finite()) {
            return page.text((0.5 * width, 0.5 * height), "no numbers were saved", CENTER);
        }
        let key = Rect { x0: layout.margins[0], y0: 6.0, x1: width - layout.margins[2], y1: height };
        legend(page, key, &self.entries());
        for (i, part) in self.panels.iter().enumerate() {
            let (x, y) = layout.shared(i, self.x_axis(), self.y_axis());
            let panel = Panel::new(page, layout.rect(i), x, y);
            part.paint(page, &panel, self.reference);
            panel.axes();
        }
    }
}
