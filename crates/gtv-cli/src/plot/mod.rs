//! Figures: plain data in, an SVG, a PNG and a PDF out, all from the same list of shapes, and the numbers that are shown.

mod axes;
mod canvas;
mod contours;
mod densities;
mod distances;
mod heatmaps;
mod images;
mod layout;
mod lines;
mod numbers;
mod pdf;
mod render;
mod scatter;
mod sheet;
mod stacked;
pub mod style;

pub use axes::superscript;
pub use canvas::{Figure, Page, Stroke};
pub use contours::zero_lines;
pub use densities::{Curve, Densities, DensityPanel};
pub use distances::{DistancePlot, MetricPanel};
pub use heatmaps::{HeatPanel, Heatmaps};
pub use images::{ImageGrid, ImageRow};
pub use lines::{LinePanel, LineSeries, Lines, Spacing};
pub use numbers::Numbers;
pub use scatter::{Scatter, ScatterPanel};
pub use sheet::Sheet;
pub use stacked::Stacked;
pub use style::{ColorScale, Key, Role};
