//! Learners: how weights that are linear in fixed features are found from a training set, and what a finite training set does to
//! them to first order. Every [`Closure`](crate::Closure) starts from one.
//!
//! [`Ridge`] is ridge regression in closed form (Prop. 5.1); [`Flow`] is gradient flow for a time τ (Prop. 5.2), the limit in which
//! wide networks learn.

mod flow;
mod labels;
mod many_outputs;
mod one_run;
mod partners;
mod rehearsal;
mod ridge;
mod self_consistent;
mod shared;
mod sprinkling;
mod system;

pub use flow::{Flow, FlowSpectrum, InitialFunction, MeanFit, NearestTime, VarianceSplit};
pub use many_outputs::triples_of_laws;
pub(crate) use one_run::points_a_block;
pub use one_run::{
    Anchor, Change, Course, Curvature, Filter, GapMatch, LinearModel, OneRun, OneRunShares, OneRunSpec,
    Passes, Pulls, Residuals, TrainedModel, Unrolled, UpdateRule,
};
pub(crate) use partners::Partners;
pub use rehearsal::{Rehearsal, Times};
pub use ridge::Ridge;
pub(crate) use self_consistent::{Pooled, SelfConsistent, Spread};
pub(crate) use shared::SharedPoints;
pub(crate) use sprinkling::{Leverage, Part, Residual, Sprinkling};
pub(crate) use system::{Precision, RidgeSystem, sandwich};

use crate::error::Result;
use crate::law::{Law, LinearLaw};
use crate::problem::TrainingProblem;
use std::borrow::Cow;

/// How much of a finite training set's effect is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The paper's limit: the mean of infinitely many triples, the covariance of label noise alone.
    Limit,
    /// Mean and covariance to first order in 1/P, with the actual residual.
    First,
}

/// A way of learning from a training set, on quadrature nodes of the training distribution.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{Learner, learner::Flow};
/// let flow = Flow::new(&problem, features, 20.0, &quadrature)?;
/// for learner in [&ridge as &dyn Learner, &flow] {
///     let twice = learner.on(problem.clone().with_samples(200)?)?;
///     assert!((learner.load() / twice.load() - 2.0).abs() < 1e-12);
/// }
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub trait Learner: Send + Sync {
    /// What is learned, from how many triples.
    fn problem(&self) -> &TrainingProblem;

    /// Features that are learned for each sample: κ = F/P, or F_eff/P of gradient flow.
    fn load(&self) -> f64;

    /// The Gaussian law of the weights to an order in 1/P.
    ///
    /// # Errors
    /// A singular second moment; more memory than is sensible.
    fn expansion(&self, order: Order) -> Result<LinearLaw>;

    /// The ridge regression with the same mean on infinitely many triples, itself where it is one.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Error::Unsupported) where there is none.
    fn as_ridge(&self) -> Result<Cow<'_, Ridge>>;

    /// The law that trained models tell of their own retrainings; of a model that is linear in its parameters it is the first order.
    ///
    /// # Errors
    /// As [`Learner::expansion`].
    fn one_run(&self) -> Result<Box<dyn Law>> {
        Ok(Box::new(self.expansion(Order::First)?))
    }

    /// The law of the ridge regression in trained models' directions that has their generalisation gap; of a model that is linear in its
    /// parameters it is the first order.
    ///
    /// # Errors
    /// As [`Learner::expansion`]; a gap that is lost in its noise.
    fn one_run_gap(&self) -> Result<Box<dyn Law>> {
        Ok(Box::new(self.expansion(Order::First)?))
    }

    /// The trained models, where the learner is made from such.
    fn as_one_run(&self) -> Option<&OneRun> {
        None
    }

    /// The same learner at a coarser resolution of the training distribution. The difference of the two tells the quadrature's error.
    ///
    /// # Errors
    /// As making it.
    fn coarser(&self) -> Result<Box<dyn Learner>>;

    /// How long closures take on so many nodes, from this learner on few; `None` where only solving them tells.
    ///
    /// # Errors
    /// As [`Learner::expansion`].
    fn rehearse(&self, _nodes: usize) -> Result<Option<Rehearsal>> {
        Ok(None)
    }

    /// The same learner on another problem of the same data and forward process: other labels, P or m.
    ///
    /// # Errors
    /// As making it.
    fn on(&self, problem: TrainingProblem) -> Result<Box<dyn Learner>>;

    /// Whether the nodes resolve each data point, which training sets with several triples to a point need.
    fn resolves_points(&self) -> bool;

    /// The same learner from the initial function 0; `None` where it starts from 0 already.
    fn with_fixed_start(&self) -> Option<Box<dyn Learner>> {
        None
    }
}
