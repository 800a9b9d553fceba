//! What is said of a closure wherever it is shown.

/// What a closure's level stands for in figures, in the order in which levels are read; colours and dashes follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Independent proxy scores, sampled.
    NaiveNoise,
    /// Their density, solved on a grid.
    NaiveDensity,
    /// Fluctuations without memory.
    WhiteNoise,
    /// The same at the coloured one's integrated strength.
    MatchedNoise,
    /// Fluctuations of shortened memory.
    DampedNoise,
    /// Fluctuations to first order about each path.
    LinearNoise,
    /// The small-noise formula.
    SmallNoise,
    /// The unbiased, expressive limit.
    Limit,
    /// Leading order in 1/P.
    LeadingOrder,
    /// Finite P.
    FiniteSample,
    /// Finite P with every cumulant.
    ShotNoise,
    /// One run of training, by its generalisation gap.
    OneRunGap,
    /// One run of training, by its steps.
    OneRun,
    /// A closure of no other role.
    Other,
}

/// What a closure is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Any learner that is linear in its features.
    Learner,
    /// Ridge regression, which has no random initial function.
    Ridge,
    /// Trained models, seen from their end.
    TrainedModels,
}

/// What a closure is called, and what it holds: levels, legends, tables, help texts and random streams are made from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card {
    /// The name in configs and files; lower case with hyphens.
    pub name: &'static str,
    /// The name in legends and tables.
    pub label: &'static str,
    /// What it keeps, in one line.
    pub meaning: &'static str,
    /// Its place among the levels.
    pub role: Role,
    /// A rank by how much of a finite training set's effect it keeps; none for a level that only makes a point about the
    /// theory. The level `mean_score` is the mean of the closure with the highest rank.
    pub completeness: Option<u8>,
    /// What it is made from.
    pub needs: Needs,
    /// The name of the closure whose mean and covariance it shares, if any.
    pub covariance_of: Option<&'static str>,
}

impl Card {
    /// Whether another closure of a set stands for this one's covariance.
    pub fn is_covered_by<'a>(&self, mut others: impl Iterator<Item = &'a Card>) -> bool {
        self.covariance_of.is_some_and(|name| others.any(|other| other.name == name))
    }
}
