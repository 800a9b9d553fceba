//! Members from outside: trained by any program, and brought as functions ([`CalledMembers`]) or as arrays ([`Tabulated`]).
//!
//! Each part that is there switches on what it allows; [`Ensemble`] is what a comparison asks.

mod called;
mod error;
mod features;
mod given;
#[cfg(feature = "onnx")]
pub mod onnx;
mod points;
mod tabulated;

pub use called::{CalledMembers, LARGEST_CALL, chunks_a_call};
pub use error::Error;
pub use features::FeatureTable;
pub use given::Given;
pub use tabulated::{Arrays, Tabulated};

use crate::family::Members;

/// What is known of an ensemble.
pub enum Ensemble {
    /// Members that answer at every point, trained here or called.
    Fields(Box<dyn Members>),
    /// Arrays of what members answered or drew elsewhere.
    Tabulated(Tabulated),
}

impl Ensemble {
    /// N.
    pub fn members(&self) -> usize {
        match self {
            Self::Fields(members) => members.len(),
            Self::Tabulated(table) => table.members(),
        }
    }

    /// Members that answer at every point.
    pub fn fields(&self) -> Option<&dyn Members> {
        match self {
            Self::Fields(members) => Some(members.as_ref()),
            Self::Tabulated(_) => None,
        }
    }

    /// What was drawn from the members elsewhere, n × D a member.
    pub fn samples(&self) -> Option<&[Vec<f64>]> {
        match self {
            Self::Fields(_) => None,
            Self::Tabulated(table) => table.samples(),
        }
    }

    /// y(x_q, t_q) of every member; `None` where a point is not among those that are known.
    ///
    /// # Shapes
    /// `x`: Q × D; `t`: Q; the result: N × Q × D.
    pub fn predictions(&self, x: &[f64], t: &[f64]) -> Option<Vec<f64>> {
        match self {
            Self::Fields(members) => Some(members.predictions(x, t)),
            Self::Tabulated(table) => table.predictions(x, t),
        }
    }

    /// The only points at which predictions are known, x (Q × D) and t (Q); `None` where there are none, or all are.
    pub fn points(&self) -> Option<(&[f64], &[f64])> {
        match self {
            Self::Fields(_) => None,
            Self::Tabulated(table) => table.points(),
        }
    }
}
