//! What one training triple does to gradient flow, to first order.
//!
//! On a measure μ, K = Σ ζ_i e_i e_i', the coefficients of f = Σ a_i e_i follow ȧ_i = ζ_i E_μ[w e_i (y − f)]. At μ = ρ,
//! a_i = r_i c_i; a small extra mass at q changes a_i by w_q e_i(q) R_i(q), where δȧ_i = −ζ_i δa_i + ζ_i w_q e_i(q) (y_q − f_τ(q))
//! and y_q − f_τ(q) = y_q − f_∞(q) + Σ_j e^{−ζ_jτ} c_j e_j(q) give
//!
//! R_i(q) = r_i (y_q − f_∞(q)) + Σ_j c_j e_j(q) T_ij, T_ij = ζ_i ∫₀^τ e^{−ζ_i(τ−s) − ζ_j s} ds = ζ_i (e^{−ζ_jτ} − e^{−ζ_iτ})/(ζ_i − ζ_j).
//!
//! A training set is the measure (1/P) Σ_n δ_{q_n}, so Cov(a_i, a_j) = (1/P) Cov_q[w e_i R_i, w e_j R_j]; with m draws of a data
//! point, (1/P) {E[g gᵀ] + (m − 1) E_{x0}[ḡ ḡᵀ] − m E[g] E[g]ᵀ}, g = w e R, ḡ = E[g | x0].
//!
//! Everything is divided by r_i here (weights of the features r_i e_i): S_ij/(r_i r_j) stays of size one for modes that have
//! hardly begun to be learned.

use super::Flow;
use super::reused::{Followed, Targets};
use crate::design::RowBlocks;
use crate::error::{Error, Result};
use crate::law::DENSE_LIMIT;
use crate::linalg::{gemm_nn, gemm_tn};

/// (1 − e^{−x})/x.
pub(super) fn phi1(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { -(-x).exp_m1() / x }
}

/// T_ij/r_i = e^{−mτ} φ₁(|ζ_i − ζ_j|τ)/φ₁(ζ_iτ), m the smaller of the two, φ₁(x) = (1 − e^{−x})/x; 1 at τ = 0.
pub(super) fn relative_response(of: f64, to: f64, time: f64) -> f64 {
    if time == f64::INFINITY {
        return 0.0;
    }
    (-of.min(to) * time).exp() * phi1((of - to).abs() * time) / phi1(of * time)
}

/// The first-order influences of the nodes on the weights of the features r_i e_i, i below `kept`.
pub(super) struct Influence<'a> {
    pub(super) flow: &'a Flow,
    pub(super) kept: usize,
    pub(super) outputs: usize,
    /// y_q − f_∞(q), or label noise in its place, Q × outputs.
    residual: Vec<f64>,
    /// c_j T_ij/r_i at (j, i), K × kept for each output; empty where the residual does not change along training.
    response: Vec<Vec<f64>>,
    pub(super) followed: Followed<'a>,
}

impl<'a> Influence<'a> {
    /// The influences of label noise alone.
    pub(super) fn of_noise(flow: &'a Flow, kept: usize) -> Self {
        let residual = flow.on_modes.label_noise();
        let (outputs, response, followed) = (flow.dim(), Vec::new(), Followed::Noise);
        Self { flow, kept, outputs, residual, response, followed }
    }

    /// The influences of labels on the nodes at a time of the flow, or on the way to it.
    ///
    /// # Shapes
    /// `labels`: Q × O.
    pub(super) fn of_labels(
        flow: &'a Flow,
        kept: usize,
        time: f64,
        labels: &[f64],
        followed: Targets<'a>,
    ) -> Self {
        let coefficients = followed.coefficients;
        let values = flow.spectrum.values();
        let outputs = coefficients.len() / values.len();
        let mut residual = flow.on_modes.design.apply(coefficients, outputs);
        residual.iter_mut().zip(labels).for_each(|(f, y)| *f = y - *f);
        let along = |d: usize| {
            let row = |j: usize| {
                let (c, to) = (coefficients[j * outputs + d], values[j]);
                values[..kept].iter().map(move |of| c * relative_response(*of, to, time))
            };
            (0..values.len()).flat_map(row).collect()
        };
        let response = if time == f64::INFINITY { Vec::new() } else { (0..outputs).map(along).collect() };
        Self { flow, kept, outputs, residual, response, followed: Followed::Labels(followed) }
    }

    /// √ρ g of a block of nodes for one output, n × kept, from the modes on them (n × K).
    pub(super) fn rows(&self, from: usize, modes: &[f64], output: usize) -> Vec<f64> {
        let on_modes = &self.flow.on_modes;
        let scale = |k: usize| on_modes.nodes.mass[from + k].sqrt() * on_modes.weight[from + k];
        self.of_rows(modes, &self.residual[from * self.outputs..], output, scale)
    }

    /// g of some places for one output, n × kept, from the modes (n × K) and y − f_∞ (n × outputs) there, with factors in the place of w.
    pub(super) fn of_rows(
        &self,
        modes: &[f64],
        residual: &[f64],
        output: usize,
        weight: impl Fn(usize) -> f64,
    ) -> Vec<f64> {
        let (count, kept) = (self.flow.spectrum.values().len(), self.kept);
        let n = modes.len() / count;
        let mut rows = vec![0.0; n * kept];
        if let Some(response) = self.response.get(output) {
            gemm_nn(n, kept, count, modes, response, &mut rows);
        }
        for (k, (row, modes)) in rows.chunks_exact_mut(kept).zip(modes.chunks_exact(count)).enumerate() {
            let (scale, residual) = (weight(k), residual[k * self.outputs + output]);
            row.iter_mut().zip(modes).for_each(|(g, e)| *g = scale * e * (residual + *g));
        }
        rows
    }

    /// The covariance of the weights, blocks S_ab (kept × kept) for outputs a ≤ b.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn covariance(&self) -> Result<Vec<Vec<f64>>> {
        let (kept, outputs) = (self.kept, self.outputs);
        let on_modes = &self.flow.on_modes;
        let problem = &on_modes.problem;
        if outputs * kept > DENSE_LIMIT {
            let bytes = |n: usize| (n as u64).pow(2) * 8;
            return Err(Error::TooLarge {
                name: "the covariance of gradient flow's modes",
                needed_bytes: bytes(outputs * kept),
                limit_bytes: bytes(DENSE_LIMIT),
                advice: "keep fewer features of the kernel",
            });
        }
        let draws = problem.draws() as f64;
        // One group of nodes for each data point where triples share them and nodes resolve them, and one for all otherwise.
        let resolved = !on_modes.nodes.blocks().is_empty();
        let groups = if problem.draws() == 1 || !resolved { 1 } else { problem.cloud().len() };
        let (square, pairs) = (kept * kept, outputs * (outputs + 1) / 2);
        let sums = self.flow.modes.sum_blocks(pairs * square + groups * outputs * kept, |from, modes| {
            let rows: Vec<Vec<f64>> = (0..outputs).map(|d| self.rows(from, modes, d)).collect();
            let n = rows[0].len() / kept;
            let mut out = vec![0.0; pairs * square + groups * outputs * kept];
            let (blocks, means) = out.split_at_mut(pairs * square);
            let mut blocks = blocks.chunks_exact_mut(square);
            for a in 0..outputs {
                for b in a..outputs {
                    let Some(block) = blocks.next() else { continue };
                    gemm_tn(kept, kept, n, &rows[a], &rows[b], block);
                }
            }
            for (a, rows) in rows.iter().enumerate() {
                for (k, row) in rows.chunks_exact(kept).enumerate() {
                    let q = from + k;
                    let group = if groups == 1 { 0 } else { on_modes.nodes.point[q] as usize };
                    let root = on_modes.nodes.mass[q].sqrt();
                    let mean = &mut means[(group * outputs + a) * kept..][..kept];
                    mean.iter_mut().zip(row).for_each(|(m, g)| *m += root * g);
                }
            }
            out
        });
        let (squares, means) = sums.split_at(pairs * square);
        let mut overall = vec![0.0; outputs * kept];
        for group in means.chunks_exact(outputs * kept) {
            overall.iter_mut().zip(group).for_each(|(o, g)| *o += g);
        }
        let samples = on_modes.samples();
        let reused = (problem.draws() > 1 && !resolved).then(|| self.of_reused_points());
        let pairs = (0..outputs).flat_map(|a| (a..outputs).map(move |b| (a, b)));
        let blocks = squares.chunks_exact(square).zip(pairs).enumerate().map(|(pair, (sum, (a, b)))| {
            let mut block = sum.to_vec();
            if let Some(reused) = &reused {
                let own = &reused[pair * square..][..square];
                block.iter_mut().zip(own).for_each(|(v, r)| *v += (draws - 1.0) * r);
            }
            // Of label noise it is 0 exactly; the nodes would give it with their error.
            if !matches!(self.followed, Followed::Noise) {
                add_outer(&mut block, -draws, &overall[a * kept..][..kept], &overall[b * kept..][..kept]);
            }
            if groups > 1 {
                let weights = problem.cloud().weights().iter();
                for (group, weight) in means.chunks_exact(outputs * kept).zip(weights) {
                    if *weight > 0.0 {
                        let factor = (draws - 1.0) / weight;
                        add_outer(&mut block, factor, &group[a * kept..][..kept], &group[b * kept..][..kept]);
                    }
                }
            }
            block.iter_mut().for_each(|v| *v /= samples);
            block
        });
        Ok(blocks.collect())
    }
}

/// M += s a bᵀ.
fn add_outer(matrix: &mut [f64], scale: f64, a: &[f64], b: &[f64]) {
    for (row, a) in matrix.chunks_exact_mut(b.len()).zip(a) {
        row.iter_mut().zip(b).for_each(|(m, b)| *m += scale * a * b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_response_is_its_integral() {
        // T_ij/r_i by the midpoint rule in s, for distant, close and equal rates.
        for (of, to) in [(3.0f64, 0.2f64), (0.2, 3.0), (1.0, 1.0 + 1e-9), (2.0, 2.0), (1e-9, 5.0)] {
            for time in [1e-3, 0.5, 4.0] {
                let n = 20_000;
                let step = time / n as f64;
                let sum: f64 = (0..n)
                    .map(|k| {
                        let s = (k as f64 + 0.5) * step;
                        (-of * (time - s) - to * s).exp() * step
                    })
                    .sum();
                let want = of * sum / -(-of * time).exp_m1();
                let got = relative_response(of, to, time);
                // The rule's error is (rate · step)²/24 relative.
                assert!((got / want - 1.0).abs() < 1e-6, "{of} {to} {time}: {got} {want}");
            }
        }
        assert_eq!(relative_response(2.0, 1.0, 0.0), 1.0);
        assert_eq!(relative_response(2.0, 1.0, f64::INFINITY), 0.0);
        // Long times: e^{−ζ_jτ} ζ_i/(ζ_i − ζ_j), no overflow and no NaN.
        assert!((relative_response(1.0, 1e-4, 1e3) / ((-0.1f64).exp() / (1.0 - 1e-4)) - 1.0).abs() < 1e-12);
    }
}
