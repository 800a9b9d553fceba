//! p_data = Σ_m π_m δ(x0 − μ_m).

use crate::error::{Error, Result, check_finite, check_len};
use rayon::prelude::*;

/// A weighted set of M points in D dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct PointCloud {
    points: Vec<f64>,
    dim: usize,
    weights: Vec<f64>,
}

impl PointCloud {
    /// Points with equal weights π_m = 1/M.
    ///
    /// # Shapes
    /// `points`: M × `dim`, row-major.
    ///
    /// # Errors
    /// Empty input, a length that is no multiple of `dim`, or a value that is not finite.
    pub fn new(points: Vec<f64>, dim: usize) -> Result<Self> {
        let len = Self::check_points(&points, dim)?;
        let weights = vec![1.0 / len as f64; len];
        Ok(Self { points, dim, weights })
    }

    /// Points with their own weights π_m, which must be a probability vector.
    ///
    /// # Shapes
    /// `points`: M × `dim`, row-major; `weights`: M.
    ///
    /// # Errors
    /// As [`PointCloud::new`]; [`Error::Weights`] for a negative weight or a sum off one by more than 1e-9.
    pub fn with_weights(points: Vec<f64>, dim: usize, weights: Vec<f64>) -> Result<Self> {
        let len = Self::check_points(&points, dim)?;
        check_weights(&weights, len)?;
        Ok(Self { points, dim, weights })
    }

    fn check_points(points: &[f64], dim: usize) -> Result<usize> {
        if points.is_empty() || dim == 0 {
            return Err(Error::Empty { name: "the data" });
        }
        if !points.len().is_multiple_of(dim) {
            return Err(Error::Shape {
                name: "points",
                expected: points.len().div_ceil(dim) * dim,
                found: points.len(),
            });
        }
        check_finite("points", points, dim)?;
        Ok(points.len() / dim)
    }

    /// Refuses coinciding points, which make an unweighted data set a weighted one unnoticed.
    ///
    /// # Errors
    /// [`Error::DuplicatePoints`] with the first pair in the order of the later index.
    pub fn check_distinct(&self) -> Result<()> {
        // +0.0 turns −0.0 into +0.0, so that equal numbers have equal bits.
        let bits = |m: usize| self.point(m).iter().map(|v| (v + 0.0).to_bits());
        // Sorted, equal points are neighbours, the earlier first; this takes one index a point beside the data.
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.par_sort_unstable_by(|&a, &b| bits(a).cmp(bits(b)).then(a.cmp(&b)));
        let equal = order.windows(2).filter(|pair| bits(pair[0]).eq(bits(pair[1])));
        match equal.min_by_key(|pair| pair[1]) {
            Some(pair) => Err(Error::DuplicatePoints { first: pair[0], second: pair[1] }),
            None => Ok(()),
        }
    }

    /// M, the number of points.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Always false: a cloud has at least one point.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// D, the dimension.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The first principal axes of the points, weights aside: `count` orthonormal rows, the largest variance first, from a
    /// sample of the points. Each has its largest component positive, so that its sign means something.
    ///
    /// # Shapes
    /// min(`count`, D) × D.
    pub fn principal_axes(&self, count: usize) -> Vec<f64> {
        /// Points that axes are found from, and iterations that settle them for the eye.
        const SAMPLE: usize = 2_000;
        const ITERATIONS: usize = 30;
        let (dim, len) = (self.dim, self.len());
        let sampled = len.min(SAMPLE);
        let rows = || (0..sampled).map(|i| self.point(i * len / sampled));
        let mut centre = vec![0.0; dim];
        for row in rows() {
            centre.iter_mut().zip(row).for_each(|(c, v)| *c += v / sampled as f64);
        }
        let sample: Vec<f64> = rows().flat_map(|row| row.iter().zip(&centre).map(|(v, c)| v - c)).collect();
        let mut axes = crate::score::principal_axes(&sample, dim, count.min(dim), ITERATIONS);
        for axis in axes.chunks_exact_mut(dim) {
            let largest = axis.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
            if largest < 0.0 {
                axis.iter_mut().for_each(|v| *v = -*v);
            }
        }
        axes
    }

    /// The points μ_m, M × D row-major.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// One point μ_m.
    pub fn point(&self, m: usize) -> &[f64] {
        &self.points[m * self.dim..(m + 1) * self.dim]
    }

    /// The weights π_m.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// A table from which points are picked with their weights.
    pub fn picker(&self) -> Picker {
        Picker::new(&self.weights)
    }

    /// Σ π_m μ_m.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim];
        for (row, w) in self.points.chunks_exact(self.dim).zip(&self.weights) {
            for (acc, v) in mean.iter_mut().zip(row) {
                *acc += w * v;
            }
        }
        mean
    }
}

/// Π_m = Σ_{m' ≤ m} π_m', up to the last point with any weight, so that rounding of the sum never picks one without.
#[derive(Debug, Clone)]
pub struct Picker {
    cumulative: Vec<f64>,
}

impl Picker {
    /// A table of a probability vector, which must not be empty.
    pub fn new(weights: &[f64]) -> Self {
        let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
        let sum = |total: &mut f64, w: &f64| {
            *total += w;
            Some(*total)
        };
        Self { cumulative: weights[..=last].iter().scan(0.0, sum).collect() }
    }

    /// The point m whose [Π_{m−1}, Π_m) holds u in [0, 1): with u uniform, m has probability π_m.
    pub fn pick(&self, u: f64) -> usize {
        self.cumulative.partition_point(|c| *c <= u).min(self.cumulative.len() - 1)
    }
}

/// Checks that `weights` is a probability vector of the given length.
pub(crate) fn check_weights(weights: &[f64], len: usize) -> Result<()> {
    check_len("weights", len, weights.len())?;
    if let Some((i, w)) = weights.iter().enumerate().find(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::Weights {
            reason: format!("weight {i} is {w}; weights must be finite and at least 0"),
        });
    }
    let total: f64 = weights.iter().sum();
    if (total - 1.0).abs() > 1e-9 {
        return Err(Error::Weights {
            reason: format!("they sum to {total}, expected 1; divide them by their sum"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_refused() {
        assert!(matches!(PointCloud::new(vec![], 1), Err(Error::Empty { .. })));
        assert!(matches!(PointCloud::new(vec![1.0; 5], 2), Err(Error::Shape { .. })));
        let nan = PointCloud::new(vec![1.0, 2.0, 3.0, f64::NAN], 2);
        assert!(matches!(nan, Err(Error::NotFinite { row: 1, column: 1, .. })));
        let points = vec![0.0, 1.0];
        for weights in [vec![0.5], vec![1.5, -0.5], vec![0.4, 0.4], vec![f64::NAN, 1.0]] {
            assert!(PointCloud::with_weights(points.clone(), 1, weights).is_err());
        }
    }

    #[test]
    fn duplicates_are_found_also_across_signed_zeros() {
        let cloud = PointCloud::new(vec![0.0, 1.0, 2.0, 3.0, -0.0, 1.0], 2).unwrap();
        assert_eq!(cloud.check_distinct(), Err(Error::DuplicatePoints { first: 0, second: 2 }));
    }

    #[test]
    fn oracle_the_first_pair_of_equal_points_is_named() {
        // Few values in two dimensions, so that most lists hold several equal points.
        for seed in 0..200u64 {
            let draw = |i: u64| ((seed * 31 + i) * 0x9e37_79b9 % 1009) % 4;
            let points: Vec<f64> = (0..2 * (2 + seed % 9)).map(|i| draw(i) as f64).collect();
            let cloud = PointCloud::new(points, 2).unwrap();
            let pair = (1..cloud.len())
                .find_map(|b| (0..b).find(|&a| cloud.point(a) == cloud.point(b)).map(|a| (a, b)));
            let want = pair.map_or(Ok(()), |(first, second)| Err(Error::DuplicatePoints { first, second }));
            assert_eq!(cloud.check_distinct(), want, "{:?}", cloud.points());
        }
    }
}
