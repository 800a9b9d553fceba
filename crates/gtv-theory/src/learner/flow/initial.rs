//! The initial function where it is not subtracted: f_0 = Σ_k g_k ψ_k, g ~ N(0, I) for each output, ψ·ψ' the kernel of the
//! network at initialisation (NNGP, with its output scale).
//!
//! Gradient flow starts from f_0 instead of 0, so at first order in 1/P (M_ik = E[w e_i ψ_k])
//!
//! f_τ = skip x + f_0 + Σ_i r_i e_i (c_i − (M g)_i + δ_i(g)), δ_i = data fluctuation for the labels y − f_0.
//!
//! Its variance is the sum of three: the data's at g = 0; the initialisation's, |ψ − Mᵀ(r e)|²; and the interaction
//! (1/P) Σ_k Cov_q[w e_i R_ik, w e_j R_jk], R_ik the response to the labels −ψ_k, since R is linear in the labels.

use super::Flow;
use super::response::Influence;
use super::reused::Targets;
use super::spectrum::learned;
use crate::design::{DenseDesign, Design};
use crate::error::{Result, check_finite, check_len};
use crate::features::{FeatureMap, Features, RotatedFeatures};
use crate::law::{Covariance, LinearLaw};
use crate::learner::{Learner, Order};
use crate::linalg::{gemm_nn, gemm_nt, symmetric_eigen};
use std::sync::Arc;

/// Share of E[w f_0²] whose interaction with the data is summed, and the most directions that are.
const COVERED: f64 = 0.999;
const MOST: usize = 32;

/// The law of the initial function beside the modes of the training.
#[derive(Clone)]
pub struct InitialFunction {
    /// ψ as it was given.
    given: Arc<dyn FeatureMap>,
    /// ψ, rotated to be orthogonal in L²(w ρ), the largest first.
    features: Arc<dyn FeatureMap>,
    /// M, K × K₀.
    cross: Vec<f64>,
    /// −ψ_k on the nodes for the leading k, Q × that many.
    leading: Vec<f64>,
}

/// The variance of a prediction by source: the law of total variance over (data, initialisation).
///
/// ```
#[doc = include_str!("../../../doc/ridge.rs")]
/// use gtv_theory::learner::{Flow, Order};
/// let flow = Flow::new(&problem, features, 5.0, &quadrature)?;
/// let start = flow.spectrum().modes(0.1)?;
/// let places = problem.probes(0, 50);
/// let split = flow.starting_from(start)?.split(Order::First, &places.x, &places.t)?;
/// assert!(split.initialisation > 0.0 && split.interaction > 0.0);
/// assert!(split.total() > split.data);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
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
    /// The initial function with the features ψ, in the training problem of a flow.
    pub(super) fn new(flow: &Flow, given: Arc<dyn FeatureMap>) -> Result<Self> {
        let on_modes = &flow.on_modes;
        check_len("initial features (coordinates of x)", flow.dim(), given.dim())?;
        let name = "the second moment of the initial function";
        let len = given.len();
        let features = Features::Mapped(given.clone());
        let psi = DenseDesign::new(&features, &on_modes.nodes)?;
        let mass = on_modes.weighted(|q| on_modes.weight[q]);
        let moment = psi.gram(&mass);
        check_finite(name, &moment, len)?;
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
        let cross = flow.modes.project(&weighted, len);
        let features = Arc::new(RotatedFeatures::new(Arc::new(features), rotation));
        Ok(Self { given, features, cross, leading })
    }

    /// ψ, orthogonal in L²(w ρ), the largest first.
    pub fn features(&self) -> &Arc<dyn FeatureMap> {
        &self.features
    }

    /// ψ as it was given.
    pub(super) fn given(&self) -> &Arc<dyn FeatureMap> {
        &self.given
    }

    /// The same with another way to ψ.
    pub(super) fn seen_through(self, features: Arc<dyn FeatureMap>) -> Self {
        Self { features, ..self }
    }

    /// K₀, the features of the initial function.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The joint law over data and initialisation; the limit has no interaction. The weights of the features (r_i e_i, ψ_k) are
    /// c − M g + δ and g.
    pub(super) fn joint_law(&self, flow: &Flow, order: Order) -> Result<LinearLaw> {
        let (kept, extra, dim) = (flow.kept(), self.len(), flow.dim());
        let mut data = flow.data_covariance(order)?;
        let mut shared = self.interaction(flow, order)?;
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
        let learned = flow.spectrum.scaled_modes(kept, |value| learned(value, flow.time));
        let features = Features::Mapped(Arc::new(Joined { learned, initial: self.features.clone() }));
        // The correction of the mean is linear in the labels, and f_0 has mean 0.
        let mut mean = flow.mean_weights(order);
        mean.resize(size * dim, 0.0);
        Ok(LinearLaw::new(flow.problem(), Arc::new(features), mean, Covariance::from_blocks(data)))
    }

    /// Σ_k of the covariance for the labels −ψ_k, kept × kept; 0 in the limit, which has label noise alone.
    fn interaction(&self, flow: &Flow, order: Order) -> Result<Vec<f64>> {
        let kept = flow.kept();
        let mut sum = vec![0.0; kept * kept];
        if order == Order::Limit {
            return Ok(sum);
        }
        let (count, extra) = (self.leading.len() / flow.nodes(), self.len());
        for k in 0..count {
            let labels: Vec<f64> = self.leading.iter().skip(k).step_by(count).copied().collect();
            let coefficients: Vec<f64> = self.cross.iter().skip(k).step_by(extra).map(|m| -m).collect();
            let initial = Some((self.features.as_ref(), k));
            let targets = Targets { coefficients: &coefficients, initial };
            for block in Influence::of_labels(flow, kept, flow.time, &labels, targets).covariance()? {
                sum.iter_mut().zip(block).for_each(|(s, b)| *s += b);
            }
        }
        Ok(sum)
    }
}

impl Flow {
    /// Variances of the prediction by source, summed over outputs and averaged over places (x, t); without a random initial
    /// function the data's alone.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    ///
    /// # Errors
    /// As [`Learner::expansion`].
    pub fn split(&self, order: Order, x: &[f64], t: &[f64]) -> Result<VarianceSplit> {
        let n = t.len() as f64;
        let fixed = Self { initial: None, ..self.clone() };
        let data = fixed.expansion(order)?.moments(x, t).variance.iter().sum::<f64>() / n;
        let Some(start) = &self.initial else {
            return Ok(VarianceSplit { data, initialisation: 0.0, interaction: 0.0 });
        };
        let (kept, extra) = (self.kept(), start.len());
        let learned = self.spectrum.scaled_modes(kept, |value| learned(value, self.time));
        let (mut e, mut psi) = (vec![0.0; t.len() * kept], vec![0.0; t.len() * extra]);
        learned.fill(x, t, &mut e);
        start.features.fill(x, t, &mut psi);
        let mut met = vec![0.0; t.len() * extra];
        gemm_nn(t.len(), extra, kept, &e, &start.cross[..kept * extra], &mut met);
        let initialisation: f64 = psi.iter().zip(&met).map(|(p, m)| (p - m) * (p - m)).sum();
        let interaction = start.interaction(self, order)?;
        let mut images = vec![0.0; e.len()];
        gemm_nn(t.len(), kept, kept, &e, &interaction, &mut images);
        let interaction: f64 = images.iter().zip(&e).map(|(a, b)| a * b).sum();
        let outputs = self.dim() as f64 / n;
        Ok(VarianceSplit {
            data,
            initialisation: outputs * initialisation,
            interaction: outputs * interaction,
        })
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

    fn everywhere(&self) -> bool {
        self.learned.everywhere() && self.initial.everywhere()
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
