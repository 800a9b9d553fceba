//! Statistics of a learned score over training randomness.

pub mod linear;

pub use linear::{LinearField, LinearSpec};
