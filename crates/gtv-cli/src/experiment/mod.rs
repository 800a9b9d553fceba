//! The commands, one file each: `run(args, &Context)`.

mod compare;
mod completions;
mod devices;
mod ensemble;
mod figure;
mod kernel;
mod levels;
mod linearised;
mod maps;
mod members;
mod merge;
mod network;
mod report;
mod sample;
mod score;
mod small_noise;
mod sources;
mod sweep;
mod theory;
mod train;

use crate::args::{Cli, Command};
use crate::context::Context;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever stops it; [`crate::failure::exit_code`] tells the user's fault from ours.
pub fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let global = cli.global;
    let ctx = Context::new(global.seed, global.threads, global.quiet, global.memory_limit)?;
    match cli.command {
        Command::Compare(args) => compare::run(args, &ctx),
        Command::Sweep(args) => sweep::run(args, &ctx),
        Command::Merge(args) => merge::run(args, &ctx),
        Command::Train(args) => train::run(args, &ctx),
        Command::Sample(args) => sample::run(args, &ctx),
        Command::Score(args) => score::run(args, &ctx),
        Command::Figure(args) => figure::run(args, &ctx),
        Command::Report(args) => report::run(args, &ctx),
        Command::Devices => devices::run(&ctx),
        Command::Completions(args) => completions::run(args, &ctx),
    }
}
