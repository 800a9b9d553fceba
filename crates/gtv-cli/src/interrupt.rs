//! Ctrl-C: the first press asks the work to stop at the next safe point, the second ends the program.

use crate::failure::complain;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that long work looks at between its units.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
}

/// The error of work that stopped on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; the same command again goes on from what its run folder holds")]
pub struct Interrupted;

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP (Ctrl-C and its like elsewhere).
    ///
    /// # Errors
    /// When the system refuses the handler, or one is already installed.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let raised = Arc::clone(&interrupt.raised);
        ctrlc::set_handler(move || {
            if raised.swap(true, Ordering::SeqCst) {
                complain("stopped at once; unfinished work is lost");
                std::process::exit(1);
            }
            complain("stopping after the work in hand; press Ctrl-C again to stop at once");
        })?;
        Ok(interrupt)
    }

    /// Whether somebody asked to stop.
    pub fn raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Asks the work to stop, as Ctrl-C does.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// The safe point between two units of work.
    ///
    /// # Errors
    /// [`Interrupted`] when somebody asked to stop.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.raised() { Err(Interrupted) } else { Ok(()) }
    }
}
