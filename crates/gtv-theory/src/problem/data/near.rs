//! Data points that lie so close together that they are one for every purpose: a point that is there twice, once rounded.

use super::PointCloud;
use crate::error::Result;
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use rand_distr::{Distribution, StandardNormal};

/// Directions on which points are told apart before their distance is computed.
const PROJECTIONS: usize = 4;

/// Copies of a point lie this share of the noise from it, where points that are near by chance seldom do.
const COPY: f64 = 0.01;

/// σ_ε/α_ε, the noise at ε in units of the data.
fn noise(schedule: &Schedule) -> f64 {
    let t = schedule.t_min();
    schedule.noise_std(t) / schedule.signal(t)
}

impl PointCloud {
    /// Each point that lies within `distance` of an earlier one that is kept joins it and adds its weight to it. Points that
    /// are kept lie further apart than `distance`; a chain of points is not one point.
    ///
    /// In one dimension O(M log M) where few points are near one another. In more, projections on a few fixed directions,
    /// which bring no two points further apart, leave few pairs to look at.
    ///
    /// # Errors
    /// None for a distance that is 0 or above; [`crate::Error::Weights`] never.
    pub fn merge_near(&self, distance: f64) -> Result<Self> {
        let keeper = self.keepers(distance);
        let mut weights = vec![0.0; self.len()];
        for (m, k) in keeper.iter().enumerate() {
            weights[*k] += self.weights()[m];
        }
        let kept = || (0..self.len()).filter(|m| keeper[*m] == *m);
        let points = kept().flat_map(|m| self.point(m)).copied().collect();
        Self::with_weights(points, self.dim(), kept().map(|m| weights[m]).collect())
    }

    /// [`PointCloud::merge_near`] of points that the noise at ε does not tell apart: those within σ_ε/α_ε.
    ///
    /// # Errors
    /// As [`PointCloud::merge_near`].
    pub fn distinct_at(&self, schedule: &Schedule) -> Result<Self> {
        self.merge_near(noise(schedule))
    }

    /// How many points are copies of an earlier one, up to rounding: those within a hundredth of σ_ε/α_ε.
    ///
    /// # Errors
    /// As [`PointCloud::merge_near`].
    pub fn copies_at(&self, schedule: &Schedule) -> Result<usize> {
        Ok(self.len() - self.merge_near(COPY * noise(schedule))?.len())
    }

    /// For each point the one that it joins, itself where it is kept.
    fn keepers(&self, distance: f64) -> Vec<usize> {
        let directions = directions(self.dim());
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let project = |m: usize| -> [f64; PROJECTIONS] {
            let mut on = directions.chunks_exact(self.dim()).map(|direction| dot(self.point(m), direction));
            // One dimension has one direction.
            std::array::from_fn(|_| on.next().unwrap_or(0.0))
        };
        let mut sorted: Vec<([f64; PROJECTIONS], usize)> = (0..self.len()).map(|m| (project(m), m)).collect();
        sorted.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]).then(a.1.cmp(&b.1)));
        let mut place = vec![0; self.len()];
        sorted.iter().enumerate().for_each(|(p, (_, m))| place[*m] = p);
        // Rounding of a projection grows with the point's size.
        let size = self.points().iter().fold(0.0f64, |s, v| s.max(v.abs()));
        let reach = distance + 8.0 * f64::EPSILON * size * self.dim() as f64;
        let near = |a: usize, b: usize| {
            let square = |(x, y): (&f64, &f64)| (x - y) * (x - y);
            self.point(a).iter().zip(self.point(b)).map(square).sum::<f64>() <= distance * distance
        };
        let mut keeper: Vec<usize> = (0..self.len()).collect();
        for m in 0..self.len() {
            let at = &sorted[place[m]].0;
            let close = |other: &&([f64; PROJECTIONS], usize)| (other.0[0] - at[0]).abs() <= reach;
            let before = sorted[..place[m]].iter().rev().take_while(close);
            let around = before.chain(sorted[place[m] + 1..].iter().take_while(close));
            let first = around
                .filter(|(other, k)| {
                    other.iter().zip(at).all(|(a, b)| (a - b).abs() <= reach) && *k < m && keeper[*k] == *k
                })
                .map(|(_, k)| *k)
                .filter(|k| near(*k, m))
                .min();
            keeper[m] = first.unwrap_or(m);
        }
        keeper
    }
}

/// Unit vectors, the same for all data.
fn directions(dim: usize) -> Vec<f64> {
    if dim == 1 {
        return vec![1.0];
    }
    let mut rng = Streams::new(0).stream(Purpose::Projections, dim as u64, 1);
    let mut out: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(PROJECTIONS * dim).collect();
    for direction in out.chunks_exact_mut(dim) {
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|v| *v /= norm);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identities_a_point_that_is_there_again_rounded_is_one() {
        let exact = [0.1, 0.7, -0.3, 0.2, 1000.1, 0.123_456_789];
        let rounded = exact.map(|v| f64::from(v as f32));
        for dim in [1, 2, 3] {
            let twice = PointCloud::new([exact, rounded].concat(), dim).unwrap();
            assert!(twice.check_distinct().is_ok());
            let merged = twice.merge_near(1e-3).unwrap();
            assert_eq!(merged.points(), exact);
            assert!(merged.weights().iter().all(|w| (w * merged.len() as f64 - 1.0).abs() < 1e-14));
        }
    }

    proptest! {
        #[test]
        fn oracle_plain_search(
            dim in 1usize..6, m in 1usize..120, distance in 0.0..0.6f64, offset in -1e4..1e4f64, seed in 0u64..1000,
        ) {
            let wave = |i: usize| offset + ((i as f64 + 0.5) * 1.7 + seed as f64).sin();
            let cloud = PointCloud::new((0..m * dim).map(wave).collect(), dim).unwrap();
            let far = |a: &[f64], b: &[f64]| {
                a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() > distance * distance
            };
            let mut kept: Vec<usize> = Vec::new();
            for i in 0..m {
                if kept.iter().all(|k| far(cloud.point(i), cloud.point(*k))) {
                    kept.push(i);
                }
            }
            let merged = cloud.merge_near(distance).unwrap();
            let plain: Vec<f64> = kept.iter().flat_map(|k| cloud.point(*k)).copied().collect();
            prop_assert_eq!(merged.points(), &plain[..]);
            prop_assert!((merged.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
