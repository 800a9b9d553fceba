//! `gtv-cli status`: how far a run or a sweep is, from its folder alone.

use super::sweep::{Cell, Plan, State, finished};
use crate::args::StatusArgs;
use crate::config::Loaded;
use crate::context::Context;
use crate::failure::UsageError;
use crate::report::number::duration;
use crate::run_dir::FolderLock;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// A folder that no run wrote.
pub fn run(args: StatusArgs, ctx: &Context) -> Result<()> {
    let config = args.dir.join("config.toml");
    if !config.is_file() {
        let reason = "no config.toml: expected the folder of a sweep, a comparison or a training".to_owned();
        return Err(UsageError::Run { path: args.dir.display().to_string(), reason }.into());
    }
    let quiet = ctx.muted();
    if Loaded::read(Some(&config), &[], &quiet)?.swept()?.keys.is_empty() {
        return ctx.say(&one(&args.dir));
    }
    let plan = Plan::read(&config, &[], &[], &quiet)?;
    ctx.say(&many(&plan, &args.dir, &quiet)?)
}

/// The run of one folder.
fn one(dir: &Path) -> String {
    let held = FolderLock::holder_of(dir).map(|held| held.holder);
    let parts = fs::read_dir(dir.join("parts")).into_iter().flatten().count();
    let said = match (finished(dir), dir.join("training.json").is_file()) {
        (Some(Ok(_)), _) | (None, true) => "finished".to_owned(),
        (Some(Err(reason)), _) => format!("damaged: {reason}"),
        (None, false) => {
            format!("unfinished; {parts} parts are kept, and the same command goes on from them")
        }
    };
    match held {
        Some(holder) => format!("running: {holder}; {parts} parts are kept"),
        None => said,
    }
}

/// The cells of a sweep: how many are how far, and each that needs attention.
fn many(plan: &Plan, dir: &Path, ctx: &Context) -> Result<String> {
    let (mut done, mut begun, mut missing) = (0, 0, 0);
    let (mut running, mut wrong) = (Vec::new(), Vec::new());
    let mut seconds = 0.0;
    let name = |cell: &Cell| cell.name().to_owned();
    for cell in &plan.cells {
        let held = FolderLock::holder_of(&dir.join(&cell.folder));
        match (held, plan.state(cell, dir, ctx)?) {
            (Some(held), _) => running.push(format!("{}: {}", name(cell), held.holder)),
            (None, State::Finished(record)) => {
                done += 1;
                seconds += record.timing.values().sum::<f64>();
            }
            (None, State::Begun) => begun += 1,
            (None, State::Missing) => missing += 1,
            (None, State::Failed(reason)) => wrong.push(format!("failed: {}: {reason}", name(cell))),
            (None, State::Damaged(reason)) => wrong.push(format!("damaged: {}: {reason}", name(cell))),
            (None, State::Foreign) => wrong.push(format!("of another config: {}", name(cell))),
        }
    }
    let mut text = format!(
        "{} cells: {done} finished, {} running, {begun} begun, {} failed or damaged, {missing} missing",
        plan.cells.len(),
        running.len(),
        wrong.len()
    );
    let left = plan.cells.len() - done;
    if left == 0 {
        text += "; nothing is left to run";
    } else if done > 0 {
        let each = seconds / done as f64;
        text += &format!(
            "; a finished one took {} on average, {} for the {left} others one by one",
            duration(each),
            duration(each * left as f64)
        );
    }
    for line in running.iter().map(|line| format!("running: {line}")).chain(wrong) {
        text += &format!("\n{line}");
    }
    Ok(text)
}
