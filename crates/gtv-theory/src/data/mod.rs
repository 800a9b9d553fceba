//! Data distributions: weighted point clouds (the training examples), built-in sets, Gaussian mixtures.

mod builtin;
mod cloud;
mod mixture;
mod shapes;

pub use builtin::{BuiltIn, Placement};
pub use cloud::PointCloud;
pub(crate) use cloud::check_weights;
pub use mixture::{ComponentCov, GaussianMixture, MixtureComponent};
