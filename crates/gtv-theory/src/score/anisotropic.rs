//! Anisotropic noise G_t = g_t B with a fixed D × K matrix B: S = s_t B Bᵀ, by whitening.
//!
//! B Bᵀ = U Λ Uᵀ restricted to its r positive eigenvalues. z = Λ^{−1/2} Uᵀ x sees isotropic noise of variance s_t, and
//! x = α c + U Λ^{1/2} z, where c is the part of the data that noise does not reach. Back in x: s = W ᵀ s_z,
//! m = c + L m_z, Γ = L Γ_z Lᵀ, C = Wᵀ C_z W with W = Λ^{−1/2} Uᵀ, L = U Λ^{1/2}, and
//! log p = log p_z − ½ Σ log Λ.

use super::evaluation::{CovKind, Evaluation, check_queries};
use super::{ExactScore, Method, ScoreField};
use crate::data::PointCloud;
use crate::error::{Error, Result, check_finite, check_len};
use crate::linalg::{gemm_nn, gemm_nt, symmetric_eigen};
use crate::schedule::Schedule;

/// Eigenvalues of B Bᵀ below this share of the largest count as 0: rounding of B Bᵀ leaves about 1e-16 D.
const RANK_TOLERANCE: f64 = 1e-12;
/// Distance off the noisy subspace, relative to the data's size, that counts as rounding.
const OFF_TOLERANCE: f64 = 1e-9;

/// The closed-form score of a point cloud under noise of covariance S = s_t B Bᵀ.
///
/// It is not a [`ScoreField`]: dynamics under matrix noise, dx/dt = −βx − D_t s with D_t = d_t B Bᵀ, are the isotropic
/// dynamics of [`whitened`](Self::whitened) coordinates, so integrate that field and map states with
/// [`from_whitened`](Self::from_whitened).
///
/// Where B has rank r < D, all data must lie in one coset c + range(B). Everything then lives in that affine subspace:
/// densities are per r-dimensional volume in it, and scores point along it.
#[derive(Debug, Clone)]
pub struct AnisotropicScore {
    dim: usize,
    rank: usize,
    /// W, r × D.
    whiten: Vec<f64>,
    /// L, D × r.
    colour: Vec<f64>,
    /// c, the data's component orthogonal to range(B); 0 for full rank.
    origin: Vec<f64>,
    /// Rounding allowance for the distance off the subspace.
    slack: f64,
    /// ½ Σ log Λ.
    half_log_det: f64,
    inner: ExactScore,
}

impl AnisotropicScore {
    /// The score of `cloud` under noise of covariance `schedule.noise_var(t)` · B Bᵀ.
    ///
    /// # Shapes
    /// `factor`: B, D × K row-major.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`] for B; [`Error::Empty`] when B = 0; [`Error::OffSubspace`] when B has not
    /// full rank and a point differs from the first one outside range(B): no noise connects such points, so the
    /// posterior between them is not defined by any density.
    pub fn new(cloud: &PointCloud, schedule: Schedule, factor: &[f64]) -> Result<Self> {
        let dim = cloud.dim();
        let columns = factor.len() / dim;
        check_len("noise factor B (D x K values)", columns.max(1) * dim, factor.len())?;
        check_finite("noise factor B", factor, columns)?;
        let mut cov = vec![0.0; dim * dim];
        gemm_nt(dim, dim, columns, factor, factor, &mut cov);
        let (values, vectors) = symmetric_eigen("B Bt", &cov, dim)?;
        let largest = values[dim - 1];
        if largest <= 0.0 {
            return Err(Error::Empty { name: "the range of the noise factor B (all entries are 0)" });
        }
        let kept: Vec<usize> =
            (0..dim).filter(|&i| values[i] > RANK_TOLERANCE * dim as f64 * largest).collect();
        let rank = kept.len();
        let (mut whiten, mut colour) = (vec![0.0; rank * dim], vec![0.0; dim * rank]);
        for (r, &i) in kept.iter().enumerate() {
            let root = values[i].sqrt();
            for d in 0..dim {
                whiten[r * dim + d] = vectors[d * dim + i] / root;
                colour[d * rank + r] = vectors[d * dim + i] * root;
            }
        }
        let mut z = vec![0.0; cloud.len() * rank];
        gemm_nt(cloud.len(), rank, dim, cloud.points(), &whiten, &mut z);
        let points = PointCloud::with_weights(z, rank, cloud.weights().to_vec())?;
        let size = cloud.points().iter().fold(0.0f64, |acc, v| acc.max(v.abs()));
        let half_log_det = 0.5 * kept.iter().map(|&i| values[i].ln()).sum::<f64>();
        let mut out = Self {
            dim,
            rank,
            whiten,
            colour,
            origin: vec![0.0; dim],
            slack: OFF_TOLERANCE * size.max(f64::MIN_POSITIVE),
            half_log_det,
            inner: ExactScore::with_method(points, schedule, Method::Auto),
        };
        if rank < dim {
            out.origin = out.orthogonal_part(cloud.point(0));
            out.check_coset("data point", cloud.points(), 1.0)?;
        }
        Ok(out)
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// r, the rank of B and the dimension of whitened coordinates.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The isotropic score of z = W x.
    pub fn whitened(&self) -> &ExactScore {
        &self.inner
    }

    /// z = W x of each state.
    ///
    /// # Shapes
    /// `x`: n × D; the result: n × r.
    pub fn to_whitened(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len() / self.dim;
        let mut z = vec![0.0; n * self.rank];
        gemm_nt(n, self.rank, self.dim, x, &self.whiten, &mut z);
        z
    }

    /// x = α_t c + L z of each whitened state at time `t`.
    ///
    /// # Shapes
    /// `z`: n × r; the result: n × D.
    pub fn from_whitened(&self, z: &[f64], t: f64) -> Vec<f64> {
        self.embed(z, self.inner.schedule().signal(t))
    }

    /// Score, log-density, posterior mean and covariances of a batch of queries at time `t`.
    ///
    /// # Shapes
    /// `queries`: Q × D, row-major.
    ///
    /// # Errors
    /// As [`ExactScore::evaluate`]; [`Error::OffSubspace`] for a query outside α c + range(B), where p(x|t) is 0.
    pub fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation> {
        check_queries(queries, self.dim, t)?;
        if self.rank < self.dim {
            self.check_coset("query", queries, self.inner.schedule().signal(t))?;
        }
        // The trace of L Γ Lᵀ needs all of Γ.
        let inner_kind = if kind == CovKind::None { kind } else { CovKind::Full };
        let at = self.inner.evaluate(&self.to_whitened(queries), t, inner_kind)?;
        let mut out = Evaluation::zeros(at.len(), self.dim, kind);
        gemm_nn(at.len(), self.dim, self.rank, &at.score, &self.whiten, &mut out.score);
        out.posterior_mean = self.embed(&at.posterior_mean, 1.0);
        out.log_density = at.log_density.iter().map(|l| l - self.half_log_det).collect();
        if kind != CovKind::None {
            let mut transposed = vec![0.0; self.dim * self.rank];
            for (i, v) in self.whiten.iter().enumerate() {
                transposed[i % self.dim * self.rank + i / self.dim] = *v;
            }
            self.congruence(kind, &self.colour, &at.posterior_cov, &mut out.posterior_cov);
            self.congruence(kind, &transposed, &at.proxy_score_cov, &mut out.proxy_score_cov);
        }
        Ok(out)
    }

    /// a c + L z.
    fn embed(&self, z: &[f64], a: f64) -> Vec<f64> {
        let n = z.len() / self.rank;
        let mut x = vec![0.0; n * self.dim];
        gemm_nt(n, self.dim, self.rank, z, &self.colour, &mut x);
        for row in x.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&self.origin).for_each(|(x, c)| *x += a * c);
        }
        x
    }

    /// A Γ Aᵀ (or its trace) of each query, for A of D × r.
    fn congruence(&self, kind: CovKind, a: &[f64], inner: &[f64], out: &mut [f64]) {
        let (dim, rank) = (self.dim, self.rank);
        let mut left = vec![0.0; dim * rank];
        let mut full = vec![0.0; dim * dim];
        for (gamma, out) in inner.chunks_exact(rank * rank).zip(out.chunks_exact_mut(kind.values(dim))) {
            gemm_nn(dim, rank, rank, a, gamma, &mut left);
            if kind == CovKind::Trace {
                out[0] = left.iter().zip(a).map(|(x, y)| x * y).sum();
                continue;
            }
            gemm_nt(dim, dim, rank, &left, a, &mut full);
            for i in 0..dim {
                for j in 0..=i {
                    // The product is symmetric up to rounding only.
                    let value = 0.5 * (full[i * dim + j] + full[j * dim + i]);
                    (out[i * dim + j], out[j * dim + i]) = (value, value);
                }
            }
        }
    }

    /// x − U Uᵀ x.
    fn orthogonal_part(&self, x: &[f64]) -> Vec<f64> {
        let z = self.to_whitened(x);
        let mut inside = vec![0.0; self.dim];
        gemm_nt(1, self.dim, self.rank, &z, &self.colour, &mut inside);
        x.iter().zip(&inside).map(|(x, i)| x - i).collect()
    }

    fn check_coset(&self, name: &'static str, x: &[f64], a: f64) -> Result<()> {
        for (row, x) in x.chunks_exact(self.dim).enumerate() {
            let distance = self
                .orthogonal_part(x)
                .iter()
                .zip(&self.origin)
                .map(|(p, c)| (p - a * c).powi(2))
                .sum::<f64>()
                .sqrt();
            let size = x.iter().fold(0.0f64, |acc, v| acc.max(v.abs()));
            if distance > self.slack.max(OFF_TOLERANCE * size) {
                return Err(Error::OffSubspace { name, row, distance, rank: self.rank, dim: self.dim });
            }
        }
        Ok(())
    }
}
