//! What one level looks like by itself: mean, covariance, memorized fraction, mass near each datum and between them,
//! each with a bootstrap interval over members.

use super::bootstrap::{Interval, Resamples};
use super::levels::{Level, LevelSamples, ResamplingUnit};
use super::memorization::nearest_two_unchecked;
use super::moments::about;
use super::settings::CompareSettings;
use crate::data::PointCloud;
use crate::error::{Result, check_len};
use crate::rng::Streams;
use rayon::prelude::*;
use std::borrow::Cow;

/// Up to this dimension the mean and the covariance are reported entry by entry.
const LISTED_DIM: usize = 16;
/// Up to this many data the masses are reported datum by datum.
const LISTED_DATA: usize = 64;

/// Summary of one level.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSummary {
    /// Which level.
    pub level: Level,
    /// Its samples.
    pub samples: usize,
    /// What was resampled, and how many of them.
    pub unit: ResamplingUnit,
    /// Number of units.
    pub units: usize,
    /// E x, entry by entry (empty above 16 dimensions).
    pub mean: Vec<Interval>,
    /// Cov x, D × D row-major (empty above 16 dimensions).
    pub cov: Vec<Interval>,
    /// tr Cov x.
    pub total_variance: Interval,
    /// Where the samples lie with respect to the data, when data were given.
    pub neighbours: Option<NeighbourSummary>,
}

/// Samples with respect to the data.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourSummary {
    /// Samples searched: all, or evenly thinned to the allowed work.
    pub samples: usize,
    /// Share of copies, d₁/d₂ < 1/3.
    pub memorized_fraction: Interval,
    /// Mean distance to the nearest datum.
    pub nearest_distance: Interval,
    /// Radius about a datum that counts as near it.
    pub near_radius: f64,
    /// Mass nearer to each datum than to the others and within the radius (empty above 64 data).
    pub near_mass: Vec<Interval>,
    /// Mass near no datum.
    pub gap_mass: Interval,
    /// In one dimension: mass near no datum, left of the lowest datum, between each pair of neighbours going up, and
    /// right of the highest (M + 1 entries; empty above 64 data).
    pub interval_mass: Vec<Interval>,
    /// In one dimension: mass within the radius of each midpoint between neighbours going up (M − 1 entries).
    pub midpoint_mass: Vec<Interval>,
}

/// Summarises a level; `data` are the training examples it may have memorized.
///
/// # Errors
/// [`crate::Error::OutOfRange`] for settings, [`crate::Error::Shape`] when the data's dimension differs.
pub fn summarize_level(
    level: &LevelSamples,
    data: Option<&PointCloud>,
    settings: &CompareSettings,
    streams: Streams,
) -> Result<LevelSummary> {
    settings.validate()?;
    if let Some(data) = data {
        check_len("a datum (its dimension)", level.dim(), data.dim())?;
    }
    let (units, weights) = level.units();
    let resamples = Resamples::draw(&weights, settings.bootstrap, level.level().key(), streams)?;
    let spread = Spread { resamples: &resamples, confidence: settings.confidence };
    let (mean, cov, total_variance) = spread.moments(&units, level.dim())?;
    let neighbours = data.map(|data| spread.neighbours(&units, data, settings)).transpose()?;
    Ok(LevelSummary {
        level: level.level().clone(),
        samples: level.samples(),
        unit: level.unit(),
        units: units.len(),
        mean,
        cov,
        total_variance,
        neighbours,
    })
}

struct Spread<'a> {
    resamples: &'a Resamples,
    confidence: f64,
}

const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);
const SHARE: (f64, f64) = (0.0, 1.0);

impl Spread<'_> {
    /// Interval of a statistic given for every row of a table of mixtures.
    fn interval(
        &self,
        mixed: &[f64],
        columns: usize,
        domain: (f64, f64),
        f: impl Fn(&[f64]) -> f64,
    ) -> Interval {
        let mut rows = mixed.chunks_exact(columns).map(f);
        let value = rows.next().expect("row 0 is the level itself");
        self.resamples.interval(value, &mut rows.collect::<Vec<_>>(), self.confidence, domain)
    }

    fn moments(&self, units: &[&[f64]], dim: usize) -> Result<(Vec<Interval>, Vec<Interval>, Interval)> {
        // About a typical point second moments do not cancel.
        let rows: usize = units.iter().map(|u| u.len() / dim).sum();
        let mut centre = vec![0.0; dim];
        for unit in units {
            let sums = about(unit, &vec![0.0; dim], false);
            centre.iter_mut().zip(sums).for_each(|(c, s)| *c += s / rows as f64);
        }
        let listed = dim <= LISTED_DIM;
        let features: Vec<Vec<f64>> = units
            .par_iter()
            .map(|unit| {
                let n = (unit.len() / dim) as f64;
                let mut features: Vec<f64> =
                    about(unit, &centre, listed).into_iter().map(|s| s / n).collect();
                if !listed {
                    let squares = unit.chunks_exact(dim).flat_map(|x| x.iter().zip(&centre));
                    features.push(squares.map(|(x, c)| (x - c) * (x - c)).sum::<f64>() / n);
                }
                features
            })
            .collect();
        let features = features.concat();
        let columns = features.len() / units.len();
        let mixed = self.resamples.mix(&features)?;
        if !listed {
            let trace = |row: &[f64]| row[dim] - row[..dim].iter().map(|m| m * m).sum::<f64>();
            return Ok((Vec::new(), Vec::new(), self.interval(&mixed, columns, POSITIVE, trace)));
        }
        // Where the upper triangle holds entry (i, j), i ≤ j.
        let place = |i: usize, j: usize| dim + i * dim - i * (i + 1) / 2 + j;
        let entry = |row: &[f64], i: usize, j: usize| row[place(i.min(j), i.max(j))] - row[i] * row[j];
        let mean = (0..dim).map(|i| self.interval(&mixed, columns, ANY, |row| centre[i] + row[i])).collect();
        let cov = (0..dim * dim)
            .map(|k| (k / dim, k % dim))
            .map(|(i, j)| {
                self.interval(&mixed, columns, if i == j { POSITIVE } else { ANY }, |r| entry(r, i, j))
            })
            .collect();
        let trace = |row: &[f64]| (0..dim).map(|i| entry(row, i, i)).sum();
        Ok((mean, cov, self.interval(&mixed, columns, POSITIVE, trace)))
    }

    fn neighbours(
        &self,
        units: &[&[f64]],
        data: &PointCloud,
        settings: &CompareSettings,
    ) -> Result<NeighbourSummary> {
        let dim = data.dim();
        let radius = settings.near_radius.unwrap_or_else(|| 0.2 * neighbour_distance(data));
        let layout = Layout::new(data, radius);
        let per_unit = (settings.neighbour_work / (data.len() * dim * units.len()) as f64).max(1.0) as usize;
        let mut features = vec![0.0; units.len() * layout.columns()];
        let samples = features
            .par_chunks_exact_mut(layout.columns())
            .zip(units)
            .map(|(row, unit)| {
                let some = if unit.len() / dim <= per_unit {
                    Cow::Borrowed(*unit)
                } else {
                    Cow::Owned(super::cells::thin(&[*unit], dim, per_unit))
                };
                layout.fill(&some, data, row);
                some.len() / dim
            })
            .sum();
        let mixed = self.resamples.mix(&features)?;
        let column = |c: usize, domain| self.interval(&mixed, layout.columns(), domain, |row| row[c]);
        let shares = |range: std::ops::Range<usize>| range.map(|c| column(c, SHARE)).collect();
        let (near, interval, midpoint) = layout.ranges();
        Ok(NeighbourSummary {
            samples,
            memorized_fraction: column(0, SHARE),
            nearest_distance: column(1, POSITIVE),
            near_radius: radius,
            gap_mass: column(2, SHARE),
            near_mass: shares(near),
            interval_mass: shares(interval),
            midpoint_mass: shares(midpoint),
        })
    }
}

/// Columns of the per-unit averages: copies, distance, gap, then masses near data, in intervals, about midpoints.
struct Layout {
    radius: f64,
    /// Data listed one by one (0 when there are too many).
    listed: usize,
    /// Data going up, in one dimension when listed.
    sorted: Vec<f64>,
}

impl Layout {
    fn new(data: &PointCloud, radius: f64) -> Self {
        let listed = if data.len() <= LISTED_DATA { data.len() } else { 0 };
        let mut sorted = if data.dim() == 1 && listed > 0 { data.points().to_vec() } else { Vec::new() };
        sorted.sort_unstable_by(f64::total_cmp);
        Self { radius, listed, sorted }
    }

    fn ranges(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>, std::ops::Range<usize>) {
        let near = 3..3 + self.listed;
        let intervals = if self.sorted.is_empty() { 0 } else { self.sorted.len() + 1 };
        let interval = near.end..near.end + intervals;
        let midpoint = interval.end..interval.end + self.sorted.len().saturating_sub(1);
        (near, interval, midpoint)
    }

    fn columns(&self) -> usize {
        self.ranges().2.end
    }

    fn fill(&self, samples: &[f64], data: &PointCloud, row: &mut [f64]) {
        let found = nearest_two_unchecked(samples, data);
        let (near, interval, midpoint) = self.ranges();
        for i in 0..found.index.len() {
            row[0] += f64::from(u8::from(found.is_copy(i)));
            row[1] += found.distance[i];
            let is_near = found.distance[i] <= self.radius;
            row[2] += f64::from(u8::from(!is_near));
            if is_near && self.listed > 0 {
                row[near.start + found.index[i]] += 1.0;
            }
            if !self.sorted.is_empty() {
                let x = samples[i];
                let place = self.sorted.partition_point(|p| *p <= x);
                if !is_near {
                    row[interval.start + place] += 1.0;
                }
                // Midpoints may be nearer to one another than the radius: look at each in reach.
                for (k, pair) in self.sorted.windows(2).enumerate() {
                    if (x - 0.5 * (pair[0] + pair[1])).abs() <= self.radius {
                        row[midpoint.start + k] += 1.0;
                    }
                }
            }
        }
        row.iter_mut().for_each(|v| *v /= found.index.len() as f64);
    }
}

/// Mean distance from a datum to its nearest neighbour, over at most 256 data; 1 when there is one datum.
fn neighbour_distance(data: &PointCloud) -> f64 {
    let some = super::cells::thin(&[data.points()], data.dim(), 256);
    let second = nearest_two_unchecked(&some, data).second;
    let mean = second.iter().sum::<f64>() / second.len() as f64;
    if mean.is_finite() && mean > 0.0 { mean } else { 1.0 }
}
