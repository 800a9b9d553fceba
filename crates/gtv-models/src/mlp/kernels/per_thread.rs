//! Working memory for each thread of a pool.

use std::sync::{Mutex, PoisonError};

/// One value for each thread that works on a share, so that a lock is never waited for.
#[derive(Debug)]
pub(crate) struct PerThread<T> {
    values: Vec<Mutex<T>>,
}

impl<T> Default for PerThread<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T: Default> PerThread<T> {
    /// Makes one for each thread of the pool in which work is about to be spread.
    pub(crate) fn prepare(&mut self) {
        let threads = rayon::current_num_threads();
        if self.values.len() < threads {
            self.values.resize_with(threads, Mutex::default);
        }
    }

    /// Works with this thread's, which must not be in use further up.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let thread = rayon::current_thread_index().unwrap_or(0);
        // What a panic left behind is only scratch.
        let mut value = self.values[thread].lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut value)
    }
}
