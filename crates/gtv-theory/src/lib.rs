#![doc = include_str!("../README.md")]
//!
//! # Where to start
//!
//! [`TrainingProblem`], then a [`Learner`] ([`learner::Ridge`], [`learner::Flow`]), then a [`Closure`] ([`closure::CLOSURES`]), then its
//! [`Law`]; samplers are in [`dynamics`], distances in [`compare`]. A module knows only what is to its left in the chain above.

pub mod closure;
pub mod compare;
mod derivative;
mod design;
pub mod dynamics;
pub mod error;
pub mod features;
mod fixed_point;
mod lanes;
pub mod law;
pub mod learner;
pub mod linalg;
pub mod memo;
pub mod minimise;
pub mod ntk;
pub mod number;
pub mod problem;
pub mod progress;
pub mod quadrature;
pub mod rng;
pub mod score;
pub mod timing;

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
