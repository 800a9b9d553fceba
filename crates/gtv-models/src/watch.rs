//! What training and comparing know of the world: progress, interrupts and warnings ([`Watch`]), and work that is kept ([`Store`]).

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::fmt::Display;
use std::io::{self, Write};

/// Who looks on.
pub trait Watch: Sync {
    /// Starts a stage of so many units of work.
    fn stage(&self, label: &str, units: u64) -> Box<dyn Stage + '_>;

    /// Whether somebody asked to stop.
    fn interrupted(&self) -> bool;

    /// Says a line about the work in hand.
    fn note(&self, text: &str);

    /// Says what may be wrong though the work goes on.
    fn warn(&self, warning: &dyn Display);

    /// Bytes that the work may use, where that is known.
    fn memory_limit(&self) -> Option<u64>;
}

/// A stage of work; it ends when it is dropped.
pub trait Stage: Sync {
    /// Reports units of work as done.
    fn advance(&self, units: u64);

    /// Shows live numbers; `text` is made only where somebody sees it.
    fn message(&self, text: &dyn Fn() -> String);
}

/// What writes an entry's bytes.
pub type Encode<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Where finished pieces of work are kept, each under a key of letters, digits, `-` and `_`, whole or not at all.
pub trait Store: Sync {
    /// The bytes under a key, `None` where there are none.
    ///
    /// # Errors
    /// What is wrong with the entry, in words.
    fn load(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, String>;

    /// Keeps the `len` bytes that `encode` writes.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn save(&self, key: &str, len: usize, encode: Encode<'_>) -> Result<()>;

    /// The keys that begin so, in order.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn keys(&self, prefix: &str) -> Result<Vec<String>>;

    /// Drops an entry.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn remove(&self, key: &str) -> Result<()>;

    /// Where an entry is, for messages.
    fn place(&self, key: &str) -> String;

    /// Shows a table that grows, such as a training's log; NaN is an empty cell.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn table(&self, name: &str, columns: &[&str], rows: &[&[f64]]) -> Result<()>;
}

/// What may be wrong though the work goes on; each says what to do next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A kept piece of work that cannot be used.
    #[error("{place}: {reason}; this part is computed again")]
    PartSkipped {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Labels that training to the end has not fitted.
    #[error(
        "trained to the end, {off:.1} % of a member's labels are off by more than a tenth of their size (root mean square {rms:.2}): modes of the kernel below training.cutoff of the largest are not learned; take fewer model.samples, a rougher activation such as relu, or a lower training.cutoff"
    )]
    Unfitted {
        /// Root mean square of what is left, relative to the labels'.
        rms: f64,
        /// Share of labels that are off, in per cent.
        off: f64,
    },
    /// Directions that miss a part of a trained network's curvature.
    #[error(
        "member {member}: the {directions} directions that one-run looks along miss {missed:.1} % of its curvature's trace, and what varies there: read its variance as a lower bound, or {advice}"
    )]
    FewDirections {
        /// The member of the ensemble.
        member: u64,
        /// K.
        directions: usize,
        /// Share of the trace outside, in per cent.
        missed: f64,
        /// What can be done about it.
        advice: String,
    },
    /// Batches of more triples than there are.
    #[error(
        "training.batch = {batch} is more than model.samples = {samples}: each step took all of them, and one-run has no variance from batches"
    )]
    WholeSteps {
        /// B.
        batch: usize,
        /// P.
        samples: usize,
    },
    /// A checkpoint that cannot be used.
    #[error("{place}: {reason}; the checkpoint before it is used, or the start where there is none")]
    CheckpointSkipped {
        /// Where it was: it is removed.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A piece of work under somebody's eyes, with a place for what is done.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Who looks on.
    pub watch: &'a dyn Watch,
    /// Where finished pieces are kept.
    pub store: &'a dyn Store,
}

impl<'a> Session<'a> {
    /// The safe point between two units of work.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.watch.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The values kept under a key, or those that `make` makes, which are then kept. A damaged entry is warned about and made again.
    ///
    /// # Errors
    /// Those of `make`, of the store, or an interrupt before the work.
    pub fn part<E: From<Error>>(
        &self,
        key: &str,
        make: impl FnOnce() -> std::result::Result<Vec<f64>, E>,
    ) -> std::result::Result<Vec<f64>, E> {
        match self.store.load(key) {
            Ok(Some(bytes)) => {
                return Ok(bytes.as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect());
            }
            Ok(None) => {}
            Err(reason) => self.watch.warn(&Warning::PartSkipped { place: self.store.place(key), reason }),
        }
        self.check()?;
        let values = make()?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.store.save(key, bytes.len(), &mut |sink| sink.write_all(&bytes))?;
        Ok(values)
    }

    /// One result for each of `items`, in their order, `side_by_side` at a time on rayon's pool.
    ///
    /// # Errors
    /// The first of `one`.
    pub fn each<T: Send, I: Sync>(
        &self,
        label: &str,
        items: &[I],
        side_by_side: usize,
        one: impl Fn(&I) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let stage = self.watch.stage(label, items.len() as u64);
        in_groups(items.len(), side_by_side, |i| one(&items[i]).inspect(|_| stage.advance(1)))
    }
}

/// The results of `one(0)` to `one(count - 1)` in order, `side_by_side` at a time. A thread that waits for the parallel parts
/// of one may begin another: without groups more would run than there are threads.
///
/// # Errors
/// The first of `one`.
pub(crate) fn in_groups<T: Send>(
    count: usize,
    side_by_side: usize,
    one: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let mut made = Vec::with_capacity(count);
    for first in (0..count).step_by(side_by_side.max(1)) {
        let group = first..count.min(first + side_by_side.max(1));
        made.extend(group.into_par_iter().map(&one).collect::<Result<Vec<T>>>()?);
    }
    Ok(made)
}

/// Nobody looks on, and nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Unwatched {
    /// A session of its own.
    pub fn session(&self) -> Session<'_> {
        Session { watch: self, store: self }
    }
}

impl Stage for Unwatched {
    fn advance(&self, _units: u64) {}

    fn message(&self, _text: &dyn Fn() -> String) {}
}

impl Watch for Unwatched {
    fn stage(&self, _label: &str, _units: u64) -> Box<dyn Stage + '_> {
        Box::new(Unwatched)
    }

    fn interrupted(&self) -> bool {
        false
    }

    fn note(&self, _text: &str) {}

    fn warn(&self, _warning: &dyn Display) {}

    fn memory_limit(&self) -> Option<u64> {
        None
    }
}

impl Store for Unwatched {
    fn load(&self, _key: &str) -> std::result::Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn save(&self, _key: &str, _len: usize, _encode: Encode<'_>) -> Result<()> {
        Ok(())
    }

    fn keys(&self, _prefix: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn remove(&self, _key: &str) -> Result<()> {
        Ok(())
    }

    fn place(&self, key: &str) -> String {
        key.to_owned()
    }

    fn table(&self, _name: &str, _columns: &[&str], _rows: &[&[f64]]) -> Result<()> {
        Ok(())
    }
}
