//! Data distributions: weighted point clouds (the training examples), built-in sets, Gaussian mixtures.

mod cloud;

pub use cloud::PointCloud;
