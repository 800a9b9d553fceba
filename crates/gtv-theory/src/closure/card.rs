//! What is said of a closure wherever it is shown.

/// The place of a closure among a comparison's levels, from which colours and dashes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The paper's own limit.
    Paper,
    /// Perturbation theory about infinitely many samples.
    Perturbative,
    /// Self-consistent at a finite number of samples, Gaussian.
    SelfConsistent,
    /// Self-consistent, with cumulants above the second.
    NonGaussian,
    /// Noise derived from another law.
    Derived,
    /// A closure from outside.
    Other,
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
    /// How much of finite training sets it holds: the mean of the most complete closure is the level `mean_score`; 0 for one whose
    /// mean is the exact score.
    pub completeness: u8,
    /// The closure whose mean and covariance it has, where they are not its own.
    pub covariance_of: Option<&'static str>,
}

impl Card {
    /// Whether another closure of a set stands for this one's covariance.
    pub fn is_covered_by<'a>(&self, mut others: impl Iterator<Item = &'a Card>) -> bool {
        self.covariance_of.is_some_and(|name| others.any(|other| other.name == name))
    }
}
