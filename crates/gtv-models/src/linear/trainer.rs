//! Linear-in-features score models trained in closed form: Ŵ = (Â + γI)⁻¹ b̂ (THEORY §5, paper Prop. 5.1).
//!
//! Over P training triples, Â = (1/P) Σ w φφᵀ and b̂ = (1/P) Σ w φ yᵀ; the model predicts y(x, t) = Ŵᵀφ(x, t), and
//! its score is ŝ = a_t y + b_t x. With Ψ = √(w/P) φ row by row and P < F, the same Ŵ comes from the smaller
//! system Ψᵀ(ΨΨᵀ + γI)⁻¹ √(w/P) y.

use crate::error::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Conj, MatMut, MatRef, Par};
use gtv_theory::Features;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::law::LinearField;
use gtv_theory::linalg::settle_vector_state;
use gtv_theory::problem::{TrainingProblem, Triples};
use gtv_theory::rng::Streams;
use std::sync::Arc;

/// Rows of φ that are formed and multiplied at a time: bounds memory for large P; fixed, so that sums have one order.
const BLOCK: usize = 1024;

/// Rows of Ψ below this count as zero: their products could only be subnormal numbers, on which localized features
/// otherwise spend most of the time.
const TINY: f64 = 1e-154;

/// Trains the members of a linear ensemble.
#[derive(Clone)]
pub struct LinearTrainer {
    problem: TrainingProblem,
    features: Arc<Features>,
    /// γ.
    ridge: f64,
}

impl LinearTrainer {
    /// A trainer of the weights of features, with ridge γ on the sample-averaged second moment.
    ///
    /// # Errors
    /// A ridge outside its domain, or dimensions that differ.
    pub fn new(problem: TrainingProblem, features: Features, ridge: f64) -> Result<Self> {
        let range = |name, value, expected| Err(TheoryError::OutOfRange { name, value, expected }.into());
        if !(ridge.is_finite() && ridge >= 0.0) {
            return range("ridge", ridge, "a finite number, 0 or above");
        }
        if features.dim() != problem.dim() {
            return range("features (their dimension)", features.dim() as f64, "the dimension of the data");
        }
        Ok(Self { problem, features: Arc::new(features), ridge })
    }

    /// What is learned.
    pub fn problem(&self) -> &TrainingProblem {
        &self.problem
    }

    /// φ, shared by the fields.
    pub fn features(&self) -> &Arc<Features> {
        &self.features
    }

    /// γ.
    pub fn ridge(&self) -> f64 {
        self.ridge
    }

    /// The same models on another problem of the same data, such as the true score.
    #[must_use]
    pub fn on(&self, problem: TrainingProblem) -> Self {
        Self { problem, ..self.clone() }
    }

    /// Bytes one member needs while it is trained, and those of its weights afterwards.
    pub fn bytes(&self) -> (u64, u64) {
        let (rows, samples) = (self.features.len() as u64, self.problem.samples() as u64);
        let dim = self.problem.dim() as u64;
        let system = rows.min(samples);
        let design = if samples < rows { samples } else { samples.min(BLOCK as u64) };
        let triples = samples * (3 * dim + 1);
        (8 * (system * system + design * rows + triples + 2 * rows * dim), 8 * rows * dim)
    }

    /// Draws the training set of a member and fits it. Depends on (seed, member) only.
    ///
    /// # Errors
    /// [`Error::Singular`] when γ is too small for the system at hand.
    pub fn train(&self, streams: Streams, member: u64) -> Result<LinearField> {
        Ok(self.field(self.weights(streams, member)?))
    }

    /// Ŵ of one member, F × D row-major: [`LinearTrainer::train`] without the field around it.
    ///
    /// # Errors
    /// As [`LinearTrainer::train`].
    pub fn weights(&self, streams: Streams, member: u64) -> Result<Vec<f64>> {
        self.fit(&self.problem.sampler().draw(streams, member, self.problem.samples())?, member)
    }

    /// A field of this trainer's form with the given weights, F × D.
    ///
    /// # Panics
    /// When there are not F·D weights.
    pub fn field(&self, weights: Vec<f64>) -> LinearField {
        let problem = &self.problem;
        LinearField::new(self.features.clone(), problem.objective(), *problem.schedule(), weights)
    }

    /// Ŵ of one training set, F × D row-major. `member` names it in errors.
    ///
    /// # Errors
    /// [`Error::Singular`] when γ is too small for the system at hand.
    pub fn fit(&self, triples: &Triples, member: u64) -> Result<Vec<f64>> {
        let labels = self.labels(triples);
        let weights = if triples.len() < self.features.len() {
            self.fit_dual(triples, &labels, member)
        } else {
            self.fit_primal(triples, &labels, member)
        };
        settle_vector_state();
        weights
    }

    /// The labels √(w/P) (y − skip x), P × D.
    fn labels(&self, triples: &Triples) -> Vec<f64> {
        let mut labels = self.problem.labels(triples);
        for (row, t) in labels.chunks_exact_mut(self.problem.dim()).zip(&triples.t) {
            let scale = self.row_scale(*t, triples.len());
            row.iter_mut().for_each(|y| *y *= scale);
        }
        labels
    }

    /// √(w_t/P).
    fn row_scale(&self, t: f64, count: usize) -> f64 {
        (self.problem.weight(t) / count as f64).sqrt()
    }

    /// Ψ = √(w/P) φ for a range of samples, n × F.
    fn design(&self, triples: &Triples, from: usize, to: usize, out: &mut [f64]) {
        let dim = self.problem.dim();
        self.features.fill(&triples.x[from * dim..to * dim], &triples.t[from..to], out);
        for (row, &t) in out.chunks_exact_mut(self.features.len()).zip(&triples.t[from..to]) {
            let scale = self.row_scale(t, triples.len());
            for v in row {
                let scaled = scale * *v;
                *v = if scaled.abs() > TINY { scaled } else { 0.0 };
            }
        }
    }

    fn fit_primal(&self, triples: &Triples, labels: &[f64], member: u64) -> Result<Vec<f64>> {
        let (n, rows, dim) = (triples.len(), self.features.len(), self.problem.dim());
        let block = n.min(BLOCK);
        let mut psi = vec![0.0; block * rows];
        let mut gram = vec![0.0; rows * rows];
        let mut weights = vec![0.0; rows * dim];
        for from in (0..n).step_by(block) {
            let len = block.min(n - from);
            self.design(triples, from, from + len, &mut psi[..len * rows]);
            // Row-major Ψ is column-major Ψᵀ, the layout faer multiplies best.
            let psi = MatRef::from_column_major_slice(&psi[..len * rows], rows, len);
            gram_lower(&mut gram, rows, psi, psi.transpose());
            let y = MatRef::from_row_major_slice(&labels[from * dim..(from + len) * dim], len, dim);
            let out = MatMut::from_row_major_slice_mut(&mut weights, rows, dim);
            matmul(out, Accum::Add, psi, y, 1.0, Par::Seq);
            // The next block's features are scalar code.
            settle_vector_state();
        }
        solve_ridge(&mut gram, rows, self.ridge, &mut weights, member)?;
        Ok(weights)
    }

    fn fit_dual(&self, triples: &Triples, labels: &[f64], member: u64) -> Result<Vec<f64>> {
        let (n, rows, dim) = (triples.len(), self.features.len(), self.problem.dim());
        let mut psi = vec![0.0; n * rows];
        self.design(triples, 0, n, &mut psi);
        let psi = MatRef::from_column_major_slice(&psi, rows, n);
        let mut gram = vec![0.0; n * n];
        gram_lower(&mut gram, n, psi.transpose(), psi);
        let mut dual = labels.to_vec();
        solve_ridge(&mut gram, n, self.ridge, &mut dual, member)?;
        let mut weights = vec![0.0; rows * dim];
        let out = MatMut::from_row_major_slice_mut(&mut weights, rows, dim);
        matmul(out, Accum::Replace, psi, MatRef::from_row_major_slice(&dual, n, dim), 1.0, Par::Seq);
        Ok(weights)
    }
}

/// Adds L Lᵀ to the lower triangle of a column-major n × n matrix, `right` being `left` transposed.
fn gram_lower(gram: &mut [f64], n: usize, left: MatRef<'_, f64>, right: MatRef<'_, f64>) {
    use triangular::BlockStructure::{Rectangular, TriangularLower};
    let gram = MatMut::from_column_major_slice_mut(gram, n, n);
    triangular::matmul(
        gram,
        TriangularLower,
        Accum::Add,
        left,
        Rectangular,
        right,
        Rectangular,
        1.0,
        Par::Seq,
    );
}

/// Solves (G + γI) X = B in place by Cholesky, G by its lower triangle (column-major), B row-major.
///
/// Sequential on purpose: members run in parallel, and the result must not depend on the number of threads.
fn solve_ridge(gram: &mut [f64], n: usize, ridge: f64, rhs: &mut [f64], member: u64) -> Result<()> {
    for i in 0..n {
        gram[i * (n + 1)] += ridge;
    }
    let columns = rhs.len() / n;
    let mut factor = MatMut::from_column_major_slice_mut(gram, n, n);
    let mut memory =
        MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    let outcome = llt::factor::cholesky_in_place(
        factor.as_mut(),
        Default::default(),
        Par::Seq,
        stack,
        Default::default(),
    );
    // Squared diagonal of the factor = pivots; below n·ε of the largest they are rounding noise, not information.
    let pivots = || factor.as_ref().diagonal().column_vector().iter().map(|l| l * l);
    let ratio = match outcome {
        Ok(_) => pivots().fold(f64::INFINITY, f64::min) / pivots().fold(0.0, f64::max),
        Err(_) => 0.0,
    };
    // NaN (features that overflow) must fail too, hence the negated comparison's form.
    if !ratio.is_finite() || ratio <= n as f64 * f64::EPSILON {
        return Err(Error::Singular { member, size: n, ratio, ridge });
    }
    let rhs = MatMut::from_row_major_slice_mut(rhs, n, columns);
    llt::solve::solve_in_place_with_conj(factor.as_ref(), Conj::No, rhs, Par::Seq, stack);
    Ok(())
}
