//! The numbers of one training run, and what retrainings differ in.

use gtv_models::family::OneRunRecord;
use gtv_theory::learner::GapMatch;
use gtv_theory::number;
use serde::{Deserialize, Serialize};

/// What single trainings say of the spread between trainings, and how well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OneRunNumbers {
    /// The runs.
    #[serde(flatten)]
    pub run: OneRunRecord,
    /// Against a trained ensemble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<FidelityRecord>,
    /// The generalisation gap, and the ridge that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<GapMatch>,
    /// Places of the training distribution where the score is least certain, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub least_certain: Vec<LeastCertain>,
}

impl From<OneRunRecord> for OneRunNumbers {
    fn from(run: OneRunRecord) -> Self {
        Self { run, fidelity: None, gap: None, least_certain: Vec::new() }
    }
}

/// How one covariance over trainings predicts another, at places with t in the first 0.3 of [ε, T]; y = skip x + out F.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// E tr Var y, predicted over measured.
    #[serde(with = "number")]
    pub variance_ratio: f64,
    /// Correlation of ln Var F: the factor out², which everybody knows, is not in it.
    #[serde(with = "number")]
    pub log_correlation: f64,
    /// Cosine between the covariance matrices of F.
    #[serde(with = "number")]
    pub cosine: f64,
}

/// Predictions from single runs beside a trained ensemble.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FidelityRecord {
    /// Places.
    pub places: usize,
    /// Relative standard error of the ensemble's E tr Var y, and with it of every ratio to it.
    #[serde(default, with = "number")]
    pub error: f64,
    /// Each anchor alone.
    pub single: Vec<Fidelity>,
    /// The average of their covariances.
    pub averaged: Fidelity,
    /// The ridge that has the anchors' generalisation gap, where that can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Fidelity>,
    /// One half of the ensemble for the other: what an ensemble of half the size reaches.
    pub halves: Fidelity,
    /// An F that varies alike everywhere, with the measured total.
    pub constant: Fidelity,
}

/// A place, and how uncertain the score is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LeastCertain {
    /// x.
    pub x: Vec<f64>,
    /// t.
    pub t: f64,
    /// Standard deviation between trainings of the predicted noise −σ ŝ, over all coordinates.
    #[serde(with = "number")]
    pub noise_std: f64,
}

/// How much the models of a level differ in what they generate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpreadRecord {
    /// Standard deviation over models of the mass near each datum, without what a finite number of samples adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mass_near: Vec<f64>,
    /// The same of the mass near no datum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_mass: Option<f64>,
    /// Mean distance of a model from the average of all: W₁ on a line, sliced W₂ in more dimensions.
    #[serde(with = "number")]
    pub from_average: f64,
}
