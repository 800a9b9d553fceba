//! A feature map φ(x, t) given from outside: the tangent features of a network, or anything else a user computes.

use std::fmt::Debug;

/// φ: (x, t) ↦ R^F, evaluated row by row.
///
/// The methods must be pure: the same point gives the same features, on every thread.
pub trait FeatureMap: Debug + Send + Sync {
    /// F, the number of features; at least 1.
    fn len(&self) -> usize;

    /// Always false: a map without features has no use.
    fn is_empty(&self) -> bool {
        false
    }

    /// D, the dimension of x.
    fn dim(&self) -> usize;

    /// Whether φ is known at every point: else it is NaN at some, and models in these features cannot be drawn.
    fn everywhere(&self) -> bool {
        true
    }

    /// Rows that one call of [`FeatureMap::fill`] brings where many are wanted at one time: so few that they stay in the cache, or more for
    /// a map whose calls cost more than their work, such as a function of another language.
    fn rows_a_call(&self) -> usize {
        ROWS
    }

    /// φ(x_i, t_i) for each row i.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; `out`: n × F, all row-major.
    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]);
}

/// Two maps are equal when they are the same object: nothing else is known of them.
impl PartialEq for dyn FeatureMap {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// Rows of φ that stay in the cache.
pub(super) const ROWS: usize = 256;

/// y(x_i, t) = W φ(x_i, t) at one time by so many rows of φ at once, for maps without structure.
///
/// # Shapes
/// `weights`: F × K; `x`: n × D; `out`: n × K; `fill` as [`FeatureMap::fill`].
pub(super) fn apply_rows(
    (rows, len, dim): (usize, usize, usize),
    fill: impl Fn(&[f64], &[f64], &mut [f64]),
    weights: &[f64],
    outputs: usize,
    x: &[f64],
    t: f64,
    out: &mut [f64],
) {
    let mut phi = vec![0.0; rows.min(x.len() / dim).max(1) * len];
    for (x, o) in x.chunks(rows * dim).zip(out.chunks_mut(rows * outputs)) {
        let n = x.len() / dim;
        fill(x, &vec![t; n], &mut phi[..n * len]);
        crate::linalg::gemm_nn(n, outputs, len, &phi[..n * len], weights, o);
    }
}
