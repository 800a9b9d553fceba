//! Levels of the attribution ladder: data → PF-ODE → mean score → theory → trained ensemble, each a distribution
//! over x0 given by samples that are grouped by the model they came from.

use super::wasserstein::check_samples;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::fmt;

/// A level, by its name in records and files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `points`: the data themselves.
    Points,
    /// `data`: the data smoothed to p(x | ε).
    Data,
    /// `pf_ode`: the PF-ODE with the true score.
    PfOde,
    /// `mean_score`: the PF-ODE with s_avg.
    MeanScore,
    /// `theory_<closure>`: the effective dynamics of a closure.
    Theory(String),
    /// `gaussian_empirical`: Gaussian fields with the ensemble's own mean and covariance.
    GaussianEmpirical,
    /// `ensemble`: the trained models.
    Ensemble,
    /// `given_<number>`: samples of whatever origin.
    Given(usize),
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points => f.write_str("points"),
            Self::Data => f.write_str("data"),
            Self::PfOde => f.write_str("pf_ode"),
            Self::MeanScore => f.write_str("mean_score"),
            Self::Theory(closure) => write!(f, "theory_{closure}"),
            Self::GaussianEmpirical => f.write_str("gaussian_empirical"),
            Self::Ensemble => f.write_str("ensemble"),
            Self::Given(number) => write!(f, "given_{number}"),
        }
    }
}

impl Level {
    /// The level of a name, if it is one.
    pub fn named(name: &str) -> Option<Self> {
        let theory = || name.strip_prefix("theory_").filter(|closure| !closure.is_empty());
        [Self::Points, Self::Data, Self::PfOde, Self::MeanScore, Self::GaussianEmpirical, Self::Ensemble]
            .into_iter()
            .find(|level| level.to_string() == name)
            .or_else(|| theory().map(|closure| Self::Theory(closure.to_owned())))
    }

    /// Whether its law has a density; the data points have none.
    pub fn has_density(&self) -> bool {
        *self != Self::Points
    }

    /// A number that depends on the name only (FNV-1a): the key of the level's bootstrap streams, so that the same
    /// level is resampled alike whatever it is compared with, and two levels independently.
    pub(super) fn key(&self) -> u64 {
        self.to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    }
}

/// What the bootstrap resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResamplingUnit {
    /// Whole models: intervals cover the spread between models.
    Model,
    /// Runs of consecutive samples of one field, which must be independent draws: intervals cover sampling only. With a
    /// single trained model they hold *given that model* and say nothing about others.
    Chunk,
}

/// Chunks that the samples of a single field are split into.
const CHUNKS: usize = 100;

/// Samples of one level.
///
/// The level's law is the mixture of its groups with equal weights, whatever their sizes (paths that diverged are
/// missing from a group, and do not make its model count less).
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSamples {
    level: Level,
    dim: usize,
    groups: Vec<Vec<f64>>,
}

impl LevelSamples {
    /// Samples grouped by model; a level whose field is not random has one group.
    ///
    /// # Shapes
    /// Each group: n × `dim`, row-major, n ≥ 1.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`] (drop diverged paths, and count them, first).
    pub fn new(level: Level, dim: usize, groups: Vec<Vec<f64>>) -> Result<Self> {
        if groups.is_empty() {
            return Err(Error::Empty { name: "the level (it has no group of samples)" });
        }
        groups.par_iter().try_for_each(|g| check_samples("a group of samples", g, dim))?;
        Ok(Self { level, dim, groups })
    }

    /// Which level.
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The groups.
    pub fn groups(&self) -> &[Vec<f64>] {
        &self.groups
    }

    /// Number of samples in all groups.
    pub fn samples(&self) -> usize {
        self.groups.iter().map(|g| g.len() / self.dim).sum()
    }

    /// What the bootstrap resamples: groups, or chunks of the only one.
    pub fn unit(&self) -> ResamplingUnit {
        if self.groups.len() > 1 { ResamplingUnit::Model } else { ResamplingUnit::Chunk }
    }

    /// The resampled units and their weights in the level's law.
    ///
    /// # Shapes
    /// Units: rows × D, row-major; one weight a unit, summing to 1.
    pub fn units(&self) -> (Vec<&[f64]>, Vec<f64>) {
        match self.groups.as_slice() {
            [only] => {
                let rows = only.len() / self.dim;
                let units: Vec<&[f64]> = only.chunks(rows.div_ceil(CHUNKS) * self.dim).collect();
                let weights = units.iter().map(|u| (u.len() / self.dim) as f64 / rows as f64).collect();
                (units, weights)
            }
            groups => {
                (groups.iter().map(Vec::as_slice).collect(), vec![1.0 / groups.len() as f64; groups.len()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_units_cover_every_sample_once() {
        for rows in [1, 7, 100, 101, 12_345] {
            let level =
                LevelSamples::new(Level::PfOde, 2, vec![(0..2 * rows).map(|i| i as f64).collect()]).unwrap();
            let (units, weights) = level.units();
            assert_eq!(units.concat(), level.groups()[0]);
            assert!(units.len() <= CHUNKS && (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_input_is_refused() {
        let new = |dim, groups| LevelSamples::new(Level::Data, dim, groups);
        assert!(new(1, vec![]).is_err() && new(1, vec![vec![1.0], vec![]]).is_err());
        assert!(new(2, vec![vec![1.0; 3]]).is_err() && new(0, vec![vec![1.0]]).is_err());
        assert!(new(1, vec![vec![f64::INFINITY]]).is_err());
    }
}
