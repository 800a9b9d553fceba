//! What every closure of the linear estimator starts from: nodes of ρ, weights w_q and labels y_q on them, features.

use super::design::{Design, design};
use super::{LinearSpec, finite_p, leading, paper, shot_noise};
use crate::data::PointCloud;
use crate::error::{Result, check_len};
use crate::estimator::LinearLaw;
use crate::quadrature::{Nodes, QuadratureSpec};
use crate::rng::Streams;
use crate::schedule::Schedule;
use crate::score::{ExactScore, ScoreField};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the law of the trained weights is approximated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// The paper's limit: unbiased and expressive, label noise only, no ridge (Prop. 5.1).
    Paper,
    /// Leading order in 1/P at finite ridge, with the actual residual.
    Leading,
    /// Self-consistent leverage: valid at F/P of order one.
    FiniteP,
    /// Poisson sprinkling of training points: every cumulant to first order in a sample's influence.
    ShotNoise,
}

impl Closure {
    /// Every closure, in the order reports list them.
    pub const ALL: [Self; 4] = [Self::Paper, Self::Leading, Self::FiniteP, Self::ShotNoise];

    /// The name used in configs and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Leading => "leading",
            Self::FiniteP => "finite-p",
            Self::ShotNoise => "shot-noise",
        }
    }
}

/// A linear model's training problem on quadrature nodes.
#[derive(Clone)]
pub struct LinearStatistics {
    pub(in crate::estimator) spec: LinearSpec,
    pub(in crate::estimator) features: Arc<crate::features::Features>,
    pub(in crate::estimator) schedule: Schedule,
    pub(super) exact: Arc<ExactScore>,
    pub(in crate::estimator) cloud: PointCloud,
    pub(in crate::estimator) nodes: Arc<Nodes>,
    pub(in crate::estimator) design: Arc<dyn Design>,
    /// w_q.
    pub(in crate::estimator) weight: Vec<f64>,
    /// y_q − skip_q x_q, Q × D.
    pub(in crate::estimator) target: Vec<f64>,
}

/// The nodes of ρ, for a model that fits the data.
pub(in crate::estimator) fn nodes(
    spec: &LinearSpec,
    schedule: &Schedule,
    cloud: &PointCloud,
    quadrature: &QuadratureSpec,
    streams: Streams,
) -> Result<Nodes> {
    spec.validate()?;
    check_len("features (coordinates of x)", cloud.dim(), spec.features.dim())?;
    Nodes::new(cloud, schedule, quadrature, streams)
}

impl LinearStatistics {
    /// Evaluates features, weights and labels on the nodes of ρ.
    ///
    /// # Errors
    /// Settings out of range; a model and data of different dimensions; more memory than is sensible.
    pub fn new(
        spec: &LinearSpec,
        schedule: &Schedule,
        cloud: &PointCloud,
        quadrature: &QuadratureSpec,
        streams: Streams,
    ) -> Result<Self> {
        let nodes = nodes(spec, schedule, cloud, quadrature, streams)?;
        let design = design(&spec.features, &nodes)?.into();
        Ok(Self::on_nodes(spec, schedule, cloud, Arc::new(nodes), design))
    }

    /// The same for features that have been evaluated on nodes already.
    pub(in crate::estimator) fn on_nodes(
        spec: &LinearSpec,
        schedule: &Schedule,
        cloud: &PointCloud,
        nodes: Arc<Nodes>,
        design: Arc<dyn Design>,
    ) -> Self {
        let exact = Arc::new(ExactScore::new(cloud.clone(), *schedule));
        let weight = nodes.t.iter().map(|&t| spec.target_weight(schedule, t)).collect();
        let target = labels(spec, schedule, cloud, &exact, &nodes);
        Self {
            spec: spec.clone(),
            features: Arc::new(spec.features.clone()),
            schedule: *schedule,
            exact,
            cloud: cloud.clone(),
            nodes,
            design,
            weight,
            target,
        }
    }

    /// The law of the trained model in one closure.
    ///
    /// # Errors
    /// A second moment that is singular without ridge, a fixed point that does not converge, or a closure that needs
    /// more memory than is sensible in this dimension.
    pub fn law(&self, closure: Closure) -> Result<LinearLaw> {
        match closure {
            Closure::Paper => paper::law(self),
            Closure::Leading => leading::law(self),
            Closure::FiniteP => finite_p::law(self),
            Closure::ShotNoise => shot_noise::law(self),
        }
    }

    /// The same training problem with another η, the mix of the noisy target with its conditional mean: 1 removes the label
    /// noise (J0), and with it what is generalization *through variance*.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for η outside [0, 1].
    pub fn with_target_mix(&self, target_mix: f64) -> Result<Self> {
        let spec = LinearSpec { target_mix, ..self.spec.clone() };
        spec.validate()?;
        let target = labels(&spec, &self.schedule, &self.cloud, &self.exact, &self.nodes);
        Ok(Self { spec, target, ..self.clone() })
    }

    /// The model.
    pub fn spec(&self) -> &LinearSpec {
        &self.spec
    }

    /// Q, the number of quadrature nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(in crate::estimator) fn dim(&self) -> usize {
        self.cloud.dim()
    }

    pub(in crate::estimator) fn samples(&self) -> f64 {
        self.spec.samples as f64
    }

    /// ρ_q f(q), Q values.
    pub(in crate::estimator) fn weighted(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        self.nodes.mass.iter().enumerate().map(|(q, rho)| rho * f(q)).collect()
    }

    /// ρ_q f(q) (y_q − skip_q x_q), Q × D.
    pub(super) fn weighted_target(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        let dim = self.dim();
        let mass = self.weighted(f);
        self.target.iter().enumerate().map(|(i, y)| mass[i / dim] * y).collect()
    }

    /// r_q = y_q − skip_q x_q − Wᵀφ_q, Q × D.
    pub(super) fn residual(&self, weights: &[f64]) -> Vec<f64> {
        let mut residual = self.design.apply(weights, self.dim());
        residual.iter_mut().zip(&self.target).for_each(|(r, y)| *r = y - *r);
        residual
    }

    /// y_q − E[y | x_q, t_q], the label noise, Q × D.
    pub(in crate::estimator) fn label_noise(&self) -> Vec<f64> {
        let dim = self.dim();
        let mean = posterior_mean(&self.exact, &self.nodes);
        let mix = 1.0 - self.spec.target_mix;
        let clean = self.nodes.point.iter().flat_map(|&m| self.cloud.point(m as usize));
        clean
            .zip(mean)
            .enumerate()
            .map(|(i, (x0, m))| {
                let (on_x0, _) = self.spec.label_coefficients(&self.schedule, self.nodes.t[i / dim]);
                mix * on_x0 * (x0 - m)
            })
            .collect()
    }
}

/// y_q − skip_q x_q = c_t x0 + (d_t − skip_t) x, with (1 − η) x0 + η m(x, t) in the place of x0, Q × D.
pub(in crate::estimator) fn labels(
    spec: &LinearSpec,
    schedule: &Schedule,
    cloud: &PointCloud,
    exact: &ExactScore,
    nodes: &Nodes,
) -> Vec<f64> {
    let mut target: Vec<f64> = nodes.point.iter().flat_map(|&m| cloud.point(m as usize)).copied().collect();
    if spec.target_mix > 0.0 {
        for (y, m) in target.iter_mut().zip(posterior_mean(exact, nodes)) {
            *y = (1.0 - spec.target_mix) * *y + spec.target_mix * m;
        }
    }
    let dim = nodes.dim();
    for (q, y) in target.chunks_exact_mut(dim).enumerate() {
        let (on_x0, on_x) = spec.label_coefficients(schedule, nodes.t[q]);
        for (y, x) in y.iter_mut().zip(&nodes.x[q * dim..]) {
            *y = on_x0 * *y + on_x * x;
        }
    }
    target
}

/// m(x_q, t_q), Q × D.
fn posterior_mean(exact: &ExactScore, nodes: &Nodes) -> Vec<f64> {
    use rayon::prelude::*;
    let dim = nodes.dim();
    let mut mean = vec![0.0; nodes.x.len()];
    // Nodes of one time are contiguous, so a run of equal times is one batch.
    let mut runs = Vec::new();
    let (mut x, mut out) = (&nodes.x[..], &mut mean[..]);
    for run in nodes.t.chunk_by(|a, b| a == b) {
        let (head, tail) = x.split_at(run.len() * dim);
        let (out_head, out_tail) = std::mem::take(&mut out).split_at_mut(run.len() * dim);
        runs.push((run[0], head, out_head));
        (x, out) = (tail, out_tail);
    }
    runs.into_par_iter().for_each(|(t, x, out)| exact.denoiser_into(x, t, out));
    mean
}
