//! Infinitely wide networks as a family: gradient flow on their tangent kernel stands for them.
//!
//! A member's file holds `training.x` (P × D), `training.t` (P), `coefficients` (P × D), all float64, and, where the initial function
//! is not subtracted, `initial.weights` (K × D) on the features of its kernel:
//! y = skip_t x + f_0 + Σ_n K((x, t), (x_n, t_n)) coefficients_n, K the tangent kernel of the run's config.

use super::{IterativeSpec, LazyEnsemble, LazyMember, LazyTrainer};
use crate::error::Result;
use crate::family::{
    Effort, Facts, Family, LazyRecord, LearnerRecord, MULTIPLICATION, Member, Members, Need, Resolution,
};
use crate::watch::{Session, Warning};
use crate::weights_file::{numbers, tensors};
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::{Flow, Learner};
use gtv_theory::ntk::{Activation, NetworkFeatures, NetworkKernel, NystromSpec};
use gtv_theory::problem::TrainingProblem;
use gtv_theory::{Error as TheoryError, ScoreField};
use safetensors::tensor::Dtype;
use std::sync::Arc;

/// The tensors of a member's file.
pub(super) const NAMES: [&str; 4] = ["training.x", "training.t", "coefficients", "initial.weights"];
/// Leading eigenvalues that the record keeps.
const SHOWN: usize = 64;
/// Share of labels off by more than a tenth from which on the user is told.
const NOTABLE_OFF: f64 = 0.01;

/// Infinitely wide networks, trained by gradient flow for a time.
#[derive(Clone)]
pub struct LazyFamily {
    trainer: LazyTrainer,
}

impl LazyFamily {
    /// Networks of a trainer.
    pub fn new(trainer: LazyTrainer) -> Self {
        Self { trainer }
    }

    /// A member's numbers, end to end.
    fn pack(member: &LazyMember) -> Vec<f64> {
        [&member.x[..], &member.t, &member.coefficients, &member.initial].concat()
    }

    /// Their inverse.
    fn unpack(&self, values: &[f64]) -> Result<LazyMember> {
        let mut rest = values;
        let mut parts = self.trainer.file_shapes().into_iter().map(|shape| -> Result<Vec<f64>> {
            let (expected, found) = (shape.iter().product(), rest.len());
            let misfit = TheoryError::Shape { name: "a kept member", expected, found };
            let (part, after) = rest.split_at_checked(expected).ok_or(misfit)?;
            rest = after;
            Ok(part.to_vec())
        });
        let mut next = || parts.next().unwrap_or(Ok(Vec::new()));
        let (x, t) = (Arc::new(next()?), Arc::new(next()?));
        Ok(LazyMember { x, t, coefficients: next()?, initial: Arc::new(next()?) })
    }
}

impl Family for LazyFamily {
    fn name(&self) -> &'static str {
        "lazy"
    }

    fn problem(&self) -> &TrainingProblem {
        self.trainer.problem()
    }

    fn describe(&self) -> String {
        let arch = self.trainer.model().arch();
        format!("lazy, {} layers of {}", arch.depth, arch.activation.name())
    }

    fn effort(&self, _initialisations: usize) -> Effort {
        let (arch, samples) = (self.trainer.model().arch(), self.problem().samples() as f64);
        let features = NystromSpec::default();
        let kernel = match arch.activation {
            Activation::Relu | Activation::Erf => 1e-8,
            Activation::Silu | Activation::Tanh => 1.5e-7,
        };
        let kernel = kernel * arch.depth.max(1) as f64;
        let (evaluation, node) = (kernel * samples, 3.0 * MULTIPLICATION * (features.most as f64).powi(2));
        Effort {
            member: samples * (MULTIPLICATION * samples * samples + evaluation),
            evaluation,
            features: features.landmarks as f64 * (kernel + MULTIPLICATION * features.most as f64),
            node,
            product_node: node,
            anchor: 0.0,
            along: 0.0,
        }
    }

    fn kernel_activation(&self) -> Option<Activation> {
        Some(self.trainer.model().arch().activation)
    }

    fn needs(&self, members: usize) -> Vec<Need> {
        vec![Need {
            what: "training",
            bytes: LazyEnsemble::estimate_bytes(&self.trainer, members, 1) as f64,
            formula: if self.trainer.is_iterative() {
                "8 bytes x P^2 where that is less than half of the memory, 8000 x P x D, and 8 x N x P x (inputs + 2 D + 1)"
            } else {
                "40 bytes x P^2 for each thread, and 8 x N x P x (inputs + 2 D + 1)"
            },
            advice: "lower model.samples, ensemble.members or --threads",
        }]
    }

    fn train(&self, kind: &str, members: &[Member], session: Session<'_>) -> Result<Box<dyn Members>> {
        let spec = IterativeSpec::default();
        // The rest of the memory is for what else a member needs.
        let held = session.watch.memory_limit().map_or(spec.held, |bytes| bytes / 2);
        let trainer = self.trainer.clone().with_iterative(IterativeSpec { held, ..spec });
        let (streams, stop) = (self.problem().streams(), || session.watch.interrupted());
        let trained = session.each(kind, members, trainer.side_by_side(), |member| {
            let values = session.part(&format!("{kind}-{:05}", member.index), || {
                let made = trainer.train_until(streams, *member, &[trainer.time()], &stop)?;
                Ok::<_, crate::Error>(Self::pack(&made[0]))
            })?;
            self.unpack(&values)
        })?;
        let mut unfitted = None;
        if let (Some(member), Some(first)) = (members.first(), trained.first())
            && self.trainer.time().is_infinite()
        {
            let left = self.trainer.unfitted(*member, first)?;
            if left.off > NOTABLE_OFF {
                session.watch.warn(&Warning::Unfitted { rms: left.rms, off: 100.0 * left.off });
            }
            unfitted = Some(left);
        }
        Ok(Box::new(LazyEnsemble::from_members(&self.trainer, trained)?.with_unfitted(unfitted)))
    }

    fn on(&self, problem: TrainingProblem) -> Box<dyn Family> {
        Box::new(Self { trainer: self.trainer.on(problem) })
    }

    fn decode(&self, file: &[u8]) -> Result<Box<dyn ScoreField>> {
        let (tensors, shapes) = (tensors(file)?, self.trainer.file_shapes());
        let arrays = NAMES.into_iter().zip(&shapes);
        let arrays =
            arrays.map(|(name, shape)| numbers(&tensors, name, (Dtype::F64, shape), f64::from_le_bytes));
        let values = arrays.collect::<Result<Vec<Vec<f64>>>>()?.concat();
        Ok(Box::new(self.trainer.field(&self.unpack(&values)?)?))
    }

    /// Gradient flow on the modes of the tangent kernel over the training distribution.
    fn learner(
        &self,
        _members: Option<&dyn Members>,
        resolution: &Resolution,
        session: Session<'_>,
    ) -> Result<(Box<dyn Learner>, LearnerRecord)> {
        let stage = session.watch.stage("kernel", 3);
        stage.message(&|| "features".to_owned());
        let (problem, time) = (self.problem(), self.trainer.time());
        let (kernel, spec) = (NetworkKernel::Ntk, NystromSpec::default());
        let features =
            NetworkFeatures::new(self.trainer.model(), kernel, problem.cloud(), &spec, problem.streams())?;
        let truncation = features.truncation().missed;
        stage.advance(1);
        session.check()?;
        stage.message(&|| format!("statistics of {} features", features.len()));
        let features = Features::Mapped(Arc::new(features));
        let flow = Flow::new(problem, features, time, &resolution.quadrature)?;
        stage.advance(1);
        session.check()?;
        stage.message(&|| "modes".to_owned());
        let spectrum = flow.spectrum();
        let record = LazyRecord {
            time: time.is_finite().then_some(time),
            modes: spectrum.values().len(),
            effective_features: spectrum.effective_features(time),
            truncation,
            spectrum: spectrum.values().iter().take(SHOWN).copied().collect(),
        };
        let flow = match self.trainer.initial() {
            Some(features) => flow.starting_from(features.clone() as Arc<dyn FeatureMap>)?,
            None => flow,
        };
        stage.advance(1);
        Ok((Box::new(flow.remembering(resolution.remembered)?), LearnerRecord::Lazy(record)))
    }

    fn facts(&self, members: &dyn Members) -> Facts {
        let (time, samples) = (self.trainer.time(), self.problem().samples());
        let finite = time.is_finite().then_some(time);
        let ensemble: Option<&LazyEnsemble> = (members as &dyn std::any::Any).downcast_ref();
        let unfitted = ensemble.and_then(LazyEnsemble::unfitted);
        let how_long = match (finite, unfitted) {
            (Some(time), _) => format!("for a time {time}"),
            (None, None) => "to the end".to_owned(),
            (None, Some(left)) => format!(
                "to the end, which leaves {:.1e} of the labels (root mean square) and {:.1} % of them off by more than a tenth",
                left.rms,
                100.0 * left.off
            ),
        };
        let left = unfitted.map(|u| serde_json::json!({ "rms": u.rms, "most": u.most, "off": u.off }));
        Facts {
            entries: [("time".to_owned(), finite.into()), ("unfitted".to_owned(), left.into())]
                .into_iter()
                .collect(),
            sentence: format!(
                "{} infinitely wide networks, P = {samples}, trained {how_long} in {{seconds}}",
                members.len()
            ),
        }
    }
}
