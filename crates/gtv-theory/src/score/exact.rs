//! The score of discrete data: p(x|t) = Σ_m π_m N(x; α μ_m, σ² I), s = (α m − x)/σ².

use super::ScoreField;
use super::direct::{Columns, Noise};
use super::evaluation::{CovKind, Evaluation};
use crate::data::PointCloud;
use crate::error::{Error, Result, check_finite};
use crate::schedule::Schedule;
use rayon::prelude::*;

/// Queries a task. Fixed, so that nothing depends on the number of threads.
const QUERY_CHUNK: usize = 64;
/// Work (queries × points × dimensions) below which starting tasks costs more than it saves.
const PARALLEL_WORK: usize = 1 << 16;

/// The closed-form score of a weighted point cloud under isotropic noise.
///
/// Posterior weights w_m ∝ π_m N(x; αμ_m, σ²I) are always formed by log-sum-exp, so every quantity is finite for
/// every t > 0 at which the data can be told from x at all.
///
/// ```
/// use gtv_theory::score::{CovKind, ExactScore};
/// use gtv_theory::{PointCloud, Schedule};
/// let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
/// let field = ExactScore::new(cloud, Schedule::paper(1e-3).unwrap());
/// let at = field.evaluate(&[0.0], 0.1, CovKind::Full).unwrap();
/// assert!(at.score[0].abs() < 1e-12 && at.proxy_score_cov[0] > 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct ExactScore {
    cloud: PointCloud,
    schedule: Schedule,
    columns: Columns,
}

impl ExactScore {
    /// The score of `cloud` under `schedule`.
    pub fn new(cloud: PointCloud, schedule: Schedule) -> Self {
        let columns = Columns::new(&cloud);
        Self { cloud, schedule, columns }
    }

    /// The data.
    pub fn cloud(&self) -> &PointCloud {
        &self.cloud
    }

    /// Score, log-density, posterior mean and covariances of a batch of queries at time `t`.
    ///
    /// # Shapes
    /// `queries`: Q × D, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`] for the queries; [`Error::OutOfRange`] unless t > 0 and finite.
    pub fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation> {
        let dim = self.dim();
        check_queries(queries, dim, t)?;
        let mut out = Evaluation::zeros(queries.len() / dim, dim, kind);
        let values = kind.values(dim);
        let noise = self.noise(t);
        let chunk = |x: &[f64], mean: &mut [f64], log_sum: &mut [f64], cov: &mut [f64]| {
            self.columns.moments(noise, kind, x, mean, log_sum, cov);
        };
        if self.is_small(queries.len()) {
            chunk(queries, &mut out.posterior_mean, &mut out.log_density, &mut out.posterior_cov);
        } else {
            let covs = rows_mut(&mut out.posterior_cov, values, out.log_density.len());
            queries
                .par_chunks(QUERY_CHUNK * dim)
                .zip(out.posterior_mean.par_chunks_mut(QUERY_CHUNK * dim))
                .zip(out.log_density.par_chunks_mut(QUERY_CHUNK))
                .zip(covs)
                .for_each(|(((x, mean), log_sum), cov)| chunk(x, mean, log_sum, cov));
        }
        let var = self.schedule.noise_var(t);
        let normaliser = 0.5 * dim as f64 * (std::f64::consts::TAU * var).ln();
        out.log_density.iter_mut().for_each(|l| *l -= normaliser);
        out.finish_isotropic(queries, self.schedule.signal(t), var);
        Ok(out)
    }

    fn noise(&self, t: f64) -> Noise {
        Noise { signal: self.schedule.signal(t), half_precision: 0.5 / self.schedule.noise_var(t) }
    }

    fn is_small(&self, values: usize) -> bool {
        values * self.cloud.len() < PARALLEL_WORK
    }
}

/// One slice a task of QUERY_CHUNK queries, empty slices when a query has no values.
fn rows_mut(all: &mut [f64], values: usize, queries: usize) -> Vec<&mut [f64]> {
    if values == 0 {
        return (0..queries.div_ceil(QUERY_CHUNK)).map(|_| Default::default()).collect();
    }
    all.chunks_mut(QUERY_CHUNK * values).collect()
}

/// Validates the input of an evaluation.
pub(super) fn check_queries(queries: &[f64], dim: usize, t: f64) -> Result<()> {
    if !(t.is_finite() && t > 0.0) {
        return Err(Error::OutOfRange {
            name: "t",
            value: t,
            expected: "a finite time above 0: the score of discrete data is singular at 0",
        });
    }
    if !queries.len().is_multiple_of(dim) {
        let expected = queries.len().div_ceil(dim) * dim;
        return Err(Error::Shape { name: "queries", expected, found: queries.len() });
    }
    check_finite("queries", queries, dim)
}

impl ScoreField for ExactScore {
    fn dim(&self) -> usize {
        self.cloud.dim()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.denoiser_into(x, t, out);
        let (signal, var) = (self.schedule.signal(t), self.schedule.noise_var(t));
        for (o, x) in out.iter_mut().zip(x) {
            *o = (signal * *o - x) / var;
        }
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        assert_eq!(x.len(), out.len(), "x and out must have the same shape");
        let noise = self.noise(t);
        if self.is_small(x.len()) {
            self.columns.means(noise, x, out);
        } else {
            let chunk = QUERY_CHUNK * self.dim();
            x.par_chunks(chunk)
                .zip(out.par_chunks_mut(chunk))
                .for_each(|(x, out)| self.columns.means(noise, x, out));
        }
    }
}
