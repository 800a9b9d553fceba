//! `gtv-cli completions`: a shell's completion script on stdout.

use crate::args::{CompletionsArgs, command};
use crate::context::{Context, print};

/// Runs the command.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: CompletionsArgs, _ctx: &Context) -> anyhow::Result<()> {
    // Through memory: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "gtv-cli", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
