//! What levels and closures are called, what they mean and which role they have in figures. Legends, tables, sentences and
//! the glossary all take it from here.

use crate::plot::{Key, Role};
use gtv_study::spec::TheoryName;
use gtv_theory::closure::{self, Card};
use gtv_theory::compare::Level;

/// The role of what this program does not know.
const OTHER: Role = Role::Closure(closure::Role::Other);

/// The data with the noise that is left at ε.
pub const DATA: &str = "data";
/// The PF-ODE with the true score.
pub const TRUE_SCORE: &str = "pf_ode";
/// The PF-ODE with the mean learned score.
pub const MEAN_SCORE: &str = "mean_score";
/// Gaussian fields with the ensemble's own moments.
pub const OWN_MOMENTS: &str = "gaussian_empirical";
/// The trained models.
pub const ENSEMBLE: &str = "ensemble";

/// What is said of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelCard {
    /// Its name in legends and tables.
    pub label: String,
    /// Its name where there is little room.
    pub short: String,
    /// What it is.
    pub meaning: &'static str,
    /// What it adds to the level before it, on the way from the data to the ensemble.
    pub adds: &'static str,
    /// Its colour and place in figures.
    pub role: Role,
}

/// What is said of a closure; none of one that this program does not know.
fn closure_card(name: &str) -> Option<&'static Card> {
    TheoryName::named(name).map(TheoryName::card)
}

/// How complete a prediction of trained models a closure is; none for one that only makes a point about the theory.
pub fn completeness(closure: &str) -> Option<u8> {
    // One that is not known is less complete than those that are.
    closure_card(closure).map_or(Some(0), |card| card.completeness.map(|rank| rank + 1))
}

/// The closure whose mean and covariance a closure has; often itself.
pub fn covariance_of(closure: &str) -> &str {
    closure_card(closure).and_then(|card| card.covariance_of).unwrap_or(closure)
}

/// The closure of a theory level.
pub fn closure(level: &str) -> Option<&str> {
    level.strip_prefix("theory_")
}

/// The level of a closure.
pub fn of_closure(closure: &str) -> String {
    Level::Theory(closure.to_owned()).to_string()
}

/// What is said of a level; of one that this program does not know, its name.
pub fn card(level: &str) -> LevelCard {
    let make = |label: &str, short: &str, meaning, adds, role| LevelCard {
        label: label.to_owned(),
        short: short.to_owned(),
        meaning,
        adds,
        role,
    };
    let Some(known) = Level::named(level) else {
        let name = level.replace('_', " ");
        return make(&name, &name, "a level of another version of this program", "", OTHER);
    };
    match known {
        Level::Given(number) => {
            let label = format!("samples {number}");
            make(&label, &label, "samples of whatever origin", "", OTHER)
        }
        Level::Points => {
            make("data points", "points", "the data points themselves, before any noise", "", Role::Points)
        }
        Level::Data => make(
            "data, smoothed to ε",
            "smoothed",
            "the data with the forward noise that is left at t = ε: p(x | ε)",
            "smoothing of the data by the forward noise left at t = ε",
            Role::Data,
        ),
        Level::PfOde => make(
            "PF-ODE, true score",
            "PF-ODE",
            "probability-flow ODE with the true score, integrated as the ensemble is",
            "integration error of the sampler, and its start from pure noise",
            Role::TrueScore,
        ),
        Level::MeanScore => make(
            "PF-ODE, mean score",
            "mean score",
            "PF-ODE with the average learned score: adds bias",
            "bias: the models' mean score differs from the true score",
            Role::MeanScore,
        ),
        Level::Theory(name) => {
            let adds = "variance: scores fluctuate from model to model";
            match closure_card(&name) {
                Some(card) => make(card.label, card.label, card.meaning, adds, Role::Closure(card.role)),
                None => {
                    let label = format!("theory: {name}");
                    make(&label, &label, "effective dynamics of this closure", adds, OTHER)
                }
            }
        }
        Level::GaussianEmpirical => make(
            "Gaussian, ensemble's moments",
            "own moments",
            "Gaussian fields with the ensemble's own mean and covariance: isolates the closure",
            "",
            Role::OwnMoments,
        ),
        Level::Ensemble => make(
            "trained ensemble",
            "ensemble",
            "the trained models, averaged",
            "the closure's error: what the assumed law of the fluctuations misses",
            Role::Ensemble,
        ),
    }
}

/// What a level is called.
pub fn label(level: &str) -> String {
    card(level).label
}

/// A level in a figure.
pub fn key(level: &str) -> Key {
    let LevelCard { label, role, .. } = card(level);
    Key { label, role }
}

/// Level names in reading order: from the data to the ensemble, each step adding one effect.
pub fn ranked<'a>(levels: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut levels: Vec<&str> = levels.into_iter().collect();
    levels.sort_by_key(|&l| (card(l).role, l));
    levels.dedup();
    levels
}

/// Closure names in the order of their levels.
pub fn ranked_closures<'a>(closures: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut closures: Vec<&str> = closures.into_iter().collect();
    closures.sort_by_key(|&c| (closure_card(c).map(|card| card.role), c));
    closures.dedup();
    closures
}
