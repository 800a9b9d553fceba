//! Running cells one after the other, finished ones left alone.

use super::plan::{Cell, Checked, Plan};
use super::state::{self, State};
use super::table::Live;
use crate::commands::compare;
use crate::context::Context;
use crate::record::Record;
use crate::run_dir::{Held, RunDir};
use crate::warnings::Warning;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Instant;

/// What became of the cells of one process.
#[derive(Debug, Default)]
pub struct Ran {
    /// Cells that could not be run, with the reason.
    pub failed: Vec<(String, String)>,
    /// Cells that other processes work on.
    pub busy: Vec<anyhow::Error>,
}

/// Runs cells in the order given.
///
/// A cell that fails ends the loop, unless the sweep is to keep going.
///
/// # Errors
/// An interrupt, or a folder that cannot be written; the same call goes on.
pub fn run(
    plan: &Plan,
    mine: &[(&Cell, Checked)],
    out: &Path,
    keep_going: bool,
    ctx: &Context,
) -> Result<Ran> {
    let bar = ctx.progress("cells", mine.len() as u64);
    let table = Live::of(mine, ctx);
    let mut ran = Ran::default();
    for (done, (cell, checked)) in mine.iter().enumerate() {
        let progress = || format!("{done} of {} cells are finished", mine.len());
        ctx.interrupt.check().with_context(progress)?;
        let started = Instant::now();
        let outcome = one(plan, cell, *checked, out, ctx);
        match outcome {
            Ok(One::AsBefore(record)) => table.print(cell, &record, None, ctx),
            Ok(One::Run(record)) => {
                table.print(cell, &record, Some(started.elapsed()), ctx);
            }
            Err(error) if ctx.interrupt.raised() => return Err(error).with_context(progress),
            Err(error) if error.is::<Held>() => ran.busy.push(error),
            Err(error) => {
                let reason = format!("{error:#}");
                state::note_failure(&out.join(&cell.folder), &reason)?;
                ctx.note(&format!("failed: {}: {reason}", cell.name()));
                ran.failed.push((cell.name().to_owned(), reason));
                if !keep_going {
                    break;
                }
            }
        }
        bar.advance(1);
        if !ran.failed.is_empty() {
            bar.message(&|| format!("{} failed", ran.failed.len()));
        }
    }
    Ok(ran)
}

/// A cell that is there.
enum One {
    /// It was before.
    AsBefore(Box<Record>),
    /// It was run.
    Run(Box<Record>),
}

fn one(plan: &Plan, cell: &Cell, checked: Checked, out: &Path, ctx: &Context) -> Result<One> {
    let folder = out.join(&cell.folder);
    let muted = ctx.muted();
    let whole = || -> Result<Option<Box<Record>>> {
        match plan.state(cell, out, &muted)? {
            State::Finished(record) if record.fingerprint == checked.fingerprint.hex() => Ok(Some(record)),
            State::Damaged(reason) => {
                ctx.warn(&Warning::DamagedCell { path: folder.clone(), reason });
                Ok(None)
            }
            State::Finished(_) | State::Missing | State::Begun | State::Failed(_) | State::Foreign => {
                Ok(None)
            }
        }
    };
    if let Some(record) = whole()? {
        if !state::is_sealed(&folder) {
            state::seal(&folder)?;
        }
        return Ok(One::AsBefore(record));
    }
    ctx.take_warnings();
    ctx.about(cell.name());
    let problem = plan.problem(cell, ctx)?;
    let run = RunDir::create(&folder, &problem.resolved, ctx)?;
    // Another process may have finished it in the meantime.
    if let Some(record) = whole()? {
        return Ok(One::AsBefore(record));
    }
    state::unseal(&folder)?;
    let record = compare::into_folder(&problem, &run, plan.command(cell, &folder, ctx), false, ctx)?;
    state::seal(&folder)?;
    Ok(One::Run(Box::new(record)))
}
