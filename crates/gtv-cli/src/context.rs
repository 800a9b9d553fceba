//! What every command is given: seed, threads, memory budget, the interrupt flag, and the ways to speak.

use crate::failure::{UsageError, complain};
use crate::interrupt::Interrupt;
use crate::memory::Budget;
use crate::plot::Sheet;
use crate::progress::{Bars, Progress};
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::Mutex;
use std::time::Duration;

/// The surroundings of a command.
#[derive(Debug)]
pub struct Context {
    /// `--seed`, which overrides the config's `seed`.
    pub seed: Option<u64>,
    /// Threads of the global rayon pool.
    pub threads: usize,
    /// Whether progress and tables are wanted.
    pub quiet: bool,
    /// Raised by Ctrl-C; check it between units of work.
    pub interrupt: Interrupt,
    /// Memory that the command may use.
    pub memory: Budget,
    /// Whether to wait for a folder that another process writes to.
    pub wait: bool,
    /// What figures are drawn for.
    pub sheet: Sheet,
    bars: Bars,
    /// Whether warnings are printed, not only kept.
    loud: bool,
    warnings: Mutex<Vec<String>>,
    /// What the work in hand is part of, for printed warnings.
    scope: Mutex<String>,
}

impl Context {
    /// Builds the thread pool and installs the Ctrl-C handler.
    ///
    /// # Errors
    /// [`UsageError::Argument`] for zero or too many threads; the system's error when it refuses the handler.
    pub fn new(
        seed: Option<u64>,
        threads: Option<usize>,
        quiet: bool,
        memory_limit: Option<u64>,
    ) -> anyhow::Result<Self> {
        const MOST_THREADS: usize = 4096;
        if let Some(n) = threads
            && !(1..=MOST_THREADS).contains(&n)
        {
            return Err(UsageError::Argument {
                argument: "--threads",
                value: n.to_string(),
                reason: format!("expected 1 to {MOST_THREADS}; leave it out to use every core"),
            }
            .into());
        }
        rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build_global()?;
        Ok(Self {
            seed,
            threads: rayon::current_num_threads(),
            quiet,
            interrupt: Interrupt::install()?,
            memory: Budget::new(memory_limit),
            wait: false,
            sheet: Sheet::default(),
            bars: Bars::new(quiet),
            loud: true,
            warnings: Mutex::default(),
            scope: Mutex::default(),
        })
    }

    /// A context that says nothing and installs nothing, for tests and for use as a library.
    pub fn silent() -> Self {
        Self {
            seed: None,
            threads: rayon::current_num_threads(),
            quiet: true,
            interrupt: Interrupt::default(),
            memory: Budget::new(None),
            wait: false,
            sheet: Sheet::default(),
            bars: Bars::new(true),
            loud: false,
            warnings: Mutex::default(),
            scope: Mutex::default(),
        }
    }

    /// The same seed, threads, memory and interrupt, for work that is done only to find out; says nothing.
    pub fn muted(&self) -> Self {
        Self {
            seed: self.seed,
            threads: self.threads,
            interrupt: self.interrupt.clone(),
            memory: self.memory,
            wait: self.wait,
            sheet: self.sheet,
            ..Self::silent()
        }
    }

    /// Waits for folders that other processes write to, if so asked (`--wait`).
    pub fn waiting(self, wait: bool) -> Self {
        Self { wait, ..self }
    }

    /// Draws figures on this sheet (`--style`).
    pub fn drawing(self, sheet: Sheet) -> Self {
        Self { sheet, ..self }
    }

    /// How long to wait for another process.
    pub fn patience(&self) -> Duration {
        if self.wait { Duration::MAX } else { Duration::ZERO }
    }

    /// Starts a progress bar on stderr.
    pub fn progress(&self, label: &str, units: u64) -> Progress {
        self.bars.start(label, units)
    }

    /// Tells the progress bars how long everything is expected to take from now on, in seconds.
    pub fn expect(&self, seconds: f64) {
        self.bars.expect(seconds);
    }

    /// Prints a warning on stderr, `--quiet` or not, and keeps it for the record.
    pub fn warn(&self, warning: &dyn Display) {
        if self.loud {
            let scope = self.scope.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.bars.suspend(|| complain(&format!("warning: {scope}{warning}")));
        }
        self.kept().push(warning.to_string());
    }

    /// Prints a line about the work in hand on stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if self.loud && !self.quiet {
            self.bars.suspend(|| complain(text));
        }
    }

    /// Prints a row of a table that grows while work is done, on stderr and on a terminal only.
    pub fn live(&self, row: &dyn Fn() -> String) {
        if self.loud && self.bars.are_drawn() {
            self.bars.suspend(|| complain(&row()));
        }
    }

    /// Names the part of a longer work, such as a sweep's cell, that printed warnings are about from now on.
    pub fn about(&self, part: &str) {
        *self.scope.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = format!("{part}: ");
    }

    /// The warnings so far, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.kept().clone()
    }

    /// The warnings since the last call, in order.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.kept())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Prints a table or a closing line on stdout, unless `--quiet`.
    ///
    /// # Errors
    /// When stdout cannot be written (a full disk). A reader that has gone away is no error: the results are in files.
    pub fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.bars.suspend(|| print(text))
    }
}

/// Prints a line on stdout; a closed pipe is not an error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(anyhow::anyhow!("cannot write to stdout: {e}")),
        _ => Ok(()),
    }
}
