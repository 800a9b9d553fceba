//! Figures: plain data in, one SVG and one PNG out. Every figure is drawn by one function that is generic over
//! plotters' backends, so both files show the same.

mod axes;
mod canvas;
mod densities;
mod distances;
mod heatmaps;
mod images;
mod layout;
mod lines;
mod scatter;
pub mod style;

pub use axes::superscript;
pub use canvas::{Figure, Page};
pub use densities::{Curve, Densities, DensityPanel};
pub use distances::{DistancePlot, MetricPanel, Row};
pub use heatmaps::{ColorScale, HeatPanel, Heatmaps};
pub use images::{ImageGrid, ImageRow};
pub use lines::{LinePanel, LinePoint, LineSeries, Lines, Spacing};
pub use scatter::{Scatter, ScatterPanel};
