//! Sums over product nodes of product features, one coordinate at a time (sum factorisation).
//!
//! At fixed time, φφᵀ is a product over coordinates of f_i(x_d) f_j(x_d); with the pairs i ≤ j of each axis as columns
//! (n nodes × n_f(n_f+1)/2 pairs), a Gram matrix over an n × n grid costs n²·p + n·p² instead of n²·F²/2.

use super::sums::Design;
use crate::features::{AxisBasis, Separable};
use crate::linalg::{gemm_nn, gemm_tn};
use crate::quadrature::{Nodes, TensorBlock};
use rayon::prelude::*;
use std::ops::Range;

/// The factors of one (time, data point) block.
struct Block {
    /// Nodes on each axis.
    lens: Vec<usize>,
    /// f_i(x) on each axis, n × n_f.
    values: Vec<Vec<f64>>,
    /// f_i(x) f_j(x), i ≤ j, on each axis, n × pairs.
    pairs: Vec<Vec<f64>>,
    /// The block's nodes.
    range: Range<usize>,
}

impl Block {
    fn values(&self) -> &[Vec<f64>] {
        &self.values
    }

    fn pairs(&self) -> &[Vec<f64>] {
        &self.pairs
    }
}

pub(super) struct TensorDesign {
    features: Separable,
    times: Vec<f64>,
    /// g_k(t), one row for each time.
    time_values: Vec<f64>,
    /// g_k(t) g_l(t) for k ≤ l, one row for each time.
    time_pairs: Vec<f64>,
    /// The blocks of each time.
    blocks: Vec<Vec<Block>>,
}

fn pair_count(n: usize) -> usize {
    n * (n + 1) / 2
}

/// The position of the pair (i, j) in the row-wise upper triangle of an n × n matrix.
fn pair_index(n: usize, i: usize, j: usize) -> usize {
    let (i, j) = (i.min(j), i.max(j));
    i * (2 * n - i + 1) / 2 + j - i
}

fn push_pairs(row: &[f64], out: &mut Vec<f64>) {
    for (i, a) in row.iter().enumerate() {
        out.extend(row[i..].iter().map(|b| a * b));
    }
}

/// f_i(x) for the values of one axis: n × n_f.
fn axis_values(basis: &AxisBasis, values: &[f64]) -> Vec<f64> {
    let n = basis.len();
    let mut out = vec![0.0; values.len() * n];
    for (row, &z) in out.chunks_exact_mut(n).zip(values) {
        basis.fill(z, row);
    }
    out
}

/// f_i(x) f_j(x), i ≤ j, for the values of one axis: n × pairs.
fn axis_pairs(basis: &AxisBasis, values: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len() * pair_count(basis.len()));
    for row in axis_values(basis, values).chunks_exact(basis.len()) {
        push_pairs(row, &mut out);
    }
    out
}

/// Σ over a product grid: contracts `grid` (n_1 × … × n_D × K) with one factor (n_d × c_d) an axis into c_1 × … × c_D × K.
fn contract(factors: &[Vec<f64>], lens: &[usize], grid: &[f64], outputs: usize) -> Vec<f64> {
    match lens {
        [n] => {
            let c = factors[0].len() / n;
            let mut out = vec![0.0; c * outputs];
            gemm_tn(c, outputs, *n, &factors[0], grid, &mut out);
            out
        }
        [n1, rest @ ..] => {
            let c1 = factors[0].len() / n1;
            let inner = grid.len() / n1;
            let mut first = vec![0.0; c1 * inner];
            gemm_tn(c1, inner, *n1, &factors[0], grid, &mut first);
            first.chunks_exact(inner).flat_map(|row| contract(&factors[1..], rest, row, outputs)).collect()
        }
        [] => grid.to_vec(),
    }
}

/// The adjoint: spreads coefficients (c_1 × … × c_D × K) over the product grid (n_1 × … × n_D × K).
fn expand(factors: &[Vec<f64>], lens: &[usize], coefficients: &[f64], outputs: usize) -> Vec<f64> {
    match lens {
        [n] => {
            let c = factors[0].len() / n;
            let mut out = vec![0.0; n * outputs];
            gemm_nn(*n, outputs, c, &factors[0], coefficients, &mut out);
            out
        }
        [n1, rest @ ..] => {
            let c1 = factors[0].len() / n1;
            let spread: Vec<f64> = coefficients
                .chunks_exact(coefficients.len() / c1)
                .flat_map(|row| expand(&factors[1..], rest, row, outputs))
                .collect();
            let inner = spread.len() / c1;
            let mut out = vec![0.0; n1 * inner];
            gemm_nn(*n1, inner, c1, &factors[0], &spread, &mut out);
            out
        }
        [] => coefficients.to_vec(),
    }
}

impl TensorDesign {
    /// # Panics
    /// When the nodes have no tensor structure.
    pub(super) fn new(features: &Separable, nodes: &Nodes) -> Self {
        assert!(!nodes.blocks().is_empty(), "a tensor design needs tensor nodes");
        let times = nodes.times().to_vec();
        let time_values = axis_values(features.time(), &times);
        let time_pairs = axis_pairs(features.time(), &times);
        let starts: Vec<(&TensorBlock, usize)> = nodes
            .blocks()
            .iter()
            .scan(0, |start, block| {
                let first = *start;
                *start += block.axes.iter().map(Vec::len).product::<usize>();
                Some((block, first))
            })
            .collect();
        let blocks = starts
            .par_chunk_by(|a, b| a.0.time_index == b.0.time_index)
            .map(|group| {
                group.iter().map(|(block, first)| Self::factorise(features, block, *first)).collect()
            })
            .collect();
        Self { features: features.clone(), times, time_values, time_pairs, blocks }
    }

    fn factorise(features: &Separable, block: &TensorBlock, first: usize) -> Block {
        let axes = || features.space().iter().zip(&block.axes);
        let lens: Vec<usize> = block.axes.iter().map(Vec::len).collect();
        let range = first..first + lens.iter().product::<usize>();
        Block {
            values: axes().map(|(basis, axis)| axis_values(basis, axis)).collect(),
            pairs: axes().map(|(basis, axis)| axis_pairs(basis, axis)).collect(),
            lens,
            range,
        }
    }

    /// Per-time sums over nodes, one row for each time.
    fn reduce(&self, values: &[f64], outputs: usize, of: fn(&Block) -> &[Vec<f64>]) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = self
            .blocks
            .par_iter()
            .map(|blocks| {
                let part = |block: &Block| {
                    let values = &values[block.range.start * outputs..block.range.end * outputs];
                    contract(of(block), &block.lens, values, outputs)
                };
                let mut sum = part(&blocks[0]);
                for block in &blocks[1..] {
                    sum.iter_mut().zip(part(block)).for_each(|(s, p)| *s += p);
                }
                sum
            })
            .collect();
        rows.concat()
    }

    /// Values on all nodes from per-time spatial coefficients.
    fn spread(
        &self,
        outputs: usize,
        coefficients: impl Fn(usize) -> Vec<f64> + Sync,
        of: fn(&Block) -> &[Vec<f64>],
    ) -> Vec<f64> {
        let parts: Vec<Vec<f64>> = self
            .blocks
            .par_iter()
            .enumerate()
            .map(|(time, blocks)| {
                let coefficients = coefficients(time);
                blocks
                    .iter()
                    .flat_map(|block| expand(of(block), &block.lens, &coefficients, outputs))
                    .collect()
            })
            .collect();
        parts.concat()
    }

    /// The flat spatial-pair position of the feature pair (a, b) of spatial features.
    fn space_pair(&self, mut a: usize, mut b: usize) -> usize {
        let (mut position, mut stride) = (0, 1);
        for basis in self.features.space().iter().rev() {
            let n = basis.len();
            position += stride * pair_index(n, a % n, b % n);
            stride *= pair_count(n);
            a /= n;
            b /= n;
        }
        position
    }

    /// Calls `visit(i, j, time pair, space pair)` for every entry of an F × F matrix.
    fn for_each_entry(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let (n_time, n_space) = (self.features.time().len(), self.features.space_len());
        for a in 0..n_space {
            for b in 0..n_space {
                let space = self.space_pair(a, b);
                for k in 0..n_time {
                    for l in 0..n_time {
                        visit(a * n_time + k, b * n_time + l, pair_index(n_time, k, l), space);
                    }
                }
            }
        }
    }
}

impl Design for TensorDesign {
    fn gram(&self, values: &[f64]) -> Vec<f64> {
        let spatial = self.reduce(values, 1, Block::pairs);
        let times = self.times.len();
        let (time_pairs, space_pairs) = (self.time_pairs.len() / times, spatial.len() / times);
        let mut packed = vec![0.0; time_pairs * space_pairs];
        gemm_tn(time_pairs, space_pairs, times, &self.time_pairs, &spatial, &mut packed);
        let f_len = self.features.len();
        let mut out = vec![0.0; f_len * f_len];
        self.for_each_entry(|i, j, time, space| out[i * f_len + j] = packed[time * space_pairs + space]);
        out
    }

    fn project(&self, values: &[f64], outputs: usize) -> Vec<f64> {
        let spatial = self.reduce(values, outputs, Block::values);
        let (times, n_time) = (self.times.len(), self.features.time().len());
        let width = spatial.len() / times;
        // (time feature) × (space feature × output), then the time index moves inside.
        let mut by_time = vec![0.0; n_time * width];
        gemm_tn(n_time, width, times, &self.time_values, &spatial, &mut by_time);
        let mut out = vec![0.0; n_time * width];
        for k in 0..n_time {
            for a in 0..width / outputs {
                for o in 0..outputs {
                    out[(a * n_time + k) * outputs + o] = by_time[k * width + a * outputs + o];
                }
            }
        }
        out
    }

    fn apply(&self, weights: &[f64], outputs: usize) -> Vec<f64> {
        let n_space = self.features.space_len();
        let coefficients = |time: usize| {
            let mut spatial = vec![0.0; n_space * outputs];
            self.features.at_time(weights, outputs, self.times[time], &mut spatial);
            spatial
        };
        self.spread(outputs, coefficients, Block::values)
    }

    fn quadratic(&self, matrix: &[f64]) -> Vec<f64> {
        let times = self.times.len();
        let time_pairs = self.time_pairs.len() / times;
        let space_pairs: usize = self.features.space().iter().map(|b| pair_count(b.len())).product();
        let f_len = self.features.len();
        let mut packed = vec![0.0; time_pairs * space_pairs];
        self.for_each_entry(|i, j, time, space| packed[time * space_pairs + space] += matrix[i * f_len + j]);
        let mut by_time = vec![0.0; times * space_pairs];
        gemm_nn(times, space_pairs, time_pairs, &self.time_pairs, &packed, &mut by_time);
        self.spread(1, |time| by_time[time * space_pairs..(time + 1) * space_pairs].to_vec(), Block::pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_in_the_order_they_are_pushed() {
        let n = 5;
        let row: Vec<f64> = (0..n).map(|i| 2.0 + i as f64).collect();
        let mut pairs = Vec::new();
        push_pairs(&row, &mut pairs);
        assert_eq!(pairs.len(), pair_count(n));
        for i in 0..n {
            for j in 0..n {
                assert_eq!(pairs[pair_index(n, i, j)], row[i] * row[j]);
            }
        }
    }
}
