//! What levels and closures are called, what they mean and which role they have in figures. Legends, tables, sentences and
//! the glossary all take it from here.

use gtv_theory::compare::Level;

use crate::plot::{Key, Role};

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

/// What is said of a closure.
struct ClosureCard {
    name: &'static str,
    role: Role,
    /// How complete a prediction of trained models it is; none for one that only makes a point about the theory.
    completeness: Option<u8>,
    /// The closure whose mean and covariance it has.
    covariance_of: &'static str,
    label: &'static str,
    meaning: &'static str,
}

const fn known(
    (name, covariance_of): (&'static str, &'static str),
    (role, completeness): (Role, Option<u8>),
    label: &'static str,
    meaning: &'static str,
) -> ClosureCard {
    ClosureCard { name, role, completeness, covariance_of, label, meaning }
}

const CLOSURES: [ClosureCard; 11] = [
    known(
        ("naive", "naive"),
        (Role::NaiveNoise, None),
        "naive estimator, white noise",
        "one fresh proxy score a step (Prop. 4.1): noise κ D C D, white in time (Itô)",
    ),
    known(
        ("fokker-planck", "fokker-planck"),
        (Role::NaiveDensity, None),
        "naive estimator, Fokker–Planck",
        "the naive estimator's density, solved on a grid instead of sampled",
    ),
    known(
        ("white", "white"),
        (Role::WhiteNoise, None),
        "same V, white in time",
        "V as at equal times, independent between steps: what correlation in time does not explain",
    ),
    known(
        ("matched-white", "matched-white"),
        (Role::MatchedNoise, None),
        "same integrated V, white",
        "white noise of the coloured one's strength integrated over the time lag, whatever the number of steps",
    ),
    known(
        ("damped", "damped"),
        (Role::DampedNoise, None),
        "same V, correlation damped",
        "V times exp(−|t − t′|/ℓ): between white noise and the models' own correlation",
    ),
    known(
        ("linear-noise", "linear-noise"),
        (Role::LinearNoise, None),
        "theory: linear noise",
        "each deterministic path with the Gaussian spread that V gives it to first order",
    ),
    known(
        ("semiclassical", "semiclassical"),
        (Role::SmallNoise, None),
        "theory: semiclassical",
        "small-noise formula of the paper (Eq. 18), normalised numerically",
    ),
    known(
        ("paper", "paper"),
        (Role::Limit, Some(1)),
        "theory: paper",
        "effective dynamics; V in the unbiased, expressive limit (paper, Prop. 5.1–5.2)",
    ),
    known(
        ("leading", "leading"),
        (Role::LeadingOrder, Some(2)),
        "theory: leading",
        "effective dynamics; mean and V to leading order in 1/P, residuals instead of label noise",
    ),
    known(
        ("finite-p", "finite-p"),
        (Role::FiniteSample, Some(3)),
        "theory: finite-p",
        "effective dynamics; mean and V with self-consistent leverage at finite P",
    ),
    known(
        ("shot-noise", "finite-p"),
        (Role::ShotNoise, Some(4)),
        "theory: shot-noise",
        "as finite-p, with every cumulant to first order in one sample's influence",
    ),
];

/// A closure that this program does not know: less complete than those it knows.
const UNKNOWN: ClosureCard =
    known(("", ""), (Role::OtherClosure, Some(0)), "", "effective dynamics of this closure");

fn closure_card(name: &str) -> &'static ClosureCard {
    CLOSURES.iter().find(|c| c.name == name).unwrap_or(&UNKNOWN)
}

/// How complete a prediction of trained models a closure is; none for one that only makes a point about the theory.
pub fn completeness(closure: &str) -> Option<u8> {
    closure_card(closure).completeness
}

/// The closure whose mean and covariance a closure has; often itself.
pub fn covariance_of(closure: &str) -> &str {
    let of = closure_card(closure).covariance_of;
    if of.is_empty() { closure } else { of }
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
    let Ok(known) = level.parse::<Level>() else {
        let name = level.replace('_', " ");
        return make(&name, &name, "a level of another version of this program", "", Role::OtherClosure);
    };
    match known {
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
            let known = closure_card(&name);
            let label =
                if known.label.is_empty() { format!("theory: {name}") } else { known.label.to_owned() };
            let adds = "variance: scores fluctuate from model to model";
            make(&label, &label, known.meaning, adds, known.role)
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
    closures.sort_by_key(|&c| (closure_card(c).role, c));
    closures.dedup();
    closures
}
