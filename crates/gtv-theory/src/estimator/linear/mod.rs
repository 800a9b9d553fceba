//! Linear-in-features models (Prop. 5.1): the law of the ridge estimate's score over its training draws.
//!
//! [`LinearStatistics`] puts the training problem on quadrature nodes; a [`Closure`] turns it into a [`LinearLaw`].

pub(in crate::estimator) mod dense;
pub(in crate::estimator) mod design;
mod field;
mod finite_p;
mod fixed_point;
pub(in crate::estimator) mod law;
mod leading;
mod paper;
pub(in crate::estimator) mod path_cov;
pub(in crate::estimator) mod shared;
mod shot_noise;
mod sources;
mod spec;
pub(in crate::estimator) mod statistics;
mod tensor;

pub use field::LinearField;
pub use law::{LinearLaw, PredictionMoments};
pub use sources::VarianceSources;
pub use spec::LinearSpec;
pub use statistics::{Closure, LinearStatistics};
