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
mod statistics;

pub use course::{Course, Curvature, Passes, Unrolled, UpdateRule};
pub use gap::GapMatch;
pub use model::{Change, LinearModel, Pulls, TrainedModel};

use super::{Learner, Order, Ridge};
use crate::error::{Error, Result};
use crate::law::{AnchorLaw, Law, LinearLaw, OneRunLaw, moved};
use crate::linalg::{cholesky_semidefinite, gemm_nn, gemm_nt, gemm_tn, symmetric_eigen};
use crate::problem::{TrainingProblem, Triples};
use crate::rng::Purpose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statistics::Pulled;
use std::borrow::Cow;
use std::sync::Arc;

/// Sets fresh triples apart from probes of other uses.
const LANE: u64 = 5;

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
    fn known_triples(&self) -> Result<&Triples> {
        self.triples.as_deref().ok_or(Error::Unsupported {
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
    solved: Vec<Arc<Solved>>,
}

/// The covariance of one anchor.
struct Solved {
    /// The lower factor of Cov c, K × K.
    root: Vec<f64>,
    /// Cov c, K × K.
    covariance: Vec<f64>,
    /// λ and S_ii of each mode.
    modes: Vec<(f64, f64)>,
    /// Where the model would be without the deviation of its own run, K; none where that is not known.
    undone: Option<Vec<f64>>,
    shares: OneRunShares,
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
        let solve = |(anchor, member): (&Anchor, u64)| match Solved::new(problem, anchor, &filter, spec) {
            Ok(solved) => Ok(Arc::new(solved)),
            Err(error) => Err(Error::OfMember { member, error: Box::new(error) }),
        };
        let solved = anchors.iter().zip(0..).map(solve).collect::<Result<_>>()?;
        Ok(Self { problem: problem.clone(), filter, spec, anchors, solved })
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
        let pairs = self.anchors.iter().zip(&self.solved);
        pairs
            .map(|(anchor, solved)| Self {
                anchors: vec![anchor.clone()],
                solved: vec![solved.clone()],
                ..self.clone()
            })
            .collect()
    }

    /// Cov y between all pairs of points.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; the result: nD × nD.
    pub fn prediction_covariance(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (side, share) = (x.len(), 1.0 / self.anchors.len() as f64);
        let mut sum = vec![0.0; side * side];
        for (anchor, solved) in self.anchors.iter().zip(&self.solved) {
            let k = anchor.model.directions();
            let rows = anchor.model.derivatives(x, t);
            let (mut half, mut own) = (vec![0.0; side * k], vec![0.0; side * side]);
            gemm_nn(side, k, k, &rows, &solved.covariance, &mut half);
            gemm_nt(side, side, k, &half, &rows, &mut own);
            sum.iter_mut().zip(own).for_each(|(s, o)| *s += share * o);
        }
        sum
    }

    fn law(&self) -> OneRunLaw {
        let anchors = self.anchors.iter().zip(&self.solved).map(|(anchor, solved)| {
            let field = moved(&self.problem, &anchor.model, solved.undone.as_deref());
            AnchorLaw::new(anchor.model.clone(), field, solved.covariance.clone(), solved.root.clone())
        });
        OneRunLaw::new(&self.problem, anchors.collect())
    }
}

impl Solved {
    fn new(problem: &TrainingProblem, anchor: &Anchor, filter: &Filter, spec: OneRunSpec) -> Result<Self> {
        let model = anchor.model.as_ref();
        let (k, samples) = (model.directions(), problem.samples());
        let triples = match spec.residuals {
            Residuals::Training => Cow::Borrowed(anchor.known_triples()?),
            Residuals::Fresh => Cow::Owned(fresh(problem, LANE, spec.fresh)),
        };
        let mut pulled = Pulled::new(problem, model, &triples);
        let mut curvature = pulled.curvature();
        let pulls = model.pulls();
        if let Some(pulls) = &pulls {
            curvature.iter_mut().zip(&pulls.penalty).for_each(|(h, p)| *h += p);
        }
        let (values, rotation) = symmetric_eigen("the curvature of a trained model", &curvature, k)?;
        let decay = pulls.map(|pulls| diagonal(&rotated(&pulls.decay, &rotation, k), k));
        let mode = |(i, loss): (usize, &f64)| {
            filter.unroll(Curvature { loss: loss.max(0.0), decay: decay.as_ref().map_or(0.0, |d| d[i]) })
        };
        let modes: Vec<Unrolled> = values.iter().enumerate().map(mode).collect::<Result<_>>()?;
        let ends: Vec<f64> = modes.iter().map(|m| m.end).collect();
        let loss = pulled.loss();
        let undone = match (spec.residuals, &anchor.triples) {
            (Residuals::Training, _) => {
                pulled.leave_one_out(&rotation, &ends)?;
                None
            }
            (Residuals::Fresh, None) => None,
            (Residuals::Fresh, Some(own)) => {
                let own = Pulled::new(problem, model, own).mean_pull();
                let pull: Vec<f64> = pulled.mean_pull().iter().zip(own).map(|(a, b)| a - b).collect();
                let change = filtered(&pull, &rotation, &ends, k);
                pulled.moved(&change);
                Some(change)
            }
        };
        let spread = pulled.spread(problem.draws());
        let points = rotated(&spread.points, &rotation, k);
        let data = by_entry(k, |i, j| ends[i] * ends[j] * points[i * k + j] / samples as f64);
        let batches = match filter {
            Filter::Steps(_, passes) => {
                let (noise, triples) = (passes.noise(&modes), rotated(&spread.triples, &rotation, k));
                by_entry(k, |i, j| noise[i * k + j] * triples[i * k + j])
            }
            Filter::Ridge(_) | Filter::Flow(_) => vec![0.0; k * k],
        };
        let initial = match model.initial_covariance() {
            Some(start) => {
                let start = rotated(&start, &rotation, k);
                by_entry(k, |i, j| modes[i].start * modes[j].start * start[i * k + j])
            }
            None => vec![0.0; k * k],
        };
        // E w tr Var y = tr(H Cov c).
        let weighed = |cov: &[f64]| (0..k).map(|i| values[i] * cov[i * (k + 1)]).sum::<f64>();
        let shares = OneRunShares {
            data: weighed(&data),
            batches: weighed(&batches),
            initial: weighed(&initial),
            effective_features: values.iter().zip(&ends).map(|(v, end)| v * end).sum(),
            missed: model.missed(),
            loss,
        };
        let total = by_entry(k, |i, j| data[i * k + j] + batches[i * k + j] + initial[i * k + j]);
        let covariance = turned(&total, &rotation, k);
        let modes = values.iter().copied().zip(diagonal(&points, k)).collect();
        Ok(Self { root: cholesky_semidefinite(&covariance, k), covariance, modes, undone, shares })
    }
}

/// Triples of no training set, in whole groups of those that share a point.
fn fresh(problem: &TrainingProblem, lane: u64, count: usize) -> Triples {
    let whole = count.next_multiple_of(problem.draws());
    problem.sampler().draw_from(&mut problem.streams().stream(Purpose::Probe, lane, 0), whole)
}

/// R φ Rᵀ v.
fn filtered(v: &[f64], rotation: &[f64], ends: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k], vec![0.0; k]);
    gemm_tn(k, 1, k, rotation, v, &mut half);
    half.iter_mut().zip(ends).for_each(|(h, end)| *h *= end);
    gemm_nn(k, 1, k, rotation, &half, &mut out);
    out
}

fn by_entry(k: usize, of: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..k * k).map(|e| of(e / k, e % k)).collect()
}

fn diagonal(matrix: &[f64], k: usize) -> Vec<f64> {
    matrix.iter().step_by(k + 1).copied().collect()
}

/// RᵀAR.
fn rotated(a: &[f64], rotation: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k * k], vec![0.0; k * k]);
    gemm_nn(k, k, k, a, rotation, &mut half);
    gemm_tn(k, k, k, rotation, &half, &mut out);
    out
}

/// RARᵀ.
fn turned(a: &[f64], rotation: &[f64], k: usize) -> Vec<f64> {
    let (mut half, mut out) = (vec![0.0; k * k], vec![0.0; k * k]);
    gemm_nn(k, k, k, rotation, a, &mut half);
    gemm_nt(k, k, k, &half, rotation, &mut out);
    out
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
        Ok(Box::new(Self::new(&self.problem, self.anchors.clone(), self.filter.clone(), spec)?))
    }

    fn on(&self, problem: TrainingProblem) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Self::new(&problem, self.anchors.clone(), self.filter.clone(), self.spec)?))
    }

    fn resolves_points(&self) -> bool {
        false
    }
}
