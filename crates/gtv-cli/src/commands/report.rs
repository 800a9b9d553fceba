//! `gtv-cli report`: figures and page once more, from a run's saved records alone.

use crate::args::ReportArgs;
use crate::context::Context;
use crate::record::Saved;
use crate::report::{render, terminal_table};
use crate::run_dir::RunDir;

/// Runs the command.
///
/// # Errors
/// A folder without a complete record, or one that cannot be written to.
pub fn run(args: ReportArgs, ctx: &Context) -> anyhow::Result<()> {
    let saved = Saved::read(&args.dir)?;
    let _run = RunDir::hold(&args.dir, ctx.patience(), ctx)?;
    render(&saved, &args.dir, ctx.sheet)?;
    ctx.say(&terminal_table(&saved.record))?;
    ctx.say(&format!("wrote {}", args.dir.join("report.html").display()))
}
