//! All distances between pairs of levels, each with an interval over members and a floor.
//!
//! Samples are read once per level (once per level and direction for the sliced distance); values, intervals and
//! floors come from the resampled tables of [`Resamples::mix`].

use super::bootstrap::Resamples;
use super::estimate::DistanceEstimate;
use super::levels::LevelSamples;
use super::metrics::{Compares, Grid, Line, MetricName};
use super::settings::CompareSettings;
use crate::error::{Error, Result, check_len};
use crate::rng::Streams;
use std::cell::OnceCell;

/// The distances between two levels.
#[derive(Debug, Clone, PartialEq)]
pub struct PairComparison {
    /// Index of the first level (a in KL(a ‖ b)).
    pub a: usize,
    /// Index of the second level.
    pub b: usize,
    /// Each metric that was asked for and is defined for these levels, in the order of the settings.
    pub distances: Vec<(MetricName, DistanceEstimate)>,
}

/// Computes the distances between pairs of levels, given by their indices.
///
/// Levels are treated as independent; where two share randomness (a Gaussian law with the ensemble's own moments,
/// common initial states) the intervals are somewhat too wide. Results do not depend on the number of threads. Metrics
/// that compare densities are left out where a level has none.
///
/// # Errors
/// [`Error::Empty`] without levels, [`Error::Shape`] for different dimensions, [`Error::OutOfRange`] for settings or an
/// index out of range.
///
/// ```
#[doc = include_str!("../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 1, 0.0)?, level(Level::Ensemble, 1, 0.2)?);
/// let found = distance(&a, &b, &metrics::W1)?;
/// assert!(found.lo < 0.2 && 0.2 < found.hi && found.floor < 0.05);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn compare_levels(
    levels: &[&LevelSamples],
    pairs: &[(usize, usize)],
    settings: &CompareSettings,
    streams: Streams,
) -> Result<Vec<PairComparison>> {
    let mut comparison = Comparison::new(levels, settings, streams)?;
    if let Some(i) = pairs.iter().flat_map(|p| [p.0, p.1]).find(|i| *i >= levels.len()) {
        return Err(Error::OutOfRange {
            name: "level index",
            value: i as f64,
            expected: "an index of a given level",
        });
    }
    let mut out: Vec<PairComparison> =
        pairs.iter().map(|&(a, b)| PairComparison { a, b, distances: Vec::new() }).collect();
    for &metric in &settings.metrics {
        let card = metric.card();
        if !card.dimensions.contains(&comparison.dim()) {
            continue;
        }
        let dense = |i: usize| card.compares == Compares::Mass || levels[i].level().has_density();
        let mut defined: Vec<&mut PairComparison> =
            out.iter_mut().filter(|p| dense(p.a) && dense(p.b)).collect();
        comparison.pairs = defined.iter().map(|p| (p.a, p.b)).collect();
        for (pair, resampled) in defined.iter_mut().zip(metric.measure(&comparison)?) {
            let sides = [pair.a, pair.b].map(|i| &comparison.resamples[i]);
            pair.distances
                .push((metric, resampled.estimate((card.noise, card.most), sides, settings.confidence)));
        }
    }
    Ok(out)
}

/// Levels with their resamples, and the tables that several metrics share, each made when it is first needed.
pub struct Comparison<'a> {
    levels: &'a [&'a LevelSamples],
    pairs: Vec<(usize, usize)>,
    resamples: Vec<Resamples>,
    settings: &'a CompareSettings,
    streams: Streams,
    line: OnceCell<Line>,
    grid: OnceCell<Grid>,
}

impl<'a> Comparison<'a> {
    fn new(levels: &'a [&'a LevelSamples], settings: &'a CompareSettings, streams: Streams) -> Result<Self> {
        settings.validate()?;
        let dim = levels.first().ok_or(Error::Empty { name: "the list of levels" })?.dim();
        levels.iter().try_for_each(|l| check_len("a level's sample (its dimension)", dim, l.dim()))?;
        let resamples = levels
            .iter()
            .map(|l| Resamples::draw(&l.units().1, settings.bootstrap, l.level().key(), streams))
            .collect::<Result<_>>()?;
        let (line, grid) = (OnceCell::new(), OnceCell::new());
        Ok(Self { levels, pairs: Vec::new(), resamples, settings, streams, line, grid })
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.levels[0].dim()
    }

    /// The levels, at least one.
    pub fn levels(&self) -> &[&LevelSamples] {
        self.levels
    }

    /// The pairs to measure, as indices of levels.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.pairs
    }

    /// Resamples of each level; row 0 is the level itself.
    pub fn resamples(&self) -> &[Resamples] {
        &self.resamples
    }

    /// The settings.
    pub fn settings(&self) -> &CompareSettings {
        self.settings
    }

    /// Where random choices of a metric come from.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// For metrics that compare masses: the pairs of all of them are the same.
    pub(super) fn line(&self) -> Result<&Line> {
        made(&self.line, || Line::new(self.levels, &self.resamples, &self.pairs))
    }

    pub(super) fn grid(&self) -> Result<&Grid> {
        made(&self.grid, || {
            let axes = self.settings.grid(self.dim())?.expect("divergences apply in one and two dimensions");
            Grid::new(&axes, self.levels, &self.resamples)
        })
    }
}

/// What a cell holds, made now if it holds nothing yet.
fn made<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}
