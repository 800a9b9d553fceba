//! The log of a training: a line for each group of members at every so many steps.

use crate::error::Result;
use crate::watch::Store;
use std::time::{Duration, Instant};

/// The columns.
const COLUMNS: [&str; 10] =
    ["step", "first_member", "members", "rate", "loss", "j0", "j1", "grad_norm", "memorized", "seconds"];

/// One line. Means are over the group's members, and of `loss` and `grad_norm` also over the steps since the line before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLine {
    /// Steps done.
    pub step: u64,
    /// The group's first member.
    pub first: u64,
    /// Members of the group.
    pub members: usize,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Loss on the training batches; NaN before the first step.
    pub loss: f64,
    /// J0 on probe points, against the true score.
    pub true_score: f64,
    /// J1 on probe points, against the proxy score.
    pub proxy: f64,
    /// Length of the gradient; NaN before the first step.
    pub grad_norm: f64,
    /// Memorized fraction of samples of some members; NaN where none were drawn.
    pub memorized: f64,
    /// Time that the group has been trained for.
    pub seconds: f64,
}

impl LogLine {
    fn values(&self) -> [f64; COLUMNS.len()] {
        [
            self.step as f64,
            self.first as f64,
            self.members as f64,
            self.rate,
            self.loss,
            self.true_score,
            self.proxy,
            self.grad_norm,
            self.memorized,
            self.seconds,
        ]
    }
}

/// Least time between two showings of the table while a group is trained.
const PAUSE: Duration = Duration::from_secs(1);

/// The lines of the groups that are done and of the one in hand.
#[derive(Debug, Clone, Default)]
pub struct Log {
    done: Vec<f64>,
    /// The group in hand.
    current: Vec<f64>,
    shown: Option<Instant>,
}

impl Log {
    /// The lines of the group in hand.
    pub fn current(&self) -> &[f64] {
        &self.current
    }

    /// Takes up a group with the lines that it has already.
    pub fn begin(&mut self, lines: Vec<f64>) {
        self.current = lines;
    }

    /// Adds a line; true now and then, when the table should be shown again.
    pub fn push(&mut self, line: &LogLine) -> bool {
        self.current.extend(line.values());
        self.shown.is_none_or(|at| at.elapsed() >= PAUSE)
    }

    /// Closes the group in hand.
    pub fn end(&mut self) {
        self.done.append(&mut self.current);
    }

    /// Shows the table under a name.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store).
    pub fn show(&mut self, name: &str, store: &dyn Store) -> Result<()> {
        self.shown = Some(Instant::now());
        store.table(name, &COLUMNS, &self.lines().collect::<Vec<_>>())
    }

    fn lines(&self) -> impl Iterator<Item = &[f64]> {
        self.done.chunks_exact(COLUMNS.len()).chain(self.current.chunks_exact(COLUMNS.len()))
    }

    /// A column's mean over members at the last step of every group; `None` when no line has it.
    pub fn final_mean(&self, column: &str) -> Option<f64> {
        let of = COLUMNS.iter().position(|c| *c == column)?;
        let last = self.lines().map(|l| l[0]).fold(0.0, f64::max);
        let (mut sum, mut members) = (0.0, 0.0);
        for line in self.lines().filter(|l| l[0] == last && !l[of].is_nan()) {
            sum += line[2] * line[of];
            members += line[2];
        }
        (members > 0.0).then(|| sum / members)
    }

    /// Seconds that all groups took.
    pub fn seconds(&self) -> f64 {
        let last = self.lines().map(|l| l[0]).fold(0.0, f64::max);
        self.lines().filter(|l| l[0] == last).map(|l| l[COLUMNS.len() - 1]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_lines_and_means() {
        let mut log = Log::default();
        let line = LogLine {
            step: 0,
            first: 0,
            members: 3,
            rate: 0.1,
            loss: f64::NAN,
            true_score: 4.0,
            proxy: 5.0,
            grad_norm: f64::NAN,
            memorized: f64::NAN,
            seconds: 0.0,
        };
        assert!(log.push(&line));
        log.push(&LogLine { step: 10, loss: 0.5, true_score: 1.0, seconds: 2.0, ..line });
        log.end();
        log.begin(Vec::new());
        log.push(&LogLine { step: 10, first: 3, members: 1, true_score: 5.0, seconds: 1.0, ..line });
        assert_eq!(log.final_mean("j0"), Some(2.0));
        assert_eq!((log.final_mean("memorized"), log.final_mean("loss")), (None, Some(0.5)));
        assert_eq!(log.seconds(), 3.0);
        let lines: Vec<&[f64]> = log.lines().collect();
        assert!(lines[0][..4] == [0.0, 0.0, 3.0, 0.1] && lines[0][4].is_nan() && lines[0][5] == 4.0);
        assert_eq!((lines.len(), lines[2][1], lines[2][9]), (3, 3.0, 1.0));
    }
}
