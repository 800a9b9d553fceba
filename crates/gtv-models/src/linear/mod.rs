//! Linear-in-features score models, trained in closed form (THEORY §5, paper Prop. 5.1).

mod ensemble;
mod family;
mod trainer;

pub(crate) use ensemble::Work;
pub use ensemble::{EnsembleOptions, LinearEnsemble, Progress};
pub use family::LinearFamily;
pub use trainer::LinearTrainer;
