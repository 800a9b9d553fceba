//! Colours: what stands for the same thing looks the same in every figure.
//!
//! Lines: Okabe & Ito's set, which stays distinct under colour-blindness and in grey print; maps: viridis.

use gtv_theory::closure::{self, Role as Closure};
use plotters::style::RGBAColor;

use super::canvas::{Color, Pixels, Stroke};

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

/// What a line stands for: its colour and its dash follow from that. In the order in which legends and tables list them,
/// from the data to the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The data points.
    Points,
    /// The data with noise.
    Data,
    /// Sampling with the true score.
    TrueScore,
    /// Sampling with the mean learned score.
    MeanScore,
    /// A closure.
    Closure(closure::Role),
    /// Gaussian fields with measured moments.
    OwnMoments,
    /// Trained models.
    Ensemble,
    /// What equal laws would give.
    Floor,
}

impl Role {
    /// Its line.
    pub fn stroke(self) -> Stroke {
        let full = Stroke::full;
        let dashed = |color, on, off| Stroke::dashed(color, 1.5, on, off);
        match self {
            Self::Points => dashed(rgb(170, 170, 170), 2.0, 2.0),
            Self::Data => dashed(rgb(140, 140, 140), 5.0, 2.0),
            Self::TrueScore => full(rgb(70, 70, 70), 1.1),
            Self::MeanScore => dashed(rgb(230, 159, 0), 7.0, 2.5),
            Self::Closure(Closure::NaiveNoise) => dashed(rgb(160, 82, 45), 6.0, 2.0),
            Self::Closure(Closure::NaiveDensity) => full(rgb(120, 60, 30), 1.2),
            Self::Closure(Closure::WhiteNoise) => dashed(rgb(184, 134, 11), 3.0, 2.0),
            Self::Closure(Closure::MatchedNoise) => dashed(rgb(110, 139, 61), 3.0, 3.0),
            Self::Closure(Closure::DampedNoise) => dashed(rgb(75, 0, 130), 5.0, 1.5),
            Self::Closure(Closure::LinearNoise) => dashed(rgb(0, 128, 128), 8.0, 2.5),
            Self::Closure(Closure::SmallNoise) => dashed(rgb(128, 0, 64), 2.5, 1.5),
            Self::Closure(Closure::Limit) => dashed(rgb(148, 103, 189), 1.8, 1.8),
            Self::Closure(Closure::LeadingOrder) => dashed(rgb(0, 158, 115), 4.0, 2.0),
            Self::Closure(Closure::FiniteSample) => full(THEORY, 1.7),
            Self::Closure(Closure::ShotNoise) => dashed(rgb(86, 180, 233), 9.0, 2.0),
            Self::Closure(Closure::OneRunGap) => dashed(rgb(213, 94, 0), 3.0, 2.0),
            Self::Closure(Closure::OneRun) => full(rgb(213, 94, 0), 1.4),
            Self::Closure(Closure::Other) => dashed(SOFT, 3.0, 1.5),
            Self::OwnMoments => dashed(rgb(204, 121, 167), 2.0, 2.5),
            Self::Ensemble => full(EXPERIMENT, 2.0),
            Self::Floor => Stroke::dashed(SOFT, 1.0, 2.0, 2.0),
        }
    }

    /// Its ink.
    pub fn color(self) -> Color {
        self.stroke().color
    }

    /// Whether it consists of sharp peaks by nature, which may be cut so that the others stay legible.
    pub fn is_spiky(self) -> bool {
        matches!(self, Self::Points | Self::Data | Self::TrueScore)
    }
}

/// What a line, a row or a panel stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name in legends and titles.
    pub label: String,
    /// Its colour and place.
    pub role: Role,
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

/// What the colours of a map stand for.
#[derive(Debug, Clone)]
pub struct ColorScale {
    /// The quantity, with its unit.
    pub label: String,
    /// Values of the first and the last colour; from the maps where it is not given.
    pub range: Option<(f64, f64)>,
    /// The colours.
    pub palette: Palette,
    /// Colours go with this power of the value's share of the range; 1 is linear, less shows small values.
    pub power: f64,
}

impl ColorScale {
    /// Viridis over a range, or over what the maps hold.
    pub fn new(label: &str, range: Option<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), range, palette: Palette::Viridis, power: 1.0 }
    }

    /// A scale with white at 0 and equal reach to both sides.
    pub fn diverging(label: &str, reach: f64) -> Self {
        Self { palette: Palette::Diverging, ..Self::new(label, Some((-reach, reach))) }
    }

    /// From 0 to the largest value, as a power that shows ridge and gap: a fixed quantile of the positive values is at
    /// half of the scale.
    pub fn power(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.filter(|v| v.is_finite() && *v > 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        let Some(top) = values.last().copied() else { return Self::new(label, Some((0.0, 1.0))) };
        let shown = values[(SHOWN * (values.len() - 1) as f64) as usize];
        let power = 0.5f64.ln() / (shown / top).min(0.9).ln();
        Self { power: power.clamp(0.25, 1.0), ..Self::new(label, Some((0.0, top))) }
    }
}

/// See [`ColorScale::power`].
const SHOWN: f64 = 0.9;

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

/// Values in a range as colours, rows from the top of the picture; `power` as in [`ColorScale`].
pub fn colored(
    values: impl Iterator<Item = f64>,
    width: usize,
    height: usize,
    (lo, hi): (f64, f64),
    palette: Palette,
    power: f64,
) -> Pixels {
    let span = if hi > lo { hi - lo } else { 1.0 };
    let share = |v: f64| (v - lo) / span;
    let shown = |v: f64| if power == 1.0 { share(v) } else { share(v).clamp(0.0, 1.0).powf(power) };
    let rgb = values.flat_map(|v| palette.at(shown(v))).collect();
    Pixels { width, height, rgb }
}
