//! Features that are known at listed points: the tangent features of a user's networks, or their Gram matrix.

use super::error::Error;
use super::given::Given;
use super::points::Points;
use super::tabulated::Arrays;
use gtv_theory::TrainingProblem;
use gtv_theory::features::FeatureMap;
use rayon::prelude::*;
use std::fmt;

/// Most features that the theory is given; more, or a Gram matrix, are made fewer.
const MOST: usize = 2_048;
/// Share of the trace of the Gram matrix that features may miss: what 32-bit numbers resolve.
const RESOLVED: f64 = 1e-7;
/// Difference of a Gram matrix from its transpose, relative to its largest value, that rounding does not explain.
const ASYMMETRY: f64 = 1e-3;

/// φ(x_q, t_q) at Q points, and nowhere else.
///
/// Features of N0 networks, or of the outputs of one, are joined into one list divided by √N0, whose kernel φᵀφ' is the mean of
/// theirs. A Gram matrix K, and features that are more than the points or than 2,048, become the columns of a pivoted Cholesky
/// factor, K ≈ φφᵀ, which ends where the rest of the trace is below a ten millionth, or at 2,048 columns.
pub struct FeatureTable {
    points: Points,
    /// F.
    len: usize,
    /// Q × F.
    phi: Vec<f64>,
    missed: f64,
}

impl FeatureTable {
    /// The features, or the Gram matrix, among the arrays that a user brings; `None` where there is neither.
    ///
    /// # Errors
    /// [`Error`], naming the array.
    pub fn of(problem: &TrainingProblem, arrays: &Arrays) -> Result<Option<Self>, Error> {
        const POINTS: &str =
            "features mean nothing without their points; save x (Q, D) and t (Q) beside them";
        let Arrays { x, t, features, gram, .. } = arrays;
        [x, t, features, gram].into_iter().flatten().try_for_each(Given::check)?;
        let points = || Points::new(problem, (x.clone(), t.clone()), POINTS);
        match (features, gram) {
            (None, None) => Ok(None),
            (Some(features), None) => Self::of_features(points()?, features).map(Some),
            (None, Some(gram)) => Self::of_gram(points()?, gram).map(Some),
            (Some(_), Some(_)) => Err(Error::Either { array: "gram", other: "features" }),
        }
    }

    fn of_features(points: Points, given: &Given) -> Result<Self, Error> {
        let count = points.len();
        let (networks, each) = match *given.shape {
            [networks, rows, each] if rows == count && networks > 0 && each > 0 => (networks, each),
            [rows, each] if rows == count && each > 0 => (1, each),
            _ => {
                let expected = format!("(networks, {count}, features), a row for each point of `x`");
                return Err(given.wrong_shape(expected));
            }
        };
        let (len, scale) = (networks * each, 1.0 / (networks as f64).sqrt());
        let mut phi = vec![0.0; count * len];
        for (network, rows) in given.values.chunks_exact(count * each).enumerate() {
            for (row, joined) in rows.chunks_exact(each).zip(phi.chunks_exact_mut(len)) {
                let place = &mut joined[network * each..][..each];
                place.iter_mut().zip(row).for_each(|(to, from)| *to = scale * from);
            }
        }
        if phi.iter().all(|v| *v == 0.0) {
            return Err(Error::NoFeature { array: given.name.clone() });
        }
        if len <= MOST.min(count) {
            return Ok(Self { points, len, phi, missed: 0.0 });
        }
        let row = |q: usize| &phi[q * len..(q + 1) * len];
        let product = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum::<f64>();
        Ok(Self::factored(points, product))
    }

    fn of_gram(points: Points, given: &Given) -> Result<Self, Error> {
        let count = points.len();
        if *given.shape != [count, count] {
            let expected =
                format!("({count}, {count}), the products of the features at every two points of `x`");
            return Err(given.wrong_shape(expected));
        }
        let at = |a: usize, b: usize| given.values[a * count + b];
        let array = || given.name.clone();
        if let Some(index) = (0..count).find(|q| at(*q, *q) < 0.0) {
            return Err(Error::NoGram { array: array(), index: [index; 2], found: [at(index, index), 0.0] });
        }
        let largest = (0..count).map(|q| at(q, q)).fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(Error::NoFeature { array: array() });
        }
        let differs = |(a, b): &(usize, usize)| (at(*a, *b) - at(*b, *a)).abs() > ASYMMETRY * largest;
        let pairs = || (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
        if let Some((a, b)) = pairs().find(differs) {
            return Err(Error::NoGram { array: array(), index: [a, b], found: [at(a, b), at(b, a)] });
        }
        Ok(Self::factored(points, at))
    }

    /// Features whose products are given: the columns of a pivoted Cholesky factor.
    fn factored(points: Points, product: impl Fn(usize, usize) -> f64 + Sync) -> Self {
        let count = points.len();
        let mut rest: Vec<f64> = (0..count).into_par_iter().map(|q| product(q, q)).collect();
        let trace: f64 = rest.iter().sum();
        let left = |rest: &[f64]| rest.iter().map(|r| r.max(0.0)).sum::<f64>() / trace;
        let mut columns: Vec<Vec<f64>> = Vec::new();
        while columns.len() < MOST.min(count) && left(&rest) > RESOLVED {
            let Some(pivot) = (0..count).max_by(|a, b| rest[*a].total_cmp(&rest[*b])) else { break };
            let scale = 1.0 / rest[pivot].sqrt();
            let known: Vec<f64> = columns.iter().map(|column| column[pivot]).collect();
            let mut column: Vec<f64> = (0..count).into_par_iter().map(|q| product(q, pivot)).collect();
            /// Rows of a task.
            const TASK: usize = 512;
            column.par_chunks_mut(TASK).enumerate().for_each(|(task, rows)| {
                for (earlier, at_pivot) in columns.iter().zip(&known) {
                    rows.iter_mut().zip(&earlier[task * TASK..]).for_each(|(c, e)| *c -= at_pivot * e);
                }
                rows.iter_mut().for_each(|c| *c *= scale);
            });
            rest.iter_mut().zip(&column).for_each(|(r, c)| *r -= c * c);
            rest[pivot] = 0.0;
            columns.push(column);
        }
        let phi = (0..count).flat_map(|q| columns.iter().map(move |column| column[q])).collect();
        Self { points, len: columns.len(), phi, missed: left(&rest) }
    }

    /// Q.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// Share of the trace of the Gram matrix that the features miss.
    pub fn missed(&self) -> f64 {
        self.missed
    }

    /// Whether the features are known at all of some points (n × D, n).
    pub fn knows(&self, x: &[f64], t: &[f64]) -> bool {
        self.points.rows(x, t).all(|row| row.is_some())
    }

    /// Checks that they are.
    ///
    /// # Errors
    /// [`Error::Unlisted`] with how many are not, and the first of them.
    pub fn check(&self, x: &[f64], t: &[f64], what: &'static str) -> Result<(), Error> {
        let unknown = || self.points.rows(x, t).enumerate().filter(|(_, row)| row.is_none());
        let Some((first, _)) = unknown().next() else { return Ok(()) };
        let dim = self.points.dim;
        let (x, time) = (x[first * dim..(first + 1) * dim].to_vec(), t[first]);
        Err(Error::Unlisted { missing: unknown().count(), total: t.len(), what, x, t: time })
    }
}

impl fmt::Debug for FeatureTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} features at {} points", self.len, self.points())
    }
}

impl FeatureMap for FeatureTable {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.points.dim
    }

    fn everywhere(&self) -> bool {
        false
    }

    /// NaN at points that are not listed.
    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        for (row, out) in self.points.rows(x, t).zip(out.chunks_exact_mut(self.len)) {
            match row {
                Some(row) => out.copy_from_slice(&self.phi[row * self.len..(row + 1) * self.len]),
                None => out.fill(f64::NAN),
            }
        }
    }
}
