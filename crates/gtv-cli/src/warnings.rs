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
    /// Data points that the noise at ε does not tell apart were merged.
    #[error(
        "data: {merged} of {total} points lay closer to an earlier one than the noise at schedule.t_min and were merged into it, which makes the weights unequal"
    )]
    NearMerged {
        /// Points merged.
        merged: usize,
        /// Points before.
        total: usize,
    },
    /// Data outside what features or a table know of.
    #[error(
        "{key} = [{lo}, {hi}] leaves out {data:.1} % of the data as they are learned (p(x | t_min)) and {training:.1} % of the training distribution over all times; widen it, with more features or nodes, or scale the data"
    )]
    Uncovered {
        /// The key.
        key: String,
        /// Start of the range.
        lo: f64,
        /// End of the range.
        hi: f64,
        /// Share of p(x | t_min) outside, in per cent.
        data: f64,
        /// Share of p(x, t) outside, in per cent.
        training: f64,
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
    /// A cell of a sweep that looks finished, but is not what was written.
    #[error("{}: damaged: {reason}; it is run again", .path.display())]
    DamagedCell {
        /// The cell's folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A folder among a sweep's cells that does not count.
    #[error("{}: {about}; it is left out", .path.display())]
    LeftOut {
        /// The folder.
        path: PathBuf,
        /// Why.
        about: String,
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
