//! Values as they are read: finite, and never more of them than the memory holds.

use super::error::ReadError;
use crate::memory::Budget;
use std::path::Path;

/// Values that are allocated for before the first is read.
const FIRST: usize = 1 << 13;

/// A list that grows while a file is read.
pub(super) struct Values<'a> {
    path: &'a Path,
    memory: &'a Budget,
    list: Vec<f64>,
}

impl<'a> Values<'a> {
    pub(super) fn new(path: &'a Path, memory: &'a Budget) -> Self {
        Self { path, memory, list: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Refuses a number of values that is known to be too large before it is read: they are held twice, once as read
    /// and once as data.
    pub(super) fn check(&self, count: f64) -> Result<(), ReadError> {
        let advice = "bring fewer points, or raise --memory-limit where there is more memory";
        self.memory
            .check("reading it", 16.0 * count, "16 bytes x values", advice)
            .map_err(|cause| ReadError::TooLarge { path: self.path.to_owned(), cause: Box::new(cause) })
    }

    /// Appends a value; `most` is how many there will be, where that is known.
    pub(super) fn push(&mut self, value: f64, most: Option<usize>) -> Result<(), ReadError> {
        if self.list.len() == self.list.capacity() {
            let doubled = self.list.len().saturating_mul(2).max(FIRST);
            let capacity = most.map_or(doubled, |most| doubled.min(most.max(self.list.len() + 1)));
            self.check(capacity as f64)?;
            self.list.try_reserve_exact(capacity - self.list.len()).map_err(|_| {
                let reason = format!("there is no memory for {capacity} values; bring fewer points");
                ReadError::format(self.path, reason)
            })?;
        }
        self.list.push(value);
        Ok(())
    }

    pub(super) fn into_list(self) -> Vec<f64> {
        self.list
    }
}
