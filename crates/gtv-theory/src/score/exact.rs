//! The score of discrete data: p(x|t) = Σ_m π_m N(x; α μ_m, σ² I), s = (α m − x)/σ².

use super::blocked::Dense;
use super::direct::{Columns, Noise};
use super::evaluation::{CovKind, Evaluation, check_queries};
use super::source::Source;
use super::{ScoreField, Trail};
use crate::data::PointCloud;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use rayon::prelude::*;

/// Queries a task. Fixed, so that nothing depends on the number of threads.
const QUERY_CHUNK: usize = 64;
/// Matrix products beat direct differences from this dimension and this many coordinates (points × dimensions) on:
/// below, their set-up costs more than it saves when a call brings few queries.
const BLOCKED_DIM: usize = 16;
const BLOCKED_VALUES: usize = 1 << 14;
/// Work (queries × points × dimensions) below which starting tasks costs more than it saves.
const PARALLEL_WORK: usize = 1 << 16;

/// Share of the posterior's mass that may be left out: below the rounding of a sum of many points.
const TOLERANCE: f64 = 1e-12;

/// Time and memory of what is kept of the points to find those that matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexCost {
    /// Seconds that building took.
    pub seconds: f64,
    /// Bytes held.
    pub bytes: usize,
}

impl IndexCost {
    /// Bytes that the index of M points in D dimensions will take, 0 where there will be none.
    pub fn bytes_for(len: usize, dim: usize) -> usize {
        super::screen::Index::bytes_for(len, dim)
    }
}

/// Refuses a share of mass that no result could be trusted with.
pub(super) fn check_tolerance(tolerance: f64) -> Result<()> {
    if (0.0..=0.01).contains(&tolerance) {
        return Ok(());
    }
    Err(Error::OutOfRange { name: "tolerance", value: tolerance, expected: "a share from 0 to 0.01" })
}

/// How a closed-form score is computed. The results are the same to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Whichever is faster for the cloud's size.
    #[default]
    Auto,
    /// Direct differences: fastest in few dimensions, allocation-free.
    Direct,
    /// Blocked matrix products: fastest in many dimensions.
    Blocked,
}

#[derive(Debug, Clone)]
enum Engine {
    Direct(Columns),
    Blocked(Dense<f64>),
}

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
    engine: Engine,
}

impl ExactScore {
    /// The score of `cloud` under `schedule`.
    pub fn new(cloud: PointCloud, schedule: Schedule) -> Self {
        Self::with_method(cloud, schedule, Method::Auto)
    }

    /// As [`ExactScore::new`], computed by the given method.
    pub fn with_method(cloud: PointCloud, schedule: Schedule, method: Method) -> Self {
        let direct = match method {
            Method::Auto => cloud.dim() < BLOCKED_DIM || cloud.points().len() < BLOCKED_VALUES,
            Method::Direct => true,
            Method::Blocked => false,
        };
        let engine = if direct {
            Engine::Direct(Columns::new(&cloud))
        } else {
            Engine::Blocked(Dense::new(Source::F64(cloud.points()), cloud.dim(), cloud.weights(), TOLERANCE))
        };
        Self { cloud, schedule, engine }
    }

    /// Lets at most this share of the posterior's mass be left out, 1e-12 unless stated: what may be skipped where few
    /// points have weight. 0 leaves out what is below the smallest f64 alone.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ `tolerance` ≤ 0.01.
    ///
    /// [`Error::OutOfRange`]: crate::Error::OutOfRange
    pub fn with_tolerance(mut self, tolerance: f64) -> Result<Self> {
        check_tolerance(tolerance)?;
        match &mut self.engine {
            Engine::Direct(_) => {}
            Engine::Blocked(dense) => dense.tolerance = tolerance,
        }
        Ok(self)
    }

    /// What the index of the points cost, once it was built: at the first evaluation of many points in many dimensions.
    pub fn index_cost(&self) -> Option<IndexCost> {
        match &self.engine {
            Engine::Direct(_) => None,
            Engine::Blocked(dense) => dense.index_cost(),
        }
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
    ///
    /// [`Error::Shape`]: crate::Error::Shape
    /// [`Error::NotFinite`]: crate::Error::NotFinite
    /// [`Error::OutOfRange`]: crate::Error::OutOfRange
    pub fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation> {
        evaluate(&self.schedule, self.dim(), queries, t, kind, |noise, out| match &self.engine {
            Engine::Direct(columns) => self.direct(columns, noise, queries, out),
            Engine::Blocked(dense) => {
                dense.moments(Source::F64(self.cloud.points()), noise, kind, queries, out.moments());
            }
        })
    }

    fn direct(&self, columns: &Columns, noise: Noise, queries: &[f64], out: &mut Evaluation) {
        let (dim, kind) = (self.dim(), out.kind);
        let Evaluation { posterior_mean, log_density, posterior_cov, .. } = out;
        if self.is_small(queries.len()) {
            columns.moments(noise, kind, queries, posterior_mean, log_density, posterior_cov);
            return;
        }
        let covs = rows_mut(posterior_cov, kind.values(dim), log_density.len());
        queries
            .par_chunks(QUERY_CHUNK * dim)
            .zip(posterior_mean.par_chunks_mut(QUERY_CHUNK * dim))
            .zip(log_density.par_chunks_mut(QUERY_CHUNK))
            .zip(covs)
            .for_each(|(((x, mean), log_sum), cov)| columns.moments(noise, kind, x, mean, log_sum, cov));
    }

    fn is_small(&self, values: usize) -> bool {
        values * self.cloud.len() < PARALLEL_WORK
    }
}

/// Posterior moments (by `moments`, log Σ e^l in place of the log-density) completed to an evaluation.
pub(super) fn evaluate(
    schedule: &Schedule,
    dim: usize,
    queries: &[f64],
    t: f64,
    kind: CovKind,
    moments: impl FnOnce(Noise, &mut Evaluation),
) -> Result<Evaluation> {
    check_queries(queries, dim, t)?;
    let mut out = Evaluation::zeros(queries.len() / dim, dim, kind);
    moments(Noise::at(schedule, t), &mut out);
    let var = schedule.noise_var(t);
    let normaliser = 0.5 * dim as f64 * (std::f64::consts::TAU * var).ln();
    out.log_density.iter_mut().for_each(|l| *l -= normaliser);
    out.finish_isotropic(queries, schedule.signal(t), var);
    Ok(out)
}

/// div m = α tr Γ/σ² of each query; NaN where a query is not finite.
pub(super) fn divergence(schedule: &Schedule, t: f64, evaluated: Result<Evaluation>, out: &mut [f64]) {
    let factor = schedule.signal(t) / schedule.noise_var(t);
    match evaluated {
        Ok(found) => out.iter_mut().zip(found.posterior_cov).for_each(|(o, trace)| *o = factor * trace),
        Err(_) => out.fill(f64::NAN),
    }
}

/// s = (αm − x)/σ² in place of m.
pub(super) fn score_from_mean(schedule: &Schedule, x: &[f64], t: f64, mean: &mut [f64]) {
    let (signal, var) = (schedule.signal(t), schedule.noise_var(t));
    for (m, x) in mean.iter_mut().zip(x) {
        *m = (signal * *m - x) / var;
    }
}

/// One slice a task of QUERY_CHUNK queries, empty slices when a query has no values.
fn rows_mut(all: &mut [f64], values: usize, queries: usize) -> Vec<&mut [f64]> {
    if values == 0 {
        return (0..queries.div_ceil(QUERY_CHUNK)).map(|_| Default::default()).collect();
    }
    all.chunks_mut(QUERY_CHUNK * values).collect()
}

impl ScoreField for ExactScore {
    fn dim(&self) -> usize {
        self.cloud.dim()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.score_along(x, t, out, &mut Trail::default());
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.denoiser_along(x, t, out, &mut Trail::default());
    }

    fn score_along(&self, x: &[f64], t: f64, out: &mut [f64], trail: &mut Trail) {
        self.denoiser_along(x, t, out, trail);
        score_from_mean(&self.schedule, x, t, out);
    }

    fn denoiser_along(&self, x: &[f64], t: f64, out: &mut [f64], trail: &mut Trail) {
        assert_eq!(x.len(), out.len(), "x and out must have the same shape");
        let noise = Noise::at(&self.schedule, t);
        let dim = self.dim();
        match &self.engine {
            Engine::Direct(columns) if self.is_small(x.len()) => columns.means(noise, x, out),
            Engine::Direct(columns) => x
                .par_chunks(QUERY_CHUNK * dim)
                .zip(out.par_chunks_mut(QUERY_CHUNK * dim))
                .for_each(|(x, out)| columns.means(noise, x, out)),
            Engine::Blocked(dense) => {
                dense.means(Source::F64(self.cloud.points()), noise, x, out, trail.of(x.len() / dim));
            }
        }
    }

    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        divergence(&self.schedule, t, self.evaluate(x, t, CovKind::Trace), out);
    }
}
