//! Fields whose posterior is known in closed form, with the data they belong to.

use super::{CovKind, Evaluation, ExactScore, ScoreField};
use crate::error::Result;
use crate::rng::ChaCha8Rng;
use rand::RngExt;

/// A true score together with everything else that its posterior p(x0 | x, t) says.
pub trait ClosedForm: ScoreField {
    /// Score, log-density, posterior mean and covariances of a batch of queries at time `t`.
    ///
    /// # Shapes
    /// `queries`: Q × D, row-major.
    ///
    /// # Errors
    /// For queries of the wrong shape or not finite, and for t ≤ 0.
    fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation>;

    /// Independent draws x0 ~ p_data.
    ///
    /// # Shapes
    /// `out`: n × D, row-major.
    fn draw_data(&self, rng: &mut ChaCha8Rng, out: &mut [f64]);
}

impl ClosedForm for ExactScore {
    fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation> {
        self.evaluate(queries, t, kind)
    }

    fn draw_data(&self, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        let cloud = self.cloud();
        let cumulative: Vec<f64> = cloud
            .weights()
            .iter()
            .scan(0.0, |total, w| {
                *total += w;
                Some(*total)
            })
            .collect();
        // Scaled by the last sum, u < 1 always finds a point, and never one of weight 0.
        let total = cumulative[cumulative.len() - 1];
        for row in out.chunks_exact_mut(cloud.dim()) {
            let u = total * rng.random::<f64>();
            let m = cumulative.partition_point(|c| *c <= u);
            row.copy_from_slice(cloud.point(m));
        }
    }
}
