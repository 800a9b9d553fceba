//! Ensembles: N members, each trained on its own draw, in parallel; member i depends on (seed, i) only.

use super::LinearTrainer;
use crate::error::{Error, Result};
use crate::family::{Members, OwnMoments, of_each};
use crate::watch::in_groups;
use crate::weights_file::{bytes, encode};
use gtv_theory::ScoreField;
use gtv_theory::error::{Error as TheoryError, check_len};
use gtv_theory::law::{EmpiricalLinear, LinearField};
use gtv_theory::linalg::gemm_nn;
use gtv_theory::rng::Streams;
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Called after each finished member with (done, total); `Break` stops the training.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) -> ControlFlow<()> + Sync);

/// Options of an ensemble run.
#[derive(Clone, Copy)]
pub struct EnsembleOptions<'a> {
    /// Largest estimated memory that is accepted, bytes.
    pub memory_limit: u64,
    /// Progress and cancellation.
    pub progress: Progress<'a>,
}

impl Default for EnsembleOptions<'_> {
    fn default() -> Self {
        Self { memory_limit: 8 << 30, progress: &|_, _| ControlFlow::Continue(()) }
    }
}

/// The training of an ensemble, member by member.
pub(crate) struct Work {
    /// N.
    pub members: usize,
    /// Estimated peak bytes.
    pub needed_bytes: u64,
    /// What needs less.
    pub advice: &'static str,
    /// Members in training at a time.
    pub side_by_side: usize,
}

impl Work {
    /// Each member's result, in order.
    ///
    /// # Errors
    /// No members, more memory than is allowed, a stop, or that of a member.
    pub fn each<T: Send>(
        &self,
        options: EnsembleOptions<'_>,
        one: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let &Self { members, needed_bytes, advice, side_by_side } = self;
        if members == 0 {
            return Err(TheoryError::Empty { name: "the ensemble (members)" }.into());
        }
        let limit_bytes = options.memory_limit;
        if needed_bytes > limit_bytes {
            let name = "training the ensemble";
            return Err(TheoryError::TooLarge { name, needed_bytes, limit_bytes, advice }.into());
        }
        let done = AtomicUsize::new(0);
        let one = |member| {
            let trained = one(member)?;
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            match (options.progress)(done, members) {
                ControlFlow::Continue(()) => Ok(trained),
                ControlFlow::Break(()) => Err(Error::Cancelled { done, total: members }),
            }
        };
        in_groups(members, side_by_side, one)
    }
}

impl Members for LinearEnsemble {
    fn len(&self) -> usize {
        self.len()
    }

    fn predictions(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let features = self.trainer.features();
        let (dim, count) = (features.dim(), features.len());
        let mut phi = vec![0.0; t.len() * count];
        features.fill(x, t, &mut phi);
        let members: Vec<&[f64]> = self.members().collect();
        of_each(&members, t.len() * dim, |weights, y| gemm_nn(t.len(), dim, count, &phi, weights, y))
    }

    fn field(&self, member: usize) -> Box<dyn ScoreField> {
        Box::new(self.field(member))
    }

    /// One tensor, `readout.weight`, D × F in float64 as `torch.nn.Linear` stores it.
    fn encode(&self, member: usize, about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let (dim, features) = (self.trainer.features().dim(), self.trainer.features().len());
        let weights = &self.weights[member * self.member_len()..][..self.member_len()];
        let transposed: Vec<f64> =
            (0..dim).flat_map(|d| (0..features).map(move |f| weights[f * dim + d])).collect();
        let bytes = bytes(&transposed, f64::to_le_bytes);
        encode([(super::family::TENSOR, Dtype::F64, vec![dim, features], &bytes[..])], about)
    }

    fn own_moments(&self) -> Result<OwnMoments> {
        let (trainer, members) = (&self.trainer, self.members().collect::<Vec<_>>());
        let (objective, schedule) = (trainer.problem().objective(), *trainer.problem().schedule());
        let law = EmpiricalLinear::new(trainer.features().clone(), objective, schedule, &members)?;
        Ok(OwnMoments { law: Box::new(law), fields_asked: 1 })
    }
}

/// The trained members of a linear ensemble.
#[derive(Clone)]
pub struct LinearEnsemble {
    trainer: LinearTrainer,
    /// N × F × D.
    weights: Vec<f64>,
}

impl LinearEnsemble {
    /// Trains members 0 … N − 1 on rayon's pool.
    ///
    /// # Errors
    /// [`TheoryError::TooLarge`] when the estimate exceeds the limit, before any work; [`Error::Cancelled`];
    /// [`Error::Singular`].
    pub fn train(
        trainer: &LinearTrainer,
        streams: Streams,
        members: usize,
        options: EnsembleOptions<'_>,
    ) -> Result<Self> {
        let work = Work {
            members,
            needed_bytes: Self::estimate_bytes(trainer, members),
            advice: "use fewer members, threads or features",
            side_by_side: members,
        };
        let trained = work.each(options, |member| trainer.weights(streams, member as u64))?;
        Ok(Self { trainer: trainer.clone(), weights: trained.concat() })
    }

    /// An ensemble of members trained before.
    ///
    /// # Shapes
    /// `weights`: N × F × D.
    ///
    /// # Errors
    /// [`TheoryError::Shape`] or [`TheoryError::Empty`] when they are not whole members.
    pub fn from_weights(trainer: &LinearTrainer, weights: Vec<f64>) -> Result<Self> {
        let len = trainer.features().len() * trainer.features().dim();
        if weights.is_empty() {
            return Err(TheoryError::Empty { name: "the ensemble (members)" }.into());
        }
        check_len("the members' weights", weights.len().div_ceil(len) * len, weights.len())?;
        Ok(Self { trainer: trainer.clone(), weights })
    }

    /// Estimated peak bytes: every member's weights twice (collected, then joined), and the working memory of
    /// those in training.
    pub fn estimate_bytes(trainer: &LinearTrainer, members: usize) -> u64 {
        let (working, kept) = trainer.bytes();
        let busy = rayon::current_num_threads().min(members) as u64;
        2 * members as u64 * kept + busy * working
    }

    /// N.
    pub fn len(&self) -> usize {
        self.weights.len() / self.member_len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn member_len(&self) -> usize {
        self.trainer.features().len() * self.trainer.features().dim()
    }

    /// All weights, N × F × D.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The members' Ŵ, each F × D.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.weights.chunks_exact(self.member_len())
    }

    /// One member as a score field.
    pub fn field(&self, member: usize) -> LinearField {
        let len = self.member_len();
        self.trainer.field(self.weights[member * len..(member + 1) * len].to_vec())
    }

    /// The trainer.
    pub fn trainer(&self) -> &LinearTrainer {
        &self.trainer
    }
}
