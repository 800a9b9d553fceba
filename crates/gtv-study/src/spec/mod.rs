//! What a comparison is given, section by section: no file, key or flag is known here.

mod ensemble;
mod sampling;
mod theory;
mod theory_name;

pub use ensemble::{EnsembleSpec, Vary};
pub use gtv_models::mlp::KernelName;
pub use sampling::{Lookup, SamplingSpec};
pub use theory::TheorySpec;
pub use theory_name::TheoryName;
