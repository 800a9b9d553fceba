//! The mathematics of *generalization through variance*, in f64: closed-form scores of discrete data, the
//! covariance of learned scores over training randomness (the V-kernel), the effective dynamics it makes, and the
//! statistics that compare a predicted average distribution with a trained ensemble's.
//!
//! Data flows one way: data → schedule → training [`problem`] → [`learner`] → [`closure`] → [`law`] → [`score::ScoreField`] →
//! [`dynamics`] → distribution → [`compare`]. A module knows only what is to its left.
//!
//! Source: J. J. Vastola, "Generalization through variance", ICLR 2025 (arXiv 2504.12532).

pub mod closure;
pub mod compare;
mod design;
pub mod dynamics;
pub mod error;
pub mod features;
mod fixed_point;
pub mod law;
pub mod learner;
pub mod linalg;
pub mod memo;
pub mod minimise;
pub mod ntk;
pub mod number;
pub mod problem;
pub mod quadrature;
pub mod rng;
pub mod score;

pub use closure::Closure;
pub use error::{Error, Result};
pub use features::Features;
pub use law::{At, Law};
pub use learner::Learner;
pub use problem::data::{self, BuiltIn, PointCloud};
pub use problem::schedule::{self, Schedule, ScheduleKind, TimeGrid};
pub use problem::training;
pub use problem::{LossWeight, Objective, Preconditioning, Prediction, TrainingProblem};
pub use score::{CovKind, ExactScore, ScoreField};
