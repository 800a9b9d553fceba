//! The errors of this crate: each variant carries the offending value and says what was expected.

/// Everything that can be wrong with the input of a computation in this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scalar parameter lies outside its domain.
    #[error("{name} = {} is out of range: expected {expected}", Short(*.value))]
    OutOfRange {
        /// The parameter, by the name users give it.
        name: &'static str,
        /// The offending value.
        value: f64,
        /// The domain, in words.
        expected: &'static str,
    },
    /// An array's length does not match its stated shape.
    #[error("{name} has {found} values, expected {expected}")]
    Shape {
        /// The array.
        name: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// An array holds a NaN or an infinity.
    #[error("{name} holds {value} at row {row}, column {column}: every value must be finite")]
    NotFinite {
        /// The array.
        name: &'static str,
        /// Row of the first offending value.
        row: usize,
        /// Column of the first offending value.
        column: usize,
        /// The offending value.
        value: f64,
    },
    /// An optimiser whose steps are too long for the curvature where it ended.
    #[error(
        "the optimiser's steps are too long for a mode of curvature {curvature:e} in its metric: unrolled there it would have left \
         the trained parameters; theory.kernel = \"trained\" is not for runs at the edge of stability: lower training.rate"
    )]
    Unstable {
        /// λ.
        curvature: f64,
    },
    /// One of several trained models that a law is made from.
    #[error("member {member}: {error}")]
    OfMember {
        /// Its place among them, from 0; its index in the ensemble where it is of one.
        member: u64,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// Something that must hold at least one element is empty.
    #[error("{name} is empty: at least one is needed")]
    Empty {
        /// The collection.
        name: &'static str,
    },
    /// Two data points coincide, which the caller has not allowed.
    #[error("data points {first} and {second} are identical: merge them into one point with a larger weight")]
    DuplicatePoints {
        /// Index of the earlier point.
        first: usize,
        /// Index of its copy.
        second: usize,
    },
    /// Weights that are negative or do not sum to one.
    #[error("weights are not a probability vector: {reason}")]
    Weights {
        /// What is wrong with them, with the value.
        reason: String,
    },
    /// A matrix that must be positive definite is not.
    #[error("{name} is not positive definite (pivot {pivot} of {size}); {advice}")]
    NotPositiveDefinite {
        /// The matrix.
        name: &'static str,
        /// The pivot that failed.
        pivot: usize,
        /// The matrix' size.
        size: usize,
        /// What the user can do.
        advice: &'static str,
    },
    /// A matrix that must be positive semidefinite has a negative eigenvalue that rounding does not explain.
    #[error(
        "{name} has the eigenvalue {eigenvalue:.3e}, but must be positive semidefinite: rounding explains no less than \
         -{bound:.1e}; {advice}"
    )]
    NotSemidefinite {
        /// The matrix.
        name: &'static str,
        /// Its smallest eigenvalue.
        eigenvalue: f64,
        /// Size of the negative eigenvalues that rounding may leave.
        bound: f64,
        /// What the user can do.
        advice: &'static str,
    },
    /// A box of x that most of the data lie outside of.
    #[error("half of the data or more lies outside {name} ({:.0} %): widen it, or scale the data", 100.0 * outside)]
    Uncovered {
        /// The box, by the name users give it.
        name: &'static str,
        /// Share of p(x|ε) outside.
        outside: f64,
    },
    /// An iteration stopped at its cap without reaching its tolerance.
    #[error(
        "{name} did not converge: residual {residual:.3e} after {iterations} iterations (tolerance {tolerance:.1e}); {advice}"
    )]
    NotConverged {
        /// The iteration.
        name: &'static str,
        /// Iterations done.
        iterations: usize,
        /// Residual reached.
        residual: f64,
        /// Residual asked for.
        tolerance: f64,
        /// What the user can do.
        advice: &'static str,
    },
    /// The computation would need more memory than allowed.
    #[error("{name} would need {needed_bytes} bytes, more than the limit of {limit_bytes}; {advice}")]
    TooLarge {
        /// The array or the computation.
        name: &'static str,
        /// Estimated need.
        needed_bytes: u64,
        /// The limit in force.
        limit_bytes: u64,
        /// What the user can do.
        advice: &'static str,
    },
    /// A state lies where noise of deficient rank cannot reach.
    #[error(
        "{name} {row} lies {distance:.3e} off the affine subspace that the noise reaches (rank {rank} in {dim} \
         dimensions), where p(x|t) has no density and the score is undefined: give B full rank, or project the data \
         onto one coset of its range"
    )]
    OffSubspace {
        /// What lies there: a data point or a query.
        name: &'static str,
        /// Its row.
        row: usize,
        /// Its distance from the subspace, in data units.
        distance: f64,
        /// Rank of the noise factor B.
        rank: usize,
        /// D.
        dim: usize,
    },
    /// The combination of settings is not defined mathematically.
    #[error("{what} is not supported: {reason}; {advice}")]
    Unsupported {
        /// The combination.
        what: &'static str,
        /// Why it is undefined.
        reason: &'static str,
        /// What to use.
        advice: &'static str,
    },
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Checks that every value of a row-major array is finite.
///
/// # Errors
/// [`Error::NotFinite`] with the position of the first NaN or infinity.
pub fn check_finite(name: &'static str, values: &[f64], columns: usize) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::NotFinite {
            name,
            row: i / columns.max(1),
            column: i % columns.max(1),
            value: values[i],
        }),
    }
}

/// Checks that an array has the stated length.
///
/// # Errors
/// [`Error::Shape`] otherwise.
pub fn check_len(name: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::Shape { name, expected, found }) }
}
/// A number as people write it: `1e-50`, and not fifty digits.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = self.0 == 0.0 || !self.0.is_finite() || (1e-4..1e15).contains(&self.0.abs());
        if plain { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}
