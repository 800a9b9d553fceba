//! Gradient flow on training sets that are too large to decompose, from products with the kernel alone.
//!
//! With M = √w K √w and c = √w (Y − f_0(Z)), [`GradientFlow`](super::GradientFlow) has a = √w g(M) c, g(λ) = (1 − e^{−λτ/P})/λ.
//! Lanczos' k steps from c give an orthonormal V and a tridiagonal T = VᵀMV with M V = V T + β v_{k+1} e_kᵀ, and
//! g(M) c ≈ |c| V g(T) e_1. The same basis serves every τ.
//!
//! What is left out is bounded. x_k(τ) = |c| ∫₀^{τ/P} V e^{−sT} e_1 ds leaves the residual r(s) = −β |c| [e^{−sT}]_{k1} v_{k+1} in the
//! equation u̇ = −M u of what is not learned yet. M is positive semidefinite, so errors do not grow; and [e^{−sT}]_{k1} does not change
//! its sign (with every second sign of the basis turned, −T has no negative entry off the diagonal, so its exponential has none
//! at all). Hence |u − u_k| ≤ ∫ |r| = β |c| |g(T)_{k1}|, and for the predictions on the training set
//!
//! |M (x − x_k)| ≤ 2 β |c| |g(T)_{k1}|.
//!
//! At τ = ∞ this is the method of conjugate gradients and twice its residual. The bound is of exact arithmetic: rounding adds some
//! ε λ_max τ/P, as it does to the decomposition.

use super::predict;
use crate::error::{Error, Result, check_finite, check_len};
use crate::linalg::{gemm_nn, symmetric_eigen};
use rayon::prelude::*;

/// Outputs whose recurrences share products with the kernel; each keeps its basis.
const TOGETHER: usize = 8;
/// Steps before the first test of convergence, and the growth of the steps from one test to the next.
const FIRST: usize = 8;
const GROWTH: usize = 5;
/// Rows of a basis in one block of work.
const CHUNK: usize = 4096;
/// Most times that a new direction is made orthogonal to the others.
const PASSES: usize = 5;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KrylovSpec {
    /// Bound of the error of √w times the predictions on the training set, relative to that of the labels.
    pub tolerance: f64,
    /// Most products with the kernel.
    pub most: usize,
}

impl Default for KrylovSpec {
    fn default() -> Self {
        Self { tolerance: 1e-8, most: 1_000 }
    }
}

/// Coefficients at each time, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct KrylovSolution {
    /// a with f_τ(z) = f_0(z) + K(z, Z) a, P × D, for each time asked for.
    pub coefficients: Vec<Vec<f64>>,
    /// Products of the kernel with P × D matrices (at most 8 columns each).
    pub products: usize,
    /// The largest bound of [`KrylovSpec::tolerance`] over times and outputs; rounding, some ε λ_max τ/P, is not in it.
    pub bound: f64,
}

/// Gradient flow from products with the kernel.
///
/// ```
/// use gtv_theory::ntk::{KrylovFlow, KrylovSpec};
/// // Two points with no kernel between them: each is learned at its own rate λ/P.
/// let flow = KrylovFlow::new(2, None, KrylovSpec::default())?;
/// let product = |x: &[f64], out: &mut [f64]| -> gtv_theory::Result<()> {
///     (out[0], out[1]) = (4.0 * x[0], x[1]);
///     Ok(())
/// };
/// let found = flow.coefficients(&[1.0, 1.0], &[0.5], product)?;
/// assert!((found.coefficients[0][0] - (1.0 - (-1.0f64).exp()) / 4.0).abs() < 1e-14);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KrylovFlow {
    /// √w.
    roots: Vec<f64>,
    spec: KrylovSpec,
}

/// One output's recurrence.
struct Lanczos {
    /// |c|.
    size: f64,
    /// Rows v_1 … v_k, and v_{k+1} unless the basis is complete.
    basis: Vec<f64>,
    alpha: Vec<f64>,
    /// β_1 … β_k; the last is 0 where the basis is complete.
    beta: Vec<f64>,
}

impl KrylovFlow {
    /// For P training points with given weights, 1 where there are none.
    ///
    /// # Errors
    /// [`Error::Empty`] for no points; [`Error::OutOfRange`] for a weight that is negative or not finite, a tolerance that is
    /// not above 0, or no products; [`Error::Shape`].
    pub fn new(samples: usize, weights: Option<&[f64]>, spec: KrylovSpec) -> Result<Self> {
        if samples == 0 {
            return Err(Error::Empty { name: "the training set" });
        }
        if !(spec.tolerance > 0.0 && spec.most > 0) {
            let (value, expected) = (spec.tolerance, "above 0, with at least one product");
            return Err(Error::OutOfRange { name: "the tolerance of gradient flow", value, expected });
        }
        let roots = predict::roots(weights, samples)?;
        check_len("weights", samples, roots.len())?;
        Ok(Self { roots, spec })
    }

    /// P.
    pub fn samples(&self) -> usize {
        self.roots.len()
    }

    /// a at each time. `product` writes K X for X of P × n, n at most 8, row-major; its error ends the work.
    ///
    /// # Shapes
    /// `labels`: Y − f_0(Z), P × D.
    ///
    /// # Errors
    /// [`Error::NotConverged`] with the bound reached; [`Error::NotSemidefinite`] for a kernel that is not, beyond rounding;
    /// [`Error::OutOfRange`] for a time that is negative or not a number; [`Error::NotFinite`]; [`Error::Shape`]; those of `product`.
    pub fn coefficients<E: From<Error>>(
        &self,
        labels: &[f64],
        times: &[f64],
        mut product: impl FnMut(&[f64], &mut [f64]) -> std::result::Result<(), E>,
    ) -> std::result::Result<KrylovSolution, E> {
        let samples = self.samples();
        let outputs = labels.len() / samples;
        check_len("labels", outputs * samples, labels.len())?;
        check_finite("labels", labels, outputs)?;
        times.iter().try_for_each(|time| predict::check_time(*time))?;
        let mut solution = KrylovSolution {
            coefficients: vec![vec![0.0; labels.len()]; times.len()],
            products: 0,
            bound: 0.0,
        };
        if times.is_empty() {
            return Ok(solution);
        }
        for first in (0..outputs).step_by(TOGETHER) {
            let group = first..outputs.min(first + TOGETHER);
            let start = |d| {
                let column = labels[d..].iter().step_by(outputs).zip(&self.roots).map(|(y, r)| y * r);
                Lanczos::new(column.collect())
            };
            let mut recurrences: Vec<Lanczos> = group.clone().map(start).collect();
            let (products, bound) = self.run(&mut recurrences, times, &mut product)?;
            solution.products += products;
            solution.bound = solution.bound.max(bound);
            for (d, recurrence) in group.zip(&recurrences) {
                let ritz = recurrence.ritz(samples)?;
                for (time, a) in times.iter().zip(&mut solution.coefficients) {
                    let x = recurrence.solution(&ritz, *time);
                    let column = a[d..].iter_mut().step_by(outputs);
                    column.zip(x.iter().zip(&self.roots)).for_each(|(a, (x, r))| *a = x * r);
                }
            }
        }
        Ok(solution)
    }

    /// Steps until all times have converged: (products, the largest bound).
    fn run<E: From<Error>>(
        &self,
        recurrences: &mut [Lanczos],
        times: &[f64],
        product: &mut impl FnMut(&[f64], &mut [f64]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(usize, f64), E> {
        let (samples, width) = (self.samples(), recurrences.len());
        let (mut x, mut y) = (vec![0.0; samples * width], vec![0.0; samples * width]);
        let most = self.spec.most.min(samples);
        let (mut step, mut look) = (0, FIRST);
        loop {
            step += 1;
            x.fill(0.0);
            for (d, recurrence) in recurrences.iter().enumerate() {
                let column = x[d..].iter_mut().step_by(width).zip(&self.roots);
                column.zip(recurrence.newest(samples)).for_each(|((x, r), v)| *x = r * v);
            }
            product(&x, &mut y)?;
            check_finite("products with the kernel", &y, width)?;
            recurrences.par_iter_mut().enumerate().for_each(|(d, recurrence)| {
                let column = y[d..].iter().step_by(width).zip(&self.roots).map(|(y, r)| y * r);
                recurrence.step(column.collect());
            });
            let complete = recurrences.iter().all(Lanczos::complete);
            if step < look && step < most && !complete {
                continue;
            }
            look = step + step.div_ceil(GROWTH);
            let bounds: Vec<f64> = recurrences
                .par_iter()
                .map(|recurrence| {
                    let ritz = recurrence.ritz(samples)?;
                    Ok(times.iter().map(|time| recurrence.bound(&ritz, *time)).fold(0.0, f64::max))
                })
                .collect::<Result<_>>()?;
            let bound = bounds.into_iter().fold(0.0, f64::max);
            if bound <= self.spec.tolerance || complete {
                return Ok((step, bound));
            }
            if step == most {
                let (residual, tolerance) = (bound, self.spec.tolerance);
                let name = "gradient flow by Lanczos' method";
                let advice = "a shorter time of training converges sooner";
                return Err(
                    Error::NotConverged { name, iterations: step, residual, tolerance, advice }.into()
                );
            }
        }
    }
}

impl Lanczos {
    fn new(mut c: Vec<f64>) -> Self {
        let size = norm(&c);
        if size > 0.0 {
            c.iter_mut().for_each(|v| *v /= size);
        } else {
            c.clear();
        }
        Self { size, basis: c, alpha: Vec::new(), beta: Vec::new() }
    }

    /// Whether the basis is complete.
    fn complete(&self) -> bool {
        self.size == 0.0 || self.beta.last() == Some(&0.0)
    }

    /// v_k; nothing where the basis is complete.
    fn newest(&self, samples: usize) -> &[f64] {
        if self.complete() { &[] } else { &self.basis[self.alpha.len() * samples..] }
    }

    /// Takes M v_k.
    fn step(&mut self, mut next: Vec<f64>) {
        if self.complete() {
            return;
        }
        let (samples, count) = (next.len(), self.alpha.len() + 1);
        let mut alpha = 0.0;
        // Against all of the basis, at least twice, and until what is left is no longer what rounding left of it.
        let mut size = norm(&next);
        for pass in 0..PASSES {
            let along: Vec<f64> = self
                .basis
                .par_chunks_exact(samples)
                .map(|v| v.iter().zip(&next).map(|(a, b)| a * b).sum())
                .collect();
            alpha += along[count - 1];
            next.par_chunks_mut(CHUNK).enumerate().for_each(|(k, next)| {
                for (v, c) in self.basis.chunks_exact(samples).zip(&along) {
                    next.iter_mut().zip(&v[k * CHUNK..]).for_each(|(n, v)| *n -= c * v);
                }
            });
            let before = std::mem::replace(&mut size, norm(&next));
            if pass > 0 && size > 0.5 * before {
                break;
            }
        }
        self.alpha.push(alpha);
        if count == samples || size < f64::MIN_POSITIVE {
            self.beta.push(0.0);
            return;
        }
        self.beta.push(size);
        self.basis.extend(next.iter().map(|v| v / size));
    }

    /// T = S diag(θ) Sᵀ.
    fn ritz(&self, samples: usize) -> Result<Ritz> {
        let count = self.alpha.len();
        if count == 0 {
            return Ok(Ritz { values: Vec::new(), vectors: Vec::new(), samples });
        }
        let name = "the kernel of the training set";
        let mut tridiagonal = vec![0.0; count * count];
        for k in 0..count {
            tridiagonal[k * count + k] = self.alpha[k];
            if k + 1 < count {
                tridiagonal[k * count + k + 1] = self.beta[k];
                tridiagonal[(k + 1) * count + k] = self.beta[k];
            }
        }
        let (mut values, vectors) = symmetric_eigen(name, &tridiagonal, count)?;
        let cutoff = samples as f64 * f64::EPSILON * values[count - 1];
        // tr M is at most P times the largest eigenvalue.
        let bound = 100.0 * cutoff.abs();
        if values[0] < -bound {
            let advice =
                "check that the kernel is symmetric, computed in double precision and of one set of points";
            return Err(Error::NotSemidefinite { name, eigenvalue: values[0], bound, advice });
        }
        values.iter_mut().filter(|v| **v <= cutoff).for_each(|v| *v = 0.0);
        Ok(Ritz { values, vectors, samples })
    }

    /// 2 β |g(T)_{k1}|.
    fn bound(&self, ritz: &Ritz, time: f64) -> f64 {
        if self.complete() {
            return 0.0;
        }
        let response = ritz.response(time);
        2.0 * self.beta.last().zip(response.last()).map_or(0.0, |(b, g)| b * g.abs())
    }

    /// |c| V g(T) e_1.
    fn solution(&self, ritz: &Ritz, time: f64) -> Vec<f64> {
        let mut x = vec![0.0; ritz.samples];
        for (v, g) in self.basis.chunks_exact(ritz.samples).zip(&ritz.response(time)) {
            x.iter_mut().zip(v).for_each(|(x, v)| *x += self.size * g * v);
        }
        x
    }
}

/// The eigenvalues of T, ascending, and its eigenvectors as columns.
struct Ritz {
    /// Eigenvalues that count as 0 are 0.
    values: Vec<f64>,
    vectors: Vec<f64>,
    samples: usize,
}

impl Ritz {
    /// g(T) e_1.
    fn response(&self, time: f64) -> Vec<f64> {
        let (count, scaled) = (self.values.len(), time / self.samples as f64);
        let first = self.values.iter().zip(&self.vectors);
        let along: Vec<f64> = first.map(|(v, first)| first * predict::response(*v, scaled)).collect();
        let mut response = vec![0.0; count];
        if count > 0 {
            gemm_nn(count, 1, count, &self.vectors, &along, &mut response);
        }
        response
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}
