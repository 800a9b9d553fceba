//! Gradient flow in the linear theory: a ridge for each mode, γ_i = ζ_i/(e^{ζ_iτ} − 1), whose population solution is exactly
//! the mean of gradient flow for a time τ, f̄_τ = Σ_i (1 − e^{−ζ_iτ}) c_i e_i (THEORY §6).
//!
//! ζ_i, e_i are the modes of the second moment A = E[w φφᵀ] of any feature map. Since ridge regression with the features
//! φ'_i = e_i/√γ_i and γ = 1 penalises mode i by γ_i, every closure of the linear estimator applies as it is. What differs from
//! gradient flow is second order: on a finite training set its own Â, not A, decides what is learned when.

use super::features::linear_spec;
use crate::error::Result;
use crate::mlp::Task;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::features::FeatureMap;
use gtv_theory::linalg::{gemm_nn, gemm_tn, symmetric_eigen};
use gtv_theory::minimise::minimise;
use gtv_theory::quadrature::{Nodes, QuadratureSpec};
use gtv_theory::rng::Streams;
use gtv_theory::{Schedule, ScoreField};
use std::convert::Infallible;
use std::sync::Arc;

/// Points evaluated at a time.
const BLOCK: usize = 2048;
/// ζτ from which on a mode counts as learned: what is missing, e^{−16}, is below what a closure resolves.
const LEARNED: f64 = 16.0;
/// Modes less learned than this are left out.
const UNTOUCHED: f64 = 1e-5;
/// Times of the first scan for the nearest one, and the width in ln τ to which it is found.
const SCAN: usize = 64;
const WIDTH: f64 = 1e-4;

/// The modes of a feature map over the training distribution, with the target's share in each.
#[derive(Debug, Clone)]
pub struct FlowSpectrum {
    inner: Arc<dyn FeatureMap>,
    schedule: Schedule,
    /// ζ_i, descending.
    values: Vec<f64>,
    /// Columns are modes, F × F in the order of `values`.
    vectors: Vec<f64>,
    /// Uᵀ E[w φ (y − skip x)ᵀ], F × D.
    target: Vec<f64>,
    /// The model that is fitted: labels, weights, skip_t.
    spec: LinearSpec,
}

/// Mean predictions at points, each mode apart, to be compared with a given mean: what [`FlowSpectrum::against`] makes.
#[derive(Debug, Clone)]
pub struct MeanFit<'a> {
    spectrum: &'a FlowSpectrum,
    x: &'a [f64],
    t: &'a [f64],
    mean: &'a [f64],
    /// Σ m² of the given mean.
    size: f64,
    shares: Vec<f64>,
}

/// A time of gradient flow whose mean is nearest to a given one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestTime {
    /// τ.
    pub time: f64,
    /// Relative distance of the means there, in L² over the points.
    pub misfit: f64,
}

/// The features φ'_i = e_i/√γ_i of gradient flow for a time.
#[derive(Debug, Clone)]
pub struct FlowFeatures {
    inner: Arc<dyn FeatureMap>,
    /// U diag(1/√γ), F × kept.
    rotation: Vec<f64>,
    kept: usize,
}

impl FlowSpectrum {
    /// The modes of `features` over the task's training distribution.
    ///
    /// # Errors
    /// A quadrature that is too large; features that are not finite.
    pub fn new(
        task: &Task,
        features: Arc<dyn FeatureMap>,
        quadrature: &QuadratureSpec,
        streams: Streams,
    ) -> Result<Self> {
        let schedule = *task.schedule();
        let spec = linear_spec(task, features.clone(), 1.0);
        let nodes = Nodes::new(task.sampler().cloud(), &schedule, quadrature, streams)?;
        let (len, dim) = (features.len(), task.dim());
        let mut moment = vec![0.0; len * len];
        let mut cross = vec![0.0; len * dim];
        let mut phi = vec![0.0; BLOCK.min(nodes.t.len()) * len];
        let blocks = nodes.x.chunks(BLOCK * dim).zip(nodes.t.chunks(BLOCK)).zip(nodes.mass.chunks(BLOCK));
        for ((x, t), mass) in blocks {
            let n = t.len();
            let phi = &mut phi[..n * len];
            features.fill(x, t, phi);
            let mut labels = vec![0.0; n * dim];
            for (i, &t) in t.iter().enumerate() {
                let root = (mass[i] * spec.target_weight(&schedule, t)).sqrt();
                phi[i * len..][..len].iter_mut().for_each(|v| *v *= root);
                let (x, y) = (&x[i * dim..][..dim], &mut labels[i * dim..][..dim]);
                task.truth().denoiser_into(x, t, y);
                let (on_x0, on_x) = spec.label_coefficients(&schedule, t);
                y.iter_mut().zip(x).for_each(|(y, x)| *y = root * (on_x0 * *y + on_x * x));
            }
            let mut part = vec![0.0; len * len];
            gemm_tn(len, len, n, phi, phi, &mut part);
            moment.iter_mut().zip(&part).for_each(|(m, p)| *m += p);
            let mut part = vec![0.0; len * dim];
            gemm_tn(len, dim, n, phi, &labels, &mut part);
            cross.iter_mut().zip(&part).for_each(|(m, p)| *m += p);
        }
        gtv_theory::error::check_finite("the second moment of the network's features", &moment, len)?;
        let (ascending, vectors) =
            symmetric_eigen("the second moment of the network's features", &moment, len)?;
        let values: Vec<f64> = ascending.iter().rev().map(|v| v.max(0.0)).collect();
        let vectors: Vec<f64> = vectors.chunks_exact(len).flat_map(|row| row.iter().rev().copied()).collect();
        let mut target = vec![0.0; len * dim];
        gemm_tn(len, dim, len, &vectors, &cross, &mut target);
        Ok(Self { inner: features, schedule, values, vectors, target, spec })
    }

    /// ζ_i, descending: the rates at which modes are learned.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// F_eff = Σ (1 − e^{−ζ_iτ}), the number of modes that gradient flow has learned after a time.
    pub fn effective_features(&self, time: f64) -> f64 {
        self.values.iter().map(|v| learned(*v, time)).sum()
    }

    /// Each mode's share of F at points, e_i(z) (Uᵀb)_i/ζ_i, so that means at any time are sums of them.
    fn shares(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (len, dim) = (self.values.len(), x.len() / t.len());
        let mut phi = vec![0.0; t.len() * len];
        self.inner.fill(x, t, &mut phi);
        let mut modes = vec![0.0; phi.len()];
        gemm_nn(t.len(), len, len, &phi, &self.vectors, &mut modes);
        // A mode without second moment has no share.
        let floor = 1e-14 * self.values[0];
        let mut shares = Vec::with_capacity(t.len() * dim * len);
        for row in modes.chunks_exact(len) {
            for d in 0..dim {
                shares.extend(row.iter().enumerate().map(|(i, e)| {
                    if self.values[i] > floor { e * self.target[i * dim + d] / self.values[i] } else { 0.0 }
                }));
            }
        }
        shares
    }

    fn add_up(&self, shares: &[f64], x: &[f64], t: &[f64], time: f64) -> Vec<f64> {
        let dim = x.len() / t.len();
        let factors: Vec<f64> = self.values.iter().map(|v| learned(*v, time)).collect();
        let sums = shares.chunks_exact(self.values.len());
        sums.enumerate()
            .map(|(k, row)| {
                let skip = self.spec.skip(&self.schedule, t[k / dim]);
                skip * x[k] + row.iter().zip(&factors).map(|(s, f)| s * f).sum::<f64>()
            })
            .collect()
    }

    /// The mean prediction y after gradient flow for a time on infinitely many triples.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; the result: n × D.
    pub fn mean(&self, x: &[f64], t: &[f64], time: f64) -> Vec<f64> {
        self.add_up(&self.shares(x, t), x, t, time)
    }

    /// Gradient flow beside a given mean prediction at points.
    ///
    /// # Shapes
    /// `x`, `mean`: n × D; `t`: n.
    ///
    /// # Errors
    /// [`TheoryError::Shape`] for a mean of another size; [`TheoryError::OutOfRange`] for one that is 0 or not finite.
    pub fn against<'a>(&'a self, x: &'a [f64], t: &'a [f64], mean: &'a [f64]) -> Result<MeanFit<'a>> {
        gtv_theory::error::check_len("the mean prediction", x.len(), mean.len())?;
        let size = mean.iter().map(|m| m * m).sum::<f64>();
        if size.is_nan() || size <= 0.0 {
            let expected = "finite predictions that are not all 0";
            return Err(TheoryError::OutOfRange { name: "the mean prediction", value: size, expected }.into());
        }
        Ok(MeanFit { spectrum: self, x, t, mean, size, shares: self.shares(x, t) })
    }

    /// The features with which ridge regression at γ = 1 stands for gradient flow for a time.
    ///
    /// # Errors
    /// [`TheoryError::OutOfRange`] for a time that is not positive, or so short that nothing is learned.
    pub fn features(&self, time: f64) -> Result<FlowFeatures> {
        let range =
            |expected| TheoryError::OutOfRange { name: "the time of gradient flow", value: time, expected };
        if !(time.is_finite() && time > 0.0) {
            return Err(range("a finite number above 0").into());
        }
        let len = self.values.len();
        let kept = self.values.iter().take_while(|v| learned(**v, time) > UNTOUCHED).count();
        if kept == 0 {
            return Err(range("long enough for one mode of the kernel to be learned").into());
        }
        let scale: Vec<f64> = self.values[..kept].iter().map(|v| inverse_root_ridge(*v, time)).collect();
        let rotation = self
            .vectors
            .chunks_exact(len)
            .flat_map(|row| row[..kept].iter().zip(&scale).map(|(u, s)| u * s))
            .collect();
        Ok(FlowFeatures { inner: self.inner.clone(), rotation, kept })
    }
}

impl MeanFit<'_> {
    /// Relative distance of the mean prediction after gradient flow for a time, in L² over the points.
    pub fn misfit(&self, time: f64) -> f64 {
        let at = self.spectrum.add_up(&self.shares, self.x, self.t, time);
        (at.iter().zip(self.mean).map(|(a, m)| (a - m) * (a - m)).sum::<f64>() / self.size).sqrt()
    }

    /// The time whose mean prediction is nearest: what stands for an optimizer that has no time of its own, such as Adam.
    pub fn nearest(&self) -> NearestTime {
        // From before the first mode is learned to after the last that single precision resolves.
        let fastest = self.spectrum.values[0];
        let ends = ((1e-3 / fastest).ln(), (1e8 / fastest).ln());
        let misfit = |log: f64| Ok::<_, Infallible>(self.misfit(log.exp()));
        let Ok(found) = minimise(ends, SCAN, WIDTH, misfit);
        NearestTime { time: found.at.exp(), misfit: found.value }
    }
}

/// 1 − e^{−ζτ}.
fn learned(value: f64, time: f64) -> f64 {
    -(-value * time).exp_m1()
}

/// 1/√γ = √((e^{ζτ} − 1)/ζ), which is √τ for small ζτ.
fn inverse_root_ridge(value: f64, time: f64) -> f64 {
    let exponent = (value * time).min(LEARNED);
    (exponent.exp_m1() / exponent * time.min(LEARNED / value)).sqrt()
}

impl FeatureMap for FlowFeatures {
    fn len(&self) -> usize {
        self.kept
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (len, dim) = (self.inner.len(), self.inner.dim());
        let mut phi = vec![0.0; BLOCK.min(t.len()) * len];
        for ((x, t), out) in x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)).zip(out.chunks_mut(BLOCK * self.kept))
        {
            let phi = &mut phi[..t.len() * len];
            self.inner.fill(x, t, phi);
            gemm_nn(t.len(), self.kept, len, phi, &self.rotation, out);
        }
    }
}
