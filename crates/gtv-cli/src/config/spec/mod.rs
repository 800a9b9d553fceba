//! What a comparison is given, section by section: no file, key or flag is known here.

mod compare;
mod data;
mod ensemble;
mod sampling;
mod schedule;
mod theory;
mod theory_name;

pub use compare::CompareConfig;
pub use data::{DataConfig, Duplicates, FileData};
pub use ensemble::{EnsembleConfig, Vary};
pub use sampling::{Lookup, SamplingConfig};
pub use schedule::ScheduleConfig;
pub use theory::{KernelName, TheoryConfig};
pub use theory_name::TheoryName;
