//! Trainable score models, trained for real: the experiment that the theory of `gtv-theory` predicts.
//!
//! A model here is a [`gtv_theory::ScoreField`] learned from a finite random training set; an ensemble is many of
//! them, each on its own draw.

pub mod device;
pub mod error;
pub mod external;
pub mod family;
pub mod lazy;
pub mod linear;
pub mod linearize;
pub mod mlp;
pub mod watch;
mod weights_file;

pub use error::{Error, Result};
pub use family::{Family, LearnerRecord, Member, Members};
pub use lazy::{LazyEnsemble, LazyFamily, LazyTrainer};
pub use linear::{EnsembleOptions, LinearEnsemble, LinearFamily, LinearTrainer};
pub use mlp::{MlpFamily, MlpMembers};
pub use watch::{Session, Store, Unwatched, Watch};
