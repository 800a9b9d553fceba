//! Trainable score models, trained for real: the experiment that the theory of `gtv-theory` predicts.
//!
//! A model here is a [`gtv_theory::ScoreField`] learned from a finite random training set; an ensemble is many of
//! them, each on its own draw.

pub mod device;
pub mod ensemble;
pub mod error;
pub mod figures;
pub mod lazy;
pub mod linear;
pub mod linearize;
pub mod mlp;

pub use ensemble::{EnsembleOptions, LinearEnsemble, Members};
pub use error::{Error, Result};
pub use gtv_theory::training::{DsmSampler, Triples};
pub use lazy::{LazyEnsemble, LazyTrainer};
pub use linear::LinearTrainer;
