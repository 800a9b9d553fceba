//! Mercer's decomposition of a kernel K(z, z') = φ(z)·φ(z') over the training distribution: K = Σ_i ζ_i e_i e_i', the e_i
//! orthonormal in L²(w ρ), from the eigenvectors u_i of A = E[w φφᵀ]: e_i = u_i·φ/√ζ_i.
//!
//! Gradient flow on infinitely many triples learns the coefficients c_i = E[w e_i (y − skip x)] at the rates ζ_i (THEORY §6):
//!
//! f̄_τ = skip x + Σ_i r_i c_i e_i, r_i = 1 − e^{−ζ_iτ}.
//!
//! Ridge regression with the features √(e^{ζ_iτ} − 1) e_i and γ = 1 has the same mean, so every closure of ridge regression
//! applies. The two differ at second order: on a finite training set its own Â, not A, decides what is learned when.

use crate::error::{Error, Result, check_finite, check_len};
use crate::features::{FeatureMap, Features, RotatedFeatures, ScaledFeatures};
use crate::learner::labels::labels;
use crate::learner::ridge::nodes;
use crate::linalg::{gemm_nn, gemm_tn, symmetric_eigen};
use crate::problem::TrainingProblem;
use crate::quadrature::{Nodes, QuadratureSpec};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Nodes at a time; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 2048;
/// Blocks whose partial sums are held at once.
const WAVE: usize = 8;
/// A mode counts as learned from this ζτ on: the rest, e^{−16}, is below what a closure resolves.
const LEARNED: f64 = 16.0;
/// Modes that are learned less than this share of the first one are left out. Such a mode adds at most this share of its
/// coefficient to the mean, and the square of it to a variance.
const UNTOUCHED: f64 = 1e-5;
/// The ridge regression that stands in for gradient flow leaves out modes that are learned less than this.
const NEGLIGIBLE: f64 = 1e-5;
/// Relative size below which an eigenvalue of A is rounding.
const FLOOR: f64 = 1e-12;

/// The modes of gradient flow over the training distribution, with the target's share in each.
///
/// ```
#[doc = include_str!("../../../doc/ridge.rs")]
/// use gtv_theory::learner::FlowSpectrum;
/// let spectrum = FlowSpectrum::new(&problem, features, &quadrature)?;
/// assert!(spectrum.values().is_sorted_by(|a, b| a >= b));
/// let time = spectrum.time_of(3.0);
/// assert!((spectrum.effective_features(time) - 3.0).abs() < 1e-9);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FlowSpectrum {
    inner: Arc<Features>,
    problem: TrainingProblem,
    /// ζ_i, descending, all above 0.
    values: Vec<f64>,
    /// Columns are u_i/√ζ_i, F × K.
    modes: Vec<f64>,
    /// c_i, K × D.
    coefficients: Vec<f64>,
    /// Σ ζ over all of A, kept or not.
    trace: f64,
    /// The leading e_i by another map, where one was given.
    leading: Option<Arc<dyn FeatureMap>>,
}

/// Features on the rows of a range of nodes: (range, out n × F).
pub(super) type Rows<'a> = &'a (dyn Fn(Range<usize>, &mut [f64]) + Sync);

impl FlowSpectrum {
    /// The modes of features over the training distribution.
    ///
    /// # Errors
    /// A quadrature that is too large; features of another dimension, that are not finite, or that vanish.
    pub fn new(problem: &TrainingProblem, features: Features, quadrature: &QuadratureSpec) -> Result<Self> {
        let nodes = nodes(problem, &features, quadrature)?;
        let features = Arc::new(features);
        let rows = |range: Range<usize>, out: &mut [f64]| {
            features.fill(&nodes.x(range.clone()), &nodes.t[range], out);
        };
        Self::from_rows(problem, features.clone(), &nodes, &rows)
    }

    /// The same, with the features on the nodes given by a function.
    pub(super) fn from_rows(
        problem: &TrainingProblem,
        inner: Arc<Features>,
        nodes: &Nodes,
        rows: Rows<'_>,
    ) -> Result<Self> {
        let name = "the second moment of the features";
        let (len, dim) = (inner.len(), problem.dim());
        // The label's conditional mean has the same moments as the label, and no label noise for the quadrature to integrate.
        let clean = labels(&problem.with_target_mix(1.0)?, nodes, 0..nodes.len());
        let root: Vec<f64> =
            nodes.mass.iter().zip(&nodes.t).map(|(mass, &t)| (mass * problem.weight(t)).sqrt()).collect();
        let (moment, cross) = moments(len, dim, &root, &clean, rows);
        check_finite(name, &moment, len)?;
        let (ascending, vectors) = symmetric_eigen(name, &moment, len)?;
        let trace: f64 = ascending.iter().map(|v| v.max(0.0)).sum();
        let floor = FLOOR * ascending[len - 1];
        let values: Vec<f64> =
            ascending.iter().rev().copied().take_while(|v| *v > floor && *v > 0.0).collect();
        if values.is_empty() {
            let expected = "an eigenvalue above 0: the features vanish on the training distribution";
            return Err(Error::OutOfRange { name, value: ascending[len - 1], expected });
        }
        let modes: Vec<f64> = vectors
            .chunks_exact(len)
            .flat_map(|row| row.iter().rev().zip(&values).map(|(u, value)| u / value.sqrt()))
            .collect();
        let mut coefficients = vec![0.0; values.len() * dim];
        gemm_tn(values.len(), dim, len, &modes, &cross, &mut coefficients);
        let problem = problem.clone();
        Ok(Self { inner, problem, values, modes, coefficients, trace, leading: None })
    }

    /// ζ_i, descending: the rates at which modes are learned.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// E[w K(z, z)] = Σ ζ over the training distribution.
    pub fn trace(&self) -> f64 {
        self.trace
    }

    /// c_i, the target's coefficients, K × D.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// φ, the features whose modes these are.
    pub(super) fn inner(&self) -> &Features {
        &self.inner
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// F_eff = Σ (1 − e^{−ζ_iτ}), the number of modes that gradient flow has learned after a time.
    pub fn effective_features(&self, time: f64) -> f64 {
        self.values.iter().map(|v| learned(*v, time)).sum()
    }

    /// The time at which F_eff has a given value; infinity for the number of modes or more.
    pub fn time_of(&self, effective_features: f64) -> f64 {
        if effective_features >= self.values.len() as f64 {
            return f64::INFINITY;
        }
        let (mut lo, mut hi) = (0.0, 1.0 / self.values[0]);
        while self.effective_features(hi) < effective_features {
            (lo, hi) = (hi, 2.0 * hi);
        }
        for _ in 0..60 {
            let mid = 0.5 * (lo + hi);
            if self.effective_features(mid) < effective_features { lo = mid } else { hi = mid }
        }
        hi
    }

    /// Each mode's share of the target at points, c_i e_i(z), n × D × K. The mean at any time is a sum of them.
    pub(super) fn shares(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (len, count, dim) = (self.inner.len(), self.values.len(), self.dim());
        let mut phi = vec![0.0; t.len() * len];
        self.inner.fill(x, t, &mut phi);
        let mut modes = vec![0.0; t.len() * count];
        gemm_nn(t.len(), count, len, &phi, &self.modes, &mut modes);
        let mut shares = Vec::with_capacity(t.len() * dim * count);
        for row in modes.chunks_exact(count) {
            for d in 0..dim {
                let along = self.coefficients[d..].iter().step_by(dim);
                shares.extend(row.iter().zip(along).map(|(e, c)| e * c));
            }
        }
        shares
    }

    /// skip x + Σ_i r_i of the shares, n × D.
    pub(super) fn add_up(&self, shares: &[f64], x: &[f64], t: &[f64], time: f64) -> Vec<f64> {
        let dim = self.dim();
        let factors: Vec<f64> = self.values.iter().map(|v| learned(*v, time)).collect();
        let sums = shares.chunks_exact(self.values.len());
        sums.enumerate()
            .map(|(k, row)| {
                let skip = self.problem.objective().skip(self.problem.schedule(), t[k / dim]);
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

    /// The features √(e^{ζ_iτ} − 1) e_i. Ridge regression on them with γ = 1 stands in for gradient flow for a time.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a time that is not positive, or so short that nothing is learned.
    pub fn features(&self, time: f64) -> Result<Arc<dyn FeatureMap>> {
        check_time(time)?;
        let scales = self.stand_in_scales(time);
        if scales.is_empty() {
            let expected = "long enough for one mode of the kernel to be learned";
            return Err(Error::OutOfRange { name: TIME, value: time, expected });
        }
        Ok(self.with_scales(scales))
    }

    /// The features e_i of all modes that a law at a time τ in [0, ∞] has.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a time that is negative or NaN.
    pub fn modes(&self, time: f64) -> Result<Arc<dyn FeatureMap>> {
        check_time(time)?;
        Ok(self.scaled_modes(self.touched(time), |_| 1.0))
    }

    /// The same modes, the leading e_i of which are evaluated by `leading`, for example by a map that remembers its results.
    /// Laws that need more modes than it has evaluate all of them from the features.
    ///
    /// # Errors
    /// [`Error::Shape`] for more features than there are modes, or of another dimension.
    pub fn with_modes(mut self, leading: Arc<dyn FeatureMap>) -> Result<Self> {
        check_len("the modes", self.values.len().min(leading.len()), leading.len())?;
        check_len("the modes' dimension", self.dim(), leading.dim())?;
        self.leading = Some(leading);
        Ok(self)
    }

    /// The features s(ζ_i) e_i of the first K modes.
    pub(super) fn scaled_modes(&self, kept: usize, scale: impl Fn(f64) -> f64) -> Arc<dyn FeatureMap> {
        self.with_scales(self.values[..kept].iter().map(|v| scale(*v)).collect())
    }

    /// The leading features e_i, each times a number.
    fn with_scales(&self, scale: Vec<f64>) -> Arc<dyn FeatureMap> {
        if let Some(leading) = self.leading.as_ref().filter(|leading| leading.len() >= scale.len()) {
            return Arc::new(ScaledFeatures::new(leading.clone(), scale));
        }
        let rows = self.modes.chunks_exact(self.values.len());
        let rotation = rows.flat_map(|row| row.iter().zip(&scale).map(|(u, s)| u * s)).collect();
        Arc::new(RotatedFeatures::new(self.inner.clone(), rotation))
    }

    /// u_i/√ζ_i as columns, F × K: what turns φ into e.
    pub(super) fn rotation(&self) -> &[f64] {
        &self.modes
    }

    /// How many modes have begun to be learned; at least 1.
    pub(super) fn touched(&self, time: f64) -> usize {
        let least = UNTOUCHED * learned(self.values[0], time);
        self.values.iter().take_while(|v| learned(**v, time) > least).count().max(1)
    }

    /// √(e^{ζ_iτ} − 1) of the modes of the ridge regression that stands in for gradient flow.
    pub(super) fn stand_in_scales(&self, time: f64) -> Vec<f64> {
        let stands = |value: &&f64| learned(**value, time) > NEGLIGIBLE;
        let scale = |value: &f64| (value * time).min(LEARNED).exp_m1().sqrt();
        self.values.iter().take_while(stands).map(scale).collect()
    }
}

const TIME: &str = "the time of gradient flow";

/// Refuses a time that is negative or NaN.
pub(super) fn check_time(time: f64) -> Result<()> {
    if time >= 0.0 {
        Ok(())
    } else {
        Err(Error::OutOfRange { name: TIME, value: time, expected: "0 or above" })
    }
}

/// Σ_q s_q² φ_q φ_qᵀ and Σ_q s_q² φ_q v_qᵀ for s = `root`, v = `labels` (Q × D), blocks of nodes side by side.
fn moments(len: usize, dim: usize, root: &[f64], labels: &[f64], rows: Rows<'_>) -> (Vec<f64>, Vec<f64>) {
    let (mut moment, mut cross) = (vec![0.0; len * len], vec![0.0; len * dim]);
    let starts: Vec<usize> = (0..root.len()).step_by(BLOCK).collect();
    for wave in starts.chunks(WAVE) {
        let part = |&from: &usize| {
            let range = from..root.len().min(from + BLOCK);
            let n = range.len();
            let mut phi = vec![0.0; n * len];
            rows(range.clone(), &mut phi);
            let scale = |values: &mut [f64], width: usize| {
                for (row, s) in values.chunks_exact_mut(width).zip(&root[range.clone()]) {
                    row.iter_mut().for_each(|v| *v *= s);
                }
            };
            scale(&mut phi, len);
            let mut y = labels[range.start * dim..range.end * dim].to_vec();
            scale(&mut y, dim);
            let (mut moment, mut cross) = (vec![0.0; len * len], vec![0.0; len * dim]);
            gemm_tn(len, len, n, &phi, &phi, &mut moment);
            gemm_tn(len, dim, n, &phi, &y, &mut cross);
            (moment, cross)
        };
        let parts: Vec<_> = wave.par_iter().map(part).collect();
        for (a, b) in parts {
            moment.iter_mut().zip(&a).for_each(|(m, a)| *m += a);
            cross.iter_mut().zip(&b).for_each(|(c, b)| *c += b);
        }
    }
    (moment, cross)
}

/// r = 1 − e^{−ζτ}.
pub(super) fn learned(value: f64, time: f64) -> f64 {
    -(-value * time).exp_m1()
}
