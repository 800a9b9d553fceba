//! What defaults are chosen by: the size of a data set, where it lies, how far its points are apart.

use gtv_theory::rng::{Purpose, Streams};
use rand::RngExt;

/// Pairs of points of which the median distance is taken.
const PAIRS: usize = 2000;

/// A data set in figures, in units of the values that it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// M.
    pub points: usize,
    /// D.
    pub dim: usize,
    /// The smallest and the largest value.
    pub range: [f64; 2],
    /// The mean of all values.
    pub mean: f64,
    /// Their standard deviation about it.
    pub spread: f64,
    /// The median distance of two points; 0 for one point.
    pub distance: f64,
}

impl Facts {
    /// Of points in rows.
    ///
    /// # Shapes
    /// `values`: M × D.
    pub fn of(values: &[f64], dim: usize) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let points = values.len() / dim;
        Self { points, dim, range: [least, most], mean, spread, distance: median_distance(values, dim) }
    }

    /// The same of `scale` · value + `offset`.
    pub fn scaled(&self, scale: f64, offset: f64) -> Self {
        let moved = self.range.map(|v| scale * v + offset);
        Self {
            range: [moved[0].min(moved[1]), moved[0].max(moved[1])],
            mean: scale * self.mean + offset,
            spread: scale.abs() * self.spread,
            distance: scale.abs() * self.distance,
            ..*self
        }
    }
}

/// The median over random pairs of different points; the pairs are the same for every seed, as the defaults are.
fn median_distance(values: &[f64], dim: usize) -> f64 {
    let points = values.len() / dim;
    if points < 2 {
        return 0.0;
    }
    let mut rng = Streams::new(0).stream(Purpose::Probe, 0, 0);
    let row = |m: usize| &values[m * dim..(m + 1) * dim];
    let mut distances: Vec<f64> = (0..PAIRS)
        .map(|_| {
            let a = rng.random_range(0..points);
            let b = (a + rng.random_range(1..points)) % points;
            row(a).iter().zip(row(b)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    distances[PAIRS / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_facts_move_with_the_data() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 101) / 50.0 - 1.0).collect();
        let facts = Facts::of(&values, 2);
        assert_eq!((facts.points, facts.dim, facts.range), (100, 2, [-1.0, 1.0]));
        // Powers of two, so that nothing is rounded but sums.
        let moved: Vec<f64> = values.iter().map(|v| -1024.0 * v + 512.0).collect();
        let (found, want) = (Facts::of(&moved, 2), facts.scaled(-1024.0, 512.0));
        assert_eq!(found.range, want.range);
        for (a, b) in [(found.mean, want.mean), (found.spread, want.spread), (found.distance, want.distance)]
        {
            assert!((a - b).abs() < 1e-9 * 1024.0, "{a} {b}");
        }
        assert_eq!(Facts::of(&[3.0], 1).distance, 0.0);
    }
}
