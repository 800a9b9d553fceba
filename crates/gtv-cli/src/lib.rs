//! The command-line instrument: arguments → validated config → study → one record → plots and report.
//!
//! The binary is [`main`]; the modules are public so that the workspace's tests and benchmarks can use them. Nothing
//! here is meant as a stable library interface: that is `gtv-theory` and `gtv-study`.

pub mod args;
mod commands;
pub mod config;
pub mod context;
pub mod failure;
pub mod interrupt;
pub mod io;
pub mod memory;
pub mod plot;
pub mod progress;
pub mod record;
pub mod report;
pub mod run_dir;
pub mod session;
pub mod warnings;
#[cfg(test)]
mod written;

pub use commands::members;

use clap::FromArgMatches;
use std::process::ExitCode;

/// Runs the program with the process' arguments: 0 done, 1 failed, 2 bad usage, config or data.
pub fn main() -> ExitCode {
    let parsed = args::command().try_get_matches().and_then(|found| args::Cli::from_arg_matches(&found));
    failure::guard(|| match parsed {
        Ok(cli) => commands::dispatch(cli),
        Err(shown) => {
            // Help and version also arrive here; a reader that has gone away is no failure.
            let _ = shown.print();
            Err(failure::Shown { code: shown.exit_code() as u8 }.into())
        }
    })
}
