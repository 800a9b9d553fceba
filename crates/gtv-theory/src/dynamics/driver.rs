//! Many independent paths in parallel: fixed chunks, one random stream each, results in order.

use crate::rng::{ChaCha8Rng, Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Paths in a chunk. It is part of every saved result, since each chunk has its own random stream.
pub const CHUNK: usize = 1024;

/// Called after each finished chunk with its number of paths; `false` stops the run.
pub type Progress<'a> = &'a (dyn Fn(usize) -> bool + Sync);

/// The progress callback of a run that nobody watches.
pub fn unobserved(_paths: usize) -> bool {
    true
}

/// Paths that did not arrive, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Paths that became infinite or NaN.
    pub diverged: usize,
    /// Paths that needed more than `max_steps` steps.
    pub exhausted: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.diverged += other.diverged;
        self.exhausted += other.exhausted;
    }
}

/// Where paths arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Arrived states, row-major with `dim` columns, in the order of their paths; paths that failed are left out.
    pub x: Vec<f64>,
    /// D.
    pub dim: usize,
    /// Paths that did not arrive.
    pub failed: Tally,
    /// Whether the progress callback stopped the run; `x` then holds the chunks that were finished.
    pub cancelled: bool,
}

impl Samples {
    /// Paths that arrived.
    pub fn len(&self) -> usize {
        self.x.len() / self.dim
    }

    /// Whether no path arrived.
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// Share of finished paths that did not arrive.
    pub fn failed_share(&self) -> f64 {
        let failed = self.failed.diverged + self.failed.exhausted;
        failed as f64 / (failed + self.len()).max(1) as f64
    }
}

/// Runs `paths` paths in chunks of [`CHUNK`]: x_T = centre + scale · n, then `integrate(workspace, chunk, rows)`.
///
/// Chunk c of model `member` draws its initial states from the stream (`Initial`, member, c); `integrate` moves the rows
/// to their ends in place, leaves a failed row not finite, and counts the failures. Results do not depend on the
/// number of threads.
///
/// # Shapes
/// `centre`: D.
pub fn run_paths<W>(
    paths: usize,
    centre: &[f64],
    scale: f64,
    from: (Streams, u64),
    progress: Progress,
    workspace: impl Fn() -> W + Sync + Send,
    integrate: impl Fn(&mut W, u64, &mut [f64]) -> Tally + Sync + Send,
) -> Samples {
    run_together(1, paths, centre, scale, from, progress, workspace, integrate)
}

/// [`run_paths`] with so many chunks at a time: `integrate` is given the first one's number. States are those of [`run_paths`].
pub(super) fn run_together<W>(
    chunks: usize,
    paths: usize,
    centre: &[f64],
    scale: f64,
    (streams, member): (Streams, u64),
    progress: Progress,
    workspace: impl Fn() -> W + Sync + Send,
    integrate: impl Fn(&mut W, u64, &mut [f64]) -> Tally + Sync + Send,
) -> Samples {
    let dim = centre.len();
    let mut x = vec![0.0; paths * dim];
    let stopped = AtomicBool::new(false);
    let outcomes: Vec<Option<Tally>> = x
        .par_chunks_mut(chunks * CHUNK * dim)
        .enumerate()
        .map_init(workspace, |work, (task, rows)| {
            if stopped.load(Ordering::Relaxed) {
                return None;
            }
            let first = (task * chunks) as u64;
            for (chunk, rows) in (first..).zip(rows.chunks_mut(CHUNK * dim)) {
                draw_initial(&mut streams.stream(Purpose::Initial, member, chunk), centre, scale, rows);
            }
            let tally = integrate(work, first, rows);
            if !progress(rows.len() / dim) {
                stopped.store(true, Ordering::Relaxed);
            }
            Some(tally)
        })
        .collect();
    let mut samples = Samples { x: Vec::new(), dim, failed: Tally::default(), cancelled: false };
    for tally in &outcomes {
        match tally {
            Some(tally) => samples.failed += *tally,
            None => samples.cancelled = true,
        }
    }
    samples.x = keep_arrived(x, dim, chunks * CHUNK, &outcomes);
    samples
}

pub(super) fn draw_initial(rng: &mut ChaCha8Rng, centre: &[f64], scale: f64, rows: &mut [f64]) {
    for row in rows.chunks_exact_mut(centre.len()) {
        for (x, c) in row.iter_mut().zip(centre) {
            let n: f64 = StandardNormal.sample(rng);
            *x = c + scale * n;
        }
    }
}

/// Moves the rows that arrived to the front.
fn keep_arrived(mut x: Vec<f64>, dim: usize, together: usize, outcomes: &[Option<Tally>]) -> Vec<f64> {
    let mut kept = 0;
    for row in 0..x.len() / dim {
        let range = row * dim..(row + 1) * dim;
        if outcomes[row / together].is_some() && x[range.clone()].iter().all(|v| v.is_finite()) {
            x.copy_within(range, kept);
            kept += dim;
        }
    }
    x.truncate(kept);
    x
}

/// Counts the rows that are not finite.
pub(super) fn count_diverged(rows: &[f64], dim: usize) -> usize {
    rows.chunks_exact(dim).filter(|row| row.iter().any(|v| !v.is_finite())).count()
}
