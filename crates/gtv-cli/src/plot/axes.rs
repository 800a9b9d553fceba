//! Axes of a panel: from data to the page, ticks, labels, legends and colour bars.

use plotters::style::text_anchor::HPos;

use super::canvas::{Color, Page, Point, Rect, Stroke, TextStyle};
use super::render::text_width;
use super::sheet::Sheet;
use super::style::{ColorScale, GRID, INK, Key, SOFT, colored, faded};

/// Em of tick labels, in points.
pub const SMALL: f64 = 10.5;
/// Em of axis labels and legends, in points.
pub const NORMAL: f64 = 12.0;

/// A text that starts at its point, vertically centred.
pub const LEFT: TextStyle =
    TextStyle { size: NORMAL, color: INK, h: HPos::Left, bold: false, upright: false };
/// A text centred on its point.
pub const CENTER: TextStyle = TextStyle { h: HPos::Center, ..LEFT };
/// A text that ends at its point, vertically centred.
pub const RIGHT: TextStyle = TextStyle { h: HPos::Right, ..LEFT };
/// A panel's title.
const TITLE: TextStyle = TextStyle { bold: true, ..CENTER };
/// How far texts of a panel may reach into the space between panels, in points.
const BETWEEN: f64 = 6.0;
/// The line of axes and ticks.
const AXIS: Stroke = Stroke::full(INK, 0.9);

/// One direction of a panel.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Logarithmic, base 10.
    pub log: bool,
    /// Label with units; empty for none.
    pub label: String,
    /// Whether the ticks have numbers.
    pub numbered: bool,
    /// The largest number of ticks.
    pub ticks: usize,
    /// Ticks with their texts, where they are not to be chosen from the range.
    pub named: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis over `[lo, hi]`, widened if it is empty or not finite.
    pub fn linear(lo: f64, hi: f64, label: &str) -> Self {
        let (lo, hi) = if lo.is_finite() && hi.is_finite() { (lo, hi) } else { (0.0, 1.0) };
        let (lo, hi) = if hi > lo { (lo, hi) } else { (lo - 0.5, lo + 0.5) };
        Self { lo, hi, log: false, label: label.into(), numbered: true, ticks: 7, named: Vec::new() }
    }

    /// A logarithmic axis over `[lo, hi]`, both positive.
    pub fn log(lo: f64, hi: f64, label: &str) -> Self {
        let fine = lo > 0.0 && hi > lo && hi.is_finite();
        let (lo, hi) = if fine { (lo, hi) } else { (1e-3, 1.0) };
        Self { log: true, ..Self::linear(lo, hi, label) }
    }

    /// Without numbers and label, as inside a grid of panels.
    pub fn bare(self) -> Self {
        Self { numbered: false, label: String::new(), ..self }
    }

    /// Position of a value, 0 at `lo` and 1 at `hi`.
    pub fn unit(&self, v: f64) -> f64 {
        if self.log {
            (v / self.lo).ln() / (self.hi / self.lo).ln()
        } else {
            (v - self.lo) / (self.hi - self.lo)
        }
    }

    /// Ticks with their texts.
    pub fn marks(&self) -> Vec<(f64, String)> {
        if !self.named.is_empty() {
            self.named.clone()
        } else if self.log {
            log_marks(self.lo, self.hi, self.ticks)
        } else {
            linear_marks(self.lo, self.hi, self.ticks)
        }
    }
}

fn linear_marks(lo: f64, hi: f64, most: usize) -> Vec<(f64, String)> {
    let rough = (hi - lo) / most.max(2) as f64;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * decade).find(|s| *s >= rough * 0.999);
    let step = step.unwrap_or(10.0 * decade);
    let biggest = lo.abs().max(hi.abs());
    let (first, last) = ((lo / step - 1e-9).ceil() as i64, (hi / step + 1e-9).floor() as i64);
    let exponent = biggest.log10().floor();
    let scientific = !(-3.0..5.0).contains(&exponent);
    let unit = if scientific { 10f64.powf(exponent) } else { 1.0 };
    let decimals = decimals_of(step / unit);
    (first..=last)
        .map(|i| {
            let v = i as f64 * step;
            let digits = format!("{:.decimals$}", v / unit);
            let power = superscript(exponent as i32);
            let text = if scientific && i != 0 { format!("{digits}·10{power}") } else { digits };
            (v, minus(&text))
        })
        .collect()
}

/// Decimals that show a step exactly.
fn decimals_of(step: f64) -> usize {
    (0..=6).find(|&d| (step * 10f64.powi(d) - (step * 10f64.powi(d)).round()).abs() < 1e-6).unwrap_or(6)
        as usize
}

fn log_marks(lo: f64, hi: f64, most: usize) -> Vec<(f64, String)> {
    let (first, last) = (lo.log10().floor() as i32, hi.log10().ceil() as i32);
    let decades = (hi / lo).log10();
    let factors: &[i32] = match decades {
        d if d < 1.3 => &[1, 2, 5],
        d if d < 2.0 => &[1, 3],
        _ => &[1],
    };
    let every = (decades / most.max(2) as f64).ceil().max(1.0) as i32;
    let plain = first >= -3 && last <= 4;
    let inside = |v: f64| v >= lo * (1.0 - 1e-9) && v <= hi * (1.0 + 1e-9);
    (first..=last)
        .filter(|e| e.rem_euclid(every) == 0)
        .flat_map(|e| factors.iter().map(move |&f| (f, e)))
        .filter_map(|(f, e)| {
            let v = f64::from(f) * 10f64.powi(e);
            let text = match (plain, f) {
                (true, _) => format!("{:.*}", (-e).max(0) as usize, v),
                (false, 1) => format!("10{}", superscript(e)),
                (false, _) => format!("{f}·10{}", superscript(e)),
            };
            inside(v).then_some((v, text))
        })
        .collect()
}

/// An integer in superscript digits.
pub fn superscript(n: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c as usize - '0' as usize],
    };
    n.to_string().chars().map(digit).collect()
}

/// Hyphens of numbers as minus signs.
pub fn minus(text: &str) -> String {
    text.replace('-', "−")
}

/// A plotting area with its two axes.
pub struct Panel<'p> {
    page: &'p Page,
    /// Where data are drawn.
    pub rect: Rect,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
}

impl<'p> Panel<'p> {
    /// A panel over a rectangle; ticks and labels go outside it.
    pub fn new(page: &'p Page, rect: Rect, x: Axis, y: Axis) -> Self {
        Self { page, rect, x, y }
    }

    /// Where a data point is on the page.
    pub fn at(&self, x: f64, y: f64) -> Point {
        let Rect { x0, y1, .. } = self.rect;
        (x0 + self.x.unit(x) * self.rect.width(), y1 - self.y.unit(y) * self.rect.height())
    }

    /// A title `above` points over the panel.
    pub fn title(&self, text: &str, above: f64) {
        let (x, _) = self.rect.middle();
        let lines = title_lines(text, self.page.sheet(), self.rect.width());
        stack(self.page, lines, (x, self.rect.y0 - above), Side::Up, TITLE);
    }

    /// Grid lines at the ticks of the vertical axis.
    pub fn grid_y(&self) {
        for (v, _) in self.y.marks() {
            let (_, y) = self.at(self.x.lo, v);
            self.page.line(&[(self.rect.x0, y), (self.rect.x1, y)], Stroke::full(GRID, 0.75));
        }
    }

    /// Grid lines at the ticks of the horizontal axis.
    pub fn grid_x(&self) {
        for (v, _) in self.x.marks() {
            let (x, _) = self.at(v, self.y.lo);
            self.page.line(&[(x, self.rect.y0), (x, self.rect.y1)], Stroke::full(GRID, 0.75));
        }
    }

    /// Both axes: lines, ticks, numbers, labels.
    pub fn axes(&self) {
        self.axis_x();
        let Rect { x0, y0, y1, .. } = self.rect;
        self.page.line(&[(x0, y0), (x0, y1)], AXIS);
        let mut widest: f64 = 0.0;
        for (v, text) in self.y.marks() {
            let (_, y) = self.at(self.x.lo, v);
            self.page.line(&[(x0 - 4.0, y), (x0, y)], AXIS);
            if self.y.numbered {
                widest = widest.max(text_width(&text, SMALL, false, self.page.sheet()));
                self.page.text((x0 - 7.0, y), &text, TextStyle { size: SMALL, ..RIGHT });
            }
        }
        let style = TextStyle { upright: true, ..CENTER };
        let lines = broken(&self.y.label, style, self.page.sheet(), y1 - y0 + 10.0);
        stack(self.page, lines, (x0 - 7.0 - widest - 13.0, 0.5 * (y0 + y1)), Side::Left, style);
    }

    /// The horizontal axis alone.
    pub fn axis_x(&self) {
        let Rect { x0, x1, y1, .. } = self.rect;
        self.page.line(&[(x0, y1), (x1, y1)], AXIS);
        for (v, text) in self.x.marks() {
            let (x, _) = self.at(v, self.y.lo);
            self.page.line(&[(x, y1), (x, y1 + 4.0)], AXIS);
            if self.x.numbered {
                self.page.text((x, y1 + 12.0), &text, TextStyle { size: SMALL, ..CENTER });
            }
        }
        let lines = broken(&self.x.label, CENTER, self.page.sheet(), x1 - x0 + BETWEEN);
        stack(self.page, lines, (0.5 * (x0 + x1), y1 + 29.0), Side::Down, CENTER);
    }

    /// A curve; what leaves the panel is cut at its edge.
    pub fn curve(&self, x: &[f64], y: &[f64], stroke: Stroke) {
        for run in runs_inside(x, y, (self.y.lo, self.y.hi)) {
            let points: Vec<_> = run.iter().map(|&(x, y)| self.at(x, y)).collect();
            self.page.line(&points, stroke);
        }
    }

    /// The area between two curves, cut at the panel's edge.
    pub fn band(&self, x: &[f64], lo: &[f64], hi: &[f64], color: Color) {
        let inside = |v: f64| v.clamp(self.y.lo, self.y.hi);
        let finite = |i: usize| x[i].is_finite() && lo[i].is_finite() && hi[i].is_finite();
        let kept: Vec<usize> = (0..x.len().min(lo.len()).min(hi.len())).filter(|&i| finite(i)).collect();
        let upper = kept.iter().map(|&i| self.at(x[i], inside(hi[i])));
        let lower = kept.iter().rev().map(|&i| self.at(x[i], inside(lo[i])));
        self.page.fill(&upper.chain(lower).collect::<Vec<_>>(), color);
    }
}

/// The lines of the title of a panel of this width.
pub fn title_lines(text: &str, sheet: Sheet, width: f64) -> Vec<String> {
    broken(text, TITLE, sheet, width + BETWEEN)
}

/// Where a text of several lines grows to, from a panel.
#[derive(Clone, Copy)]
enum Side {
    Up,
    Left,
    Down,
    Right,
}

/// Lines of a text, the one next to the panel at `at`.
fn stack(page: &Page, mut lines: Vec<String>, (x, y): Point, side: Side, style: TextStyle) {
    let (dx, dy) = match side {
        Side::Up => (0.0, -1.0),
        Side::Left => (-1.0, 0.0),
        Side::Down => (0.0, 1.0),
        Side::Right => (1.0, 0.0),
    };
    // They are read downwards and, upright, to the right.
    if let Side::Up | Side::Left = side {
        lines.reverse();
    }
    for (k, line) in lines.iter().enumerate() {
        let off = k as f64 * page.sheet().line(style.size);
        page.text((x + off * dx, y + off * dy), line, style);
    }
}

/// A text in as few lines as have room, of about equal width, broken at spaces.
fn broken(text: &str, style: TextStyle, sheet: Sheet, room: f64) -> Vec<String> {
    let wide = |line: &str| text_width(line, style.size, style.bold, sheet);
    let filled = |room: f64| {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if wide(&format!("{line} {word}")) <= room => *line = format!("{line} {word}"),
                Some(_) | None => lines.push(word.to_owned()),
            }
        }
        lines
    };
    let fewest = filled(room).len();
    let shares = [0.55, 0.7, 0.85, 1.0].map(|share| filled(share * room));
    shares.into_iter().find(|lines| lines.len() == fewest).unwrap_or_default()
}

/// The pieces of a polyline with y inside a range, cut exactly at its ends; values that are not finite break it.
fn runs_inside(x: &[f64], y: &[f64], (lo, hi): (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let finite = [x0, y0, x1, y1].iter().all(|v| v.is_finite());
        let outside = (y0 < lo && y1 < lo) || (y0 > hi && y1 > hi);
        if !finite || outside {
            runs.push(Vec::new());
            continue;
        }
        let cut = |y_cut: f64| (x0 + (x1 - x0) * (y_cut - y0) / (y1 - y0), y_cut);
        let end = |x: f64, y: f64| {
            if y < lo {
                cut(lo)
            } else if y > hi {
                cut(hi)
            } else {
                (x, y)
            }
        };
        let (from, to) = (end(x0, y0), end(x1, y1));
        if let Some(run) = runs.last_mut() {
            if run.is_empty() {
                run.push(from);
            }
            run.push(to);
        }
        if (y1 < lo) || (y1 > hi) {
            runs.push(Vec::new());
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}

/// One entry of a legend.
pub struct Entry {
    /// Text and line.
    pub key: Key,
    /// Whether a band goes with the line.
    pub band: bool,
}

/// Draws entries in rows from the top left of `rect`, as many a row as fit; returns the height used.
pub fn legend(page: &Page, rect: Rect, entries: &[Entry]) -> f64 {
    let places = legend_places(rect, entries, page.sheet());
    for (entry, &(x, y)) in entries.iter().zip(&places) {
        let stroke = entry.key.role.stroke();
        if entry.band {
            let swatch = Rect { x0: x, y0: y - 5.0, x1: x + 26.0, y1: y + 5.0 };
            page.block(swatch, faded(stroke.color, 0.28));
        }
        page.line(&[(x, y), (x + 26.0, y)], stroke);
        page.text((x + 31.0, y), &entry.key.label, LEFT);
    }
    places.last().map_or(0.0, |p| p.1 + 10.0 - rect.y0)
}

/// Room for a wider typeface: an SVG is shown in the viewer's own where it lacks ours.
const FALLBACK: f64 = 1.13;

fn legend_places(rect: Rect, entries: &[Entry], sheet: Sheet) -> Vec<Point> {
    let (mut x, mut y) = (rect.x0, rect.y0 + 8.0);
    let mut places = Vec::new();
    for entry in entries {
        let wide = 31.0 + FALLBACK * text_width(&entry.key.label, NORMAL, false, sheet);
        if x > rect.x0 && x + wide > rect.x1 {
            (x, y) = (rect.x0, y + 18.0);
        }
        places.push((x, y));
        x += wide + 20.0;
    }
    places
}

/// The height that a legend needs over a width.
pub fn legend_height(width: f64, entries: &[Entry], sheet: Sheet) -> f64 {
    let rect = Rect { x0: 0.0, y0: 0.0, x1: width, y1: 0.0 };
    legend_places(rect, entries, sheet).last().map_or(0.0, |p| p.1 + 10.0)
}

/// A vertical colour bar with its scale and label, right of the panels.
pub fn color_bar(page: &Page, rect: Rect, (lo, hi): (f64, f64), scale: &ColorScale) {
    let steps = 128;
    let values = (0..steps).rev().map(|i| (f64::from(i) + 0.5) / f64::from(steps));
    page.image(rect, colored(values, 1, steps as usize, (0.0, 1.0), scale.palette, 1.0));
    page.frame(rect, SOFT, 0.6);
    let axis = Axis { ticks: 6, ..Axis::linear(lo, hi, "") };
    // A power scale is read by its decades.
    let marks = if scale.power < 1.0 {
        let decades = log_marks(hi * 10f64.powf(-0.8 / scale.power), hi, 6);
        std::iter::once((0.0, "0".to_owned())).chain(decades).collect()
    } else {
        axis.marks()
    };
    let mut widest: f64 = 0.0;
    for (v, text) in marks {
        let y = rect.y1 - axis.unit(v).powf(scale.power) * rect.height();
        page.line(&[(rect.x1, y), (rect.x1 + 4.0, y)], AXIS);
        page.text((rect.x1 + 7.0, y), &text, TextStyle { size: SMALL, ..LEFT });
        widest = widest.max(text_width(&text, SMALL, false, page.sheet()));
    }
    let style = TextStyle { upright: true, ..CENTER };
    let lines = broken(&scale.label, style, page.sheet(), rect.height() + 20.0);
    stack(page, lines, (rect.x1 + 7.0 + widest + 13.0, rect.middle().1), Side::Right, style);
}
