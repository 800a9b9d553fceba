//! Distances between distributions, and their uncertainty.
//!
//! [`compare_levels`] and [`summarize_level`] compare and describe whole levels of the attribution ladder. They are made of
//! [`Histogram`]s on a stated grid, distances of samples ([`w1`], [`sliced_w2`], [`kl`], [`js`], [`energy_distance`], [`nearest_two`]),
//! the [`metrics`] between levels, and a bootstrap whose sampling unit is a trained *model* ([`Resamples`]). [`kernel`] compares
//! means and variances of predictions at probe points.

mod bands;
mod bootstrap;
mod cells;
mod comparison;
mod crossed;
mod divergence;
mod energy;
mod estimate;
mod histogram;
pub mod kernel;
mod levels;
mod memorization;
pub mod metrics;
mod moments;
mod settings;
mod summary;
mod wasserstein;

pub use bands::{Bands, between_model_bands, level_bands};
pub use bootstrap::{FEWEST_GROUPS, Interval, Resamples, recentred_interval};
pub use comparison::{Comparison, PairComparison, compare_levels};
pub use crossed::{CrossedVariance, crossed_variance};
pub use divergence::{js, kl, smooth};
pub use energy::{energy_1d_sorted, energy_distance, mean_distances};
pub use estimate::{DistanceEstimate, Noise, Resampled};
pub use histogram::{Axis, Histogram, Normalisation};
pub use levels::{Level, LevelSamples, ResamplingUnit};
pub use memorization::{Neighbours, mass_within, memorized_fraction, nearest_two};
pub use metrics::{Compares, Metric, MetricCard, MetricName};
pub use moments::{Moments, moments};
pub use settings::CompareSettings;
pub use summary::{LevelSummary, NeighbourSummary, summarize_level};
pub use wasserstein::{
    directions, project, sliced_w2, w1, w1_sorted, w1_weighted, w2_squared_sorted, w2_squared_weighted,
};
