//! How the program ends: exit codes, the one-line error message, and the last line of defence against panics.

use crate::config::ConfigError;
use crate::io::ReadError;
use crate::memory::TooLarge;
use gtv_theory::Error as Theory;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// A combination of arguments that cannot be acted on.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An argument's value is wrong in a way that clap cannot see.
    #[error("{argument} {value}: {reason}")]
    Argument {
        /// The argument, as typed.
        argument: &'static str,
        /// Its value.
        value: String,
        /// What was expected, and what to do.
        reason: String,
    },
    /// `--out` names something that must not be written to.
    #[error("--out {path}: {reason}")]
    Out {
        /// The path.
        path: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A run folder or its files are not what the command needs.
    #[error("{path}: {reason}")]
    Run {
        /// The folder or file.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A part of the program that this version does not have.
    #[error("{what} is not part of this version; {advice}")]
    Missing {
        /// What was asked for.
        what: String,
        /// What there is instead.
        advice: &'static str,
    },
}

/// An ending whose message is already on the terminal (clap's help and usage errors).
#[derive(Debug, thiserror::Error)]
#[error("exit code {code}")]
pub struct Shown {
    /// The exit code.
    pub code: u8,
}

/// Whether an error of the mathematics is one of its input, not of the computation.
fn is_input(error: &Theory) -> bool {
    !matches!(error, Theory::NotConverged { .. } | Theory::NotPositiveDefinite { .. })
}

/// The exit code of an error: 2 when the user's arguments, config or data are at fault, else 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let at_fault = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<UsageError>()
            || cause.is::<ConfigError>()
            || cause.is::<ReadError>()
            || cause.is::<TooLarge>()
            || is_from_outside(cause)
            || theory(cause).is_some_and(is_input)
    };
    if let Some(shown) = error.downcast_ref::<Shown>() {
        return shown.code;
    }
    if error.chain().any(at_fault) { 2 } else { 1 }
}

/// Whether arrays or functions from outside are at fault.
fn is_from_outside(cause: &(dyn std::error::Error + 'static)) -> bool {
    use gtv_models::Error::External;
    matches!(cause.downcast_ref(), Some(External(_)))
        || matches!(cause.downcast_ref(), Some(gtv_study::Error::Models(External(_))))
        || cause.is::<gtv_models::external::Error>()
}

/// The cause in the mathematics, through whichever crate it came.
fn theory<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a Theory> {
    cause
        .downcast_ref::<Theory>()
        .or_else(|| match cause.downcast_ref()? {
            gtv_models::Error::Theory(e) => Some(e),
            _ => None,
        })
        .or_else(|| match cause.downcast_ref()? {
            gtv_study::Error::Theory(e) | gtv_study::Error::Models(gtv_models::Error::Theory(e)) => Some(e),
            _ => None,
        })
}

/// The config's keys that an error of the mathematics depends on: the library knows quantities, not keys.
fn keys(error: &anyhow::Error) -> &'static str {
    match error.chain().find_map(theory) {
        Some(Theory::NotPositiveDefinite { .. }) => {
            " (model.ridge, model.features.x, model.features.t, model.features.range)"
        }
        _ => "",
    }
}

/// Runs the program, prints its error as one line, and turns the outcome into an exit code.
pub fn guard(run: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    install_panic_hook();
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            if !error.is::<Shown>() {
                complain(&format!("error: {error:#}{}", keys(&error)));
            }
            ExitCode::from(exit_code(&error))
        }
        // The hook has printed its line.
        Err(_) => ExitCode::from(1),
    }
}

/// Writes a line to stderr; unlike `eprintln!` it does not mind that nobody listens.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Replaces the panic message and backtrace by one line that asks for a report.
fn install_panic_hook() {
    static SAID: AtomicBool = AtomicBool::new(false);
    set_hook(Box::new(|info| {
        // A panic in parallel work can reach the hook once for each thread.
        if SAID.swap(true, Ordering::Relaxed) {
            return;
        }
        let payload = info.payload();
        let what = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let what = what.replace('\n', " ");
        complain(&format!(
            "error: this is a fault in gtv-cli {version}, not in your input: {what}{place}; please report it with the command and config that caused it"
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_separate_the_users_fault_from_ours() {
        let usage: anyhow::Error = UsageError::Out { path: "a".into(), reason: "b".into() }.into();
        assert_eq!(exit_code(&usage.context("while starting")), 2);
        let stalled =
            Theory::NotConverged { name: "x", iterations: 1, residual: 1.0, tolerance: 0.1, advice: "z" };
        assert_eq!(exit_code(&stalled.into()), 1);
        assert_eq!(exit_code(&Theory::Empty { name: "x" }.into()), 2);
        assert_eq!(exit_code(&gtv_models::Error::Theory(Theory::Empty { name: "x" }).into()), 2);
        let singular = gtv_models::Error::Singular { member: 0, size: 3, ratio: 0.0, ridge: 0.0 };
        assert_eq!(exit_code(&singular.into()), 1);
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), 1);
        assert_eq!(exit_code(&Shown { code: 0 }.into()), 0);
    }
}
