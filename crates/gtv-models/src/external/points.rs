//! Points at which something is known: given by a user, and found again to the rounding of 32 bits.

use super::error::Error;
use super::given::Given;
use gtv_theory::TrainingProblem;
use std::collections::HashMap;

/// Distance outside [ε, T], relative to T, that 32-bit times may have by rounding.
const TIME_ROUNDING: f64 = 1e-6;

/// Q points (x, t), and the place of each.
#[derive(Debug, Clone)]
pub(super) struct Points {
    pub(super) dim: usize,
    /// Q × D.
    pub(super) x: Vec<f64>,
    /// Q.
    pub(super) t: Vec<f64>,
    places: HashMap<Vec<u32>, usize>,
}

/// A point as it is looked up: users' programs round to 32 bits, and no two points are that near.
fn key(x: &[f64], t: f64) -> Vec<u32> {
    // −0 and 0 are one place.
    x.iter().chain([&t]).map(|v| (*v as f32 + 0.0).to_bits()).collect()
}

impl Points {
    /// The points of arrays `x` (Q, D) and `t` (Q), which `reason` says the need of.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Shape`], [`Error::Time`].
    pub(super) fn new(
        problem: &TrainingProblem,
        (x, t): (Option<Given>, Option<Given>),
        reason: &'static str,
    ) -> Result<Self, Error> {
        let missing = |array| Error::Missing { array, reason };
        let (x, t) = (x.ok_or_else(|| missing("x"))?, t.ok_or_else(|| missing("t"))?);
        let dim = problem.dim();
        let count = x.rows(dim, "points")?;
        check_list(&t, count)?;
        let (t_min, t_max) = (problem.schedule().t_min(), problem.schedule().t_max());
        let slack = TIME_ROUNDING * t_max;
        let outside = |t: &f64| !(t_min - slack..=t_max + slack).contains(t);
        if let Some(index) = t.values.iter().position(outside) {
            return Err(Error::Time { index, value: t.values[index], t_min, t_max });
        }
        let rows = x.values.chunks_exact(dim).zip(&t.values).enumerate();
        let places = rows.map(|(row, (x, t))| (key(x, *t), row)).collect();
        Ok(Self { dim, x: x.values, t: t.values, places })
    }

    /// Q.
    pub(super) fn len(&self) -> usize {
        self.t.len()
    }

    /// The row of each point, `None` for one that is not known.
    pub(super) fn rows<'a>(&'a self, x: &'a [f64], t: &'a [f64]) -> impl Iterator<Item = Option<usize>> + 'a {
        x.chunks_exact(self.dim).zip(t).map(|(x, t)| self.places.get(&key(x, *t)).copied())
    }
}

/// Checks that an array is a list of one value for each of Q points.
pub(super) fn check_list(array: &Given, count: usize) -> Result<(), Error> {
    match *array.shape {
        [n] | [n, 1] if n == count => Ok(()),
        _ => Err(array.wrong_shape(format!("({count}), one value for each point of `x`"))),
    }
}
