//! Ridge regression on fixed features, Ŵ = (Â + γI)⁻¹ b̂ with Â = (1/P) Σ w φφᵀ, b̂ = (1/P) Σ w φ (y − skip x)ᵀ (Prop. 5.1).
//!
//! **Leading order in 1/P**, at finite ridge and with the actual residual (THEORY §5):
//! W̄ = (A+γ)⁻¹ b, r = y − W̄ᵀφ, Cov(W_i, W_j) = (1/P)(A+γ)⁻¹ {E[w² r_i r_j φφᵀ] − γ² W̄_i W̄_jᵀ} (A+γ)⁻¹; with m draws a data
//! point, one more term in the braces ([`SharedPoints`]). On quasi-random nodes residuals of many outputs are lifted to what they are beside the nodes, as in `finite-p`.
//!
//! **The paper's limit**: s_avg → s and, with k(z, z'') = φ(z)ᵀA⁻¹φ(z''), Cov y = (1/P) E''[w''² k(z, z'') C_y(z'') k(z'', z')]:
//! unbiased, expressive, no ridge, label noise only. Directions of feature space that the training distribution does not see have
//! no inverse: eigenvalues of A below `CUTOFF` of the largest are dropped, which is the γ → 0 limit on the rest.

use super::labels::{NodeLabels, conditional_labels, labels};
use super::many_outputs::{Labels, first_order, label_moment, sampled};
use super::self_consistent::SelfConsistent;
use super::{
    Learner, Leverage, Order, Precision, Rehearsal, Residual, RidgeSystem, SharedPoints, Sprinkling, sandwich,
};
use crate::design::{Design, design};
use crate::error::{Error, Result, check_len};
use crate::features::Features;
use crate::law::{Covariance, DENSE_LIMIT, LinearLaw};
use crate::problem::TrainingProblem;
use crate::quadrature::{Nodes, QuadratureSpec};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Quasi-random nodes from which on fixed points are solved to an error below the nodes' own.
pub(super) const MANY_NODES: usize = 16_384;
/// Relative size below which an eigenvalue of A counts as zero.
const CUTOFF: f64 = 1e-10;

/// Ridge regression on quadrature nodes: weights w_q and labels y_q of the problem there, and features.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{Learner, learner::Order};
/// assert_eq!(ridge.load(), 16.0 / 100.0);
/// // A stronger ridge makes the weights vary less.
/// let stiff = Ridge::new(&problem, features, 1.0, &quadrature)?;
/// let (stiff, weak) = (stiff.expansion(Order::First)?, ridge.expansion(Order::First)?);
/// assert!(stiff.total_weight_variance() < weak.total_weight_variance());
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Clone)]
pub struct Ridge {
    pub(crate) problem: TrainingProblem,
    pub(crate) features: Arc<Features>,
    /// γ.
    pub(crate) ridge: f64,
    quadrature: QuadratureSpec,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) design: Arc<dyn Design>,
    /// w_q.
    pub(crate) weight: Vec<f64>,
    /// y_q − skip_q x_q, Q × D, once it is needed.
    target: OnceLock<Vec<f64>>,
    /// What is known of the labels of all the nodes, once a closure of many outputs has asked for it.
    pub(super) known: Arc<OnceLock<NodeLabels>>,
    /// The finite-P fixed points, once a closure has asked for them.
    solved: Arc<Mutex<Option<Arc<SelfConsistent>>>>,
}

/// The nodes of ρ, for features that fit the data.
pub(super) fn nodes(
    problem: &TrainingProblem,
    features: &Features,
    quadrature: &QuadratureSpec,
) -> Result<Nodes> {
    check_len("features (coordinates of x)", problem.dim(), features.dim())?;
    Nodes::new(problem.cloud(), problem.schedule(), quadrature, problem.streams())
}

impl Ridge {
    /// Evaluates features, weights and labels on the nodes of ρ; γ = `ridge` is on the sample-averaged second moment.
    ///
    /// # Errors
    /// Settings out of range; features and data of different dimensions; more memory than is sensible.
    pub fn new(
        problem: &TrainingProblem,
        features: Features,
        ridge: f64,
        quadrature: &QuadratureSpec,
    ) -> Result<Self> {
        check_ridge(ridge)?;
        let (nodes, features) = (Arc::new(nodes(problem, &features, quadrature)?), Arc::new(features));
        let design = design(&features, &nodes)?;
        Ok(Self::on_nodes(problem.clone(), features, ridge, *quadrature, nodes, design))
    }

    /// The same for features that have been evaluated on nodes already.
    pub(super) fn on_nodes(
        problem: TrainingProblem,
        features: Arc<Features>,
        ridge: f64,
        quadrature: QuadratureSpec,
        nodes: Arc<Nodes>,
        design: Arc<dyn Design>,
    ) -> Self {
        let weight = nodes.t.iter().map(|&t| problem.weight(t)).collect();
        let (target, known, solved) = (OnceLock::new(), Arc::default(), Arc::default());
        Self { problem, features, ridge, quadrature, nodes, design, weight, target, known, solved }
    }

    /// φ.
    pub fn features(&self) -> &Arc<Features> {
        &self.features
    }

    /// γ.
    pub fn ridge(&self) -> f64 {
        self.ridge
    }

    /// Q, the number of quadrature nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The resolution of the nodes.
    pub(super) fn quadrature(&self) -> &QuadratureSpec {
        &self.quadrature
    }

    pub(crate) fn dim(&self) -> usize {
        self.problem.dim()
    }

    pub(crate) fn samples(&self) -> f64 {
        self.problem.samples() as f64
    }

    /// The same learner with other labels, P or m.
    pub(super) fn with_problem(&self, problem: TrainingProblem) -> Self {
        let mix = |problem: &TrainingProblem| problem.objective().target_mix;
        let (target, known) = if mix(&problem) == mix(&self.problem) {
            (self.target.clone(), self.known.clone())
        } else {
            (OnceLock::new(), Arc::default())
        };
        Self { problem, target, known, solved: Arc::default(), ..self.clone() }
    }

    /// The same learner on some of its nodes, where that is a rule too.
    pub(super) fn on_nodes_of(&self, range: Range<usize>) -> Result<Self> {
        let nodes = Arc::new(self.nodes.part(range));
        let design = design(&self.features, &nodes)?;
        let features = self.features.clone();
        Ok(Self::on_nodes(self.problem.clone(), features, self.ridge, self.quadrature, nodes, design))
    }

    /// The finite-P fixed points; solved once, for all closures that are made from them.
    pub(crate) fn self_consistent(&self) -> Result<Arc<SelfConsistent>> {
        // Not held while solving: another closure of this learner may be a task of the same pool of threads.
        let solved = || self.solved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = solved().as_ref() {
            return Ok(known.clone());
        }
        let made = Arc::new(SelfConsistent::of(self)?);
        *solved() = Some(made.clone());
        Ok(made)
    }

    /// y_q − skip_q x_q, Q × D.
    pub(crate) fn target(&self) -> &[f64] {
        self.target.get_or_init(|| labels(&self.problem, &self.nodes, 0..self.nodes.len()))
    }

    /// The precision of products of features: single where nodes are quasi-random and many, and the ridge permits it.
    pub(super) fn precision(&self, system: &RidgeSystem) -> Precision {
        if self.many_nodes() { system.precision() } else { Precision::Double }
    }

    /// Whether the nodes' own error is above that of quick fixed points and products in single precision.
    pub(super) fn many_nodes(&self) -> bool {
        self.nodes.blocks().is_empty() && self.nodes.len() > MANY_NODES
    }

    /// ρ_q f(q), Q values.
    pub(crate) fn weighted(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        self.nodes.mass.iter().enumerate().map(|(q, rho)| rho * f(q)).collect()
    }

    /// E[f φφᵀ] for f on the nodes, F × F.
    pub(crate) fn second_moment(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        self.design.gram(&self.weighted(f))
    }

    /// E[f φ (y − skip x)ᵀ] for f on the nodes, F × D.
    pub(crate) fn target_moment(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        self.moment_of(self.target(), f)
    }

    /// E[f φ yᵀ] for f and y (Q × D) on the nodes, F × D.
    pub(super) fn moment_of(&self, labels: &[f64], f: impl Fn(usize) -> f64) -> Vec<f64> {
        let dim = self.dim();
        let mass = self.weighted(f);
        let weighted: Vec<f64> = labels.iter().enumerate().map(|(i, y)| mass[i / dim] * y).collect();
        self.design.project(&weighted, dim)
    }

    /// r_q = y_q − skip_q x_q − Wᵀφ_q, Q × D.
    pub(crate) fn residual(&self, weights: &[f64]) -> Vec<f64> {
        let mut residual = self.design.apply(weights, self.dim());
        residual.iter_mut().zip(self.target()).for_each(|(r, y)| *r = y - *r);
        residual
    }

    /// y_q − E[y | x_q, t_q], the label noise, Q × D.
    pub(super) fn label_noise(&self) -> Vec<f64> {
        let fitted =
            conditional_labels(&self.problem, &self.nodes.x(0..self.nodes.len()), &self.nodes.t).fitted;
        self.target().iter().zip(fitted).map(|(y, f)| y - f).collect()
    }

    /// u = w r on the nodes, Q × D.
    pub(super) fn influence(&self, residual: Residual<'_>) -> Vec<f64> {
        let mut influence = match residual {
            Residual::Noise => self.label_noise(),
            Residual::Fit(mean) => self.residual(mean),
        };
        for (u, w) in influence.chunks_exact_mut(self.dim()).zip(&self.weight) {
            u.iter_mut().for_each(|u| *u *= w);
        }
        influence
    }

    /// The law of the covariance made by one sample's influence (A+γ)⁻¹φ_q u_qᵀ, u = w r, whose mean is γ(A+γ)⁻¹W̄, W̄ = `mean`.
    fn law(
        &self,
        system: &RidgeSystem,
        labels: &Labels<'_>,
        residual: Residual<'_>,
        mean: Vec<f64>,
    ) -> Result<LinearLaw> {
        let (dim, f_len, samples) = (self.dim(), self.features.len(), self.samples());
        if self.has_many_outputs() {
            let total = Arc::new(first_order(labels, system, residual, &mean)?);
            if !self.features.everywhere() {
                return Ok(LinearLaw::of_total(&self.problem, self.features.clone(), mean, total));
            }
            let covariance = sampled(self, system, &mean, residual, None);
            let covariance = Covariance::Sampled(Arc::new(covariance));
            let law = LinearLaw::new(&self.problem, self.features.clone(), mean, covariance);
            return Ok(law.with_total(total));
        }
        let influence = self.influence(residual);
        let sprinkled = || Sprinkling::new(self, system, &mean, Leverage::Dropped);
        let shared = SharedPoints::new(self, &mean, || influence.clone(), sprinkled, residual);
        let mut blocks = Vec::with_capacity(dim * (dim + 1) / 2);
        for i in 0..dim {
            for j in i..dim {
                let mut inner = self.second_moment(|q| influence[q * dim + i] * influence[q * dim + j]);
                shared.add_to(&mut inner, i, j);
                let mut block = sandwich(system.inverse(), &inner, f_len);
                block.iter_mut().for_each(|v| *v /= samples);
                blocks.push(block);
            }
        }
        Ok(LinearLaw::new(&self.problem, self.features.clone(), mean, Covariance::from_blocks(blocks)))
    }

    /// Whether there are too many weights for a joint covariance.
    pub(super) fn has_many_outputs(&self) -> bool {
        self.dim() * self.features.len() > DENSE_LIMIT
    }
}

impl Learner for Ridge {
    fn problem(&self) -> &TrainingProblem {
        &self.problem
    }

    fn load(&self) -> f64 {
        self.features.len() as f64 / self.samples()
    }

    fn expansion(&self, order: Order) -> Result<LinearLaw> {
        let second_moment = self.second_moment(|q| self.weight[q]);
        match order {
            Order::Limit => {
                let system = RidgeSystem::pseudo_inverse(&second_moment, self.features.len(), CUTOFF)?;
                let zero = vec![0.0; self.features.len() * self.dim()];
                let labels = Labels::streamed(self);
                Ok(self.law(&system, &labels, Residual::Noise, zero)?.around(self.problem.exact().clone()))
            }
            Order::First => {
                let system = RidgeSystem::new(second_moment, self.features.len(), self.ridge)?;
                let labels = Labels::of(self);
                let mean = system.solve(&label_moment(&labels, &self.weight));
                self.law(&system, &labels, Residual::Fit(&mean.clone()), mean)
            }
        }
    }

    fn as_ridge(&self) -> Result<Cow<'_, Ridge>> {
        Ok(Cow::Borrowed(self))
    }

    fn coarser(&self) -> Result<Box<dyn Learner>> {
        let quadrature = self.quadrature.coarser();
        let mut coarser = Self::new(&self.problem, Features::clone(&self.features), self.ridge, &quadrature)?;
        // Fewer quasi-random nodes are the first of many.
        if let Some(known) = self.known.get().filter(|_| coarser.nodes() <= self.nodes()) {
            coarser.known = Arc::new(OnceLock::from(known.part(0..coarser.nodes(), self.dim())));
        }
        Ok(Box::new(coarser))
    }

    fn rehearse(&self, nodes: usize) -> Result<Option<Rehearsal>> {
        self.rehearsed(nodes)
    }

    fn on(&self, problem: TrainingProblem) -> Result<Box<dyn Learner>> {
        Ok(Box::new(self.with_problem(problem)))
    }

    fn resolves_points(&self) -> bool {
        !self.nodes.blocks().is_empty()
    }
}

/// Refuses a ridge that is negative or not finite.
fn check_ridge(ridge: f64) -> Result<()> {
    if ridge.is_finite() && ridge >= 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { name: "ridge", value: ridge, expected: "a finite number, 0 or above" })
}
