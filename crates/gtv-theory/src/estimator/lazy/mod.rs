//! Models that are linear in fixed features and trained by gradient flow for a time τ: infinitely wide networks (Prop. 5.2,
//! THEORY §6), linearised ones, any [`FeatureMap`](crate::features::FeatureMap).
//!
//! [`FlowSpectrum`] is Mercer's decomposition K = φ·φ' = Σ ζ_i e_i e_i' in L²(w ρ); [`LazyStatistics`] adds the nodes of ρ and
//! turns a [`Closure`](super::Closure) and a time into a [`LinearLaw`](super::LinearLaw).

mod initial;
mod law;
mod mean;
mod nearest;
mod response;
mod rotated;
mod spectrum;
mod statistics;

pub use initial::{InitialFunction, VarianceSplit};
pub use nearest::{MeanFit, NearestTime};
pub use spectrum::FlowSpectrum;
pub use statistics::LazyStatistics;
