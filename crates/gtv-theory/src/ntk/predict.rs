//! Gradient flow of a lazy network in closed form (THEORY §6): on (1/P) Σ_k (w_k/2) |f(z_k) − y_k|², for a time τ,
//! f_τ(z) = f_0(z) + K(z, Z) a, a = A_τ (Y − f_0(Z)), A_τ = √w U g(Λ) Uᵀ √w, g(λ) = (1 − e^{−λτ/P})/λ, √w K √w = U Λ Uᵀ.
//!
//! Modes with λ ≤ P ε λ_max (ε = 2.2e-16, unless another cut-off is chosen), which rounding does not tell from 0, count as 0
//! and are not learned at any τ: A_∞ is then the pseudo-inverse, the limit of A_τ. (The exact 1 − e^{−λτ/P} of such a mode is
//! below P ε λ_max τ/P.) Where inputs are identical and labels are not, their differences are such modes. What part of the
//! labels is in such modes depends on the kernel: next to none for ReLU, much for smooth activations, whose eigenvalues fall
//! exponentially. [`GradientFlow::unfitted`] is that part.

use crate::error::{Error, Result, check_finite, check_len};
use crate::linalg::{gemm_nn, gemm_tn, symmetric_eigen, symmetric_eigen_parallel};

/// Most training points: the kernel matrix is decomposed.
const MOST: usize = 8_192;
/// Matrices of this size that are held at once: the kernel, the eigenvectors twice, and the decomposition's own.
const HELD: usize = 4;
/// From this size on, one decomposition is spread over all threads.
const PARALLEL: usize = 1_024;

/// The solution of gradient flow on one training set for every label, time and initial function.
///
/// ```
/// use gtv_theory::ntk::GradientFlow;
/// // One point with K = 2: f_τ = y (1 − e^{−2τ}).
/// let flow = GradientFlow::new(vec![2.0], None)?;
/// let a = flow.coefficients(&[3.0], 0.5)?;
/// assert!((2.0 * a[0] - 3.0 * (1.0 - (-1.0f64).exp())).abs() < 1e-14);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GradientFlow {
    /// √w.
    roots: Vec<f64>,
    /// Λ, ascending; eigenvalues that count as 0 are 0.
    values: Vec<f64>,
    /// U, P × P.
    vectors: Vec<f64>,
}

/// The Gaussian law of an initial function between test points z (n) and training points Z (P): NNGP of one output, and the
/// tangent kernel that moves it.
#[derive(Debug, Clone, Copy)]
pub struct InitialLaw<'a> {
    /// K(z, Z), n × P.
    pub ntk: &'a [f64],
    /// E f_0(z) f_0(Z), n × P.
    pub nngp: &'a [f64],
    /// E f_0(z) f_0(z'), n × n.
    pub nngp_test: &'a [f64],
    /// E f_0(Z) f_0(Z'), P × P.
    pub nngp_train: &'a [f64],
}

/// Mean and covariance of trained functions at n points over initialisations.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// n × D.
    pub mean: Vec<f64>,
    /// n × n, the same for every output; outputs are independent.
    pub cov: Vec<f64>,
}

/// Labels less what was learned of them at the training points, in units of the labels' root mean square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfitted {
    /// Root mean square.
    pub rms: f64,
    /// Largest absolute value.
    pub most: f64,
    /// Share of labels that are off by more than [`Unfitted::NOTABLE`].
    pub off: f64,
}

impl Unfitted {
    /// A label counts as off by more than this.
    pub const NOTABLE: f64 = 0.1;

    /// Of residuals and labels, both of the same length.
    pub fn of(residuals: &[f64], labels: &[f64]) -> Self {
        let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len().max(1) as f64).sqrt();
        let scale = rms(labels).max(f64::MIN_POSITIVE);
        let off = residuals.iter().filter(|r| r.abs() > Self::NOTABLE * scale).count();
        Self {
            rms: rms(residuals) / scale,
            most: residuals.iter().fold(0.0f64, |most, r| most.max(r.abs())) / scale,
            off: off as f64 / residuals.len().max(1) as f64,
        }
    }
}

impl GradientFlow {
    /// Most training points that are decomposed; [`KrylovFlow`](super::KrylovFlow) has no limit.
    pub const MOST_SAMPLES: usize = MOST;

    /// Factorises once. Weights are 1 where none are given.
    ///
    /// # Shapes
    /// `kernel`: K(Z, Z), P × P, symmetric, lower triangle read; `weights`: P.
    ///
    /// # Errors
    /// [`Error::NotSemidefinite`] for an eigenvalue of √w K √w below −100 ε tr, which rounding of the kernel's entries does not
    /// explain; [`Error::TooLarge`] above 8,192 points; [`Error::Empty`] for none; [`Error::Shape`]; [`Error::NotFinite`];
    /// [`Error::OutOfRange`] for a weight that is negative or not finite.
    pub fn new(kernel: Vec<f64>, weights: Option<&[f64]>) -> Result<Self> {
        let samples = weights.map_or(kernel.len().isqrt(), <[f64]>::len);
        Self::with_cutoff(kernel, weights, samples as f64 * f64::EPSILON)
    }

    /// The same where modes with λ ≤ `cutoff` λ_max count as 0. Below P ε what is fitted is mostly rounding.
    ///
    /// # Errors
    /// As [`GradientFlow::new`]; [`Error::OutOfRange`] for a cut-off outside [0, 1).
    pub fn with_cutoff(mut kernel: Vec<f64>, weights: Option<&[f64]>, cutoff: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&cutoff) {
            let expected = "0 or above, and below 1";
            return Err(Error::OutOfRange { name: "the cut-off of modes", value: cutoff, expected });
        }
        let samples = weights.map_or(kernel.len().isqrt(), <[f64]>::len);
        if samples == 0 {
            return Err(Error::Empty { name: "the training set" });
        }
        check_len("the kernel of the training set", samples * samples, kernel.len())?;
        Self::check_samples(samples)?;
        check_finite("the kernel of the training set", &kernel, samples)?;
        let roots = roots(weights, samples)?;
        for (row, r) in kernel.chunks_exact_mut(samples).zip(&roots) {
            row.iter_mut().zip(&roots).for_each(|(k, s)| *k *= r * s);
        }
        let trace: f64 = kernel.iter().step_by(samples + 1).sum();
        let name = "the kernel of the training set";
        let decompose = if samples < PARALLEL { symmetric_eigen } else { symmetric_eigen_parallel };
        let (mut values, vectors) = decompose(name, &kernel, samples)?;
        let bound = 100.0 * f64::EPSILON * trace.abs();
        if values[0] < -bound {
            return Err(Error::NotSemidefinite {
                name,
                eigenvalue: values[0],
                bound,
                advice: "check that the kernel is symmetric, computed in double precision and of one set of points",
            });
        }
        let least = cutoff * values[samples - 1];
        values.iter_mut().filter(|v| **v <= least).for_each(|v| *v = 0.0);
        Ok(Self { roots, values, vectors })
    }

    /// Refuses more training points than are decomposed, before their kernel is made.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`GradientFlow::MOST_SAMPLES`].
    pub fn check_samples(samples: usize) -> Result<()> {
        if samples <= MOST {
            return Ok(());
        }
        let bytes = |p: usize| (HELD * p * p * size_of::<f64>()) as u64;
        Err(Error::TooLarge {
            name: "the eigendecomposition of the training set's kernel",
            needed_bytes: bytes(samples),
            limit_bytes: bytes(MOST),
            advice: "take at most 8192 training points, or KrylovFlow, which needs products with the kernel alone",
        })
    }

    /// P.
    pub fn samples(&self) -> usize {
        self.values.len()
    }

    /// λ, ascending; the rate of a mode is λ/P.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.values
    }

    /// a with f_τ(z) = f_0(z) + K(z, Z) a.
    ///
    /// # Shapes
    /// `labels`: Y − f_0(Z), P × D; result P × D.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a time that is negative or not a number; [`Error::Shape`] for labels that are not P × D.
    pub fn coefficients(&self, labels: &[f64], time: f64) -> Result<Vec<f64>> {
        let shares = self.responses(time)?;
        let outputs = self.outputs(labels)?;
        Ok(self.apply(&shares, labels, outputs))
    }

    /// What training for a time leaves of the labels: r = Y − f_0(Z) − K(Z, Z) a at the training points.
    ///
    /// # Shapes
    /// `labels`: Y − f_0(Z), P × D.
    ///
    /// # Errors
    /// As [`GradientFlow::coefficients`].
    pub fn unfitted(&self, labels: &[f64], time: f64) -> Result<Unfitted> {
        let outputs = self.outputs(labels)?;
        let left: Vec<f64> =
            self.responses(time)?.iter().zip(&self.values).map(|(g, v)| 1.0 - g * v).collect();
        // √w U h Uᵀ √w Y = w r. Labels without weight are not trained on.
        let weighted = self.apply(&left, labels, outputs);
        let rows = |x: &[f64]| -> Vec<f64> {
            let rows = x.chunks_exact(outputs.max(1)).zip(&self.roots).filter(|(_, root)| **root > 0.0);
            rows.flat_map(|(row, _)| row).copied().collect()
        };
        let mut residuals = rows(&weighted);
        let trained = self.roots.iter().filter(|root| **root > 0.0);
        for (row, root) in residuals.chunks_exact_mut(outputs.max(1)).zip(trained) {
            row.iter_mut().for_each(|r| *r /= root * root);
        }
        Ok(Unfitted::of(&residuals, &rows(labels)))
    }

    /// Σ_i (1 − e^{−λ_i τ/P}), the number of modes learned.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a time that is negative or not a number.
    pub fn effective(&self, time: f64) -> Result<f64> {
        Ok(self.responses(time)?.iter().zip(&self.values).map(|(g, v)| g * v).sum())
    }

    /// Mean and covariance at test points of functions trained on labels Y from initial functions f_0 ~ N(0, NNGP), each output
    /// its own: with B = A_τ K(Z, z), mean Bᵀ Y and
    /// cov = N(z, z') − Bᵀ N(Z, z') − N(z, Z) B + Bᵀ N(Z, Z) B.
    ///
    /// # Shapes
    /// `labels`: P × D; n test points as in [`InitialLaw`].
    ///
    /// # Errors
    /// As [`GradientFlow::coefficients`], and [`Error::Shape`] for a block of `initial`.
    pub fn moments(&self, labels: &[f64], initial: InitialLaw<'_>, time: f64) -> Result<Moments> {
        let (p, responses) = (self.samples(), self.responses(time)?);
        let outputs = self.outputs(labels)?;
        let n = initial.ntk.len() / p;
        check_len("the tangent kernel of test and training points", n * p, initial.ntk.len())?;
        check_len("the covariance of test and training points", n * p, initial.nngp.len())?;
        check_len("the covariance of test points", n * n, initial.nngp_test.len())?;
        check_len("the covariance of training points", p * p, initial.nngp_train.len())?;
        let moved = self.apply(&responses, &transposed(initial.ntk, p), n);
        let mut mean = vec![0.0; n * outputs];
        gemm_tn(n, outputs, p, &moved, labels, &mut mean);
        // Bᵀ (N(Z, Z) B − 2 N(Z, z')), symmetrised.
        let mut inner = vec![0.0; p * n];
        gemm_nn(p, n, p, initial.nngp_train, &moved, &mut inner);
        for (inner, nngp) in inner.iter_mut().zip(transposed(initial.nngp, p)) {
            *inner -= 2.0 * nngp;
        }
        let mut change = vec![0.0; n * n];
        gemm_tn(n, n, p, &moved, &inner, &mut change);
        let symmetric = |k: usize| 0.5 * (change[k] + change[k % n * n + k / n]);
        let cov = initial.nngp_test.iter().enumerate().map(|(k, v)| v + symmetric(k)).collect();
        Ok(Moments { mean, cov })
    }

    /// g(λ) of every mode; 0 for those that are not learned.
    fn responses(&self, time: f64) -> Result<Vec<f64>> {
        check_time(time)?;
        let scaled = time / self.samples() as f64;
        Ok(self.values.iter().map(|v| response(*v, scaled)).collect())
    }

    fn outputs(&self, labels: &[f64]) -> Result<usize> {
        let outputs = labels.len() / self.samples();
        check_len("labels", outputs * self.samples(), labels.len())?;
        Ok(outputs)
    }

    /// √w U g Uᵀ √w X for X of P × `columns`.
    fn apply(&self, responses: &[f64], x: &[f64], columns: usize) -> Vec<f64> {
        let p = self.samples();
        if columns == 0 {
            return Vec::new();
        }
        let scale = |x: &mut [f64], by: &[f64]| {
            x.chunks_exact_mut(columns).zip(by).for_each(|(row, s)| row.iter_mut().for_each(|v| *v *= s));
        };
        let mut out = x.to_vec();
        scale(&mut out, &self.roots);
        let mut along = vec![0.0; p * columns];
        gemm_tn(p, columns, p, &self.vectors, &out, &mut along);
        scale(&mut along, responses);
        gemm_nn(p, columns, p, &self.vectors, &along, &mut out);
        scale(&mut out, &self.roots);
        out
    }
}

/// Refuses a time that is negative or NaN.
pub(super) fn check_time(time: f64) -> Result<()> {
    if time >= 0.0 {
        return Ok(());
    }
    let expected = "a training time, 0 or above (infinity is the end of training)";
    Err(Error::OutOfRange { name: "train_time", value: time, expected })
}

/// g(λ) for τ/P; 0 for a mode that counts as 0.
pub(super) fn response(value: f64, scaled: f64) -> f64 {
    if value > 0.0 { -(-value * scaled).exp_m1() / value } else { 0.0 }
}

/// √w; 1 where there are no weights.
pub(super) fn roots(weights: Option<&[f64]>, samples: usize) -> Result<Vec<f64>> {
    match weights {
        Some(weights) => weights.iter().map(|w| root(*w)).collect(),
        None => Ok(vec![1.0; samples]),
    }
}

fn root(weight: f64) -> Result<f64> {
    if weight.is_finite() && weight >= 0.0 {
        Ok(weight.sqrt())
    } else {
        let expected = "finite numbers, 0 or above";
        Err(Error::OutOfRange { name: "a training point's weight", value: weight, expected })
    }
}

/// The transpose of a matrix with rows of `columns`.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..matrix.len()).map(|k| matrix[k % rows * columns + k / rows]).collect()
}
