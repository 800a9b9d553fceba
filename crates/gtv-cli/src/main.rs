//! The `gtv-cli` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    gtv_cli::main()
}
