//! Colours and names: a level, a closure or a metric looks the same and is called the same in every figure and table.
//!
//! Colours: Okabe & Ito's set, which stays distinct under colour-blindness and in grey print; maps: viridis.

use gtv_theory::compare::MetricName;
use plotters::style::RGBAColor;

use super::canvas::{Color, Pixels};

/// An opaque colour.
pub const fn rgb(r: u8, g: u8, b: u8) -> Color {
    RGBAColor(r, g, b, 1.0)
}

/// The same ink, thinner.
pub const fn faded(color: Color, opacity: f64) -> Color {
    RGBAColor(color.0, color.1, color.2, opacity)
}

/// Text and axes.
pub const INK: Color = rgb(34, 34, 34);
/// Secondary text and axes.
pub const SOFT: Color = rgb(96, 96, 96);
/// Lines of a grid.
pub const GRID: Color = rgb(226, 226, 226);
/// The experiment: a trained ensemble, in every figure.
pub const EXPERIMENT: Color = rgb(213, 94, 0);
/// The theory at its best closure, in every figure.
pub const THEORY: Color = rgb(0, 114, 178);

/// How the line of a level is drawn.
#[derive(Debug, Clone, Copy)]
pub struct LevelStyle {
    /// Ink.
    pub color: Color,
    /// Thickness in points.
    pub width: f64,
    /// Lengths of ink and gap in points; none for a full line.
    pub dash: Option<(f64, f64)>,
}

/// The line of a level.
pub fn level_style(level: &str) -> LevelStyle {
    let full = |color, width| LevelStyle { color, width, dash: None };
    let dashed = |color, on, off| LevelStyle { color, width: 1.5, dash: Some((on, off)) };
    match level {
        "data" => dashed(rgb(140, 140, 140), 5.0, 2.0),
        "pf_ode" => full(rgb(70, 70, 70), 1.1),
        "mean_score" => dashed(rgb(230, 159, 0), 7.0, 2.5),
        "ensemble" => full(EXPERIMENT, 2.0),
        "gaussian_empirical" => dashed(rgb(204, 121, 167), 2.0, 2.5),
        "theory_finite-p" => full(THEORY, 1.7),
        "theory_shot-noise" => dashed(rgb(86, 180, 233), 9.0, 2.0),
        "theory_leading" => dashed(rgb(0, 158, 115), 4.0, 2.0),
        "theory_paper" => dashed(rgb(148, 103, 189), 1.8, 1.8),
        "points" => dashed(rgb(170, 170, 170), 2.0, 2.0),
        "theory_naive" => dashed(rgb(160, 82, 45), 6.0, 2.0),
        "theory_white" => dashed(rgb(184, 134, 11), 3.0, 2.0),
        "theory_matched-white" => dashed(rgb(110, 139, 61), 3.0, 3.0),
        "theory_damped" => dashed(rgb(75, 0, 130), 5.0, 1.5),
        "theory_fokker-planck" => full(rgb(120, 60, 30), 1.2),
        "theory_linear-noise" => dashed(rgb(0, 128, 128), 8.0, 2.5),
        "theory_semiclassical" => dashed(rgb(128, 0, 64), 2.5, 1.5),
        _ => dashed(SOFT, 3.0, 1.5),
    }
}

/// The order in which levels are listed: from the data to the ensemble, each step adding one effect.
pub fn level_rank(level: &str) -> usize {
    const ORDER: [&str; 17] = [
        "points",
        "data",
        "pf_ode",
        "mean_score",
        "theory_naive",
        "theory_fokker-planck",
        "theory_white",
        "theory_matched-white",
        "theory_damped",
        "theory_linear-noise",
        "theory_semiclassical",
        "theory_paper",
        "theory_leading",
        "theory_finite-p",
        "theory_shot-noise",
        "gaussian_empirical",
        "ensemble",
    ];
    // A closure that is not listed comes after those that are, before the ensemble's own moments.
    ORDER.iter().position(|l| *l == level).map_or(2 * ORDER.len() - 5, |i| 2 * i)
}

/// Level names in the order of [`level_rank`].
pub fn ranked<'a>(levels: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut levels: Vec<&str> = levels.into_iter().collect();
    levels.sort_by_key(|&l| (level_rank(l), l));
    levels.dedup();
    levels
}

/// The closure of a theory level.
pub fn closure(level: &str) -> Option<&str> {
    level.strip_prefix("theory_")
}

/// What a level is called in figures and tables.
pub fn level_label(level: &str) -> String {
    match level {
        "data" => "data, smoothed to ε".into(),
        "points" => "data points".into(),
        "pf_ode" => "PF-ODE, true score".into(),
        "mean_score" => "PF-ODE, mean score".into(),
        "ensemble" => "trained ensemble".into(),
        "theory_naive" => "naive estimator, white noise".into(),
        "theory_fokker-planck" => "naive estimator, Fokker–Planck".into(),
        "theory_white" => "same V, white in time".into(),
        "theory_matched-white" => "same integrated V, white".into(),
        "theory_damped" => "same V, correlation damped".into(),
        "theory_linear-noise" => "theory: linear noise".into(),
        "theory_semiclassical" => "theory: semiclassical".into(),
        "gaussian_empirical" => "Gaussian, ensemble's moments".into(),
        other => closure(other).map_or_else(|| other.replace('_', " "), |c| format!("theory: {c}")),
    }
}

/// What a metric is called, with its unit.
pub fn metric_label(metric: &str) -> String {
    let named = MetricName::find(metric).map(|m| format!("{} ({})", m.card().label, m.card().unit));
    named.unwrap_or_else(|| metric.replace('_', " "))
}

/// A metric's name without its unit.
pub fn metric_name(metric: &str) -> String {
    MetricName::find(metric).map_or_else(|| metric.replace('_', " "), |m| m.card().label.to_owned())
}

/// The metric that leads the report: the first of the list that a record has.
pub fn main_metric(metrics: &[String]) -> Option<&str> {
    let mut ranked = MetricName::all().map(|m| m.card().name);
    ranked.find(|m| metrics.iter().any(|have| have == m)).or(metrics.first().map(String::as_str))
}

/// Every eighth colour of matplotlib's viridis (CC0), perceptually uniform.
const VIRIDIS: [[u8; 3]; 33] = [
    [68, 1, 84],
    [71, 13, 96],
    [72, 24, 106],
    [72, 35, 116],
    [71, 45, 123],
    [69, 55, 129],
    [66, 64, 134],
    [62, 73, 137],
    [59, 82, 139],
    [55, 91, 141],
    [51, 99, 141],
    [47, 107, 142],
    [44, 114, 142],
    [41, 122, 142],
    [38, 130, 142],
    [35, 137, 142],
    [33, 145, 140],
    [31, 152, 139],
    [31, 160, 136],
    [34, 167, 133],
    [40, 174, 128],
    [50, 182, 122],
    [63, 188, 115],
    [78, 195, 107],
    [94, 201, 98],
    [112, 207, 87],
    [132, 212, 75],
    [152, 216, 62],
    [173, 220, 48],
    [194, 223, 35],
    [216, 226, 25],
    [236, 229, 27],
    [253, 231, 37],
];

/// Where a colour map is undefined.
const UNDEFINED: [u8; 3] = [200, 200, 200];

/// Viridis at `u` in [0, 1] (clamped); light grey for NaN.
pub fn viridis(u: f64) -> [u8; 3] {
    if u.is_nan() {
        return UNDEFINED;
    }
    let position = u.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let i = (position as usize).min(VIRIDIS.len() - 2);
    let f = position - i as f64;
    std::array::from_fn(|c| {
        let (a, b) = (f64::from(VIRIDIS[i][c]), f64::from(VIRIDIS[i + 1][c]));
        (a + (b - a) * f).round() as u8
    })
}

/// The colours of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Palette {
    /// Viridis, for quantities that start at a least value.
    #[default]
    Viridis,
    /// Blue over white to orange, for quantities with a sign: the middle of the range is white.
    Diverging,
}

impl Palette {
    /// The colour at `u` in [0, 1] (clamped); light grey for NaN.
    fn at(self, u: f64) -> [u8; 3] {
        match self {
            Self::Viridis => viridis(u),
            Self::Diverging => diverging(u),
        }
    }
}

/// [`THEORY`]'s blue at 0, white at 1/2, [`EXPERIMENT`]'s orange at 1.
fn diverging(u: f64) -> [u8; 3] {
    if u.is_nan() {
        return UNDEFINED;
    }
    let side = 2.0 * u.clamp(0.0, 1.0) - 1.0;
    let end = if side < 0.0 { THEORY } else { EXPERIMENT };
    [end.0, end.1, end.2].map(|c| (250.0 + (f64::from(c) - 250.0) * side.abs()).round() as u8)
}

/// Values in `range` as colours, rows from the top of the picture.
pub fn colored(
    values: impl Iterator<Item = f64>,
    width: usize,
    height: usize,
    (lo, hi): (f64, f64),
    palette: Palette,
) -> Pixels {
    let span = if hi > lo { hi - lo } else { 1.0 };
    let rgb = values.flat_map(|v| palette.at((v - lo) / span)).collect();
    Pixels { width, height, rgb }
}
