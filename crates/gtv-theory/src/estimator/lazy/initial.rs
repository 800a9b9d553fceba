//! The initial function where it is not subtracted: f_0 = Σ_k g_k ψ_k, g ~ N(0, I) for each output, ψ·ψ' the kernel of the
//! network at initialisation (NNGP, with its output scale).
//!
//! Gradient flow starts from f_0 instead of 0, so at first order in 1/P (M_ik = E[w e_i ψ_k])
//!
//! f_τ = skip x + f_0 + Σ_i r_i e_i (c_i − (M g)_i + δ_i(g)), δ_i = data fluctuation for the labels y − f_0.
//!
//! Its variance is the sum of three: the data's at g = 0; the initialisation's, |ψ − Mᵀ(r e)|²; and the interaction
//! (1/P) Σ_k Cov_q[w e_i R_ik, w e_j R_jk], R_ik the response to the labels −ψ_k, since R is linear in the labels.

use super::LazyStatistics;
use super::response::Influence;
use super::rotated::RotatedFeatures;
use super::spectrum::{check_time, learned};
use crate::error::{Error, Result, check_len};
use crate::estimator::linear::dense::DenseDesign;
use crate::estimator::linear::design::Design;
use crate::estimator::{Closure, LinearLaw, LinearSpec};
use crate::features::{FeatureMap, Features};
use crate::linalg::{gemm_nn, gemm_nt, symmetric_eigen};
use std::sync::Arc;

/// Share of E[w f_0²] whose interaction with the data is summed, and the most directions that are.
const COVERED: f64 = 0.999;
const MOST: usize = 32;

/// The law of the initial function beside the modes of the training.
#[derive(Clone)]
pub struct InitialFunction {
    statistics: LazyStatistics,
    /// ψ, rotated to be orthogonal in L²(w ρ), the largest first.
    features: Arc<dyn FeatureMap>,
    /// M, K × K₀.
    cross: Vec<f64>,
    /// −ψ_k on the nodes for the leading k, Q × that many.
    leading: Vec<f64>,
}

/// The variance of a prediction by source: the law of total variance over (data, initialisation).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceSplit {
    /// E_x Σ_i Var y_i over training sets, at f_0 = 0.
    pub data: f64,
    /// Over initial functions, trained on infinitely many triples.
    pub initialisation: f64,
    /// What a training set does to the learning of a random initial function.
    pub interaction: f64,
}

impl VarianceSplit {
    /// The sum.
    pub fn total(&self) -> f64 {
        self.data + self.initialisation + self.interaction
    }
}

impl InitialFunction {
    /// The initial function with the features ψ, in the training problem of `statistics`.
    ///
    /// # Errors
    /// Features of another dimension, too many for the nodes, or not finite.
    pub fn new(statistics: &LazyStatistics, features: Arc<dyn FeatureMap>) -> Result<Self> {
        let on_modes = &statistics.on_modes;
        let (expected, found) = (statistics.dim(), features.dim());
        if found != expected {
            return Err(Error::Shape { name: "initial features (coordinates of x)", expected, found });
        }
        let name = "the second moment of the initial function";
        let len = features.len();
        let features = Features::Mapped(features);
        let psi = DenseDesign::new(&features, &on_modes.nodes)?;
        let mass = on_modes.weighted(|q| on_modes.weight[q]);
        let moment = psi.gram(&mass);
        crate::error::check_finite(name, &moment, len)?;
        let (values, vectors) = symmetric_eigen(name, &moment, len)?;
        let rotation: Vec<f64> =
            vectors.chunks_exact(len).flat_map(|row| row.iter().rev().copied()).collect();
        let psi = psi.rotated(&rotation);
        let total: f64 = values.iter().map(|v| v.max(0.0)).sum();
        let mut seen = 0.0;
        let short_of = |v: &&f64| {
            let short = seen < COVERED * total;
            seen += **v;
            short
        };
        let count = values.iter().rev().take_while(short_of).count().min(MOST);
        let nodes = mass.len();
        let mut weighted = Vec::with_capacity(nodes * len);
        let mut leading = Vec::with_capacity(nodes * count);
        for (q, m) in mass.iter().enumerate() {
            let row = psi.rows(q..q + 1);
            weighted.extend(row.iter().map(|v| m * v));
            leading.extend(row[..count].iter().map(|v| -v));
        }
        let cross = statistics.modes.project(&weighted, len);
        let features = Arc::new(RotatedFeatures::new(Arc::new(features), rotation));
        Ok(Self { statistics: statistics.clone(), features, cross, leading })
    }

    /// ψ, orthogonal in L²(w ρ), the largest first.
    pub fn features(&self) -> &Arc<dyn FeatureMap> {
        &self.features
    }

    /// The same with another way to ψ, such as one that remembers what it found.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of features or dimension.
    pub fn with_features(mut self, features: Arc<dyn FeatureMap>) -> Result<Self> {
        check_len("the initial function's features", self.features.len(), features.len())?;
        check_len("the initial function's dimension", self.features.dim(), features.dim())?;
        self.features = features;
        Ok(self)
    }

    /// K₀, the features of the initial function.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The joint law over data and initialisation at a time τ in [0, ∞], in `paper` (no interaction) or `leading`: the weights
    /// of the features (r_i e_i, ψ_k) are c − M g + δ and g.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another closure; else as [`LazyStatistics::law`].
    pub fn law(&self, closure: Closure, time: f64) -> Result<LinearLaw> {
        let (kept, extra, dim) = (self.kept(closure, time)?, self.len(), self.statistics.dim());
        let mut data = self.statistics.data_covariance(closure, time)?;
        let mut shared = self.interaction(closure, time)?;
        let cross = &self.cross[..kept * extra];
        let mut square = vec![0.0; kept * kept];
        gemm_nt(kept, kept, extra, cross, cross, &mut square);
        shared.iter_mut().zip(&square).for_each(|(s, m)| *s += m);
        let mut pairs = (0..dim).flat_map(|a| (a..dim).map(move |b| (a, b)));
        let size = kept + extra;
        for block in &mut data {
            let own = pairs.next().is_some_and(|(a, b)| a == b);
            let mut joint = vec![0.0; size * size];
            for (i, row) in block.chunks_exact(kept).enumerate() {
                joint[i * size..i * size + kept].copy_from_slice(row);
            }
            if own {
                for i in 0..kept {
                    for j in 0..kept {
                        joint[i * size + j] += shared[i * kept + j];
                    }
                    for (k, m) in cross[i * extra..][..extra].iter().enumerate() {
                        joint[i * size + kept + k] = -m;
                        joint[(kept + k) * size + i] = -m;
                    }
                }
                (kept..size).for_each(|k| joint[k * size + k] = 1.0);
            }
            *block = joint;
        }
        let of = &self.statistics.on_modes;
        let learned = self.statistics.spectrum.scaled_modes(kept, |value| learned(value, time));
        let features = Joined { learned, initial: self.features.clone() };
        let spec = LinearSpec { features: Features::Mapped(Arc::new(features)), ..of.spec.clone() };
        // The correction of the mean is linear in the labels, and f_0 has mean 0.
        let mut mean = self.statistics.mean_weights(closure, time);
        mean.resize(size * dim, 0.0);
        Ok(LinearLaw::from_parts(closure, spec, of.schedule, mean, data))
    }

    /// Variances of the prediction by source, summed over outputs and averaged over places (x, t).
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    ///
    /// # Errors
    /// As [`InitialFunction::law`].
    pub fn split(&self, closure: Closure, time: f64, x: &[f64], t: &[f64]) -> Result<VarianceSplit> {
        let (kept, extra, dim) = (self.kept(closure, time)?, self.len(), self.statistics.dim());
        let n = t.len() as f64;
        let data = self.statistics.law(closure, time)?;
        let data = data.prediction_moments(x, t).variance.iter().sum::<f64>() / n;
        let learned = self.statistics.spectrum.scaled_modes(kept, |value| learned(value, time));
        let (mut e, mut psi) = (vec![0.0; t.len() * kept], vec![0.0; t.len() * extra]);
        learned.fill(x, t, &mut e);
        self.features.fill(x, t, &mut psi);
        let mut met = vec![0.0; t.len() * extra];
        gemm_nn(t.len(), extra, kept, &e, &self.cross[..kept * extra], &mut met);
        let initialisation: f64 = psi.iter().zip(&met).map(|(p, m)| (p - m) * (p - m)).sum();
        let interaction = self.interaction(closure, time)?;
        let mut images = vec![0.0; e.len()];
        gemm_nn(t.len(), kept, kept, &e, &interaction, &mut images);
        let interaction: f64 = images.iter().zip(&e).map(|(a, b)| a * b).sum();
        let outputs = dim as f64;
        Ok(VarianceSplit {
            data,
            initialisation: outputs * initialisation / n,
            interaction: outputs * interaction / n,
        })
    }

    fn kept(&self, closure: Closure, time: f64) -> Result<usize> {
        check_time(time)?;
        if !matches!(closure, Closure::Paper | Closure::Leading) {
            return Err(Error::Unsupported {
                what: "a closure of ridge regression together with a random initial function",
                reason: "it has no initial function: use paper or leading",
            });
        }
        Ok(self.statistics.spectrum.touched(time))
    }

    /// Σ_k of the covariance for the labels −ψ_k, kept × kept; 0 in `paper`, which has label noise alone.
    fn interaction(&self, closure: Closure, time: f64) -> Result<Vec<f64>> {
        let statistics = &self.statistics;
        let kept = statistics.spectrum.touched(time);
        let mut sum = vec![0.0; kept * kept];
        if closure == Closure::Paper {
            return Ok(sum);
        }
        let (count, extra) = (self.leading.len() / statistics.nodes(), self.len());
        for k in 0..count {
            let labels: Vec<f64> = self.leading.iter().skip(k).step_by(count).copied().collect();
            let coefficients: Vec<f64> = self.cross.iter().skip(k).step_by(extra).map(|m| -m).collect();
            let influence = Influence::of_labels(statistics, kept, time, &labels, &coefficients);
            for block in influence.covariance()? {
                sum.iter_mut().zip(block).for_each(|(s, b)| *s += b);
            }
        }
        Ok(sum)
    }
}

/// (r e, ψ).
#[derive(Debug, Clone)]
struct Joined {
    learned: Arc<dyn FeatureMap>,
    initial: Arc<dyn FeatureMap>,
}

impl FeatureMap for Joined {
    fn len(&self) -> usize {
        self.learned.len() + self.initial.len()
    }

    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (len, first) = (self.len(), self.learned.len());
        let (mut a, mut b) = (vec![0.0; t.len() * first], vec![0.0; t.len() * (len - first)]);
        self.learned.fill(x, t, &mut a);
        self.initial.fill(x, t, &mut b);
        let rows = a.chunks_exact(first).zip(b.chunks_exact(len - first));
        for (out, (a, b)) in out.chunks_exact_mut(len).zip(rows) {
            out[..first].copy_from_slice(a);
            out[first..].copy_from_slice(b);
        }
    }
}
