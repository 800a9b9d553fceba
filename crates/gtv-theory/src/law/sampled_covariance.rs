//! The covariance of the weights of many outputs, kept as influences of a sample of triples.

use crate::design::Design;
use crate::linalg::{gemm_nn, gemm_tn};
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// A covariance Σ_p G_p G_pᵀ − ḠḠᵀ, G_p = Σ_l M φ_l u_lᵀ over the m triples of data point p, of N triples that stand for P.
pub struct SampledCovariance {
    /// φ of the triples.
    pub(crate) design: Arc<dyn Design>,
    /// M, F × F.
    pub(crate) inverse: Vec<f64>,
    /// u_n, N × D: w r/√(N P), r damped by leverage where that is kept.
    pub(crate) influence: Vec<f64>,
    /// m.
    pub(crate) draws: usize,
    /// Ḡ = √(m/P) γMW̄, F × D.
    pub(crate) mean: Vec<f64>,
}

impl SampledCovariance {
    fn outputs(&self) -> usize {
        self.mean.len() / self.inverse.len().isqrt()
    }

    /// k(z, z_q) = φ(z)ᵀ(A+γ)⁻¹φ_q for n points z, Q × n.
    fn kernel(&self, phi: &[f64], n: usize) -> Vec<f64> {
        let f_len = self.inverse.len().isqrt();
        let mut rows = vec![0.0; n * f_len];
        gemm_nn(n, f_len, f_len, phi, &self.inverse, &mut rows);
        let mut columns = vec![0.0; n * f_len];
        for (k, row) in rows.chunks_exact(f_len).enumerate() {
            for (f, v) in row.iter().enumerate() {
                columns[f * n + k] = *v;
            }
        }
        self.design.apply(&columns, n)
    }

    /// φᵀ S_ij = Σ_p (Σ_l k(z, z_l) u_li) (Σ_l u_lj φ_lᵀM) − (φᵀḠ_i) Ḡ_jᵀ.
    pub(super) fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]) {
        let f_len = self.inverse.len().isqrt();
        let (n, dim) = (phi.len() / f_len, self.outputs());
        let mut weighted = self.kernel(phi, n);
        let points = weighted.chunks_mut(n * self.draws).zip(self.influence.chunks(dim * self.draws));
        let mut sums = vec![0.0; n];
        for (k, u) in points {
            sums.fill(0.0);
            for (k, u) in k.chunks_exact(n).zip(u.chunks_exact(dim)) {
                sums.iter_mut().zip(k).for_each(|(s, k)| *s += k * u[i]);
            }
            for (k, u) in k.chunks_exact_mut(n).zip(u.chunks_exact(dim)) {
                k.iter_mut().zip(&sums).for_each(|(k, s)| *k = s * u[j]);
            }
        }
        let projected = self.design.project(&weighted, n);
        gemm_tn(n, f_len, f_len, &projected, &self.inverse, out);
        for (phi, out) in phi.chunks_exact(f_len).zip(out.chunks_exact_mut(f_len)) {
            let mean = self.mean.chunks_exact(dim);
            let along: f64 = phi.iter().zip(mean.clone()).map(|(p, m)| p * m[i]).sum();
            out.iter_mut().zip(mean).for_each(|(o, m)| *o -= along * m[j]);
        }
    }

    /// Var y_i at points of given features, n × D.
    pub(super) fn variance(&self, phi: &[f64], out: &mut [f64]) {
        let f_len = self.inverse.len().isqrt();
        let (n, dim) = (phi.len() / f_len, self.outputs());
        let kernel = self.kernel(phi, n);
        if self.draws == 1 {
            let squared: Vec<f64> = kernel.iter().map(|k| k * k).collect();
            let influence: Vec<f64> = self.influence.iter().map(|u| u * u).collect();
            gemm_tn(n, dim, squared.len() / n, &squared, &influence, out);
        } else {
            out.fill(0.0);
            let mut sums = vec![0.0; n * dim];
            let points = kernel.chunks(n * self.draws).zip(self.influence.chunks(dim * self.draws));
            for (k, u) in points {
                gemm_tn(n, dim, u.len() / dim, k, u, &mut sums);
                out.iter_mut().zip(&sums).for_each(|(v, s)| *v += s * s);
            }
        }
        let mut mean = vec![0.0; n * dim];
        gemm_nn(n, dim, f_len, phi, &self.mean, &mut mean);
        out.iter_mut().zip(mean).for_each(|(v, m)| *v -= m * m);
    }

    /// A draw of the weights' deviation from their mean, F × D.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (dim, f_len) = (self.outputs(), self.inverse.len().isqrt());
        let points = self.influence.len() / dim / self.draws;
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(points).collect();
        let per_point = dim * self.draws;
        let scaled: Vec<f64> =
            self.influence.iter().enumerate().map(|(k, u)| u * noise[k / per_point]).collect();
        let projected = self.design.project(&scaled, dim);
        // Each point's share of Ḡ.
        let common = noise.iter().sum::<f64>() / (points as f64).sqrt();
        let mut weights = vec![0.0; f_len * dim];
        gemm_nn(f_len, dim, f_len, &self.inverse, &projected, &mut weights);
        weights.iter_mut().zip(&self.mean).for_each(|(w, shift)| *w -= common * shift);
        weights
    }
}
