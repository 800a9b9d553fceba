//! Features of a network's tangent kernel of any width, by Nyström's method on landmark points Z:
//!
//! φ(z) = out_t(z) Λ^{−1/2} Uᵀ ω Θ(Z, z) with ω Θ(Z, Z) ω = U Λ Uᵀ, ω = diag(√w_t out_t), Θ the average over outputs.
//!
//! φ(z)·φ(z') is the best approximation of the kernel out Θ out' by its values at Z: exact at the landmarks when all
//! eigenvalues are kept. Landmarks are draws of the training distribution, and ω is the factor on F in the loss, so the
//! directions kept are the leading ones in L²(w ρ), those that training learns first.

use super::tangent::{Points, Tangent, TangentMetric};
use crate::error::Result;
use crate::mlp::{Task, Weights};
use gtv_theory::error::Error as TheoryError;
use gtv_theory::features::FeatureMap;
use gtv_theory::linalg::{gemm_nn, symmetric_eigen};
use gtv_theory::ntk::Frame;
use gtv_theory::rng::{Purpose, Streams};

/// How finely a kernel is resolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelFeatureSpec {
    /// R, landmark points.
    pub landmarks: usize,
    /// Eigenvalues below this multiple of the largest are dropped. Products in single precision resolve 1e-6.
    pub threshold: f64,
    /// At most so many features are kept, those of the largest eigenvalues.
    pub most: usize,
    /// Which kernel.
    pub metric: TangentMetric,
}

impl Default for KernelFeatureSpec {
    fn default() -> Self {
        Self { landmarks: 768, threshold: 1e-6, most: usize::MAX, metric: TangentMetric::default() }
    }
}

/// What the features leave out of the kernel, at fresh points of the training distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// F, features kept.
    pub rank: usize,
    /// E w (k(z, z) − |φ(z)|²)/E w k(z, z), k = out Θ out: the share of the kernel's trace that is missed. Its noise is that of
    /// single precision, some 1e-6.
    pub missed: f64,
    /// E‖Θ_ij − [i = j] Θ‖²/E‖Θ_ij‖², square-rooted: how far the outputs are from having one kernel, each its own.
    pub mixing: f64,
}

/// Fresh points at which the truncation is measured, and those among which outputs are compared.
const FRESH: usize = 512;
const MIXED: usize = 64;
/// Largest number of landmarks: their eigendecomposition is O(R³).
const MOST_LANDMARKS: usize = 8192;
/// Points evaluated at a time: what a wide network needs of memory.
const BLOCK: usize = 1024;

/// Features of the kernel of a network.
#[derive(Debug, Clone)]
pub struct KernelFeatures {
    tangent: Tangent,
    frame: Frame,
    landmarks: Points<f32>,
    /// ω U Λ^{−1/2}, R × F.
    projection: Vec<f64>,
    rank: usize,
    truncation: Truncation,
}

impl KernelFeatures {
    /// The features of the task's network with the given parameters; landmarks depend on the seed only.
    ///
    /// # Errors
    /// Weights of another architecture; settings out of range; a kernel that is not finite.
    pub fn new(task: &Task, weights: Weights, spec: &KernelFeatureSpec, streams: Streams) -> Result<Self> {
        let range = |name, value, expected| Err(TheoryError::OutOfRange { name, value, expected }.into());
        if !(1..=MOST_LANDMARKS).contains(&spec.landmarks) {
            return range("kernel landmarks", spec.landmarks as f64, "between 1 and 8192");
        }
        if !(0.0..1.0).contains(&spec.threshold) {
            return range("kernel threshold", spec.threshold, "at least 0 and below 1");
        }
        if spec.most == 0 {
            return range("kernel features", 0.0, "at least 1");
        }
        let tangent = Tangent::new(task.arch(), task.inputs(), task.dim(), weights, spec.metric)?;
        let frame = task.frame().clone();
        let drawn = task.sampler().draw_from(&mut streams.stream(Purpose::Features, 0, 2), spec.landmarks);
        let landmarks = tangent.points::<f32>(&frame.inputs(&drawn.x, &drawn.t));
        let scale: Vec<f64> = drawn.t.iter().map(|t| frame.loss_scale(*t)).collect();
        let size = spec.landmarks;
        let mut gram = tangent.average_kernel(&landmarks, &landmarks);
        for (k, v) in gram.iter_mut().enumerate() {
            *v *= scale[k / size] * scale[k % size];
        }
        gtv_theory::error::check_finite("the network's tangent kernel", &gram, size)?;
        let (values, vectors) = symmetric_eigen("the network's tangent kernel", &gram, size)?;
        // Ascending: the leading eigenvalues are the last.
        let floor = (spec.threshold * values[size - 1]).max(f64::MIN_POSITIVE);
        let rank = values.iter().rev().take(spec.most).take_while(|v| **v >= floor).count();
        if rank == 0 {
            return range("the network's tangent kernel", values[size - 1], "an eigenvalue above 0");
        }
        let mut projection = Vec::with_capacity(size * rank);
        for (row, omega) in vectors.chunks_exact(size).zip(&scale) {
            let kept = row.iter().zip(&values).rev().take(rank);
            projection.extend(kept.map(|(u, value)| omega * u / value.sqrt()));
        }
        let none = Truncation { rank, missed: f64::NAN, mixing: f64::NAN };
        let mut made = Self { tangent, frame, landmarks, projection, rank, truncation: none };
        made.truncation = made.measure(task, streams);
        Ok(made)
    }

    /// The network.
    pub fn tangent(&self) -> &Tangent {
        &self.tangent
    }

    /// What the features leave out.
    pub fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn measure(&self, task: &Task, streams: Streams) -> Truncation {
        let fresh = task.sampler().draw_from(&mut streams.stream(Purpose::Features, 0, 3), FRESH);
        let inputs = self.frame.inputs(&fresh.x, &fresh.t);
        let points = self.tangent.points::<f32>(&inputs);
        let mut phi = vec![0.0; FRESH * self.rank];
        self.project(&points, &mut phi);
        let (mut missed, mut total) = (0.0, 0.0);
        let diagonal = self.tangent.average_diagonal(&points);
        for ((row, k), &t) in phi.chunks_exact(self.rank).zip(diagonal).zip(&fresh.t) {
            let weight = self.frame.loss_scale(t).powi(2);
            missed += weight * (k - row.iter().map(|v| v * v).sum::<f64>());
            total += weight * k;
        }
        let dim = self.tangent.dim();
        let few = self.tangent.points::<f32>(&inputs[..MIXED * self.tangent.inputs()]);
        let (blocks, average) = (self.tangent.kernel(&few, &few), self.tangent.average_kernel(&few, &few));
        let (mut off, mut all) = (0.0, 0.0);
        let columns = MIXED * dim;
        for (k, v) in blocks.iter().enumerate() {
            let ((n, i), (m, j)) = ((k / columns / dim, k / columns % dim), (k % columns / dim, k % dim));
            let shared = if i == j { average[n * MIXED + m] } else { 0.0 };
            off += (v - shared).powi(2);
            all += v * v;
        }
        Truncation { rank: self.rank, missed: missed / total, mixing: (off / all).sqrt() }
    }

    /// Λ^{−1/2} Uᵀ ω Θ(Z, z) of each point, n × F.
    fn project(&self, points: &Points<f32>, out: &mut [f64]) {
        let kernel = self.tangent.average_kernel(points, &self.landmarks);
        gemm_nn(points.len(), self.rank, self.landmarks.len(), &kernel, &self.projection, out);
    }
}

impl FeatureMap for KernelFeatures {
    fn len(&self) -> usize {
        self.rank
    }

    fn dim(&self) -> usize {
        self.tangent.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let dim = self.tangent.dim();
        let blocks = x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)).zip(out.chunks_mut(BLOCK * self.rank));
        for ((x, t), out) in blocks {
            self.project(&self.tangent.points(&self.frame.inputs(x, t)), out);
            for (row, &t) in out.chunks_exact_mut(self.rank).zip(t) {
                let scale = self.frame.output_coefficients(t).1;
                row.iter_mut().for_each(|v| *v *= scale);
            }
        }
    }
}
