//! The tangent kernel without the Jacobian, layer by layer:
//!
//! Θ_ij(z, z') = Σ_l (r_l a_l² h^l·h'^l + r'_l c_l²) δ_l^i·δ'_l^j + r_L a_L² h^L·h'^L [i = j],
//!
//! r and r' the metric's factors of W and b: two dot products of length fan_in and fan_out for each pair of points and layer,
//! where the Jacobian would take one of length fan_in·fan_out. Products are GEMMs in the points' precision, summed in f64.

use super::number::Number;
use super::tangent::{Points, Tangent};
use super::trace::Trace;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::linalg::settle_vector_state;
use rayon::prelude::*;

/// Terms of a dot product that are summed in single precision before they are added in double.
const TERMS: usize = 1024;

/// One layer of one trace, as rows whose inner products the kernel needs.
struct Rows<'a, T> {
    values: &'a [T],
    len: usize,
}

impl Tangent {
    /// Θ between two sets of points, all outputs.
    ///
    /// # Shapes
    /// Result: (n·D) × (m·D), output index fastest on either side.
    pub fn kernel<T: Number>(&self, a: &Points<T>, b: &Points<T>) -> Vec<f64> {
        let dim = self.dim();
        self.assemble(a, b, dim, |a, b, out| {
            let columns = b.rows * dim;
            let (mut inner, mut signals) = (vec![0.0; a.rows * b.rows], vec![0.0; out.len()]);
            for (l, layer) in self.layers.iter().enumerate() {
                let (on_weight, on_bias) = self.coefficients(l);
                inner_products(
                    rows(&a.activations[l], layer.fan_in),
                    rows(&b.activations[l], layer.fan_in),
                    &mut inner,
                );
                if l < a.signals.len() {
                    let (left, right) =
                        (rows(&a.signals[l], layer.fan_out), rows(&b.signals[l], layer.fan_out));
                    inner_products(left, right, &mut signals);
                } else {
                    for (k, v) in signals.iter_mut().enumerate() {
                        *v = if k / columns % dim == k % dim { 1.0 } else { 0.0 };
                    }
                }
                for (k, (o, s)) in out.iter_mut().zip(&signals).enumerate() {
                    let (row, column) = (k / columns / dim, k % columns / dim);
                    *o += (on_weight * inner[row * b.rows + column] + on_bias) * s;
                }
            }
        })
    }

    /// (1/D) Σ_i Θ_ii, one kernel for all outputs. It is the whole of Θ in the limit of infinite width, where
    /// Θ_ij → Θ [i = j]; what it leaves out at finite width is what outputs learn from each other.
    ///
    /// # Shapes
    /// Result: n × m.
    pub fn average_kernel<T: Number>(&self, a: &Points<T>, b: &Points<T>) -> Vec<f64> {
        let dim = self.dim();
        self.assemble(a, b, 1, |a, b, out| {
            let (mut inner, mut signals) = (vec![0.0; out.len()], vec![1.0; out.len()]);
            for (l, layer) in self.layers.iter().enumerate() {
                let (on_weight, on_bias) = self.coefficients(l);
                inner_products(
                    rows(&a.activations[l], layer.fan_in),
                    rows(&b.activations[l], layer.fan_in),
                    &mut inner,
                );
                let mut share = 1.0;
                if l < a.signals.len() {
                    // The signals of all outputs of a point, end to end: their products are the sum over outputs.
                    let len = dim * layer.fan_out;
                    inner_products(rows(&a.signals[l], len), rows(&b.signals[l], len), &mut signals);
                    share = 1.0 / dim as f64;
                } else {
                    signals.fill(1.0);
                }
                for ((o, h), s) in out.iter_mut().zip(&inner).zip(&signals) {
                    *o += (on_weight * h + on_bias) * s * share;
                }
            }
        })
    }

    /// (1/D) Σ_i Θ_ii(z, z) of each point, n.
    pub fn average_diagonal<T: Number>(&self, points: &Points<T>) -> Vec<f64> {
        let dim = self.dim();
        let square = |row: &[T]| row.iter().map(|v| v.wide() * v.wide()).sum::<f64>();
        let mut out = Vec::with_capacity(points.len());
        for trace in &points.traces {
            out.extend((0..trace.rows).map(|n| {
                let terms = self.layers.iter().enumerate().map(|(l, layer)| {
                    let (on_weight, on_bias) = self.coefficients(l);
                    let inner = square(&trace.activations[l][n * layer.fan_in..][..layer.fan_in]);
                    let len = dim * layer.fan_out;
                    let signals =
                        trace.signals.get(l).map_or(1.0, |s| square(&s[n * len..][..len]) / dim as f64);
                    (on_weight * inner + on_bias) * signals
                });
                terms.sum::<f64>()
            }));
        }
        out
    }

    /// (r a², r' c²) of layer l.
    fn coefficients(&self, l: usize) -> (f64, f64) {
        let layer = &self.layers[l];
        let (weight, bias) = self.rates(layer);
        (weight * layer.weight_scale.powi(2), layer.bias.map_or(0.0, |(c, _)| bias * c * c))
    }

    /// A matrix of `side` rows and columns a point from the blocks between traces.
    fn assemble<T: Number>(
        &self,
        a: &Points<T>,
        b: &Points<T>,
        side: usize,
        block: impl Fn(&Trace<T>, &Trace<T>, &mut [f64]) + Sync,
    ) -> Vec<f64> {
        let columns = b.len() * side;
        let bands: Vec<Vec<f64>> = a
            .traces
            .par_iter()
            .map(|left| {
                let mut band = vec![0.0; left.rows * side * columns];
                let mut from = 0;
                for right in &b.traces {
                    let width = right.rows * side;
                    let mut values = vec![0.0; left.rows * side * width];
                    block(left, right, &mut values);
                    for (row, values) in band.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
                        row[from..from + width].copy_from_slice(values);
                    }
                    from += width;
                }
                band
            })
            .collect();
        bands.concat()
    }
}

fn rows<T>(values: &[T], len: usize) -> Rows<'_, T> {
    Rows { values, len }
}

/// All inner products of two sets of rows.
fn inner_products<T: Number>(a: Rows<'_, T>, b: Rows<'_, T>, out: &mut [f64]) {
    let (n, m) = (a.values.len() / a.len, b.values.len() / b.len);
    let a = MatRef::from_row_major_slice(a.values, n, a.len);
    let b = MatRef::from_row_major_slice(b.values, m, b.len);
    let mut part = vec![T::of(0.0); n * m];
    out.fill(0.0);
    for from in (0..a.ncols()).step_by(TERMS) {
        let len = TERMS.min(a.ncols() - from);
        let (a, b) = (a.subcols(from, len), b.subcols(from, len));
        let target = MatMut::from_row_major_slice_mut(&mut part, n, m);
        matmul(target, Accum::Replace, a, b.transpose(), T::of(1.0), Par::Seq);
        settle_vector_state();
        out.iter_mut().zip(&part).for_each(|(o, p)| *o += p.wide());
    }
}
