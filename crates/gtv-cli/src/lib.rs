//! What the `gtv-cli` binary is made of: records of comparisons, their plots and their reports.

pub mod record;
