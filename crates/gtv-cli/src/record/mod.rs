//! Records on disk: `summary.json`, `arrays.npz` and the resolved config. Plots and reports read only these, so a report can be
//! rendered again from a run directory alone.

mod files;
mod page;
mod samples;
mod sweep;

pub use files::{Saved, from_json, to_json};
pub use gtv_study::record::*;
pub use page::files_page;
pub use samples::write_samples;
pub use sweep::{SWEEP_SCHEMA, SweepCell, SweepKey, SweepRecord, quantities, shown};
