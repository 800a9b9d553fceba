//! What may be wrong though the run goes on; each says what to do next.

use std::path::PathBuf;

/// A warning: printed on stderr and kept for the record.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Partial results of another config in the run folder.
    #[error("{}: {count} unfinished parts belong to another config or data set and are discarded", .path.display())]
    PartsOfAnotherConfig {
        /// The folder.
        path: PathBuf,
        /// How many parts.
        count: usize,
    },
    /// Identical data points were merged into one of larger weight.
    #[error(
        "data: {merged} of {total} points were copies of an earlier one and were merged into it, which makes the weights unequal"
    )]
    DuplicatesMerged {
        /// Copies merged.
        merged: usize,
        /// Points read.
        total: usize,
    },
    /// Kernels of infinite width by a series instead of a closed form.
    #[error(
        "the kernels of {activation} networks have no closed form, and take ten to twenty times as long as those of relu or erf"
    )]
    SlowActivation {
        /// Its name.
        activation: &'static str,
    },
}
