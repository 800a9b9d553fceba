//! What can be wrong with arrays that a user brings; each names the array.

/// A fault of an array.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array without which another one means nothing.
    #[error("array `{array}` is missing: {reason}")]
    Missing {
        /// Its name.
        array: &'static str,
        /// What needs it, and what to do.
        reason: &'static str,
    },
    /// Nothing that a comparison could use.
    #[error(
        "there is none of the arrays `samples` (N, n, D), or `x` (Q, D) and `t` (Q) with one of `score`, `denoiser`, `noise`, `velocity` (N, Q, D); found {found}"
    )]
    Nothing {
        /// The names that are there.
        found: String,
    },
    /// A wrong number or length of axes.
    #[error("array `{array}` has shape {found:?}; expected {expected}")]
    Shape {
        /// Its name.
        array: String,
        /// Its shape.
        found: Vec<usize>,
        /// What was expected, and why.
        expected: String,
    },
    /// Arrays of different numbers of members.
    #[error(
        "array `{array}` has {found} members, but `{other}` has {expected}; the first axis of both counts members, in the same order"
    )]
    Members {
        /// Its name.
        array: String,
        /// Members there.
        found: usize,
        /// The other array.
        other: String,
        /// Members in that.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error(
        "array `{array}` holds {value} at index {index:?}: every value must be finite; leave that member or point out"
    )]
    NotFinite {
        /// Its name.
        array: String,
        /// Where.
        index: Vec<usize>,
        /// What.
        value: f64,
    },
    /// A time at which nothing is compared.
    #[error(
        "array `t` holds {value} at index {index}, outside schedule.t_min = {t_min} to t_max = {t_max}; give times in the unit of [schedule], whose kind = \"table\" takes a user's own"
    )]
    Time {
        /// Where.
        index: usize,
        /// The time.
        value: f64,
        /// ε.
        t_min: f64,
        /// T.
        t_max: f64,
    },
    /// α or σ of another schedule.
    #[error(
        "array `{array}` holds {found} at index {index}, t = {t}, where [schedule] has {expected}: the members were trained on another schedule; state theirs in [schedule], or bring it as a table (schedule.kind = \"table\")"
    )]
    Schedule {
        /// Its name.
        array: &'static str,
        /// Where.
        index: usize,
        /// The time.
        t: f64,
        /// What it holds.
        found: f64,
        /// What the schedule has.
        expected: f64,
    },
    /// A member's function that failed or answered nonsense.
    #[error("member {member}: {reason}")]
    Call {
        /// The member.
        member: usize,
        /// What happened.
        reason: String,
    },
    /// Two arrays that say the same.
    #[error("there are arrays `{array}` and `{other}`, which say the same of the features: save one of them")]
    Either {
        /// One.
        array: &'static str,
        /// The other.
        other: &'static str,
    },
    /// Features that are all 0.
    #[error("array `{array}` holds zeros alone: expected features of which some are not 0")]
    NoFeature {
        /// Its name.
        array: String,
    },
    /// A matrix that is none of products of features.
    #[error(
        "array `{array}` holds {} at {index:?} and {} at its mirror image: expected products of features, a symmetric matrix with a diagonal of 0 or above",
        found[0], found[1]
    )]
    NoGram {
        /// Its name.
        array: String,
        /// Row and column.
        index: [usize; 2],
        /// The value there, and that of the transpose.
        found: [f64; 2],
    },
    /// Points at which features are needed and not known.
    #[error(
        "array `features` or `gram` has no row for {missing} of {total} {what}, first x = {x:?}, t = {t}: evaluate the features at the points of `gtv-cli probes CONFIG --features`, of the same data, schedule, theory and seed"
    )]
    Unlisted {
        /// How many are not there.
        missing: usize,
        /// Of how many.
        total: usize,
        /// What the points are.
        what: &'static str,
        /// The first.
        x: Vec<f64>,
        /// Its time.
        t: f64,
    },
    /// Too few members for a covariance between them.
    #[error("array `{array}` has {found} members; expected at least 1")]
    NoMember {
        /// Its name.
        array: String,
        /// How many.
        found: usize,
    },
}
