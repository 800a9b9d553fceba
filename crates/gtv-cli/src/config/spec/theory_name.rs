//! The predictions by name.

use gtv_theory::estimator::Closure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A prediction of the average learned distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TheoryName {
    /// The paper's limit of the linear model's law.
    Paper,
    /// Leading order in 1/P.
    Leading,
    /// Self-consistent leverage.
    FiniteP,
    /// Poisson sprinkling: every cumulant to first order in a sample's influence.
    ShotNoise,
    /// The naive estimator of Prop. 4.1: white noise κ D C D.
    Naive,
    /// The base law's V at equal times, drawn anew at every step.
    White,
    /// White noise of the base law's strength integrated over the time lag: the same whatever the number of steps.
    MatchedWhite,
    /// The base law's V times e^{−|t−t'|/ℓ}.
    Damped,
    /// The naive estimator's density by its Fokker–Planck equation (1D).
    FokkerPlanck,
    /// Normal noise about each path of the base law's mean score (1D).
    LinearNoise,
    /// The paper's Eq. 18 (1D).
    Semiclassical,
}

impl TheoryName {
    /// The name used in configs and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Leading => "leading",
            Self::FiniteP => "finite-p",
            Self::ShotNoise => "shot-noise",
            Self::Naive => "naive",
            Self::White => "white",
            Self::MatchedWhite => "matched-white",
            Self::Damped => "damped",
            Self::FokkerPlanck => "fokker-planck",
            Self::LinearNoise => "linear-noise",
            Self::Semiclassical => "semiclassical",
        }
    }

    /// The linear model's closure of this name.
    pub fn closure(self) -> Option<Closure> {
        match self {
            Self::Paper => Some(Closure::Paper),
            Self::Leading => Some(Closure::Leading),
            Self::FiniteP => Some(Closure::FiniteP),
            Self::ShotNoise => Some(Closure::ShotNoise),
            Self::Naive
            | Self::White
            | Self::MatchedWhite
            | Self::Damped
            | Self::FokkerPlanck
            | Self::LinearNoise
            | Self::Semiclassical => None,
        }
    }

    /// Whether its noise is drawn along each path, step by step.
    pub fn path_wise(self) -> bool {
        matches!(self, Self::Naive | Self::White | Self::MatchedWhite | Self::Damped)
    }

    /// Whether it is a density on a line, and so for one dimension only.
    pub fn one_dimensional(self) -> bool {
        matches!(self, Self::FokkerPlanck | Self::LinearNoise | Self::Semiclassical)
    }
}
