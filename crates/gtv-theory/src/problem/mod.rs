//! What is learned, from what: data, forward process, objective, and the training problem that joins them.

pub mod data;
pub mod objective;
pub mod schedule;
pub mod training;

pub use objective::{LossWeight, Objective, Preconditioning, Prediction};
pub use schedule::{Schedule, ScheduleKind, TimeGrid};
pub use training::{DsmSampler, TrainingProblem, Triples};
