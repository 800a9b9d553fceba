//! φ_{i1…iD,k}(x, t) = f_{i1}(x_1) ⋯ f_{iD}(x_D) g_k(t), stored as its factors.

use super::AxisBasis;
use crate::error::{Error, Result};
use crate::lanes::LANES;

/// Products over coordinates and time of one-dimensional bases; the time index is the fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Separable {
    space: Vec<AxisBasis>,
    time: AxisBasis,
    len: usize,
}

/// Most features a dense F × F matrix is ever formed for.
const MAX_FEATURES: usize = 32_768;

impl Separable {
    /// A product of one basis for each coordinate of x and one for t.
    ///
    /// # Errors
    /// An invalid axis, no axis, or a product with more than 32,768 features.
    pub fn new(space: Vec<AxisBasis>, time: AxisBasis) -> Result<Self> {
        if space.is_empty() {
            return Err(Error::Empty { name: "the list of feature axes" });
        }
        space.iter().chain([&time]).try_for_each(AxisBasis::validate)?;
        let len = space
            .iter()
            .chain([&time])
            .try_fold(1usize, |n, axis| n.checked_mul(axis.len()))
            .filter(|&n| n <= MAX_FEATURES);
        let Some(len) = len else {
            let total: f64 = space.iter().chain([&time]).map(|axis| axis.len() as f64).product();
            return Err(Error::TooLarge {
                name: "a product of feature axes (one F x F matrix)",
                needed_bytes: (8.0 * total * total) as u64,
                limit_bytes: 8 * (MAX_FEATURES * MAX_FEATURES) as u64,
                advice: "use fewer features an axis, or random-fourier features, which do not grow with the dimension",
            });
        };
        Ok(Self { space, time, len })
    }

    /// The same basis on every coordinate.
    ///
    /// # Errors
    /// As [`Separable::new`].
    pub fn uniform(dim: usize, space: AxisBasis, time: AxisBasis) -> Result<Self> {
        Self::new(vec![space; dim], time)
    }

    /// F = Π n_axis.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.space.len()
    }

    /// The bases of the coordinates.
    pub fn space(&self) -> &[AxisBasis] {
        &self.space
    }

    /// The basis of time.
    pub fn time(&self) -> &AxisBasis {
        &self.time
    }

    /// Number of spatial features, F / n_t.
    pub fn space_len(&self) -> usize {
        self.len / self.time.len()
    }

    /// φ(x_i, t_i), n × F. See [`super::Features::fill`].
    pub fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let dim = self.dim();
        let n_time = self.time.len();
        let mut factor = vec![0.0; self.space.iter().map(AxisBasis::len).max().unwrap_or(1)];
        for ((x, &t), row) in x.chunks_exact(dim).zip(t).zip(out.chunks_exact_mut(self.len)) {
            // Grow the product from its fastest axis: time at the front of the row, then each coordinate from
            // the last to the first, each pass writing blocks from the back so that nothing is overwritten early.
            self.time.fill(t, &mut row[..n_time]);
            let mut built = n_time;
            for (basis, &coordinate) in self.space.iter().zip(x).rev() {
                let n = basis.len();
                basis.fill(coordinate, &mut factor[..n]);
                for i in (0..n).rev() {
                    for j in 0..built {
                        row[i * built + j] = factor[i] * row[j];
                    }
                }
                built *= n;
            }
        }
    }

    /// Weights contracted with the time factor: the spatial weights of y(·, t), F/n_t × K.
    ///
    /// # Shapes
    /// `weights`: F × `outputs`; `out`: F/n_t × `outputs`, row-major.
    pub fn at_time(&self, weights: &[f64], outputs: usize, t: f64, out: &mut [f64]) {
        let n_time = self.time.len();
        let mut factor = vec![0.0; n_time];
        self.time.fill(t, &mut factor);
        for (block, o) in weights.chunks_exact(n_time * outputs).zip(out.chunks_exact_mut(outputs)) {
            o.fill(0.0);
            for (row, f) in block.chunks_exact(outputs).zip(&factor) {
                for (acc, w) in o.iter_mut().zip(row) {
                    *acc += f * w;
                }
            }
        }
    }

    /// y(x_i, t) = Wφ at one time. See [`super::Features::apply`].
    pub fn apply(&self, weights: &[f64], outputs: usize, x: &[f64], t: f64, out: &mut [f64]) {
        let mut spatial = vec![0.0; self.space_len() * outputs];
        self.at_time(weights, outputs, t, &mut spatial);
        self.apply_spatial(&spatial, outputs, x, out);
    }

    /// y(x_i) from weights already contracted by [`Separable::at_time`].
    ///
    /// # Shapes
    /// `spatial`: F/n_t × `outputs`; `x`: n × D; `out`: n × `outputs`.
    pub fn apply_spatial(&self, spatial: &[f64], outputs: usize, x: &[f64], out: &mut [f64]) {
        pulp::Arch::new().dispatch(Contract { space: &self.space, spatial, outputs, x, out });
    }
}

impl Separable {
    /// (∂y/∂x) v at one time, by the product rule. See [`super::Features::apply_derivative`].
    pub fn apply_derivative(
        &self,
        weights: &[f64],
        outputs: usize,
        (x, directions): (&[f64], &[f64]),
        t: f64,
        out: &mut [f64],
    ) {
        let dim = self.dim();
        let mut spatial = vec![0.0; self.space_len() * outputs];
        self.at_time(weights, outputs, t, &mut spatial);
        let rows = x.chunks_exact(dim).zip(directions.chunks_exact(dim));
        for ((x, v), out) in rows.zip(out.chunks_exact_mut(outputs)) {
            out.fill(0.0);
            for (along, v) in v.iter().enumerate() {
                let term = self.contracted(&spatial, x, along);
                out.iter_mut().zip(term).for_each(|(o, y)| *o += v * y);
            }
        }
    }

    /// Σ over spatial features of weights times factors, that of axis `along` replaced by its derivative.
    fn contracted(&self, spatial: &[f64], x: &[f64], along: usize) -> Vec<f64> {
        let mut sums = spatial.to_vec();
        for (axis, (basis, &coordinate)) in self.space.iter().zip(x).enumerate() {
            let mut factor = vec![0.0; basis.len()];
            if axis == along {
                basis.fill_derivative(coordinate, &mut factor);
            } else {
                basis.fill(coordinate, &mut factor);
            }
            // One coordinate at a time, the slowest axis first.
            let rest = sums.len() / basis.len();
            let mut next = vec![0.0; rest];
            for (f, block) in factor.iter().zip(sums.chunks_exact(rest)) {
                next.iter_mut().zip(block).for_each(|(n, v)| *n += f * v);
            }
            sums = next;
        }
        sums
    }
}

/// [`Separable::apply_spatial`] as an operation that `pulp` compiles once for each instruction set.
struct Contract<'a> {
    space: &'a [AxisBasis],
    spatial: &'a [f64],
    outputs: usize,
    x: &'a [f64],
    out: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Contract<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { space, spatial, outputs, x, out } = self;
        let dim = space.len();
        let mut factor = vec![[0.0; LANES]; space.iter().map(AxisBasis::len).max().unwrap_or(1)];
        let mut sums = vec![[0.0; LANES]; spatial.len() / space[0].len()];
        let mut z = [0.0; LANES];
        for (x, out) in x.chunks(LANES * dim).zip(out.chunks_mut(LANES * outputs)) {
            let rows = x.len() / dim;
            // One coordinate at a time, the slowest axis first. Lanes without a row repeat the last one.
            let mut remaining = spatial.len();
            for (axis, basis) in space.iter().enumerate() {
                let n = basis.len();
                let rest = remaining / n;
                for (lane, z) in z.iter_mut().enumerate() {
                    *z = x[lane.min(rows - 1) * dim + axis];
                }
                basis.fill_lanes(&z, &mut factor[..n]);
                for r in 0..rest {
                    let mut sum = [0.0; LANES];
                    for (i, f) in factor[..n].iter().enumerate() {
                        let at = i * rest + r;
                        if axis == 0 {
                            (0..LANES).for_each(|j| sum[j] += f[j] * spatial[at]);
                        } else {
                            (0..LANES).for_each(|j| sum[j] += f[j] * sums[at][j]);
                        }
                    }
                    // Only entries from here on are still read.
                    sums[r] = sum;
                }
                remaining = rest;
            }
            for (lane, out) in out.chunks_exact_mut(outputs).enumerate() {
                for (o, sum) in out.iter_mut().zip(&sums) {
                    *o = sum[lane];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> Separable {
        Separable::new(
            vec![
                AxisBasis::Gaussian { lo: -1.0, hi: 1.0, len: 4 },
                AxisBasis::Fourier { lo: -2.0, hi: 2.0, len: 5 },
            ],
            AxisBasis::Legendre { lo: 0.0, hi: 1.0, len: 3 },
        )
        .unwrap()
    }

    #[test]
    fn oracle_fill_is_the_product_of_factors() {
        let f = mixed();
        let (x, t) = ([0.3, -0.7], 0.4);
        let mut row = vec![0.0; f.len()];
        f.fill(&x, &[t], &mut row);
        let (mut a, mut b, mut g) = ([0.0; 4], [0.0; 5], [0.0; 3]);
        f.space()[0].fill(x[0], &mut a);
        f.space()[1].fill(x[1], &mut b);
        f.time().fill(t, &mut g);
        for i in 0..4 {
            for j in 0..5 {
                for k in 0..3 {
                    assert!((row[(i * 5 + j) * 3 + k] - a[i] * b[j] * g[k]).abs() < 1e-15);
                }
            }
        }
    }

    #[test]
    fn oracle_apply_is_the_dense_product() {
        let f = mixed();
        let weights: Vec<f64> = (0..f.len() * 2).map(|i| (i as f64 * 0.7).sin()).collect();
        let x = [0.3, -0.7, 0.9, 0.1, -1.4, 2.0];
        let t = 0.25;
        let mut fast = [0.0; 6];
        f.apply(&weights, 2, &x, t, &mut fast);
        let mut phi = vec![0.0; 3 * f.len()];
        f.fill(&x, &[t; 3], &mut phi);
        for i in 0..3 {
            for k in 0..2 {
                let dense: f64 = (0..f.len()).map(|j| phi[i * f.len() + j] * weights[j * 2 + k]).sum();
                assert!((dense - fast[i * 2 + k]).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn convergence_derivatives_are_the_limit_of_differences() {
        let f = mixed();
        let weights: Vec<f64> = (0..f.len() * 2).map(|i| (i as f64 * 0.7).sin()).collect();
        let (x, v, t) = ([0.3, -0.7, 0.9, 0.1], [0.5, 1.0, -2.0, 0.3], 0.25);
        let mut exact = [0.0; 4];
        f.apply_derivative(&weights, 2, (&x, &v), t, &mut exact);
        let error = |step: f64| -> f64 {
            let mut found = [0.0; 4];
            crate::derivative::central(|x, out| f.apply(&weights, 2, x, t, out), &x, &v, step, &mut found);
            found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let (coarse, fine) = (error(1e-2), error(5e-3));
        // Second order: a quarter of the error at half the step, but for the fourth order.
        assert!(fine > 0.0 && (coarse / fine - 4.0).abs() < 0.2, "{coarse} {fine}");
    }

    #[test]
    fn too_many_features_are_refused_with_the_need() {
        let axis = AxisBasis::Gaussian { lo: -1.0, hi: 1.0, len: 10 };
        assert!(matches!(Separable::uniform(64, axis, axis), Err(Error::TooLarge { .. })));
    }
}
