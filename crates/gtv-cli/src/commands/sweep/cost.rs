//! What a cell takes, estimated before any work.

use crate::commands::opening::{Work, core_seconds};
use crate::config::Problem;

/// Time and memory of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Seconds of one core; right within a factor of about three.
    pub seconds: f64,
    /// Bytes.
    pub bytes: f64,
}

/// The program itself, its figures and its buffers.
const BASE: f64 = 150e6;
/// Reading, kernel numbers and drawing, which every cell takes.
const LEAST: f64 = 1.0;

impl Cost {
    /// The estimate for a problem.
    pub fn of(problem: &Problem) -> Self {
        Self { seconds: LEAST + core_seconds(problem, Work::Compare), bytes: BASE + problem.bytes }
    }

    /// Of several, one after the other: the sum of times, the largest memory.
    pub fn in_all(costs: impl Iterator<Item = Self>) -> Self {
        let add = |a: Self, b: Self| Self { seconds: a.seconds + b.seconds, bytes: a.bytes.max(b.bytes) };
        costs.fold(Self { seconds: 0.0, bytes: 0.0 }, add)
    }
}
