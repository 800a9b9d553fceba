//! The errors of a comparison: those of the crates below, and what only a comparison can run into.

/// Everything that can go wrong in a comparison.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of the mathematics.
    #[error(transparent)]
    Theory(#[from] gtv_theory::Error),
    /// Of the training, the store, or an interrupt.
    #[error(transparent)]
    Models(#[from] gtv_models::Error),
    /// No path of a level arrived.
    #[error("{level}: no path arrived, {most} of {total} paths {how}; {advice}")]
    NoPath {
        /// The level.
        level: String,
        /// Paths of which most is known.
        most: usize,
        /// Paths in all.
        total: usize,
        /// What became of the paths.
        how: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A law that is needed and was not asked for.
    #[error("closure {name} was not computed")]
    NoLaw {
        /// The closure.
        name: &'static str,
    },
    /// A law whose level is asked for, but of which no field can be drawn.
    #[error(
        "the law of {name} is known only at two points at a time: no level can be drawn from it (Law::draw)"
    )]
    NoDraw {
        /// The closure or level.
        name: &'static str,
    },
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
