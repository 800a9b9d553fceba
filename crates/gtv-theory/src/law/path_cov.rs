//! Covariances along paths: Cov[ŝ(z_k), ŝ(z_l)] for l = 0 … k, one new point z_k at a time.
//!
//! Several paths that pass the same times advance together, so that a law's work at a time is one matrix product.

use crate::schedule::Schedule;

/// Which of a field's two answers has the covariance: they differ by a factor that depends on t alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Response {
    /// The score ŝ.
    #[default]
    Score,
    /// The denoiser m̂ = (x + σ² ŝ)/α.
    Denoiser,
}

impl Response {
    /// The factor that turns a deviation of the score at t into one of this answer: 1 or σ²/α (infinite where α = 0).
    pub(super) fn of_score(self, schedule: &Schedule, t: f64) -> f64 {
        match self {
            Self::Score => 1.0,
            Self::Denoiser => schedule.noise_var(t) / schedule.signal(t),
        }
    }
}

/// Covariances along paths that advance together; made by [`crate::law::Law::path_cov`].
pub trait PathCov {
    /// Forgets all points: the next one is a path's first.
    fn restart(&mut self);

    /// Takes the next point of each of n paths and gives its covariance with that path's points so far, itself the last.
    ///
    /// # Shapes
    /// `x`: n × D, the same n until the next restart; `out`: n × (k + 1) × D × D for a path's point number k = 0, 1, …,
    /// rows belonging to the new point; n × D × D (the new point alone) for a [white](PathCov::is_white) law.
    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]);

    /// Σ_l w_l tr Cov[ŝ(x, t), ŝ(x, t_l)] at n states x: an integral over the time lag. It forgets the paths so far.
    ///
    /// # Shapes
    /// `x`: n × D, n at most the paths it was made for; `rule`: (t_l, w_l); `out`: n.
    fn sum_over_lags(&mut self, x: &[f64], t: f64, rule: &[(f64, f64)], out: &mut [f64]) {
        let dim = x.len() / out.len();
        let square = dim * dim;
        let mut blocks = vec![0.0; 2 * out.len() * square];
        out.fill(0.0);
        for (time, weight) in rule {
            self.restart();
            self.advance(x, *time, &mut blocks[..out.len() * square]);
            self.advance(x, t, &mut blocks);
            for (sum, pair) in out.iter_mut().zip(blocks.chunks_exact(2 * square)) {
                *sum += weight * pair[..square].iter().step_by(dim + 1).sum::<f64>();
            }
        }
        self.restart();
    }

    /// Whether points at different times are independent.
    fn is_white(&self) -> bool {
        false
    }
}
