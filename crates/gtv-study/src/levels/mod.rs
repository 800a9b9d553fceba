//! The levels of a comparison, each sampled with the same integrator so that neighbours differ in one thing only.
//!
//! A level's random streams derive from its name. A level that is derived from another law (`theory.closures`) is its own file and
//! one line in [`DERIVED`].

mod fokker_planck;
mod in_time;
mod naive;
mod sampler;
mod small_noise;

pub use fokker_planck::FokkerPlanck;
pub use in_time::{Damped, MatchedWhite, White};
pub use naive::Naive;
pub use sampler::{Sampled, Sampler, integrate, tell_lost};
pub(crate) use small_noise::about_mean_paths;
pub use small_noise::{LinearNoise, Semiclassical};

use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::Card;
use gtv_theory::dynamics::{self, Samples};
use gtv_theory::rng::Streams;

/// A level that is derived from another law, or from the naive estimator.
pub trait DerivedLevel: Send + Sync {
    /// What it is called and what it is.
    fn card(&self) -> &'static Card;

    /// Whether its noise is drawn along each path, step by step.
    fn is_path_wise(&self) -> bool;

    /// Whether it is a density on a line, and so for one dimension only.
    fn is_one_dimensional(&self) -> bool;

    /// Whether it starts from another law, `theory.base`.
    fn has_base(&self) -> bool;

    /// Whether others can start from it.
    fn is_a_base(&self) -> bool {
        false
    }

    /// Most paths that are worth their time.
    fn most_paths(&self) -> usize {
        usize::MAX
    }

    /// Independent samples, from streams that are the level's own.
    ///
    /// # Errors
    /// A law that was not solved, or a path that diverges where all must arrive.
    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        progress: dynamics::Progress<'_>,
    ) -> Result<Samples>;
}

/// Every derived level, in the order in which reports list them.
pub static DERIVED: [&dyn DerivedLevel; 7] =
    [&Naive, &White, &MatchedWhite, &Damped, &FokkerPlanck, &LinearNoise, &Semiclassical];
