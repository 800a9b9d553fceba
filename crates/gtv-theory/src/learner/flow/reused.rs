//! What triples of one data point share, where nodes do not resolve each data point: E_{x0}[ḡ ḡᵀ], ḡ = E[g | x0], from groups of L fresh
//! triples of one data point, without bias as the mean of g_l g_l'ᵀ over pairs of different triples of a group.

use super::response::Influence;
use crate::design::sum_in_blocks;
use crate::features::FeatureMap;
use crate::learner::labels::conditional_labels;
use crate::learner::shared::{GROUP, groups_of_triples};
use crate::linalg::{gemm_nn, gemm_tn};
use crate::problem::Triples;

/// What gradient flow is trained on, at triples that are no nodes.
#[derive(Clone, Copy)]
pub(super) enum Followed<'a> {
    /// The labels' noise alone.
    Noise,
    Labels(Targets<'a>),
}

/// Labels, or −ψ_k of a random initial function in their place.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    /// c, K × O.
    pub(super) coefficients: &'a [f64],
    /// ψ and k.
    pub(super) initial: Option<(&'a dyn FeatureMap, usize)>,
}

impl Influence<'_> {
    /// E_{x0}[ḡ_a ḡ_bᵀ] for outputs a ≤ b, pairs of kept × kept.
    pub(super) fn of_reused_points(&self) -> Vec<f64> {
        let (kept, outputs, problem) = (self.kept, self.outputs, &self.flow.on_modes.problem);
        let triples = groups_of_triples(problem);
        let labels = problem.labels(&triples);
        let map = self.flow.spectrum.scaled_modes(self.flow.spectrum.values().len(), |_| 1.0);
        let square = kept * kept;
        let pairs: Vec<(usize, usize)> =
            (0..outputs).flat_map(|a| (a..outputs).map(move |b| (a, b))).collect();
        let mut sum = sum_in_blocks(triples.len(), pairs.len() * square, |range| {
            let dim = problem.dim();
            let part = Triples {
                x0: triples.x0[range.start * dim..range.end * dim].to_vec(),
                t: triples.t[range.clone()].to_vec(),
                x: triples.x[range.start * dim..range.end * dim].to_vec(),
            };
            let mut modes = vec![0.0; part.len() * map.len()];
            map.fill(&part.x, &part.t, &mut modes);
            let residual = self.residual_of(&part, &labels[range.start * dim..range.end * dim], &modes);
            let of_output = |d| self.of_rows(&modes, &residual, d, |k| problem.weight(part.t[k]));
            let rows: Vec<Vec<f64>> = (0..outputs).map(of_output).collect();
            let sums: Vec<Vec<f64>> = rows.iter().map(|rows| sums_of_groups(rows, kept)).collect();
            let mut out = vec![0.0; pairs.len() * square];
            let mut own = vec![0.0; square];
            for (out, (a, b)) in out.chunks_exact_mut(square).zip(&pairs) {
                gemm_tn(kept, kept, sums[*a].len() / kept, &sums[*a], &sums[*b], out);
                gemm_tn(kept, kept, part.len(), &rows[*a], &rows[*b], &mut own);
                out.iter_mut().zip(&own).for_each(|(all, own)| *all -= own);
            }
            out
        });
        let count = (triples.len() * (GROUP - 1)) as f64;
        sum.iter_mut().for_each(|v| *v /= count);
        sum
    }

    /// y − f_∞, or label noise in its place, at some triples, n × outputs.
    fn residual_of(&self, part: &Triples, labels: &[f64], modes: &[f64]) -> Vec<f64> {
        let Followed::Labels(Targets { coefficients, initial }) = self.followed else {
            let fitted = conditional_labels(&self.flow.on_modes.problem, &part.x, &part.t).fitted;
            return labels.iter().zip(fitted).map(|(y, f)| y - f).collect();
        };
        let mut residual = vec![0.0; part.len() * self.outputs];
        gemm_nn(part.len(), self.outputs, modes.len() / part.len(), modes, coefficients, &mut residual);
        if let Some((map, k)) = initial {
            let mut psi = vec![0.0; part.len() * map.len()];
            map.fill(&part.x, &part.t, &mut psi);
            residual
                .iter_mut()
                .zip(psi.iter().skip(k).step_by(map.len()))
                .for_each(|(f, psi)| *f = -psi - *f);
        } else {
            residual.iter_mut().zip(labels).for_each(|(f, y)| *f = y - *f);
        }
        residual
    }
}

/// Σ over each group of [`GROUP`] rows (n × K).
fn sums_of_groups(rows: &[f64], len: usize) -> Vec<f64> {
    let of_group = |group: &[f64]| {
        let mut sum = group[..len].to_vec();
        for row in group.chunks_exact(len).skip(1) {
            sum.iter_mut().zip(row).for_each(|(s, g)| *s += g);
        }
        sum
    };
    rows.chunks(GROUP * len).flat_map(of_group).collect()
}
