//! `log.csv`: a line for each group of members at every so many steps.

use crate::io::{WriteError, write_atomic};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The columns.
const COLUMNS: [&str; 10] =
    ["step", "first_member", "members", "rate", "loss", "j0", "j1", "grad_norm", "memorized", "seconds"];

/// One line. Means are over the group's members, and of `loss` and `grad_norm` also over the steps since the line before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
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

impl Line {
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

/// Least time between two writes of the file while a group is trained.
const PAUSE: Duration = Duration::from_secs(1);

/// The lines of the groups that are done and of the one in hand.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    done: Vec<f64>,
    /// The group in hand.
    current: Vec<f64>,
    written: Option<Instant>,
}

impl Log {
    /// An empty log that is written to a file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, done: Vec::new(), current: Vec::new(), written: None }
    }

    /// The lines of the group in hand.
    pub fn current(&self) -> &[f64] {
        &self.current
    }

    /// Takes up a group with the lines that it has already.
    pub fn begin(&mut self, lines: Vec<f64>) {
        self.current = lines;
    }

    /// Adds a line, and writes the file now and then.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn push(&mut self, line: &Line) -> Result<(), WriteError> {
        self.current.extend(line.values());
        if self.written.is_none_or(|at| at.elapsed() >= PAUSE) { self.write() } else { Ok(()) }
    }

    /// Closes the group in hand.
    pub fn end(&mut self) {
        self.done.append(&mut self.current);
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self) -> Result<(), WriteError> {
        self.written = Some(Instant::now());
        write_atomic(&self.path, |sink| {
            let mut writer = csv::Writer::from_writer(sink);
            writer.write_record(COLUMNS)?;
            for line in self.lines() {
                writer.write_record(
                    line.iter().map(|v| if v.is_nan() { String::new() } else { v.to_string() }),
                )?;
            }
            writer.flush()
        })
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
    fn identities_lines_means_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let mut log = Log::new(path.clone());
        let line = Line {
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
        log.push(&line).unwrap();
        log.push(&Line { step: 10, loss: 0.5, true_score: 1.0, seconds: 2.0, ..line }).unwrap();
        log.end();
        log.begin(Vec::new());
        log.push(&Line { step: 10, first: 3, members: 1, true_score: 5.0, seconds: 1.0, ..line }).unwrap();
        assert_eq!(log.final_mean("j0"), Some(2.0));
        assert_eq!((log.final_mean("memorized"), log.final_mean("loss")), (None, Some(0.5)));
        assert_eq!(log.seconds(), 3.0);
        log.write().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "step,first_member,members,rate,loss,j0,j1,grad_norm,memorized,seconds");
        assert_eq!(lines[1], "0,0,3,0.1,,4,5,,,0");
        assert_eq!(lines[3], "10,3,1,0.1,,5,5,,,1");
    }
}
