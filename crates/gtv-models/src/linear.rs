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
use gtv_theory::error::Error as TheoryError;
use gtv_theory::estimator::{LinearField, LinearSpec};
use gtv_theory::linalg::settle_vector_state;
use gtv_theory::rng::Streams;
use gtv_theory::training::{DsmSampler, Triples};
use gtv_theory::{Features, ScoreField};
use std::sync::Arc;

/// Rows of φ that are formed and multiplied at a time: bounds memory for large P; fixed, so that sums have one order.
const BLOCK: usize = 1024;

/// Rows of Ψ below this count as zero: their products could only be subnormal numbers, on which localized features
/// otherwise spend most of the time.
const TINY: f64 = 1e-154;

/// Trains the members of a linear ensemble.
#[derive(Clone)]
pub struct LinearTrainer {
    spec: LinearSpec,
    /// The spec's features, shared by the fields.
    features: Arc<Features>,
    sampler: DsmSampler,
    truth: Option<Arc<dyn ScoreField>>,
}

impl LinearTrainer {
    /// A trainer on p_data. `truth` is the exact score, which only targets with η > 0 need.
    ///
    /// # Errors
    /// A value of the spec outside its domain, dimensions that differ, or η > 0 without `truth`.
    pub fn new(spec: LinearSpec, sampler: DsmSampler, truth: Option<Arc<dyn ScoreField>>) -> Result<Self> {
        spec.validate()?;
        let range = |name, value, expected| Err(TheoryError::OutOfRange { name, value, expected }.into());
        if spec.features.dim() != sampler.cloud().dim() {
            let found = spec.features.dim() as f64;
            return range("the dimension of the features", found, "the dimension of the data");
        }
        if spec.draws != sampler.draws() {
            let found = sampler.draws() as f64;
            return range("the sampler's draws of a data point", found, "the spec's draws (model.draws)");
        }
        if spec.target_mix > 0.0 && truth.is_none() {
            return Err(TheoryError::Unsupported {
                what: "a true-score target without the true score",
                reason: "the conditional mean of the label comes from the exact score of the data: pass it",
            }
            .into());
        }
        Ok(Self { features: Arc::new(spec.features.clone()), spec, sampler, truth })
    }

    /// The specification.
    pub fn spec(&self) -> &LinearSpec {
        &self.spec
    }

    /// The sampler of training triples.
    pub fn sampler(&self) -> &DsmSampler {
        &self.sampler
    }

    /// Bytes one member needs while it is trained, and those of its weights afterwards.
    pub fn bytes(&self) -> (u64, u64) {
        let (rows, samples) = (self.features.len() as u64, self.spec.samples as u64);
        let dim = self.sampler.cloud().dim() as u64;
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
        self.fit(&self.sampler.draw(streams, member, self.spec.samples)?, member)
    }

    /// A field of this trainer's form with the given weights, F × D.
    ///
    /// # Panics
    /// When there are not F·D weights.
    pub fn field(&self, weights: Vec<f64>) -> LinearField {
        let spec = &self.spec;
        LinearField::new(self.features.clone(), spec.prediction, *self.sampler.schedule(), weights)
            .with_preconditioning(spec.preconditioning)
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
        let (dim, schedule, mix) =
            (self.sampler.cloud().dim(), self.sampler.schedule(), self.spec.target_mix);
        let mut labels = vec![0.0; triples.x.len()];
        let rows = labels.chunks_exact_mut(dim).zip(triples.x.chunks_exact(dim));
        for (((y, x), x0), &t) in rows.zip(triples.x0.chunks_exact(dim)).zip(&triples.t) {
            let scale = self.row_scale(t, triples.len());
            let (c, d) = self.spec.label_coefficients(schedule, t);
            // y is affine in x0, so mixing targets is mixing x0 with its posterior mean.
            if let Some(truth) = self.truth.as_deref().filter(|_| mix > 0.0) {
                truth.denoiser_into(x, t, y);
            }
            for ((y, x), x0) in y.iter_mut().zip(x).zip(x0) {
                let clean = if mix > 0.0 { (1.0 - mix) * x0 + mix * *y } else { *x0 };
                *y = scale * (c * clean + d * x);
            }
        }
        labels
    }

    /// √(w_t/P).
    fn row_scale(&self, t: f64, count: usize) -> f64 {
        let w = self.spec.weight.of_target(self.sampler.schedule(), self.spec.prediction, t);
        (w / count as f64).sqrt()
    }

    /// Ψ = √(w/P) φ for a range of samples, n × F.
    fn design(&self, triples: &Triples, from: usize, to: usize, out: &mut [f64]) {
        let dim = self.sampler.cloud().dim();
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
        let (n, rows, dim) = (triples.len(), self.features.len(), self.sampler.cloud().dim());
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
        solve_ridge(&mut gram, rows, self.spec.ridge, &mut weights, member)?;
        Ok(weights)
    }

    fn fit_dual(&self, triples: &Triples, labels: &[f64], member: u64) -> Result<Vec<f64>> {
        let (n, rows, dim) = (triples.len(), self.features.len(), self.sampler.cloud().dim());
        let mut psi = vec![0.0; n * rows];
        self.design(triples, 0, n, &mut psi);
        let psi = MatRef::from_column_major_slice(&psi, rows, n);
        let mut gram = vec![0.0; n * n];
        gram_lower(&mut gram, n, psi.transpose(), psi);
        let mut dual = labels.to_vec();
        solve_ridge(&mut gram, n, self.spec.ridge, &mut dual, member)?;
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
