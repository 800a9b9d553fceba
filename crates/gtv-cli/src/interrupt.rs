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

/// The error of work that stopped on request and has no run folder to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; nothing was written")]
pub struct InterruptedForNothing;

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP (Ctrl-C and its like elsewhere), but for those that the program was started
    /// to ignore: `nohup` means SIGHUP, and a shell's background job SIGINT.
    ///
    /// # Errors
    /// When the system refuses the handler, or one is already installed.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let raised = Arc::clone(&interrupt.raised);
        let ignored = Ignored::inherited();
        ctrlc::set_handler(move || {
            if raised.swap(true, Ordering::SeqCst) {
                complain("stopped at once; unfinished work is lost");
                std::process::exit(1);
            }
            complain("stopping after the work in hand; press Ctrl-C again to stop at once");
        })?;
        ignored.keep();
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

    /// The safe point of work that keeps nothing, also the last before its result is written.
    ///
    /// # Errors
    /// [`InterruptedForNothing`] when somebody asked to stop.
    pub fn check_for_nothing(&self) -> Result<(), InterruptedForNothing> {
        if self.raised() { Err(InterruptedForNothing) } else { Ok(()) }
    }
}

/// Signals that this process was started to ignore.
struct Ignored {
    #[cfg(unix)]
    signals: Vec<libc::c_int>,
}

#[cfg(unix)]
impl Ignored {
    fn inherited() -> Self {
        let ignored = |signal: &libc::c_int| {
            let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: with no new action given, sigaction only writes the present one to `action`, which is a plain
            // struct that is valid when all of it is zero.
            let (told, action) = unsafe {
                let told = libc::sigaction(*signal, std::ptr::null(), action.as_mut_ptr());
                (told, action.assume_init())
            };
            told == 0 && action.sa_sigaction == libc::SIG_IGN
        };
        Self { signals: [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(ignored).collect() }
    }

    fn keep(self) {
        for signal in self.signals {
            // SAFETY: ignoring a signal runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
    }
}

#[cfg(not(unix))]
impl Ignored {
    fn inherited() -> Self {
        Self {}
    }

    fn keep(self) {}
}
