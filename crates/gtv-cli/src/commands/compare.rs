//! `gtv-cli compare`: the theory's levels against a really trained ensemble, with numbers, figures and a report.

use super::dry_run;
use super::opening::{self, Work};
use crate::args::CompareArgs;
use crate::config::{Change, Loaded, Problem};
use crate::context::Context;
use crate::record::{Record, Saved, write_samples};
use crate::report;
use crate::run_dir::{PartStore, RunDir};
use crate::session::Kept;
use anyhow::Result;
use gtv_study::Outcome;

/// Runs the command.
///
/// # Errors
/// Bad input before any work; an interrupt or a failed write, after which the same command resumes.
pub fn run(args: CompareArgs, ctx: &Context) -> Result<()> {
    let mut changes: Vec<Change> = args.ensemble.iter().flat_map(|path| Change::ensemble(path)).collect();
    changes.extend(args.changes.changes()?);
    changes.extend(args.target.as_deref().map(Change::target));
    let loaded = match &args.config {
        Some(path) => Loaded::read(Some(path), &changes, ctx)?,
        None => Loaded::main_job(&changes, ctx)?,
    };
    let problem = loaded.build(ctx)?;
    loaded.check_comparison(&problem)?;
    if args.dry_run {
        return dry_run::run(&problem, ctx);
    }
    let out = args.out.unwrap_or_else(|| RunDir::default_path(args.config.as_deref(), "main"));
    opening::announce(&problem, Work::Compare, ctx);
    let run = RunDir::create(&out, &problem.resolved, ctx)?;
    let record = into_folder(&problem, &run, super::this_command(), args.save_samples, ctx)?;
    ctx.say(&report::terminal_table(&record))?;
    for (part, needs) in record.outside.iter().flat_map(|outside| &outside.missing) {
        ctx.say(&format!("missing: {part}; it needs {needs}"))?;
    }
    ctx.say(&format!("report: {}", out.join("report.html").display()))
}

/// One comparison with everything that belongs into its folder; `command` is what the report says made it. `samples`: every
/// level's samples too.
///
/// # Errors
/// An interrupt or a failed write, after which the same call resumes.
pub fn into_folder(
    problem: &Problem,
    run: &RunDir,
    command: Vec<String>,
    samples: bool,
    ctx: &Context,
) -> Result<Record> {
    let kept = Kept::new(run, PartStore::open(run, problem.fingerprint, ctx)?);
    let Outcome { record, arrays, levels } = problem.study.run(kept.session(ctx))?;
    let saved = Saved::new(problem, record, arrays, command, ctx.take_warnings())?;
    saved.write(run.path())?;
    if samples {
        write_samples(&levels, &run.file("samples.npz"))?;
    }
    drop(levels);
    report::render(&saved, run.path(), ctx.sheet)?;
    // Last of all: a folder without parts is a finished one.
    kept.finish()?;
    Ok(saved.record)
}
