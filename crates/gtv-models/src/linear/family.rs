//! Linear models as a family: ridge regression stands for them exactly.

use super::{LinearEnsemble, LinearTrainer};
use crate::error::Result;
use crate::external::FeatureTable;
use crate::family::{
    Effort, Facts, Family, LearnerRecord, MULTIPLICATION, Member, Members, Need, Resolution,
};
use crate::watch::Session;
use crate::weights_file::{numbers, tensors};
use gtv_theory::ScoreField;
use gtv_theory::features::Features;
use gtv_theory::learner::{Learner, Ridge};
use gtv_theory::problem::{TrainingProblem, Triples};
use gtv_theory::quadrature::{Nodes, QuadratureSpec};
use safetensors::tensor::Dtype;
use std::sync::Arc;

/// The tensor of a member's file.
pub(super) const TENSOR: &str = "readout.weight";

/// Linear models on fixed features.
#[derive(Clone)]
pub struct LinearFamily {
    trainer: LinearTrainer,
    /// The features' points, where they are not known everywhere.
    table: Option<Arc<FeatureTable>>,
}

impl LinearFamily {
    /// Models of a trainer.
    pub fn new(trainer: LinearTrainer) -> Self {
        Self { trainer, table: None }
    }

    /// What stands for an ensemble from outside whose features are known at listed points: the theory predicts, nothing is trained.
    ///
    /// # Errors
    /// A ridge outside its domain; training sets that share data points, where quasi-random nodes do not resolve them.
    pub fn of_table(
        problem: TrainingProblem,
        table: FeatureTable,
        ridge: f64,
        quadrature: &QuadratureSpec,
    ) -> Result<Self> {
        if problem.draws() > 1 && !quadrature.is_tensor(problem.cloud()) {
            return Err(gtv_theory::Error::Unsupported {
                what: "the theory of shared data points (model.draws above 1) from features that are known at listed points alone",
                reason: "it needs the tensor quadrature, in 1D or 2D",
                advice: "raise theory.tensor_points, or set model.draws = 1",
            }
            .into());
        }
        let nodes = Nodes::new(problem.cloud(), problem.schedule(), quadrature, problem.streams())?;
        table.check(&nodes.x(0..nodes.len()), &nodes.t, "nodes of the training distribution")?;
        let table = Arc::new(table);
        let trainer = LinearTrainer::new(problem, Features::Mapped(table.clone()), ridge)?;
        Ok(Self { trainer, table: Some(table) })
    }

    /// The trainer.
    pub fn trainer(&self) -> &LinearTrainer {
        &self.trainer
    }

    /// Memory of N members of F features in D dimensions, from P triples, before anything is allocated.
    pub fn estimates(features: f64, dim: f64, samples: f64, members: f64) -> Vec<Need> {
        let threads = rayon::current_num_threads() as f64;
        // Above this size the theory keeps the covariance of the weights on quadrature nodes.
        let joint = if dim * features <= 6000.0 { dim * dim } else { 0.0 };
        vec![
            Need {
                what: "the theory of the model",
                bytes: 8.0 * features * features * (4.0 + joint),
                formula: "8 bytes x F^2 x (4 + D^2), 4 in place of 4 + D^2 where D F is above 6000",
                advice: "lower model.features.x or model.features.t, or use fewer random-fourier features",
            },
            Need {
                what: "the trained ensemble",
                bytes: 8.0 * members * features * dim,
                formula: "8 bytes x N x F x D",
                advice: "lower ensemble.members",
            },
            Need {
                what: "training",
                bytes: 8.0 * threads * (samples * (2.0 * dim + 1.0) + features * features),
                formula: "8 bytes x threads x (P (2D + 1) + F^2)",
                advice: "lower model.samples or --threads",
            },
        ]
    }

    /// Fits a model to each member's training set, `triples(data draw)`.
    fn fit_each(
        &self,
        kind: &str,
        members: &[Member],
        session: Session<'_>,
        triples: impl Fn(u64) -> Triples + Sync,
    ) -> Result<Box<dyn Members>> {
        let weights = session.each(kind, members, members.len(), |member| {
            let key = format!("{kind}-{:05}", member.index);
            session.part(&key, || self.trainer.fit(&triples(member.data), member.index))
        })?;
        Ok(Box::new(LinearEnsemble::from_weights(&self.trainer, weights.concat())?))
    }
}

impl Family for LinearFamily {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn problem(&self) -> &TrainingProblem {
        self.trainer.problem()
    }

    fn listed(&self) -> Option<&FeatureTable> {
        self.table.as_deref()
    }

    fn describe(&self) -> String {
        format!("linear, F = {}", self.trainer.features().len())
    }

    fn effort(&self, _initialisations: usize) -> Effort {
        let (problem, features) = (self.problem(), self.trainer.features());
        let (count, dim) = (features.len() as f64, problem.dim() as f64);
        let evaluation = match features.as_ref() {
            // Functions on each coordinate, and the product of all at the time in hand.
            Features::Separable(basis) => {
                1.5e-9 * dim * basis.space()[0].len() as f64 + 2e-10 * dim * basis.space_len() as f64
            }
            Features::RandomFourier(_) => count * (2e-9 + 1e-10 * dim),
            Features::Mapped(_) => count * (1e-8 + 1e-9 * dim),
        };
        let node = 1.5e-10 * count * count;
        let product_node = match features.as_ref() {
            Features::Separable(_) if problem.dim() > 1 => 0.15 * node,
            Features::Separable(_) => node,
            Features::RandomFourier(_) | Features::Mapped(_) => node,
        };
        Effort {
            member: MULTIPLICATION * count * count * (problem.samples() as f64 + count),
            evaluation,
            features: evaluation,
            node,
            product_node,
            anchor: 0.0,
            along: 0.0,
        }
    }

    fn needs(&self, members: usize) -> Vec<Need> {
        let (features, problem) = (self.trainer.features().len() as f64, self.problem());
        Self::estimates(features, problem.dim() as f64, problem.samples() as f64, members as f64)
    }

    fn train(&self, kind: &str, members: &[Member], session: Session<'_>) -> Result<Box<dyn Members>> {
        self.fit_each(kind, members, session, |data| self.problem().draw(data))
    }

    fn on(&self, problem: TrainingProblem) -> Box<dyn Family> {
        Box::new(Self { trainer: self.trainer.on(problem), table: self.table.clone() })
    }

    fn train_renoised(&self, members: &[Member], session: Session<'_>) -> Result<Option<Box<dyn Members>>> {
        if self.problem().draws() == 1 {
            return Ok(None);
        }
        self.fit_each("renoised", members, session, |data| self.problem().renoised(data)).map(Some)
    }

    fn decode(&self, file: &[u8]) -> Result<Box<dyn ScoreField>> {
        let (dim, features) = (self.problem().dim(), self.trainer.features().len());
        let rows = numbers(&tensors(file)?, TENSOR, (Dtype::F64, &[dim, features]), f64::from_le_bytes)?;
        let weights = (0..features).flat_map(|f| (0..dim).map(move |d| d * features + f)).map(|i| rows[i]);
        Ok(Box::new(self.trainer.field(weights.collect())))
    }

    fn learner(
        &self,
        _members: Option<&dyn Members>,
        resolution: &Resolution,
        _session: Session<'_>,
    ) -> Result<(Box<dyn Learner>, LearnerRecord)> {
        let (problem, features) = (self.problem(), Features::clone(self.trainer.features()));
        let ridge = Ridge::new(problem, features, self.trainer.ridge(), &resolution.quadrature)?;
        Ok((Box::new(ridge), LearnerRecord::Exact))
    }

    fn facts(&self, members: &dyn Members) -> Facts {
        let (features, samples) = (self.trainer.features().len(), self.problem().samples());
        let load = features as f64 / samples as f64;
        let entries = [("features", features.into()), ("load", load.into())];
        Facts {
            entries: entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
            sentence: format!(
                "{} linear models, F = {features}, P = {samples} (F/P = {load:.3}), trained in {{seconds}}",
                members.len()
            ),
        }
    }
}
