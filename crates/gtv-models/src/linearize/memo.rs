//! A feature map that remembers: the tables of all models drawn from one law ask for the same points.

use gtv_theory::features::FeatureMap;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, RwLock};

/// Points and their features.
#[derive(Debug)]
struct Batch {
    x: Vec<f64>,
    t: Vec<f64>,
    features: Vec<f64>,
}

/// A feature map with the batches that it was asked for, as long as they fit.
#[derive(Debug)]
pub struct MemoFeatures {
    inner: Arc<dyn FeatureMap>,
    known: RwLock<(HashMap<u64, Arc<Batch>>, usize)>,
    most: usize,
}

impl MemoFeatures {
    /// Remembers up to `most` numbers.
    pub fn new(inner: Arc<dyn FeatureMap>, most: usize) -> Self {
        Self { inner, known: RwLock::default(), most }
    }
}

impl FeatureMap for MemoFeatures {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let mut hasher = DefaultHasher::new();
        x.iter().chain(t).for_each(|v| v.to_bits().hash(&mut hasher));
        let key = hasher.finish();
        let read = || self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = read().0.get(&key).cloned();
        if let Some(batch) = found.filter(|b| b.x == x && b.t == t) {
            out.copy_from_slice(&batch.features);
            return;
        }
        self.inner.fill(x, t, out);
        let size = x.len() + t.len() + out.len();
        if read().1 + size <= self.most {
            let mut known = self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            let batch = Batch { x: x.to_vec(), t: t.to_vec(), features: out.to_vec() };
            if known.0.insert(key, Arc::new(batch)).is_none() {
                known.1 += size;
            }
        }
    }
}
