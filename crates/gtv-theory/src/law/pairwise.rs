//! Covariances along paths of a law that knows two points at a time: every pair by itself.

use super::At;
use super::path_cov::{PathCov, Response};
use crate::score::ScoreField;
use std::sync::Arc;

/// Cov[ŝ(z), ŝ(z')].
type TwoPoint<'a> = Box<dyn Fn(At<'_>, At<'_>) -> Vec<f64> + 'a>;

/// Every pair by itself.
pub(super) struct Pairwise<'a> {
    cov: TwoPoint<'a>,
    field: Arc<dyn ScoreField>,
    response: Response,
    /// (x of all paths, t, the response's factor) of each time so far.
    earlier: Vec<(Vec<f64>, f64, f64)>,
}

impl<'a> Pairwise<'a> {
    pub(super) fn new(
        cov: TwoPoint<'a>,
        field: Arc<dyn ScoreField>,
        response: Response,
        points: usize,
    ) -> Self {
        Self { cov, field, response, earlier: Vec::with_capacity(points) }
    }
}

impl PathCov for Pairwise<'_> {
    fn restart(&mut self) {
        self.earlier.clear();
    }

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.field.dim();
        let factor = self.response.of_score(self.field.schedule(), t);
        self.earlier.push((x.to_vec(), t, factor));
        let rows = out.chunks_exact_mut(self.earlier.len() * dim * dim);
        for ((path, x), row) in x.chunks_exact(dim).enumerate().zip(rows) {
            for ((before, time, other), block) in self.earlier.iter().zip(row.chunks_exact_mut(dim * dim)) {
                let before = At { x: &before[path * dim..(path + 1) * dim], t: *time };
                let cov = (self.cov)(At { x, t }, before);
                block.iter_mut().zip(cov).for_each(|(o, c)| *o = factor * other * c);
            }
        }
    }
}
