//! Families of models, and their trained members.
//!
//! A family is a folder here: how its models are trained, kept in files and read back, and the [`Learner`] that stands for it in the
//! theory. Whatever compares theory and ensemble sees these two traits only.

use crate::error::Result;
use crate::external::FeatureTable;
use crate::watch::Session;
use gtv_theory::ScoreField;
use gtv_theory::law::{EmpiricalFields, Law};
use gtv_theory::learner::{Learner, OneRunShares};
use gtv_theory::memo::MemoField;
use gtv_theory::ntk::Activation;
use gtv_theory::problem::TrainingProblem;
use gtv_theory::quadrature::QuadratureSpec;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;

/// Where one member's randomness comes from; members with equal numbers share what the numbers stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its place in the ensemble.
    pub index: u64,
    /// The draw of its training set, and of everything else that training draws.
    pub data: u64,
    /// The draw of its initial parameters.
    pub init: u64,
}

/// About how long a family's work takes, in seconds of one core: counts of operations times what one of each took when
/// it was measured on a core of 2023. A factor of three off is as good as it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Training one member.
    pub member: f64,
    /// One evaluation of a learned field.
    pub evaluation: f64,
    /// One evaluation of the features that the theory is made from.
    pub features: f64,
    /// One node of the quadrature in a closure, besides.
    pub node: f64,
    /// The same of a rule that is a product over coordinates, where that is used.
    pub product_node: f64,
    /// Seeing one trained member from its end, where closures need that.
    pub anchor: f64,
    /// Its derivatives along all directions at a point.
    pub along: f64,
}

/// Seconds of a multiplication in a matrix product in 64 bits; in 32 bits it is half of that.
pub(crate) const MULTIPLICATION: f64 = 5e-11;

/// A family of models that are trained on one problem.
pub trait Family: Send + Sync {
    /// The name in configs and files.
    fn name(&self) -> &'static str;

    /// What is learned.
    fn problem(&self) -> &TrainingProblem;

    /// Where members are trained.
    fn device(&self) -> &'static str {
        "cpu"
    }

    /// Makes sure that training can begin: that the device is there.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// What is trained, in a few words.
    fn describe(&self) -> String;

    /// About how long things take, for an ensemble with so many different initialisations.
    fn effort(&self, initialisations: usize) -> Effort;

    /// The activation of a kernel of infinite width that is computed for members, where one is.
    fn kernel_activation(&self) -> Option<Activation> {
        None
    }

    /// Estimated memory of `members` members and of what is computed about them, each a lower bound.
    fn needs(&self, members: usize) -> Vec<Need>;

    /// Trains members; what is kept is kept under `kind`.
    ///
    /// # Errors
    /// A member that cannot be trained, an interrupt, or a store that fails; finished members are kept.
    fn train(&self, kind: &str, members: &[Member], session: Session<'_>) -> Result<Box<dyn Members>>;

    /// The same family on another problem of the same data, such as the true score.
    fn on(&self, problem: TrainingProblem) -> Box<dyn Family>;

    /// The same members on the same data points noised anew; `None` for a family that has no such companions, or a problem whose
    /// triples share no points.
    ///
    /// # Errors
    /// As [`Family::train`].
    fn train_renoised(&self, _members: &[Member], _session: Session<'_>) -> Result<Option<Box<dyn Members>>> {
        Ok(None)
    }

    /// Reads a member's file.
    ///
    /// # Errors
    /// [`Error::Member`](crate::Error::Member).
    fn decode(&self, file: &[u8]) -> Result<Box<dyn ScoreField>>;

    /// Trained members from their files, in the order of their draws.
    ///
    /// # Errors
    /// A file that is damaged or of another model; a family of which nothing is asked that a single field does not answer.
    fn restore(&self, _draws: &[Member], _files: &[MemberFiles]) -> Result<Box<dyn Members>> {
        Err(gtv_theory::Error::Unsupported {
            what: "error bars from one training run of this family",
            reason: "they are for networks (model.kind = \"mlp\")",
            advice: "the closures of linear and lazy models need no run",
        }
        .into())
    }

    /// Most members that are sampled from side by side.
    fn sampled_side_by_side(&self) -> usize {
        usize::MAX
    }

    /// The points at which features are known, where they are not known everywhere.
    fn listed(&self) -> Option<&FeatureTable> {
        None
    }

    /// Whether [`Family::learner`] asks for trained members.
    fn learner_needs_members(&self) -> bool {
        false
    }

    /// What stands for the family in the theory.
    ///
    /// # Errors
    /// A quadrature that is too large, features that are not finite, or an interrupt.
    fn learner(
        &self,
        members: Option<&dyn Members>,
        resolution: &Resolution,
        session: Session<'_>,
    ) -> Result<(Box<dyn Learner>, LearnerRecord)>;

    /// What a run's record says of trained members, beside what every family's does.
    fn facts(&self, members: &dyn Members) -> Facts;
}

/// One member's files, read.
#[derive(Debug, Clone)]
pub struct MemberFiles {
    /// The model.
    pub model: Vec<u8>,
    /// What its optimizer kept, where the run saved it.
    pub optimizer: Option<Vec<u8>>,
}

/// What is said of a finished training.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Entries of `training.json`.
    pub entries: serde_json::Map<String, serde_json::Value>,
    /// The closing line; `{seconds}` stands for the time it took.
    pub sentence: String,
}

/// How finely a learner sees the training distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Nodes.
    pub quadrature: QuadratureSpec,
    /// Numbers of features that may be remembered.
    pub remembered: usize,
}

/// Memory that work will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// What needs it.
    pub what: &'static str,
    /// Bytes.
    pub bytes: f64,
    /// How they are estimated.
    pub formula: &'static str,
    /// What needs less.
    pub advice: &'static str,
}

/// Trained members of any family, as comparisons see them.
pub trait Members: Any + Send + Sync {
    /// N.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// y(x_q, t_q) of every member, each point at its own time.
    ///
    /// # Shapes
    /// `x`: Q × D; `t`: Q; the result: N × Q × D.
    fn predictions(&self, x: &[f64], t: &[f64]) -> Vec<f64>;

    /// One member as a score field.
    fn field(&self, member: usize) -> Box<dyn ScoreField>;

    /// A member's safetensors file, with `about` in its metadata.
    ///
    /// # Errors
    /// None for a valid member.
    fn encode(&self, member: usize, about: &BTreeMap<String, String>) -> Result<Vec<u8>>;

    /// The file of what a member's optimizer kept, with `about` in its metadata; none where it keeps nothing.
    ///
    /// # Errors
    /// None for a valid member.
    fn encode_optimizer(&self, _member: usize, _about: &BTreeMap<String, String>) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// What went wrong first in members that are called from outside; from then on their answers are NaN. Nothing can in others.
    fn fault(&self) -> Option<crate::external::Error> {
        None
    }

    /// The Gaussian law with the members' own mean and covariance.
    ///
    /// The default asks every member at every point, each remembering what it was asked for up to its share of 200 million numbers.
    ///
    /// # Errors
    /// Fewer than two members.
    fn own_moments(&self) -> Result<OwnMoments> {
        let most = REMEMBERED / self.len().max(1);
        let fields = (0..self.len())
            .map(|i| Box::new(MemoField::new(self.field(i).into(), most)) as Box<dyn ScoreField>)
            .collect();
        Ok(OwnMoments { law: Box::new(EmpiricalFields::new(fields)?), fields_asked: self.len() })
    }
}

/// `len` numbers of every member, one member after the other, as [`Members::predictions`] has them.
pub(crate) fn of_each<M: Sync>(
    members: &[M],
    len: usize,
    predict: impl Fn(&M, &mut [f64]) + Sync,
) -> Vec<f64> {
    let mut all = vec![0.0; members.len() * len];
    all.par_chunks_mut(len.max(1)).zip(members).for_each(|(y, member)| predict(member, y));
    all
}

/// Most numbers of members' tables that are remembered.
const REMEMBERED: usize = 200_000_000;

/// The Gaussian law with an ensemble's own mean and covariance.
pub struct OwnMoments {
    /// The law.
    pub law: Box<dyn Law>,
    /// Members that an evaluation of one of its draws asks.
    pub fields_asked: usize,
}

/// What is known of the learner that stands for a family.
#[derive(Debug, Clone, PartialEq)]
pub enum LearnerRecord {
    /// It is the family's own.
    Exact,
    /// Gradient flow on the kernel of infinite width.
    Lazy(LazyRecord),
    /// Gradient flow on the networks' linearisation.
    Linearised(LinearisedRecord),
    /// Trained networks, seen from their end.
    OneRun(OneRunRecord),
}

/// What single runs of training say of the spread between trainings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct OneRunRecord {
    /// Networks whose covariances are averaged.
    pub anchors: usize,
    /// Directions of the parameters that were looked at.
    pub directions: usize,
    /// Modes that training has learned for each sample.
    pub load: f64,
    /// E w tr Var y by source, and the rest.
    #[serde(flatten)]
    pub shares: OneRunShares,
}

/// The tangent kernel of infinitely wide networks over the training distribution, and what gradient flow has learned of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LazyRecord {
    /// τ, the time of gradient flow; none where it is infinite.
    pub time: Option<f64>,
    /// Modes of the kernel kept.
    pub modes: usize,
    /// F_eff = Σ (1 − e^{−ζτ}), modes that gradient flow learns in the time.
    #[serde(with = "gtv_theory::number")]
    pub effective_features: f64,
    /// Share of the kernel's trace that the features miss at fresh points.
    #[serde(with = "gtv_theory::number")]
    pub truncation: f64,
    /// ζ of the leading modes, the rates at which they are learned.
    #[serde(with = "gtv_theory::number::list")]
    pub spectrum: Vec<f64>,
}

/// How well the linearisation of trained networks stands for them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LinearisedRecord {
    /// Kernel features computed.
    pub features: usize,
    /// F_eff = Σ (1 − e^{−ζτ}), modes that gradient flow learns in the time.
    #[serde(with = "gtv_theory::number")]
    pub effective_features: f64,
    /// Share of the kernel's trace that the features miss at fresh points.
    #[serde(with = "gtv_theory::number")]
    pub truncation: f64,
    /// How far the outputs are from having one kernel, each its own (0 in one dimension).
    #[serde(with = "gtv_theory::number")]
    pub mixing: f64,
    /// τ, the time of gradient flow.
    #[serde(with = "gtv_theory::number")]
    pub time: f64,
    /// Whether τ was fitted to the ensemble's mean prediction; else it is that of gradient descent.
    pub time_fitted: bool,
    /// Relative distance of the ensemble's mean prediction from that of gradient flow for τ.
    #[serde(with = "gtv_theory::number")]
    pub misfit: f64,
    /// The time whose mean prediction is nearest to the ensemble's.
    #[serde(with = "gtv_theory::number")]
    pub nearest_time: f64,
    /// Its distance.
    #[serde(with = "gtv_theory::number")]
    pub nearest_misfit: f64,
    /// ‖Θ − Θ₀‖/‖Θ₀‖ at probe points over training, mean over the members looked at: 0 when training is lazy.
    #[serde(with = "gtv_theory::number")]
    pub kernel_drift: f64,
    /// |θ − θ₀|/|θ₀|, mean over the members looked at.
    #[serde(with = "gtv_theory::number")]
    pub parameter_movement: f64,
}
