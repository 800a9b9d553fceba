//! Memorization: d₁, d₂ = distances from a sample to its nearest and second-nearest datum; a sample is a copy
//! when d₁/d₂ < 1/3 (Yoon et al. 2023; Gu et al. 2023), and the memorized fraction is the share of copies.

#![expect(clippy::neg_cmp_op_on_partial_ord, reason = "what is not a number counts as reached")]

use super::wasserstein::{check_samples, dot};
use crate::data::PointCloud;
use crate::error::{Error, Result};
use crate::linalg::gemm_nt;
use crate::score::{self, Source};
use rayon::prelude::*;

/// A sample is a copy when d₁ is below this share of d₂.
pub const COPY_RATIO: f64 = 1.0 / 3.0;
/// Queries and data points of one block of products.
const QUERIES: usize = 192;
const POINTS: usize = 1024;
/// Samples from which an index of the data pays.
const INDEX_SAMPLES: usize = 256;
/// Below this dimension summing squares directly beats matrix products.
const DIRECT_DIM: usize = 8;

/// For each sample its nearest datum and the distances to the nearest two.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Index m of the nearest datum.
    pub index: Vec<usize>,
    /// d₁.
    pub distance: Vec<f64>,
    /// d₂, infinite when there is one datum.
    pub second: Vec<f64>,
}

impl Neighbours {
    /// Whether sample i is a copy: d₁ < d₂/3. With one datum every sample is one.
    pub fn is_copy(&self, i: usize) -> bool {
        self.distance[i] < COPY_RATIO * self.second[i]
    }
}

/// The nearest two of the M data points for each sample, exactly; O(n M D), in one dimension O(n log M).
///
/// Candidates are found from bounds on a few principal axes, or from ‖μ‖² − 2 x·μ by blocked matrix products, with all
/// rounding inside the bounds, and their distances are taken from differences: far data do not disturb near ones. Merge duplicates in
/// the data first ([`PointCloud::check_distinct`]): next to its twin no datum can be copied, as d₁ = d₂.
///
/// # Shapes
/// `samples`: n × D row-major.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`].
///
/// ```
/// use gtv_theory::{PointCloud, compare::nearest_two};
/// let found = nearest_two(&[0.75], &PointCloud::new(vec![-1.0, 0.0, 1.0], 1)?)?;
/// assert_eq!((found.index[0], found.distance[0], found.second[0]), (2, 0.25, 0.75));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn nearest_two(samples: &[f64], data: &PointCloud) -> Result<Neighbours> {
    check_samples("samples", samples, data.dim())?;
    Ok(nearest_two_unchecked(samples, data))
}

pub(super) fn nearest_two_unchecked(samples: &[f64], data: &PointCloud) -> Neighbours {
    let found = match data.dim() {
        1 => by_sorting(samples, data),
        // A literal dimension lets the compiler unroll the sum of squares.
        2 => directly(samples, data, 2),
        3 => directly(samples, data, 3),
        dim if dim < DIRECT_DIM => directly(samples, data, dim),
        _ => by_index(samples, data),
    };
    let mut out = Neighbours {
        index: Vec::with_capacity(found.len()),
        distance: Vec::with_capacity(found.len()),
        second: Vec::with_capacity(found.len()),
    };
    for (index, d1, d2) in found {
        out.index.push(index);
        out.distance.push(d1);
        out.second.push(d2);
    }
    out
}

/// Share of copies among the samples.
///
/// # Shapes
/// `samples`: n × D row-major.
///
/// # Errors
/// As [`nearest_two`].
///
/// ```
/// use gtv_theory::{PointCloud, compare::memorized_fraction};
/// // 0.9 is a copy of 1; 0.6 lies too far from it.
/// assert_eq!(memorized_fraction(&[0.9, 0.6], &PointCloud::new(vec![-1.0, 0.0, 1.0], 1)?)?, 0.5);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn memorized_fraction(samples: &[f64], data: &PointCloud) -> Result<f64> {
    let near = nearest_two(samples, data)?;
    let copies = (0..near.index.len()).filter(|&i| near.is_copy(i)).count();
    Ok(copies as f64 / near.index.len() as f64)
}

/// Share of the samples within `radius` of each centre, for example "mass within 0.2 of ±½".
///
/// # Shapes
/// `samples`: n × `dim`; `centres`: K × `dim`; returns K.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`]; [`Error::OutOfRange`] for a negative radius.
///
/// ```
/// use gtv_theory::compare::mass_within;
/// assert_eq!(mass_within(&[-0.4, 0.1, 0.6, 0.7], &[-0.5, 0.5], 1, 0.2)?, [0.25, 0.5]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn mass_within(samples: &[f64], centres: &[f64], dim: usize, radius: f64) -> Result<Vec<f64>> {
    check_samples("samples", samples, dim)?;
    check_samples("centres", centres, dim)?;
    if !(radius >= 0.0 && radius.is_finite()) {
        return Err(Error::OutOfRange {
            name: "radius",
            value: radius,
            expected: "a finite number, at least 0",
        });
    }
    let n = (samples.len() / dim) as f64;
    Ok(centres
        .par_chunks_exact(dim)
        .map(|c| samples.chunks_exact(dim).filter(|x| square(x, c) <= radius * radius).count() as f64 / n)
        .collect())
}

#[inline]
fn square(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum()
}

type Found = (usize, f64, f64);

/// The two smallest scores seen so far, ties to the earlier index.
#[derive(Clone, Copy)]
struct Two {
    first: (f64, usize),
    second: (f64, usize),
}

impl Two {
    const NONE: Self = Self { first: (f64::INFINITY, usize::MAX), second: (f64::INFINITY, usize::MAX) };

    #[inline]
    fn offer(&mut self, score: f64, index: usize) {
        if score < self.second.0 {
            if score < self.first.0 {
                self.second = self.first;
                self.first = (score, index);
            } else {
                self.second = (score, index);
            }
        }
    }
}

fn by_sorting(samples: &[f64], data: &PointCloud) -> Vec<Found> {
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by(|&i, &j| data.points()[i].total_cmp(&data.points()[j]));
    let sorted: Vec<f64> = order.iter().map(|&i| data.points()[i]).collect();
    samples
        .par_iter()
        .with_min_len(4096)
        .map(|&x| {
            let right = sorted.partition_point(|p| *p < x);
            let mut two = Two::NONE;
            for k in right.saturating_sub(2)..(right + 2).min(sorted.len()) {
                two.offer((sorted[k] - x).abs(), order[k]);
            }
            (two.first.1, two.first.0, two.second.0)
        })
        .collect()
}

#[inline(always)]
fn directly(samples: &[f64], data: &PointCloud, dim: usize) -> Vec<Found> {
    samples
        .par_chunks_exact(dim)
        .with_min_len(256)
        .map(|x| {
            let mut two = Two::NONE;
            for (m, point) in data.points().chunks_exact(dim).enumerate() {
                two.offer(square(x, point), m);
            }
            (two.first.1, two.first.0.sqrt(), two.second.0.sqrt())
        })
        .collect()
}

/// By bounds where they leave few points, else by products.
fn by_index(samples: &[f64], data: &PointCloud) -> Vec<Found> {
    let dim = data.dim();
    if samples.len() / dim < INDEX_SAMPLES {
        return by_products(samples, data);
    }
    let Some(blocks) = score::nearest_two(data.points(), dim, samples) else {
        return by_products(samples, data);
    };
    let mut rest = samples;
    let mut out = Vec::with_capacity(samples.len() / dim);
    for block in blocks {
        let (these, later) = rest.split_at(rest.len().min(score::NEAREST_BLOCK * dim));
        rest = later;
        out.extend(block.unwrap_or_else(|| by_products(these, data)));
    }
    out
}

/// Products give ‖μ‖² − 2 x·μ up to their rounding; all data that could be among the nearest two by that are compared
/// by differences.
fn by_products(samples: &[f64], data: &PointCloud) -> Vec<Found> {
    let dim = data.dim();
    // About a centre the norms are smallest, and with them the rounding of ‖μ‖² − 2 x·μ. Far data must not move it.
    let origin = Source::F64(data.points()).centre(dim, data.len());
    let shift = |v: &[f64]| -> Vec<f64> { v.iter().zip(origin.iter().cycle()).map(|(v, o)| v - o).collect() };
    let points = shift(data.points());
    let norms: Vec<f64> = points.par_chunks_exact(dim).map(|p| dot(p, p)).collect();
    // Roundings of a sum of D products in any order, of the shift, and of the last sum, per |x||μ| + |μ|².
    let unit = 2.0 * (dim as f64 + 8.0) * f64::EPSILON;
    samples
        .par_chunks(QUERIES * dim)
        .map(|chunk| {
            let x = shift(chunk);
            let rows = x.len() / dim;
            let lengths: Vec<f64> = x.chunks_exact(dim).map(|x| dot(x, x).sqrt()).collect();
            // The two smallest upper limits of each row, and the data whose lower limit is not above the second.
            let mut upper = vec![Two::NONE; rows];
            let mut candidates: Vec<Vec<(f64, usize)>> = vec![vec![]; rows];
            let mut products = vec![0.0; rows * POINTS];
            for (block, (p, norms)) in points.chunks(POINTS * dim).zip(norms.chunks(POINTS)).enumerate() {
                let products = &mut products[..rows * norms.len()];
                gemm_nt(rows, norms.len(), dim, &x, p, products);
                for (q, row) in products.chunks_exact(norms.len()).enumerate() {
                    let (upper, candidates) = (&mut upper[q], &mut candidates[q]);
                    for (j, (product, norm)) in row.iter().zip(norms).enumerate() {
                        let score = norm - 2.0 * product;
                        let error = unit * (norm + norm.sqrt() * lengths[q]);
                        // Written so that a score that overflowed stays a candidate.
                        if !(score - error > upper.second.0) {
                            candidates.push((score - error, block * POINTS + j));
                            upper.offer(score + error, block * POINTS + j);
                        }
                    }
                }
            }
            chunk
                .chunks_exact(dim)
                .zip(upper.iter().zip(candidates))
                .map(|(x, (upper, candidates))| {
                    let mut two = Two::NONE;
                    for (lower, m) in candidates {
                        if !(lower > upper.second.0) {
                            two.offer(square(x, data.point(m)), m);
                        }
                    }
                    (two.first.1, two.first.0.sqrt(), two.second.0.sqrt())
                })
                .collect::<Vec<_>>()
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identities_copies_by_hand() {
        let data = PointCloud::new(vec![0.0, 1.0, 10.0], 1).unwrap();
        // d₁/d₂: 0.2/0.8 = 1/4 copy; 0.4/0.6 no; 4/5 no; 0/9 copy; −0.4: 0.4/1.4 copy.
        let samples = [0.2, 0.4, 5.0, 10.0, -0.4];
        let near = nearest_two(&samples, &data).unwrap();
        assert_eq!(near.index, vec![0, 0, 1, 2, 0]);
        assert_eq!((0..5).map(|i| near.is_copy(i)).collect::<Vec<_>>(), [true, false, false, true, true]);
        assert!((memorized_fraction(&samples, &data).unwrap() - 0.6).abs() < 1e-15);
        assert_eq!(mass_within(&samples, &[0.0, 9.5], 1, 0.5).unwrap(), vec![0.6, 0.2]);
    }

    #[test]
    fn limits_one_datum_means_everything_is_a_copy() {
        for dim in [1, 3, 20] {
            let data = PointCloud::new(vec![0.5; dim], dim).unwrap();
            let samples: Vec<f64> = (0..4 * dim).map(|i| i as f64).collect();
            let near = nearest_two(&samples, &data).unwrap();
            assert!(near.second.iter().all(|d| *d == f64::INFINITY) && near.index == vec![0; 4]);
            assert_eq!(memorized_fraction(&samples, &data).unwrap(), 1.0);
        }
    }

    #[test]
    fn identities_a_copied_datum_is_found_at_distance_zero() {
        let points: Vec<f64> = (0..3000 * 12).map(|i| ((i * i) as f64 * 0.618).sin() + 100.0).collect();
        let data = PointCloud::new(points, 12).unwrap();
        let near = nearest_two(&data.points()[1234 * 12..1300 * 12], &data).unwrap();
        assert_eq!(near.index, (1234..1300).collect::<Vec<_>>());
        assert!(near.distance.iter().all(|d| *d == 0.0));
    }

    #[test]
    fn bad_input_is_refused() {
        let data = PointCloud::new(vec![0.0, 1.0], 2).unwrap();
        assert!(nearest_two(&[], &data).is_err() && nearest_two(&[1.0; 3], &data).is_err());
        assert!(memorized_fraction(&[f64::NAN, 0.0], &data).is_err());
        assert!(mass_within(&[0.0], &[0.0], 1, -1.0).is_err() && mass_within(&[0.0], &[], 1, 1.0).is_err());
    }

    /// Distances come from differences: one datum at 1e6 would otherwise cost the others eight digits each.
    #[test]
    fn limits_one_far_datum_does_not_disturb_the_others() {
        for (m, dim, n) in [(300, 12, 40), (3000, 30, 600)] {
            let wave = |i: usize, s: f64| ((i as f64 + 0.5) * s).sin();
            let mut points: Vec<f64> = (0..m * dim).map(|i| 1e-3 * wave(i, 1.7)).collect();
            let samples: Vec<f64> = (0..n * dim).map(|i| points[i] + 1e-7 * wave(i, 2.9)).collect();
            points[(m - 1) * dim..].fill(1e6);
            let data = PointCloud::new(points, dim).unwrap();
            let near = nearest_two(&samples, &data).unwrap();
            for (i, x) in samples.chunks(dim).enumerate() {
                let mut all: Vec<f64> = data.points().chunks(dim).map(|p| square(x, p).sqrt()).collect();
                all.sort_by(f64::total_cmp);
                assert_eq!(near.index[i], i);
                assert!((near.distance[i] / all[0] - 1.0).abs() < 1e-12);
                assert!((near.second[i] / all[1] - 1.0).abs() < 1e-12);
            }
        }
    }

    proptest! {
        #[test]
        fn oracle_plain_search(
            dim in prop::sample::select(vec![1usize, 2, 7, 8, 13]), m in 1usize..1500, n in 1usize..80, seed in 0u64..1000,
        ) {
            let wave = |i: usize, s: f64| ((i as f64 + 0.5) * s + seed as f64).sin();
            let data = PointCloud::new((0..m * dim).map(|i| wave(i, 1.7)).collect(), dim).unwrap();
            let samples: Vec<f64> = (0..n * dim).map(|i| wave(i, 2.9)).collect();
            let near = nearest_two(&samples, &data).unwrap();
            for (i, x) in samples.chunks(dim).enumerate() {
                let mut all: Vec<f64> = data.points().chunks(dim).map(|p| square(x, p).sqrt()).collect();
                prop_assert!((square(x, data.point(near.index[i])).sqrt() - near.distance[i]).abs() < 1e-12);
                all.sort_by(f64::total_cmp);
                prop_assert!((near.distance[i] - all[0]).abs() < 1e-12);
                let second = all.get(1).copied().unwrap_or(f64::INFINITY);
                prop_assert!(near.second[i] == second || (near.second[i] - second).abs() < 1e-12);
            }
        }
    }
}
