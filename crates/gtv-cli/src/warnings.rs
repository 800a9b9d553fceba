//! What may be wrong though the run goes on; each says what to do next.

use std::path::PathBuf;

/// A warning: printed on stderr and kept for the record.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A saved partial result that cannot be used.
    #[error("{}: {reason}; this part is computed again", .path.display())]
    PartSkipped {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that cannot be used.
    #[error("{}: {reason}; the checkpoint before it is used, or the start where there is none", .path.display())]
    CheckpointSkipped {
        /// The file, which is removed.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
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
    /// Paths whose state overflowed.
    #[error(
        "{level}: {diverged} of {total} paths diverged and are left out; use more sampling.steps, or a larger schedule.t_min"
    )]
    PathsDiverged {
        /// The level of the comparison.
        level: String,
        /// Paths that diverged.
        diverged: u64,
        /// Paths in all.
        total: u64,
    },
    /// Paths of an adaptive integrator that were given up.
    #[error(
        "{level}: {exhausted} of {total} paths needed more than sampling.max_steps and are left out; raise \
         sampling.max_steps, or sampling.rtol and sampling.atol where they ask for more than 64-bit floats hold"
    )]
    PathsExhausted {
        /// The level of the comparison.
        level: String,
        /// Paths that were given up.
        exhausted: u64,
        /// Paths in all.
        total: u64,
    },
    /// Samples outside the stated histogram range.
    #[error(
        "{level}: {share:.1} % of the samples lie outside compare.range, and densities are normalised over the rest; widen the range to see them"
    )]
    OutsideRange {
        /// The level of the comparison.
        level: String,
        /// Share outside, in per cent.
        share: f64,
    },
    /// More features than samples, where the theory's closures are weakest.
    #[error(
        "load F/P = {load:.2} is above 1: Gaussian closures miss most of the ensemble's tails there; read the distances with their floors, or raise model.samples"
    )]
    HighLoad {
        /// F/P.
        load: f64,
    },
    /// Kernels of infinite width by a series instead of a closed form.
    #[error(
        "the kernels of {activation} networks have no closed form, and take ten to twenty times as long as those of relu or erf"
    )]
    SlowActivation {
        /// Its name.
        activation: &'static str,
    },
    /// The quadrature has not converged.
    #[error(
        "{quantity}: the quadrature error is {relative:.1e} of the value; raise theory.times and lower theory.noise_spacing, or, in more than two dimensions, raise theory.quasi_nodes"
    )]
    Quadrature {
        /// What was integrated.
        quantity: String,
        /// Relative change between two resolutions.
        relative: f64,
    },
}
