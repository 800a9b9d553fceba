//! Data distributions: weighted point clouds (the training examples), built-in sets, Gaussian mixtures.

mod builtin;
mod cloud;
mod coverage;
mod mixture;
mod near;
mod shapes;

pub use builtin::{BuiltIn, Placement};
pub(crate) use cloud::check_weights;
pub use cloud::{Picker, PointCloud};
pub use coverage::Outside;
pub use mixture::{ComponentCov, GaussianMixture, MixtureComponent};
