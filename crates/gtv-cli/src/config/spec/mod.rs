//! The sections that are a config's own: data and schedule. The others are read straight into the specs of the crates below.

mod data;
mod schedule;

pub use data::{DataConfig, Duplicates, FileData};
pub use schedule::ScheduleConfig;
