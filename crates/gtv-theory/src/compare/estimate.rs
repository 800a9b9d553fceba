//! From resampled distances to {value, interval, floor}.
//!
//! The floor is the distance to expect between two ensembles of the same size drawn from the *same* law. Two
//! independent resamples of one ensemble are such a pair, so f_a = mean d(a*, a**) and f_b = mean d(b*, b**) need no
//! rescaling when a = b. For a pair with different noise (an ensemble against a level that has next to none) the
//! variances σ_a² and σ_b² add where f_a and f_b have 2σ_a² and 2σ_b²: a distance that is quadratic in the noise
//! (KL, JS, energy) has the floor (f_a + f_b)/2, one that is linear (W₁, sliced W₂) has ((f_a² + f_b²)/2)^½.
//! Resampling N members gives (N − 1)/N of their variance, which is corrected.

use super::bootstrap::{Interval, Resamples};
use rayon::prelude::*;

/// A distance, its bootstrap interval over members ([`Interval`]), and its same-size resampling floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceEstimate {
    /// The distance between the levels as sampled.
    pub value: f64,
    /// Lower end of the recentred percentile interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// The distance that two ensembles of these sizes with the same law would be expected to have.
    pub floor: f64,
}

/// How a distance depends on small noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// In proportion to it.
    Linear,
    /// In proportion to its square.
    Quadratic,
}

/// A distance with what resampling says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The distance of the levels as sampled.
    pub value: f64,
    /// The distance of each pair of resamples.
    pub draws: Vec<f64>,
    /// The mean distance between two resamples of either level.
    pub null: [f64; 2],
}

impl Resampled {
    /// Evaluates `distance` between rows of two resampled levels: row 0 is the level itself.
    pub fn evaluate<T: Sync>(
        a: &T,
        b: &T,
        rows: usize,
        distance: impl Fn(&T, usize, &T, usize) -> f64 + Sync,
    ) -> Self {
        let draws = (1..rows).into_par_iter().map(|r| distance(a, r, b, r)).collect();
        let null = |t: &T| mean_over_pairs(rows, |r, s| distance(t, r, t, s));
        Self { value: distance(a, 0, b, 0), draws, null: [null(a), null(b)] }
    }

    /// The estimate of a metric whose values lie in [0, `most`].
    pub(super) fn estimate(
        mut self,
        (noise, most): (Noise, f64),
        sides: [&Resamples; 2],
        confidence: f64,
    ) -> DistanceEstimate {
        let [a, b] = self.null;
        let [va, vb] = sides.map(Resamples::variance_factor);
        let floor = match noise {
            Noise::Quadratic => 0.5 * (a * va + b * vb),
            Noise::Linear => (0.5 * (a * a * va + b * b * vb)).sqrt(),
        };
        let fewer = if sides[0].members() < sides[1].members() { sides[0] } else { sides[1] };
        let Interval { value, lo, hi } = fewer.interval(self.value, &mut self.draws, confidence, (0.0, most));
        DistanceEstimate { value, lo, hi, floor: floor.clamp(0.0, most) }
    }
}

/// Mean of f over the disjoint pairs of resamples (1, 2), (3, 4), …
pub(super) fn mean_over_pairs(rows: usize, f: impl Fn(usize, usize) -> f64 + Sync) -> f64 {
    let pairs = (rows - 1) / 2;
    let values: Vec<f64> = (0..pairs).into_par_iter().map(|k| f(2 * k + 1, 2 * k + 2)).collect();
    values.iter().sum::<f64>() / pairs as f64
}
