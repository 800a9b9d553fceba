//! The commands, one file each: `run(args, &Context)`.

mod bands;
mod compare;
mod completions;
mod devices;
mod distance;
mod dry_run;
mod evaluate;
mod explain;
mod figure;
mod init;
mod likelihood;
pub mod members;
mod merge;
mod ntk;
mod opening;
mod probes;
mod report;
mod sample;
mod score;
mod status;
mod sweep;
mod train;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{Array, ReadError, check_writable, read_array};
use std::path::Path;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever stops it; [`crate::failure::exit_code`] tells the user's fault from ours.
pub fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let global = cli.global;
    let ctx = Context::new(global.seed, global.threads, global.quiet, global.memory_limit)?;
    let ctx = ctx.waiting(global.wait).drawing(cli.command.sheet());
    match cli.command {
        Command::Compare(args) => compare::run(args, &ctx),
        Command::Sweep(args) => sweep::run(args, &ctx),
        Command::Merge(args) => merge::run(args, &ctx),
        Command::Status(args) => status::run(args, &ctx),
        Command::Train(args) => train::run(args, &ctx),
        Command::Bands(args) => bands::run(args, &ctx),
        Command::Sample(args) => sample::run(args, &ctx),
        Command::Probes(args) => probes::run(args, &ctx),
        Command::Evaluate(args) => evaluate::run(args, &ctx),
        Command::Distance(args) => distance::run(args, &ctx),
        Command::Score(args) => score::run(args, &ctx),
        Command::Ntk(args) => ntk::run(args, &ctx),
        Command::Figure(args) => figure::run(args, &ctx),
        Command::Report(args) => report::run(args, &ctx),
        Command::Init(args) => init::run(args, &ctx),
        Command::Explain(args) => explain::run(args, &ctx),
        Command::Devices => devices::run(&ctx),
        Command::Completions(args) => completions::run(args, &ctx),
    }
}

/// Reads an array argument: a file, `FILE.npz:NAME` for one array of an archive, or `-` for standard input.
fn read_argument(path: &Path, ctx: &Context) -> Result<Array, ReadError> {
    let text = path.to_string_lossy();
    let array = match text.rsplit_once(".npz:") {
        Some((stem, key)) if !path.exists() => {
            read_array(Path::new(&format!("{stem}.npz")), Some(key), &ctx.memory)?
        }
        _ => read_array(path, None, &ctx.memory)?,
    };
    array.tell_of_header(ctx);
    Ok(array)
}

/// The command line of this process, the program's plain name first.
fn this_command() -> Vec<String> {
    let words = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).enumerate();
    words.map(|(i, a)| if i == 0 { "gtv-cli".to_owned() } else { a }).collect()
}

/// Refuses an output of several arrays that is no .npz file, or that cannot be written.
fn check_archive(out: &Path) -> anyhow::Result<()> {
    if let Some(ending @ ("npy" | "csv")) = out.extension().and_then(|e| e.to_str()) {
        let reason = format!("several arrays do not fit a .{ending} file; expected a name that ends in .npz");
        return Err(UsageError::Out { path: out.display().to_string(), reason }.into());
    }
    Ok(check_writable(out)?)
}
