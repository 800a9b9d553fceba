//! Ensembles of lazily trained models, in parallel; a member depends on the seed and its draws only.

use super::family::NAMES;
use super::{LazyField, LazyMember, LazyTrainer};
use crate::error::Result;
use crate::family::{Member, Members, of_each};
use crate::linear::{EnsembleOptions, Work};
use crate::weights_file::{bytes, encode};
use gtv_theory::ScoreField;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::ntk::Unfitted;
use gtv_theory::rng::Streams;
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;

/// The trained members of a lazy ensemble.
#[derive(Clone)]
pub struct LazyEnsemble {
    trainer: LazyTrainer,
    members: Vec<LazyMember>,
    fields: Vec<LazyField>,
    unfitted: Option<Unfitted>,
}

impl LazyEnsemble {
    /// Trains members on rayon's pool for the trainer's time.
    ///
    /// # Errors
    /// [`TheoryError::TooLarge`] when the estimate exceeds the limit, before any work; [`crate::Error::Cancelled`]; those of
    /// [`LazyTrainer::train`].
    pub fn train(
        trainer: &LazyTrainer,
        streams: Streams,
        members: &[Member],
        options: EnsembleOptions<'_>,
    ) -> Result<Self> {
        let mut trained = Self::train_for(trainer, streams, members, &[trainer.time()], options)?;
        Ok(trained.swap_remove(0))
    }

    /// The same members at several times: one ensemble for each, from one decomposition or iteration of each member.
    ///
    /// # Errors
    /// As [`LazyEnsemble::train`].
    pub fn train_for(
        trainer: &LazyTrainer,
        streams: Streams,
        members: &[Member],
        times: &[f64],
        options: EnsembleOptions<'_>,
    ) -> Result<Vec<Self>> {
        if times.is_empty() {
            return Err(TheoryError::Empty { name: "the times of training" }.into());
        }
        let work = Work {
            members: members.len(),
            needed_bytes: Self::estimate_bytes(trainer, members.len(), times.len()),
            advice: "use fewer samples, members or threads",
            side_by_side: trainer.side_by_side(),
        };
        let trained = work.each(options, |k| trainer.train_for(streams, members[k], times))?;
        let mut ensembles: Vec<Vec<LazyMember>> = times.iter().map(|_| Vec::new()).collect();
        for member in trained {
            ensembles.iter_mut().zip(member).for_each(|(ensemble, at)| ensemble.push(at));
        }
        ensembles.into_iter().map(|members| Self::from_members(trainer, members)).collect()
    }

    /// An ensemble of members trained before.
    ///
    /// # Errors
    /// [`TheoryError::Empty`] without members; [`TheoryError::Shape`] for arrays that do not fit the trainer.
    pub fn from_members(trainer: &LazyTrainer, members: Vec<LazyMember>) -> Result<Self> {
        if members.is_empty() {
            return Err(TheoryError::Empty { name: "the ensemble (members)" }.into());
        }
        let fields = members.iter().map(|member| trainer.field(member)).collect::<Result<_>>()?;
        Ok(Self { trainer: trainer.clone(), members, fields, unfitted: None })
    }

    /// The same ensemble with what training has left of its first member's labels.
    #[must_use]
    pub fn with_unfitted(self, unfitted: Option<Unfitted>) -> Self {
        Self { unfitted, ..self }
    }

    /// What training to the end has left of the first member's labels, where it is known.
    pub fn unfitted(&self) -> Option<Unfitted> {
        self.unfitted
    }

    /// Estimated peak bytes: what every member keeps, twice (as saved and as a field), and the working memory of those in
    /// training.
    pub fn estimate_bytes(trainer: &LazyTrainer, members: usize, times: usize) -> u64 {
        let (working, kept) = trainer.bytes(times);
        let inputs = (trainer.model().embedding().inputs() * trainer.problem().samples() * times * 8) as u64;
        let busy = trainer.side_by_side().min(members) as u64;
        members as u64 * (2 * kept + inputs) + busy * working
    }

    /// The members, as they are saved.
    pub fn members(&self) -> &[LazyMember] {
        &self.members
    }

    /// One member as a score field.
    pub fn field(&self, member: usize) -> &LazyField {
        &self.fields[member]
    }

    /// The trainer.
    pub fn trainer(&self) -> &LazyTrainer {
        &self.trainer
    }
}

impl Members for LazyEnsemble {
    fn len(&self) -> usize {
        self.fields.len()
    }

    fn predictions(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        of_each(&self.fields, x.len(), |field, y| field.predict(x, t, y))
    }

    fn field(&self, member: usize) -> Box<dyn ScoreField> {
        Box::new(self.fields[member].clone())
    }

    fn encode(&self, member: usize, about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let LazyMember { x, t, coefficients, initial } = &self.members[member];
        let arrays: [&[f64]; 4] = [x, t, coefficients, initial];
        let arrays = arrays.map(|values| bytes(values, f64::to_le_bytes));
        let shapes = self.trainer.file_shapes();
        let tensors = NAMES.into_iter().zip(shapes).zip(&arrays);
        encode(tensors.map(|((name, shape), bytes)| (name, Dtype::F64, shape, &bytes[..])), about)
    }
}
