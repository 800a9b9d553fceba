//! Features of an infinitely wide network's kernel, by Nyström's method on landmark points Z:
//!
//! φ(z) = out_t Vᵀ L^{−1} ω_Z Θ(Z, z), ω_Z Θ(Z, Z) ω_Z = L Lᵀ, ω = √w_t out_t,
//!
//! so that φ(z)·φ(z') is the best approximation of K = out Θ out' by its values at Z, exact there when nothing is cut. Landmarks
//! are chosen among many draws of the training distribution by pivoted Cholesky. The next one is drawn with a probability in
//! proportion to the part of w K(z, z) that the earlier ones miss (Chen, Epperly, Tropp & Webber, 2022). V are the leading
//! eigenvectors of the features' second moment over all those draws, so a cut keeps the leading directions in L²(w ρ), which
//! training learns first.

use super::{NetworkKernel, NetworkModel};
use crate::data::PointCloud;
use crate::error::{Error, Result, check_finite};
use crate::features::FeatureMap;
use crate::linalg::{gemm_nn, gemm_tn, symmetric_eigen};
use crate::rng::{Purpose, Streams};
use crate::training::DsmSampler;
use rand::RngExt;

/// How finely a kernel is resolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NystromSpec {
    /// R, the most landmark points.
    pub landmarks: usize,
    /// No more landmarks are taken once the share of the kernel's trace that they miss is below this.
    pub threshold: f64,
    /// The most features that are kept: those of the largest eigenvalues.
    pub most: usize,
}

impl Default for NystromSpec {
    fn default() -> Self {
        Self { landmarks: 640, threshold: 1e-10, most: 320 }
    }
}

/// What the features leave out of the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NystromTruncation {
    /// Landmarks taken.
    pub landmarks: usize,
    /// F, features kept.
    pub rank: usize,
    /// E w (K(z, z) − |φ(z)|²)/E w K(z, z) at fresh points of the training distribution: the share of the trace that is missed.
    pub missed: f64,
}

/// Candidates for each landmark, and fresh points at which the truncation is measured.
const CANDIDATES: usize = 8;
const FRESH: usize = 4096;
const MOST_LANDMARKS: usize = 4096;
/// A candidate of which less than this share is missed counts as covered: its pivot would be rounding.
const ROUNDING: f64 = 1e-13;
/// Points evaluated at a time.
const BLOCK: usize = 1024;

/// Features of a kernel of an infinitely wide network.
#[derive(Debug, Clone)]
pub struct NetworkFeatures {
    model: NetworkModel,
    kernel: NetworkKernel,
    /// R × inputs.
    landmarks: Vec<f64>,
    /// ω L^{−ᵀ} V, R × F.
    projection: Vec<f64>,
    truncation: NystromTruncation,
}

impl NetworkFeatures {
    /// The features of one kernel of a model over the training distribution of `cloud`; landmarks depend on the seed only.
    ///
    /// # Errors
    /// Settings out of range; data of another dimension; a kernel that is not finite or vanishes.
    pub fn new(
        model: &NetworkModel,
        kernel: NetworkKernel,
        cloud: &PointCloud,
        spec: &NystromSpec,
        streams: Streams,
    ) -> Result<Self> {
        let range = |name, value, expected| Err(Error::OutOfRange { name, value, expected });
        if !(1..=MOST_LANDMARKS).contains(&spec.landmarks) {
            return range("kernel landmarks", spec.landmarks as f64, "between 1 and 4096");
        }
        if !(0.0..1.0).contains(&spec.threshold) {
            return range("kernel threshold", spec.threshold, "at least 0 and below 1");
        }
        if spec.most == 0 {
            return range("kernel features", 0.0, "at least 1");
        }
        if cloud.dim() != model.dim() {
            let (expected, found) = (model.dim(), cloud.dim());
            return Err(Error::Shape { name: "data (coordinates of x)", expected, found });
        }
        let sampler = DsmSampler::new(cloud.clone(), *model.schedule());
        let drawn = sampler
            .draw_from(&mut streams.stream(Purpose::Features, 0, 4), (CANDIDATES * spec.landmarks).max(256));
        let inputs = model.inputs(&drawn.x, &drawn.t);
        let scale: Vec<f64> = drawn.t.iter().map(|t| model.loss_scale(*t)).collect();
        let pivoted = Pivoted::new(model, kernel, &inputs, &scale, spec, streams)?;
        let (taken, n) = (pivoted.landmarks.len(), drawn.t.len());
        let name = "the kernel's second moment over the candidates";
        let mut moment = vec![0.0; taken * taken];
        gemm_tn(taken, taken, n, &pivoted.rows, &pivoted.rows, &mut moment);
        check_finite(name, &moment, taken)?;
        let (_, vectors) = symmetric_eigen(name, &moment, taken)?;
        let rank = taken.min(spec.most);
        let mut projection: Vec<f64> =
            vectors.chunks_exact(taken).flat_map(|row| row.iter().rev().take(rank).copied()).collect();
        pivoted.solve_transposed(&mut projection, rank);
        for (row, &k) in projection.chunks_exact_mut(rank).zip(&pivoted.landmarks) {
            row.iter_mut().for_each(|v| *v *= scale[k]);
        }
        let width = model.embedding().inputs();
        let landmarks =
            pivoted.landmarks.iter().flat_map(|&k| &inputs[k * width..][..width]).copied().collect();
        let truncation = NystromTruncation { landmarks: taken, rank, missed: f64::NAN };
        let mut made = Self { model: model.clone(), kernel, landmarks, projection, truncation };
        let fresh = sampler.draw_from(&mut streams.stream(Purpose::Features, 0, 5), FRESH);
        made.truncation.missed = made.missed(&fresh.x, &fresh.t)?;
        Ok(made)
    }

    /// The network.
    pub fn model(&self) -> &NetworkModel {
        &self.model
    }

    /// What the features leave out.
    pub fn truncation(&self) -> NystromTruncation {
        self.truncation
    }

    /// Σ w (K(z, z) − |φ(z)|²)/Σ w K(z, z) over points.
    fn missed(&self, x: &[f64], t: &[f64]) -> Result<f64> {
        let rank = self.truncation.rank;
        let mut phi = vec![0.0; t.len() * rank];
        self.fill(x, t, &mut phi);
        let diagonal = self.model.diagonal(self.kernel, &self.model.inputs(x, t))?;
        let (mut missed, mut total) = (0.0, 0.0);
        for ((row, k), &t) in phi.chunks_exact(rank).zip(diagonal).zip(t) {
            let (weight, out) = (self.model.target_weight(t), self.model.output_coefficients(t).1);
            missed += weight * (out * out * k - row.iter().map(|v| v * v).sum::<f64>());
            total += weight * out * out * k;
        }
        Ok(missed / total)
    }
}

/// Pivoted Cholesky of ω K ω on the candidates.
struct Pivoted {
    /// Candidates that became landmarks.
    landmarks: Vec<usize>,
    /// L of all candidates, n × R; the landmarks' rows are lower triangular.
    rows: Vec<f64>,
}

impl Pivoted {
    fn new(
        model: &NetworkModel,
        kernel: NetworkKernel,
        inputs: &[f64],
        scale: &[f64],
        spec: &NystromSpec,
        streams: Streams,
    ) -> Result<Self> {
        let (n, width, most) = (scale.len(), model.embedding().inputs(), spec.landmarks);
        let diagonal = model.diagonal(kernel, inputs)?;
        let start: Vec<f64> = diagonal.iter().zip(scale).map(|(k, s)| s * s * k).collect();
        check_finite("the network's kernel", &start, 1)?;
        let total: f64 = start.iter().sum();
        if total <= 0.0 {
            let expected = "a trace above 0";
            return Err(Error::OutOfRange { name: "the network's kernel", value: total, expected });
        }
        let mut left = start.clone();
        let mut rng = streams.stream(Purpose::Features, 0, 6);
        // Columns are contiguous while they are made.
        let mut columns: Vec<f64> = Vec::with_capacity(n * most);
        let mut landmarks = Vec::with_capacity(most);
        while landmarks.len() < most {
            let missed: f64 = left.iter().sum();
            if missed <= spec.threshold * total {
                break;
            }
            let mut at = missed * rng.random::<f64>();
            let drawn = left.iter().position(|v| {
                at -= v;
                *v > 0.0 && at <= 0.0
            });
            // Rounding can leave nothing for the last one.
            let Some(pivot) = drawn.or_else(|| left.iter().position(|v| *v > 0.0)) else { break };
            let mut column = model.kernel(kernel, &inputs[pivot * width..][..width], inputs);
            column.iter_mut().zip(scale).for_each(|(k, s)| *k *= s * scale[pivot]);
            for earlier in columns.chunks_exact(n) {
                let factor = earlier[pivot];
                column.iter_mut().zip(earlier).for_each(|(c, e)| *c -= factor * e);
            }
            if column[pivot] <= ROUNDING * start[pivot] {
                left[pivot] = 0.0;
                continue;
            }
            let root = column[pivot].sqrt();
            for ((c, l), s) in column.iter_mut().zip(&mut left).zip(&start) {
                *c /= root;
                *l -= *c * *c;
                if *l < ROUNDING * s {
                    *l = 0.0;
                }
            }
            left[pivot] = 0.0;
            columns.extend(column);
            landmarks.push(pivot);
        }
        let taken = landmarks.len();
        let rows = (0..n * taken).map(|k| columns[(k % taken) * n + k / taken]).collect();
        Ok(Self { landmarks, rows })
    }

    /// B ← L^{−ᵀ} B for B of R × F.
    fn solve_transposed(&self, rhs: &mut [f64], columns: usize) {
        let taken = self.landmarks.len();
        for k in (0..taken).rev() {
            let row = &self.rows[self.landmarks[k] * taken..][..taken];
            let (above, from) = rhs.split_at_mut(k * columns);
            let solved = &mut from[..columns];
            solved.iter_mut().for_each(|v| *v /= row[k]);
            for (above, l) in above.chunks_exact_mut(columns).zip(row) {
                above.iter_mut().zip(&*solved).for_each(|(a, s)| *a -= l * s);
            }
        }
    }
}

impl FeatureMap for NetworkFeatures {
    fn len(&self) -> usize {
        self.truncation.rank
    }

    fn dim(&self) -> usize {
        self.model.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (dim, rank, taken) = (self.model.dim(), self.truncation.rank, self.truncation.landmarks);
        let blocks = x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)).zip(out.chunks_mut(BLOCK * rank));
        for ((x, t), out) in blocks {
            let kernel = self.model.kernel(self.kernel, &self.model.inputs(x, t), &self.landmarks);
            gemm_nn(t.len(), rank, taken, &kernel, &self.projection, out);
            for (row, &t) in out.chunks_exact_mut(rank).zip(t) {
                let scale = self.model.output_coefficients(t).1;
                row.iter_mut().for_each(|v| *v *= scale);
            }
        }
    }
}
