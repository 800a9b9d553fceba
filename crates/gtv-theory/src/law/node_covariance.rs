//! The covariance of the weights of many outputs, kept as influences of quadrature nodes.

use crate::design::Design;
use crate::learner::sandwich;
use crate::linalg::{gemm_nn, gemm_nt, gemm_tn};
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// A covariance (1/P)(Σ_q ρ_q g_q g_qᵀ − ḡḡᵀ), g_q = (A+γ)⁻¹φ_q u_qᵀ, kept as influences on quadrature nodes.
pub struct NodeCovariance {
    pub(crate) design: Arc<dyn Design>,
    /// (A+γ)⁻¹, F × F.
    pub(crate) inverse: Vec<f64>,
    /// √(ρ_q/P) u_q, Q × D.
    pub(crate) influence: Vec<f64>,
    /// √(ρ_q): the part of ḡ in each node's draw.
    pub(crate) root_mass: Vec<f64>,
    /// ḡ/√P = (A+γ)⁻¹ Σ ρ φ uᵀ/√P, F × D.
    pub(crate) mean: Vec<f64>,
}

impl NodeCovariance {
    /// M Σ_q |u_q|² φ_qφ_qᵀ M/P − Σ_i ḡ_iḡ_iᵀ, F × F.
    pub(super) fn total(&self) -> Vec<f64> {
        let f_len = self.inverse.len().isqrt();
        let dim = self.mean.len() / f_len;
        let squares: Vec<f64> =
            self.influence.chunks_exact(dim).map(|u| u.iter().map(|u| u * u).sum()).collect();
        let mut total = sandwich(&self.inverse, &self.design.gram(&squares), f_len);
        let mut common = vec![0.0; total.len()];
        gemm_nt(f_len, f_len, dim, &self.mean, &self.mean, &mut common);
        total.iter_mut().zip(common).for_each(|(t, c)| *t -= c);
        total
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

    /// φᵀ S_ij = Σ_q k(z, z_q) u_qi u_qj φ_qᵀ(A+γ)⁻¹/P − (φᵀḡ_i) ḡ_jᵀ.
    pub(super) fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]) {
        let f_len = self.inverse.len().isqrt();
        let (n, dim) = (phi.len() / f_len, self.mean.len() / f_len);
        let mut weighted = self.kernel(phi, n);
        for (k, u) in weighted.chunks_exact_mut(n).zip(self.influence.chunks_exact(dim)) {
            k.iter_mut().for_each(|k| *k *= u[i] * u[j]);
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
        let (n, dim) = (phi.len() / f_len, self.mean.len() / f_len);
        let kernel_squared: Vec<f64> = self.kernel(phi, n).iter().map(|k| k * k).collect();
        let influence: Vec<f64> = self.influence.iter().map(|u| u * u).collect();
        gemm_tn(n, dim, self.root_mass.len(), &kernel_squared, &influence, out);
        let mut mean = vec![0.0; n * dim];
        gemm_nn(n, dim, f_len, phi, &self.mean, &mut mean);
        out.iter_mut().zip(mean).for_each(|(v, m)| *v -= m * m);
    }

    /// A draw of the weights' deviation from their mean, F × D.
    pub(super) fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let f_len = self.inverse.len().isqrt();
        let dim = self.mean.len() / f_len;
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(self.root_mass.len()).collect();
        let scaled: Vec<f64> = self.influence.iter().enumerate().map(|(i, u)| u * noise[i / dim]).collect();
        let projected = self.design.project(&scaled, dim);
        let common: f64 = noise.iter().zip(&self.root_mass).map(|(z, r)| z * r).sum();
        let mut weights = vec![0.0; f_len * dim];
        gemm_nn(f_len, dim, f_len, &self.inverse, &projected, &mut weights);
        weights.iter_mut().zip(&self.mean).for_each(|(w, shift)| *w -= common * shift);
        weights
    }
}
