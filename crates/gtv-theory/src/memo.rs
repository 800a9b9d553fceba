//! Feature maps, fields and models that remember their results: the tables of all models drawn from one law ask for the same points, and so
//! do the laws of one model.

use crate::features::FeatureMap;
use crate::learner::{Change, Pulls, TrainedModel};
use crate::schedule::Schedule;
use crate::score::ScoreField;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

/// Points and what was found there.
#[derive(Debug)]
struct Batch {
    x: Vec<f64>,
    t: Vec<f64>,
    values: Vec<f64>,
}

/// Batches of points that were asked for, as long as they fit.
#[derive(Debug)]
struct Memory {
    known: RwLock<(HashMap<u64, Arc<Batch>>, usize)>,
    /// Most numbers kept.
    most: usize,
}

impl Memory {
    fn new(most: usize) -> Self {
        Self { known: RwLock::default(), most }
    }

    /// Writes what `make` writes, and makes it once only for the same points. What is not finite is not kept: a function that failed may
    /// answer the next time.
    fn recall(&self, x: &[f64], t: &[f64], out: &mut [f64], make: impl FnOnce(&mut [f64])) {
        let mut hasher = DefaultHasher::new();
        x.iter().chain(t).for_each(|v| v.to_bits().hash(&mut hasher));
        let key = hasher.finish();
        let read = || self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = read().0.get(&key).cloned();
        if let Some(batch) = found.filter(|b| b.x == x && b.t == t) {
            out.copy_from_slice(&batch.values);
            return;
        }
        make(out);
        let size = x.len() + t.len() + out.len();
        if read().1 + size <= self.most && out.iter().all(|v| v.is_finite()) {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Others may have filled it meanwhile.
            if known.1 + size <= self.most {
                let batch = Batch { x: x.to_vec(), t: t.to_vec(), values: out.to_vec() };
                if known.0.insert(key, Arc::new(batch)).is_none() {
                    known.1 += size;
                }
            }
        }
    }
}

/// A feature map with the batches that it was asked for.
#[derive(Debug)]
pub struct MemoFeatures {
    inner: Arc<dyn FeatureMap>,
    memory: Memory,
}

impl MemoFeatures {
    /// Remembers up to `most` numbers.
    pub fn new(inner: Arc<dyn FeatureMap>, most: usize) -> Self {
        Self { inner, memory: Memory::new(most) }
    }
}

impl FeatureMap for MemoFeatures {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn everywhere(&self) -> bool {
        self.inner.everywhere()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.memory.recall(x, t, out, |out| self.inner.fill(x, t, out));
    }
}

/// A trained model with the batches at which its derivatives were asked for.
pub struct MemoModel {
    inner: Arc<dyn TrainedModel>,
    memory: Memory,
}

impl MemoModel {
    /// Remembers up to `most` numbers.
    pub fn new(inner: Arc<dyn TrainedModel>, most: usize) -> Self {
        Self { inner, memory: Memory::new(most) }
    }
}

impl TrainedModel for MemoModel {
    fn field(&self) -> Arc<dyn ScoreField> {
        self.inner.field()
    }

    fn directions(&self) -> usize {
        self.inner.directions()
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; x.len() * self.directions()];
        self.memory.recall(x, t, &mut out, |out| out.copy_from_slice(&self.inner.derivatives(x, t)));
        out
    }

    fn pullback(&self, x: &[f64], t: &[f64], residuals: &[f64]) -> Vec<f64> {
        self.inner.pullback(x, t, residuals)
    }

    fn change(&self, c: &[f64]) -> Change {
        self.inner.change(c)
    }

    fn missed(&self) -> f64 {
        self.inner.missed()
    }

    fn pulls(&self) -> Option<Pulls> {
        self.inner.pulls()
    }

    fn initial_covariance(&self) -> Option<Vec<f64>> {
        self.inner.initial_covariance()
    }
}

/// A score field with the batches that it was asked for.
pub struct MemoField {
    inner: Arc<dyn ScoreField>,
    scores: Memory,
    denoisers: Memory,
}

impl MemoField {
    /// Remembers up to `most` numbers of scores, and as many of denoisers.
    pub fn new(inner: Arc<dyn ScoreField>, most: usize) -> Self {
        Self { inner, scores: Memory::new(most), denoisers: Memory::new(most) }
    }
}

impl ScoreField for MemoField {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.inner.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.scores.recall(x, &[t], out, |out| self.inner.score_into(x, t, out));
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.scores.recall(x, t, out, |out| self.inner.scores_into(x, t, out));
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.denoisers.recall(x, &[t], out, |out| self.inner.denoiser_into(x, t, out));
    }

    fn chunks_a_call(&self) -> usize {
        self.inner.chunks_a_call()
    }

    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        self.inner.denoiser_derivative_into(x, t, directions, out);
    }

    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.inner.denoiser_divergence_into(x, t, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PointCloud;
    use crate::score::ExactScore;

    #[test]
    fn identities_what_is_remembered_is_what_was_found() {
        let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
        let exact = ExactScore::new(cloud, Schedule::paper(0.01).unwrap());
        // Room for one batch of three points at one time.
        let memo = MemoField::new(Arc::new(exact.clone()), 7);
        for (x, t) in
            [([0.1, 0.2, 0.3], 0.1), ([0.1, 0.2, 0.3], 0.1), ([0.1, 0.2, 0.3], 0.2), ([0.1, 0.2, 0.4], 0.1)]
        {
            let (mut found, mut want) = ([0.0; 3], [0.0; 3]);
            memo.score_into(&x, t, &mut found);
            exact.score_into(&x, t, &mut want);
            assert_eq!(found, want);
            memo.denoiser_into(&x, t, &mut found);
            exact.denoiser_into(&x, t, &mut want);
            assert_eq!(found, want);
        }
        assert_eq!(memo.scores.known.read().unwrap().0.len(), 1);
    }

    #[test]
    fn identities_a_failure_is_not_remembered() {
        let memory = Memory::new(100);
        let mut out = [0.0; 2];
        for answer in [f64::NAN, 3.0, 5.0] {
            memory.recall(&[0.1, 0.2], &[0.3], &mut out, |out| out.fill(answer));
        }
        assert_eq!(out, [3.0; 2]);
    }
}
