//! What a figure is drawn for: how wide it may be, how large its texts are, and their typeface.

use clap::ValueEnum;

/// What a figure is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Sheet {
    /// The report: sans-serif, as wide as it needs
    #[default]
    Screen,
    /// A paper: 3.25 inches wide, or 5.5 for panels side by side; 8 pt, serif
    Paper,
}

/// A column of a page of two, 3.25 inches.
const COLUMN: f64 = 3.25 * 96.0;
/// A page's text, 5.5 inches.
const TEXT: f64 = 5.5 * 96.0;
/// 8 points of 1/72 inch.
const EM: f64 = 8.0 / 0.75;

impl Sheet {
    /// The em of a text that has `size` on the screen, in points of 1/96 inch.
    pub fn em(self, size: f64) -> f64 {
        match self {
            Self::Screen => size,
            Self::Paper => EM,
        }
    }

    /// From a line of such a text to the next.
    pub fn line(self, size: f64) -> f64 {
        1.15 * self.em(size)
    }

    /// The width for panels that stand alone, and for those beside each other; none where they take what they need.
    pub const fn widths(self) -> Option<(f64, f64)> {
        match self {
            Self::Screen => None,
            Self::Paper => Some((COLUMN, TEXT)),
        }
    }

    /// The typeface: named so that a viewer of an SVG without it falls back to its own; PNG and PDF use the bundled one.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Screen => "Source Sans 3, Source Sans Pro, Helvetica Neue, Arial, sans-serif",
            Self::Paper => "Linux Libertine O, Linux Libertine, Libertinus Serif, Times New Roman, serif",
        }
    }

    /// The bundled typeface, a TrueType font.
    pub const fn typeface(self, bold: bool) -> &'static [u8] {
        match (self, bold) {
            (Self::Screen, false) => include_bytes!("../../assets/GtvPlot-Regular.ttf"),
            (Self::Screen, true) => include_bytes!("../../assets/GtvPlot-SemiBold.ttf"),
            (Self::Paper, false) => include_bytes!("../../assets/GtvSerif-Regular.ttf"),
            (Self::Paper, true) => include_bytes!("../../assets/GtvSerif-Bold.ttf"),
        }
    }

    /// The bundled typeface's own name.
    pub const fn face_name(self, bold: bool) -> &'static [u8] {
        match (self, bold) {
            (Self::Screen, false) => b"GtvPlot-Regular",
            (Self::Screen, true) => b"GtvPlot-SemiBold",
            (Self::Paper, false) => b"GtvSerif-Regular",
            (Self::Paper, true) => b"GtvSerif-Bold",
        }
    }
}
