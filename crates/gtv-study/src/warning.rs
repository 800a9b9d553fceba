//! What may be wrong though a comparison goes on; each says what to do next.

use gtv_theory::compare::FEWEST_GROUPS;

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
        diverged: usize,
        /// Paths in all.
        total: usize,
    },
    /// Paths that took too many steps.
    #[error(
        "{level}: {exhausted} of {total} paths {} and are left out; {}",
        Self::GIVEN_UP,
        Self::MORE_STEPS
    )]
    PathsExhausted {
        /// The level.
        level: String,
        /// Paths that were given up.
        exhausted: usize,
        /// Paths in all.
        total: usize,
    },
    /// Levels of too few models for intervals.
    #[error(
        "{levels}: fewer than {} models, from which resampling gives no interval and no standard error; numbers stand alone. Raise ensemble.members or theory.models",
        FEWEST_GROUPS
    )]
    FewModels {
        /// The levels.
        levels: String,
    },
    /// Data points that the noise at ε does not tell apart.
    #[error(
        "data: {near} of {total} points lie closer to an earlier one than the noise at schedule.t_min; each such set counts as one datum for memorization and nearest data. data.duplicates = \"merge\" makes one point of it"
    )]
    NearDuplicates {
        /// Points that are near an earlier one.
        near: usize,
        /// Points in all.
        total: usize,
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
    /// Predictions from outside that are far from what any model would learn.
    #[error(
        "ensemble: the members' mean prediction is {misfit:.1} times as far from the exact one as the best constant; check sign and unit (score, noise), the schedule and the unit of t"
    )]
    Misfit {
        /// Ratio of root mean squares.
        misfit: f64,
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

impl Warning {
    /// What becomes of a path whose steps are too many.
    pub(crate) const GIVEN_UP: &str = "were given up after sampling.max_steps steps";
    /// What helps it.
    pub(crate) const MORE_STEPS: &str = "raise sampling.max_steps, or loosen sampling.rtol and sampling.atol";
}
