//! The mathematics of *generalization through variance*, in f64: closed-form scores of discrete data, the
//! covariance of learned scores over training randomness (the V-kernel), the effective dynamics it makes, and the
//! statistics that compare a predicted average distribution with a trained ensemble's.
//!
//! Data flows one way: data → schedule → closed-form score or [`estimator`] statistics → [`score::ScoreField`] →
//! [`dynamics`] → distribution → [`compare`]. A module knows only what is to its left.
//!
//! Source: J. J. Vastola, "Generalization through variance", ICLR 2025 (arXiv 2504.12532).

pub mod compare;
pub mod data;
pub mod dynamics;
pub mod error;
pub mod estimator;
pub mod features;
pub mod linalg;
pub mod minimise;
pub mod ntk;
pub mod number;
pub mod prediction;
pub mod quadrature;
pub mod rng;
pub mod schedule;
pub mod score;
pub mod training;

pub use data::{BuiltIn, PointCloud};
pub use error::{Error, Result};
pub use features::Features;
pub use prediction::{LossWeight, Preconditioning, Prediction};
pub use schedule::{Schedule, ScheduleKind, TimeGrid};
pub use score::{CovKind, ExactScore, ScoreField};
