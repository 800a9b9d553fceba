//! The sections that are a config's own: data, schedule and where the ensemble comes from. The others are read straight into the specs of the crates below.

mod data;
mod ensemble;
mod schedule;

pub use data::{DataConfig, Duplicates, FileData};
pub use ensemble::{EnsembleConfig, FileEnsemble, OnnxEnsemble, OriginConfig};
pub use schedule::{ScheduleConfig, ScheduleForm, TableFile};
