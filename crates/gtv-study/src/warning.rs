//! What may be wrong though a comparison goes on; each says what to do next.

/// A warning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Paths that are left out.
    #[error(
        "{level}: {diverged} of {total} paths diverged and are left out; use more sampling.steps, or a larger schedule.t_min"
    )]
    PathsDiverged {
        /// The level.
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
        /// The level.
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
        /// The level.
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
    /// The quadrature has not converged.
    #[error(
        "{quantity}: the quadrature error is {relative:.1e} of the value; raise theory.times and lower theory.noise_spacing, or, in more than two dimensions, raise theory.quasi_nodes"
    )]
    Quadrature {
        /// What was integrated.
        quantity: &'static str,
        /// Relative change between two resolutions.
        relative: f64,
    },
}
