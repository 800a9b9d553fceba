//! The law of a model from one training run (THEORY §6b): linear about its *trained* parameters, in the metric of its optimiser,
//! through the optimiser's own steps.
//!
//! With H = R Λ Rᵀ the curvature in the model's directions, φ and c_k the [unrolled filter](Course::unroll) of each mode, S the
//! covariance of single triples' pulls there ([`Residuals`] says on which triples),
//!
//! Cov c = R [φ S φ/P + (Σ_k c_k c_kᵀ/B − Σ_e C_e C_eᵀ/P) ∘ S + (ι ιᵀ) ∘ RᵀC₀R] Rᵀ:
//!
//! which data were drawn, which batches, and what is left of the initialisation where it differs. The second term's second part is
//! that a pass draws no triple twice ([`Passes`]). Cov y = ∂y Cov c ∂yᵀ. Several runs, anchors, average their covariances.
//!
//! One run is not the mean of all: it has deviated by what its own triples pulled. That is known, to the order of the law: had it been
//! trained on the whole distribution, it would have ended at c = R φ Rᵀ (E g − E_own g). The law's mean is the model there, and S has
//! the residuals there, since those of the model itself are larger by its own deviation (at P = 256 by half of their variance).

mod course;
mod gap;
mod model;
mod solved;
mod statistics;

pub use course::{Course, Curvature, Passes, Unrolled, UpdateRule};
pub use gap::GapMatch;
pub(crate) use model::points_a_block;
pub use model::{Change, LinearModel, Pulls, TrainedModel};

use super::{Learner, Order, Ridge};
use crate::error::{Error, Result};
use crate::law::{AnchorLaw, Law, LinearLaw, OneRunLaw, images, moved};
use crate::linalg::gemm_nt;
use crate::memo::MemoModel;
use crate::problem::{TrainingProblem, Triples};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use solved::{Measured, Solved};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// Derivatives that the anchors remember, 8 bytes each: predictors, maps and checks ask for the same points.
const REMEMBERED: usize = 1 << 25;

/// The triples on which residuals and curvature of a trained model are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Residuals {
    /// Triples of no training set.
    #[default]
    Fresh,
    /// Those it was trained on, each residual as if its triple had been left out: for data without a source of more.
    Training,
}

/// Between the curvature of a mode and its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// The optimiser's own steps.
    Steps(Course, Passes),
    /// Ridge regression, φ = 1/(λ + γ).
    Ridge(f64),
    /// Gradient flow for a time, φ = (1 − e^{−λτ})/λ.
    Flow(f64),
}

impl Filter {
    /// What becomes of a mode; without steps there are no kicks.
    fn unroll(&self, mode: Curvature) -> Result<Unrolled> {
        let limit = |end: f64| Unrolled { end, kicks: Vec::new(), start: 1.0 - mode.loss * end };
        match self {
            Self::Steps(course, _) => course.unroll(mode),
            Self::Ridge(ridge) => Ok(limit(1.0 / (mode.loss + ridge))),
            Self::Flow(time) if mode.loss * time < 1e-12 => Ok(limit(*time)),
            Self::Flow(time) => Ok(limit(-(-mode.loss * time).exp_m1() / mode.loss)),
        }
    }
}

/// One trained model, and its training set.
#[derive(Clone)]
pub struct Anchor {
    /// The model.
    pub model: Arc<dyn TrainedModel>,
    /// The triples that it was trained on; none where they are not known, so that it stands for the mean itself.
    pub triples: Option<Arc<Triples>>,
}

impl Anchor {
    fn known_triples(&self) -> Result<&Arc<Triples>> {
        self.triples.as_ref().ok_or(Error::Unsupported {
            what: "residuals or a generalisation gap on a model's own triples",
            reason: "which triples it was trained on is not known",
            advice: "use theory.residuals = \"fresh\", closure \"one-run\"",
        })
    }
}

/// How the law is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneRunSpec {
    /// On which triples.
    pub residuals: Residuals,
    /// How many, where they are fresh.
    pub fresh: usize,
}

impl Default for OneRunSpec {
    fn default() -> Self {
        Self { residuals: Residuals::Fresh, fresh: 12_288 }
    }
}

/// E w tr Var y by source, and what else one run says.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct OneRunShares {
    /// Which triples were drawn.
    pub data: f64,
    /// Which of them each step took.
    pub batches: f64,
    /// What is left of the initialisation.
    pub initial: f64,
    /// Σ λφ, the modes that training has learned.
    pub effective_features: f64,
    /// Share of the curvature's trace that the directions miss.
    pub missed: f64,
    /// Loss on the triples of the measurement, E w|label − y|²/2.
    pub loss: f64,
}

/// Trained models of one problem as a learner: its closure is `one-run`.
#[derive(Clone)]
pub struct OneRun {
    problem: TrainingProblem,
    filter: Filter,
    spec: OneRunSpec,
    anchors: Vec<Anchor>,
    measured: Vec<Arc<Measured>>,
    solved: Vec<Arc<Solved>>,
    /// The same with the ridge that has the anchors' gap, once it is asked for.
    matched: Arc<OnceLock<(OneRun, GapMatch)>>,
}

impl OneRun {
    /// Measures the anchors.
    ///
    /// # Errors
    /// No anchors; [`Error::OfMember`] for steps too long for the curvature, and for a triple that decides its own prediction.
    pub fn new(
        problem: &TrainingProblem,
        anchors: Vec<Anchor>,
        filter: Filter,
        spec: OneRunSpec,
    ) -> Result<Self> {
        if anchors.is_empty() {
            return Err(Error::Empty { name: "the trained models that a law is made from" });
        }
        let most = REMEMBERED / anchors.len();
        let remembering =
            |anchor: Anchor| Anchor { model: Arc::new(MemoModel::new(anchor.model, most)), ..anchor };
        Self::measure(problem, anchors.into_iter().map(remembering).collect(), filter, spec)
    }

    /// The same of anchors that remember.
    fn measure(
        problem: &TrainingProblem,
        anchors: Vec<Anchor>,
        filter: Filter,
        spec: OneRunSpec,
    ) -> Result<Self> {
        let measured = of_each(&anchors, |anchor| Ok(Arc::new(Measured::new(problem, anchor, spec)?)))?;
        Self::solve(problem, anchors, measured, filter, spec)
    }

    /// The law of a filter, from what was measured.
    fn solve(
        problem: &TrainingProblem,
        anchors: Vec<Anchor>,
        measured: Vec<Arc<Measured>>,
        filter: Filter,
        spec: OneRunSpec,
    ) -> Result<Self> {
        let pairs: Vec<_> = anchors.iter().zip(&measured).collect();
        let solved = of_each(&pairs, |(anchor, measured)| {
            Ok(Arc::new(Solved::new(problem, anchor.model.as_ref(), measured, &filter)?))
        })?;
        Ok(Self {
            problem: problem.clone(),
            filter,
            spec,
            anchors,
            measured,
            solved,
            matched: Arc::default(),
        })
    }

    /// The sources of variance, averaged over anchors.
    pub fn shares(&self) -> OneRunShares {
        let mean = |of: fn(&OneRunShares) -> f64| {
            self.solved.iter().map(|s| of(&s.shares)).sum::<f64>() / self.solved.len() as f64
        };
        OneRunShares {
            data: mean(|s| s.data),
            batches: mean(|s| s.batches),
            initial: mean(|s| s.initial),
            effective_features: mean(|s| s.effective_features),
            missed: mean(|s| s.missed),
            loss: mean(|s| s.loss),
        }
    }

    /// Each anchor by itself.
    pub fn singles(&self) -> Vec<Self> {
        let single = |i: usize| Self {
            anchors: vec![self.anchors[i].clone()],
            measured: vec![self.measured[i].clone()],
            solved: vec![self.solved[i].clone()],
            matched: Arc::default(),
            ..self.clone()
        };
        (0..self.anchors.len()).map(single).collect()
    }

    /// Cov y between all pairs of points.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; the result: nD × nD.
    pub fn prediction_covariance(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (side, share) = (x.len(), 1.0 / self.anchors.len() as f64);
        let mut sum = vec![0.0; side * side];
        for (anchor, solved) in self.anchors.iter().zip(&self.solved) {
            let mut own = vec![0.0; side * side];
            let (rows, half) = images(anchor.model.as_ref(), &solved.covariance, x, t);
            gemm_nt(side, side, anchor.model.directions(), &half, &rows, &mut own);
            sum.iter_mut().zip(own).for_each(|(s, o)| *s += share * o);
        }
        sum
    }

    fn law(&self) -> OneRunLaw {
        let anchors = self.anchors.iter().zip(&self.solved).map(|(anchor, solved)| {
            let field = moved(&self.problem, &anchor.model, solved.undone.as_deref());
            AnchorLaw {
                model: anchor.model.clone(),
                field,
                covariance: solved.covariance.clone(),
                root: solved.root.clone(),
            }
        });
        OneRunLaw::new(&self.problem, anchors.collect())
    }
}

/// What is found of each anchor; an error names the one it is about.
fn of_each<A, T>(anchors: &[A], find: impl Fn(&A) -> Result<T>) -> Result<Vec<T>> {
    let named = |(member, anchor): (u64, &A)| {
        find(anchor).map_err(|error| Error::OfMember { member, error: Box::new(error) })
    };
    (0..).zip(anchors).map(named).collect()
}

/// What closures of linear models ask for, and one run does not have.
const ONE_RUN_ONLY: Error = Error::Unsupported {
    what: "a closure of linear models together with theory.kernel = \"trained\"",
    reason: "a trained network is no linear model from its start",
    advice: "use the closure \"one-run\", or theory.kernel = \"initial\"",
};

impl Learner for OneRun {
    fn problem(&self) -> &TrainingProblem {
        &self.problem
    }

    /// Modes learned for each output of a triple: those of linear models are one output's.
    fn load(&self) -> f64 {
        self.shares().effective_features / (self.problem.samples() * self.problem.dim()) as f64
    }

    fn expansion(&self, _: Order) -> Result<LinearLaw> {
        Err(ONE_RUN_ONLY)
    }

    fn as_ridge(&self) -> Result<Cow<'_, Ridge>> {
        Err(ONE_RUN_ONLY)
    }

    fn one_run(&self) -> Result<Box<dyn Law>> {
        Ok(Box::new(self.law()))
    }

    fn one_run_gap(&self) -> Result<Box<dyn Law>> {
        Ok(Box::new(self.matched_to_gap()?.0.law()))
    }

    fn as_one_run(&self) -> Option<&OneRun> {
        Some(self)
    }

    fn coarser(&self) -> Result<Box<dyn Learner>> {
        let spec = OneRunSpec { fresh: self.spec.fresh / 2, ..self.spec };
        Ok(Box::new(Self::measure(&self.problem, self.anchors.clone(), self.filter.clone(), spec)?))
    }

    fn on(&self, problem: TrainingProblem) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Self::measure(&problem, self.anchors.clone(), self.filter.clone(), self.spec)?))
    }

    fn resolves_points(&self) -> bool {
        false
    }
}
