//! Gradient flow for a time τ on models that are linear in fixed features: infinitely wide networks (Prop. 5.2, THEORY §6),
//! linearised ones, any [`FeatureMap`].
//!
//! Mercer's modes e_i of the kernel K = φ·φ' over the training distribution ([`FlowSpectrum`]) are learned at rates ζ_i. Laws are of
//! the weights c of the features r_i e_i, r_i = 1 − e^{−ζ_iτ}, i over the modes that have begun to be learned.
//!
//! The limit (Prop. 5.2) has the mean f̄_τ = skip x + Σ r_i c_i e_i and Cov = (1/P) E''[w'' k C_y k], k(z, z'') = Σ r_i e_i(z)
//! e_i(z''): label noise alone, as if the residual were at its end from the start. First order has the residual along training
//! ([`mean`], [`response`]); where triples share data points (m > 1) its mean is f̄_τ.

mod initial;
mod mean;
mod nearest;
mod response;
mod reused;
mod spectrum;

pub use initial::{InitialFunction, VarianceSplit};
pub use nearest::{MeanFit, NearestTime};
pub use spectrum::FlowSpectrum;

use super::ridge::nodes;
use super::{Learner, Order, Ridge};
use crate::design::DenseDesign;
use crate::error::{Error, Result};
use crate::features::{FeatureMap, Features};
use crate::law::{Covariance, LinearLaw};
use crate::memo::MemoFeatures;
use crate::problem::TrainingProblem;
use crate::quadrature::QuadratureSpec;
use response::Influence;
use reused::Targets;
use spectrum::{check_time, learned};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Gradient flow for a time τ, from 0 or from a random initial function.
///
/// ```
#[doc = include_str!("../../../doc/ridge.rs")]
/// use gtv_theory::{At, Closure, closure::Leading, learner::{Flow, Learner}};
/// let flow = Flow::new(&problem, features, 0.0, &quadrature)?;
/// let z = At { x: &[0.3], t: 0.4 };
/// // Nothing is learned at τ = 0, and more and more features after that.
/// assert_eq!(Leading.law(&flow)?.cov(z, z), [0.0]);
/// assert!(0.0 < flow.at(1.0)?.load() && flow.at(1.0)?.load() < flow.at(100.0)?.load());
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Clone)]
pub struct Flow {
    spectrum: Arc<FlowSpectrum>,
    /// e_i on the nodes, Q × K.
    modes: Arc<DenseDesign>,
    /// The same problem with the features e_i.
    on_modes: Ridge,
    /// τ.
    time: f64,
    initial: Option<Arc<InitialFunction>>,
}

impl Flow {
    /// Evaluates features on the nodes of ρ and finds their modes; τ = `time` in [0, ∞].
    ///
    /// # Errors
    /// Settings out of range; features and data of different dimensions; more memory than is sensible; features that are not
    /// finite; [`Error::OutOfRange`] for a time that is negative or NaN.
    pub fn new(
        problem: &TrainingProblem,
        features: Features,
        time: f64,
        quadrature: &QuadratureSpec,
    ) -> Result<Self> {
        check_time(time)?;
        let nodes = nodes(problem, &features, quadrature)?;
        let phi = DenseDesign::new(&features, &nodes)?;
        let rows = |range: Range<usize>, out: &mut [f64]| out.copy_from_slice(phi.rows(range));
        let spectrum = FlowSpectrum::from_rows(problem, Arc::new(features), &nodes, &rows)?;
        let modes = Arc::new(phi.rotated(spectrum.rotation()));
        let map = Arc::new(Features::Mapped(spectrum.scaled_modes(spectrum.values().len(), |_| 1.0)));
        let nodes = Arc::new(nodes);
        let on_modes = Ridge::on_nodes(problem.clone(), map, 0.0, *quadrature, nodes, modes.clone());
        Ok(Self { spectrum: Arc::new(spectrum), modes, on_modes, time, initial: None })
    }

    /// The same flow from a random function with given features ψ, f_0 = Σ_k g_k ψ_k, g ~ N(0, I).
    ///
    /// # Errors
    /// Features of another dimension, too many for the nodes, or not finite.
    pub fn starting_from(self, features: Arc<dyn FeatureMap>) -> Result<Self> {
        let initial = InitialFunction::new(&self, features)?;
        Ok(Self { initial: Some(Arc::new(initial)), ..self })
    }

    /// The same flow for another time.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a time that is negative or NaN.
    pub fn at(&self, time: f64) -> Result<Self> {
        check_time(time)?;
        Ok(Self { time, ..self.clone() })
    }

    /// The same flow, whose laws remember the features they evaluate, up to so many `numbers`. The tables of all models that are
    /// drawn from its laws ask for the same points.
    pub fn remembering(self, numbers: usize) -> Result<Self> {
        let each = if self.initial.is_some() { numbers / 2 } else { numbers };
        let memo = |map| -> Arc<dyn FeatureMap> { Arc::new(MemoFeatures::new(map, each)) };
        let flow = self.with_modes(memo(self.spectrum.modes(self.time)?))?;
        let initial = self.initial.map(|initial| {
            let psi = memo(initial.features().clone());
            Arc::new(InitialFunction::clone(&initial).seen_through(psi))
        });
        Ok(Self { initial, ..flow })
    }

    /// The same flow, the leading modes of which are evaluated by another map ([`FlowSpectrum::with_modes`]).
    ///
    /// # Errors
    /// As there.
    pub fn with_modes(&self, leading: Arc<dyn FeatureMap>) -> Result<Self> {
        let spectrum = Arc::new(FlowSpectrum::clone(&self.spectrum).with_modes(leading)?);
        Ok(Self { spectrum, ..self.clone() })
    }

    /// The modes.
    pub fn spectrum(&self) -> &FlowSpectrum {
        &self.spectrum
    }

    /// τ.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// The random initial function, where there is one.
    pub fn initial(&self) -> Option<&InitialFunction> {
        self.initial.as_deref()
    }

    /// Q, the number of quadrature nodes.
    pub fn nodes(&self) -> usize {
        self.on_modes.nodes()
    }

    fn dim(&self) -> usize {
        self.on_modes.dim()
    }

    /// The number of modes that laws at this time have.
    fn kept(&self) -> usize {
        self.spectrum.touched(self.time)
    }

    /// E c of the features r_i e_i, kept × D.
    fn mean_weights(&self, order: Order) -> Vec<f64> {
        match order {
            Order::First if self.problem().draws() == 1 => self.corrected_mean(),
            Order::First | Order::Limit => self.spectrum.coefficients()[..self.kept() * self.dim()].to_vec(),
        }
    }

    /// Blocks S_ab of the covariance of c over training sets, kept × kept, a ≤ b.
    fn data_covariance(&self, order: Order) -> Result<Vec<Vec<f64>>> {
        let influence = match order {
            Order::Limit => Influence::of_noise(self, self.kept()),
            Order::First => {
                let targets = Targets { coefficients: self.spectrum.coefficients(), initial: None };
                Influence::of_labels(self, self.kept(), self.time, self.on_modes.target(), targets)
            }
        };
        influence.covariance()
    }
}

impl Learner for Flow {
    fn problem(&self) -> &TrainingProblem {
        self.on_modes.problem()
    }

    fn load(&self) -> f64 {
        self.spectrum.effective_features(self.time) / self.on_modes.samples()
    }

    fn expansion(&self, order: Order) -> Result<LinearLaw> {
        if let Some(initial) = &self.initial {
            return initial.joint_law(self, order);
        }
        let blocks = self.data_covariance(order)?;
        let features = self.spectrum.scaled_modes(self.kept(), |value| learned(value, self.time));
        let features = Arc::new(Features::Mapped(features));
        let covariance = Covariance::from_blocks(blocks);
        Ok(LinearLaw::new(self.problem(), features, self.mean_weights(order), covariance))
    }

    /// Ridge regression with γ = 1 on the features of [`FlowSpectrum::features`]; it differs from gradient flow at second order.
    fn as_ridge(&self) -> Result<Cow<'_, Ridge>> {
        if self.initial.is_some() {
            return Err(Error::Unsupported {
                what: "a closure of ridge regression together with a random initial function",
                reason: "it has no initial function",
                advice: "use paper or leading",
            });
        }
        let features = Arc::new(Features::Mapped(self.spectrum.features(self.time)?));
        let design = Arc::new(self.modes.leading_columns(&self.spectrum.stand_in_scales(self.time)));
        let of = &self.on_modes;
        let (nodes, quadrature) = (of.nodes.clone(), *of.quadrature());
        Ok(Cow::Owned(Ridge::on_nodes(of.problem.clone(), features, 1.0, quadrature, nodes, design)))
    }

    fn coarser(&self) -> Result<Box<dyn Learner>> {
        let quadrature = self.on_modes.quadrature().coarser();
        let flow = Self::new(self.problem(), self.spectrum.inner().clone(), self.time, &quadrature)?;
        Ok(Box::new(match &self.initial {
            Some(initial) => flow.starting_from(initial.given().clone())?,
            None => flow,
        }))
    }

    fn on(&self, problem: TrainingProblem) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Self { on_modes: self.on_modes.with_problem(problem), ..self.clone() }))
    }

    fn resolves_points(&self) -> bool {
        self.on_modes.resolves_points()
    }

    fn with_fixed_start(&self) -> Option<Box<dyn Learner>> {
        self.initial.as_ref().map(|_| Box::new(Self { initial: None, ..self.clone() }) as Box<dyn Learner>)
    }
}
