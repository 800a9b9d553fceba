//! The score of Gaussian mixture data: p(x|t) = Σ_k π_k N(x; α μ_k, α² Σ_k + σ² I).
//!
//! With Σ_k = U diag(λ) Uᵀ, y = Uᵀ(x − αμ_k) and v = α²λ + σ², component k has responsibility r_k from
//! log π_k − ½ Σ (y²/v + log v), mean m_k = μ_k + U (αλ/v) y and covariance U diag(λσ²/v) Uᵀ of x0 given x.

use super::evaluation::{CovKind, Evaluation, check_queries};
use super::{ClosedForm, ScoreField};
use crate::data::GaussianMixture;
use crate::error::Result;
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use rayon::prelude::*;

/// Queries a task; fixed, so that nothing depends on the number of threads.
const QUERY_CHUNK: usize = 64;

/// The closed-form score of a Gaussian mixture under isotropic noise.
#[derive(Debug, Clone)]
pub struct MixtureScore {
    mixture: GaussianMixture,
    schedule: Schedule,
}

/// One task's working memory.
struct Scratch {
    /// y of every component, K × D.
    rotated: Vec<f64>,
    /// Responsibilities, K.
    shares: Vec<f64>,
    /// One vector in a component's eigenbasis, D.
    vector: Vec<f64>,
}

/// α and σ² at one time.
#[derive(Clone, Copy)]
struct Noise {
    signal: f64,
    var: f64,
}

impl MixtureScore {
    /// The score of `mixture` under `schedule`.
    pub fn new(mixture: GaussianMixture, schedule: Schedule) -> Self {
        Self { mixture, schedule }
    }

    /// The data distribution.
    pub fn mixture(&self) -> &GaussianMixture {
        &self.mixture
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
        let dim = self.mixture.dim();
        check_queries(queries, dim, t)?;
        let noise = self.noise(t);
        let rows: Vec<Evaluation> = queries
            .par_chunks(QUERY_CHUNK * dim)
            .map(|x| {
                let mut out = Evaluation::zeros(x.len() / dim, dim, kind);
                let mut scratch = self.scratch();
                for (q, x) in x.chunks_exact(dim).enumerate() {
                    let row = q * dim..(q + 1) * dim;
                    out.log_density[q] = self.responsibilities(noise, x, &mut scratch);
                    self.score_of(noise, &mut scratch, &mut out.score[row.clone()]);
                    self.mean_of(noise, &mut scratch, &mut out.posterior_mean[row.clone()]);
                    let values = kind.values(dim);
                    let cov = &mut out.posterior_cov[q * values..(q + 1) * values];
                    self.cov_of(noise, kind, &mut scratch, &out.posterior_mean[row], cov);
                }
                out.proxy_score_cov_isotropic(noise.signal, noise.var);
                out
            })
            .collect();
        let mut out = Evaluation::zeros(0, dim, kind);
        rows.into_iter().for_each(|row| out.append(row));
        Ok(out)
    }

    fn noise(&self, t: f64) -> Noise {
        Noise { signal: self.schedule.signal(t), var: self.schedule.noise_var(t) }
    }

    fn scratch(&self) -> Scratch {
        let (len, dim) = (self.mixture.len(), self.mixture.dim());
        Scratch { rotated: vec![0.0; len * dim], shares: vec![0.0; len], vector: vec![0.0; dim] }
    }

    /// Fills y and r; returns log p(x|t).
    fn responsibilities(&self, noise: Noise, x: &[f64], scratch: &mut Scratch) -> f64 {
        let dim = self.mixture.dim();
        for (k, y) in scratch.rotated.chunks_exact_mut(dim).enumerate() {
            let difference = |d: usize| x[d] - noise.signal * self.mixture.mean_of(k)[d];
            match self.mixture.eigenvectors_of(k) {
                None => y.iter_mut().enumerate().for_each(|(d, y)| *y = difference(d)),
                Some(vectors) => {
                    y.fill(0.0);
                    for (d, row) in vectors.chunks_exact(dim).enumerate() {
                        let v = difference(d);
                        y.iter_mut().zip(row).for_each(|(y, u)| *y += u * v);
                    }
                }
            }
            let quadratic: f64 = y
                .iter()
                .zip(self.mixture.eigenvalues_of(k))
                .map(|(y, lambda)| {
                    let v = noise.signal * noise.signal * lambda + noise.var;
                    y * y / v + v.ln()
                })
                .sum();
            scratch.shares[k] = self.mixture.weights()[k].ln() - 0.5 * quadratic;
        }
        let max = scratch.shares.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        scratch.shares.iter_mut().for_each(|s| *s = (*s - max).exp());
        let sum: f64 = scratch.shares.iter().sum();
        scratch.shares.iter_mut().for_each(|s| *s /= sum);
        max + sum.ln() - 0.5 * dim as f64 * std::f64::consts::TAU.ln()
    }

    /// out += r_k U (g(v, λ) y) over all components.
    fn combine(&self, noise: Noise, scratch: &mut Scratch, gain: impl Fn(f64, f64) -> f64, out: &mut [f64]) {
        let dim = self.mixture.dim();
        for (k, y) in scratch.rotated.chunks_exact(dim).enumerate() {
            let share = scratch.shares[k];
            for ((z, y), lambda) in scratch.vector.iter_mut().zip(y).zip(self.mixture.eigenvalues_of(k)) {
                *z = share * gain(noise.signal * noise.signal * lambda + noise.var, *lambda) * y;
            }
            add_rotated(self.mixture.eigenvectors_of(k), &scratch.vector, out);
        }
    }

    fn score_of(&self, noise: Noise, scratch: &mut Scratch, out: &mut [f64]) {
        out.fill(0.0);
        self.combine(noise, scratch, |v, _| -1.0 / v, out);
    }

    fn mean_of(&self, noise: Noise, scratch: &mut Scratch, out: &mut [f64]) {
        out.fill(0.0);
        for (k, share) in scratch.shares.iter().enumerate() {
            out.iter_mut().zip(self.mixture.mean_of(k)).for_each(|(o, m)| *o += share * m);
        }
        self.combine(noise, scratch, |v, lambda| noise.signal * lambda / v, out);
    }

    /// Γ = Σ r_k (cov_k + (m_k − m)(m_k − m)ᵀ).
    fn cov_of(&self, noise: Noise, kind: CovKind, scratch: &mut Scratch, mean: &[f64], cov: &mut [f64]) {
        if kind == CovKind::None {
            return;
        }
        let dim = self.mixture.dim();
        let mut add_outer = |weight: f64, column: &[f64]| match kind {
            CovKind::Full => {
                for (row, a) in cov.chunks_exact_mut(dim).zip(column) {
                    row.iter_mut().zip(column).for_each(|(c, b)| *c += weight * (a * b));
                }
            }
            _ => cov[0] += weight * column.iter().map(|v| v * v).sum::<f64>(),
        };
        let mut column = vec![0.0; dim];
        for k in 0..self.mixture.len() {
            let share = scratch.shares[k];
            let lambdas = self.mixture.eigenvalues_of(k);
            let vectors = self.mixture.eigenvectors_of(k);
            for (d, lambda) in lambdas.iter().enumerate() {
                let v = noise.signal * noise.signal * lambda + noise.var;
                column.fill(0.0);
                match vectors {
                    None => column[d] = 1.0,
                    Some(u) => column.iter_mut().zip(u.chunks_exact(dim)).for_each(|(c, row)| *c = row[d]),
                }
                add_outer(share * lambda * noise.var / v, &column);
            }
            let y = &scratch.rotated[k * dim..(k + 1) * dim];
            for ((z, y), lambda) in scratch.vector.iter_mut().zip(y).zip(lambdas) {
                *z = noise.signal * lambda / (noise.signal * noise.signal * lambda + noise.var) * y;
            }
            column.iter_mut().zip(self.mixture.mean_of(k)).zip(mean).for_each(|((c, a), b)| *c = a - b);
            add_rotated(vectors, &scratch.vector, &mut column);
            add_outer(share, &column);
        }
    }
}

/// out += U z; U = I when there is none.
fn add_rotated(vectors: Option<&[f64]>, z: &[f64], out: &mut [f64]) {
    match vectors {
        None => out.iter_mut().zip(z).for_each(|(o, z)| *o += z),
        Some(vectors) => {
            for (o, row) in out.iter_mut().zip(vectors.chunks_exact(z.len())) {
                *o += row.iter().zip(z).map(|(u, z)| u * z).sum::<f64>();
            }
        }
    }
}

impl ScoreField for MixtureScore {
    fn dim(&self) -> usize {
        self.mixture.dim()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.for_each_query(x, t, out, Self::score_of);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.for_each_query(x, t, out, Self::mean_of);
    }
}

impl MixtureScore {
    fn for_each_query(
        &self,
        x: &[f64],
        t: f64,
        out: &mut [f64],
        quantity: impl Fn(&Self, Noise, &mut Scratch, &mut [f64]) + Sync,
    ) {
        assert_eq!(x.len(), out.len(), "x and out must have the same shape");
        let (dim, noise) = (self.mixture.dim(), self.noise(t));
        x.par_chunks(QUERY_CHUNK * dim).zip(out.par_chunks_mut(QUERY_CHUNK * dim)).for_each(|(x, out)| {
            let mut scratch = self.scratch();
            for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                self.responsibilities(noise, x, &mut scratch);
                quantity(self, noise, &mut scratch, out);
            }
        });
    }
}

impl ClosedForm for MixtureScore {
    fn evaluate(&self, queries: &[f64], t: f64, kind: CovKind) -> Result<Evaluation> {
        self.evaluate(queries, t, kind)
    }

    fn draw_data(&self, rng: &mut ChaCha8Rng, out: &mut [f64]) {
        self.mixture.sample_into(rng, out);
    }
}
