//! Built-in data sets, named in configs: three points, Figure 1's four sets, squares, grids, circles, segments,
//! planes and Gaussian mixtures.

use super::{GaussianMixture, MixtureComponent, PointCloud, shapes};
use crate::error::{Error, Result, check_finite, check_len};
use crate::rng::{Purpose, Streams};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the points of a two-dimensional patch are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Independent uniform points, from the seed.
    #[default]
    Random,
    /// A regular square grid; the count must be a square number.
    Grid,
}

/// A data set that needs no file.
///
/// Sets without settings are written with braces, which is what makes serde refuse unknown keys for them too.
///
/// ```
/// use gtv_theory::data::BuiltIn;
/// use gtv_theory::rng::Streams;
/// let cloud = BuiltIn::Square { angle: 0.0 }.build(&Streams::new(0)).unwrap();
/// assert_eq!((cloud.len(), cloud.dim()), (4, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BuiltIn {
    /// {−1, 0, 1} in one dimension (Figure 2).
    ThreePoints {},
    /// Figure 1: the regular hexagon on the unit circle.
    Polygon {},
    /// Figure 1: six equally spaced points on the diagonal from (−1, −1) to (1, 1).
    Line {},
    /// Figure 1: an L, three points on each arm, one arm more widely spaced.
    Blend {},
    /// Figure 1: six scattered points.
    Random {},
    /// Figure 3: (cos, sin) of iπ/2 + angle, i = 0..3.
    Square {
        /// Rotation, in radians.
        #[serde(default)]
        #[schemars(extend("unit" = "radian"))]
        angle: f64,
    },
    /// A regular grid: `count` values per axis, in every combination.
    Grid {
        /// D.
        #[serde(default = "default_dim")]
        #[schemars(range(min = 1))]
        dim: usize,
        /// Values per axis.
        #[serde(default = "default_side")]
        #[schemars(range(min = 1))]
        count: usize,
        /// First and last value of each axis.
        #[serde(default = "default_range")]
        #[schemars(extend("unit" = "x"))]
        range: [f64; 2],
    },
    /// Equally spaced points on a circle in a plane of R^D.
    Circle {
        /// D, at least 2.
        #[serde(default = "default_dim")]
        #[schemars(range(min = 2))]
        dim: usize,
        /// Number of points.
        #[serde(default = "default_count")]
        #[schemars(range(min = 1))]
        count: usize,
        /// Radius, in data units.
        #[serde(default = "default_radius")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
        radius: f64,
        /// Centre; the origin when empty.
        #[serde(default)]
        offset: Vec<f64>,
    },
    /// Equally spaced points on a straight segment in R^D, both ends included.
    Segment {
        /// D.
        #[serde(default = "default_dim")]
        #[schemars(range(min = 1))]
        dim: usize,
        /// Number of points.
        #[serde(default = "default_count")]
        #[schemars(range(min = 1))]
        count: usize,
        /// First end; (−1, …, −1) when empty.
        #[serde(default)]
        start: Vec<f64>,
        /// Last end; (1, …, 1) when empty.
        #[serde(default)]
        end: Vec<f64>,
    },
    /// Points of a square patch [−radius, radius]² in a plane of R^D.
    Plane {
        /// D, at least 2.
        #[serde(default = "default_dim")]
        #[schemars(range(min = 2))]
        dim: usize,
        /// Number of points.
        #[serde(default = "default_count")]
        #[schemars(range(min = 1))]
        count: usize,
        /// Half the patch's side, in data units.
        #[serde(default = "default_radius")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
        radius: f64,
        /// Centre; the origin when empty.
        #[serde(default)]
        offset: Vec<f64>,
        /// Random points or a regular grid.
        #[serde(default)]
        placement: Placement,
    },
    /// Independent draws from a Gaussian mixture.
    GaussianMixture {
        /// Number of points drawn.
        #[serde(default = "default_count")]
        #[schemars(range(min = 1))]
        count: usize,
        /// The mixture's components.
        components: Vec<MixtureComponent>,
    },
}

fn default_dim() -> usize {
    2
}
fn default_side() -> usize {
    3
}
fn default_count() -> usize {
    16
}
fn default_radius() -> f64 {
    1.0
}
fn default_range() -> [f64; 2] {
    [-1.0, 1.0]
}

/// Largest built-in set, in coordinates (1 GiB): beyond it a typing slip is likelier than intent.
const MAX_VALUES: usize = 1 << 27;

impl BuiltIn {
    /// The name used in configs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ThreePoints {} => "three-points",
            Self::Polygon {} => "polygon",
            Self::Line {} => "line",
            Self::Blend {} => "blend",
            Self::Random {} => "random",
            Self::Square { .. } => "square",
            Self::Grid { .. } => "grid",
            Self::Circle { .. } => "circle",
            Self::Segment { .. } => "segment",
            Self::Plane { .. } => "plane",
            Self::GaussianMixture { .. } => "gaussian-mixture",
        }
    }

    /// The four data sets of Figure 1, in its order.
    pub fn figure1() -> [Self; 4] {
        [Self::Polygon {}, Self::Line {}, Self::Blend {}, Self::Random {}]
    }

    /// The points. Random sets draw from the `Purpose::Data` stream of `streams`; the others do not use it.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Shape`] or [`Error::TooLarge`] naming the setting.
    pub fn build(&self, streams: &Streams) -> Result<PointCloud> {
        match self {
            Self::ThreePoints {} => PointCloud::new(vec![-1.0, 0.0, 1.0], 1),
            Self::Polygon {} => PointCloud::new(shapes::unit_circle(6, 0.0), 2),
            Self::Line {} => {
                PointCloud::new(shapes::linspace(-1.0, 1.0, 6).into_iter().flat_map(|v| [v, v]).collect(), 2)
            }
            // Figure 1's last two sets have no formula: their coordinates, from the paper's notebook.
            Self::Blend {} => {
                PointCloud::new(vec![-1.0, -1.0, -1.0, 0.0, -1.0, 1.0, 0.0, -1.0, 0.5, -1.0, 1.0, -1.0], 2)
            }
            Self::Random {} => {
                PointCloud::new(vec![-1.0, -1.0, -0.9, 1.0, -0.3, 0.2, 0.1, -0.1, 0.2, -0.1, 0.9, 0.7], 2)
            }
            Self::Square { angle } => {
                check_finite("angle", &[*angle], 1)?;
                PointCloud::new(shapes::square(*angle), 2)
            }
            Self::Grid { dim, count, range } => {
                check_finite("range", range, 2)?;
                let points =
                    u32::try_from(*dim).ok().and_then(|d| count.checked_pow(d)).unwrap_or(usize::MAX);
                check_size(points, *dim, 1)?;
                PointCloud::new(shapes::grid(&shapes::linspace(range[0], range[1], *count), *dim), *dim)
            }
            Self::Circle { dim, count, radius, offset } => {
                check_patch(*dim, *count, *radius, offset)?;
                let mut unit = shapes::unit_circle(*count, 0.0);
                unit.iter_mut().for_each(|v| *v *= radius);
                PointCloud::new(shapes::embed_plane(&unit, *dim, offset), *dim)
            }
            Self::Segment { dim, count, start, end } => {
                check_size(*count, *dim, 1)?;
                let start = checked_vector("start", start, *dim, -1.0)?;
                let end = checked_vector("end", end, *dim, 1.0)?;
                let mut points = Vec::with_capacity(count * dim);
                for u in shapes::linspace(0.0, 1.0, *count) {
                    points.extend(start.iter().zip(&end).map(|(a, b)| a * (1.0 - u) + b * u));
                }
                PointCloud::new(points, *dim)
            }
            Self::Plane { dim, count, radius, offset, placement } => {
                check_patch(*dim, *count, *radius, offset)?;
                let coordinates: Vec<f64> = match placement {
                    Placement::Random => {
                        let mut rng = streams.stream(Purpose::Data, 0, 0);
                        (0..2 * count).map(|_| radius * (2.0 * rng.random::<f64>() - 1.0)).collect()
                    }
                    Placement::Grid => {
                        let side = count.isqrt();
                        if side * side != *count {
                            return Err(Error::OutOfRange {
                                name: "count",
                                value: *count as f64,
                                expected: "a square number, for points on a grid",
                            });
                        }
                        shapes::grid(&shapes::linspace(-radius, *radius, side), 2)
                    }
                };
                PointCloud::new(shapes::embed_plane(&coordinates, *dim, offset), *dim)
            }
            Self::GaussianMixture { count, components } => {
                let mixture = GaussianMixture::new(components)?;
                check_size(*count, mixture.dim(), 1)?;
                let mut points = vec![0.0; count * mixture.dim()];
                mixture.sample_into(&mut streams.stream(Purpose::Data, 0, 0), &mut points);
                PointCloud::new(points, mixture.dim())
            }
        }
    }
}

fn check_size(count: usize, dim: usize, smallest_dim: usize) -> Result<()> {
    if dim < smallest_dim {
        let expected = if smallest_dim == 1 { "at least 1" } else { "at least 2, to hold a plane" };
        return Err(Error::OutOfRange { name: "dim", value: dim as f64, expected });
    }
    if count == 0 {
        return Err(Error::Empty { name: "the data (count)" });
    }
    let values = count.saturating_mul(dim);
    if values > MAX_VALUES {
        return Err(Error::TooLarge {
            name: "the built-in data set",
            needed_bytes: 8 * values as u64,
            limit_bytes: 8 * MAX_VALUES as u64,
            advice: "lower count or dim",
        });
    }
    Ok(())
}

fn check_patch(dim: usize, count: usize, radius: f64, offset: &[f64]) -> Result<()> {
    check_size(count, dim, 2)?;
    if !(radius.is_finite() && radius > 0.0) {
        return Err(Error::OutOfRange { name: "radius", value: radius, expected: "a finite number above 0" });
    }
    checked_vector("offset", offset, dim, 0.0).map(drop)
}

/// A vector setting: all `default` when empty, else of length `dim` and finite.
fn checked_vector(name: &'static str, values: &[f64], dim: usize, default: f64) -> Result<Vec<f64>> {
    if values.is_empty() {
        return Ok(vec![default; dim]);
    }
    check_len(name, dim, values.len())?;
    check_finite(name, values, dim)?;
    Ok(values.to_vec())
}
