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
use in_time::{DAMPED, MATCHED, WHITE};
pub use naive::Naive;
pub use sampler::{Sampled, Sampler, ensemble_part, integrate, tell_lost};
pub(crate) use small_noise::about_mean_paths;
pub use small_noise::{LinearNoise, Semiclassical};

use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::{Card, Needs, Role};
use gtv_theory::dynamics::{self, Samples, Tally};
use gtv_theory::rng::Streams;

/// What a derived level is, and what it asks of a study.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DerivedCard {
    /// What it is called and what it stands for.
    pub card: Card,
    /// Whether its noise is drawn along each path, step by step.
    pub path_wise: bool,
    /// Whether it is a density on a line, and so for one dimension only.
    pub one_dimensional: bool,
    /// Whether others can start from it.
    pub is_a_base: bool,
    /// Most paths that are worth their time.
    pub most_paths: usize,
}

impl DerivedCard {
    /// A level of independent paths in any dimension; it is no closure, and so has no rank among them.
    const fn new(name: &'static str, label: &'static str, meaning: &'static str, role: Role) -> Self {
        let card = Card {
            name,
            label,
            meaning,
            role,
            completeness: None,
            needs: Needs::Learner,
            covariance_of: None,
        };
        Self { card, path_wise: false, one_dimensional: false, is_a_base: false, most_paths: usize::MAX }
    }
}

/// A level that is derived from another law, or from the naive estimator.
pub trait DerivedLevel: Send + Sync {
    /// What it is, and what it asks for.
    fn card(&self) -> &DerivedCard;

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
    [&Naive, &WHITE, &MATCHED, &DAMPED, &FokkerPlanck, &LinearNoise, &Semiclassical];

/// States in one dimension, all of which arrived.
fn arrived(x: Vec<f64>) -> Samples {
    Samples { x, dim: 1, failed: Tally::default(), cancelled: false }
}
