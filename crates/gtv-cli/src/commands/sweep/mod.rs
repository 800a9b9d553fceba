//! `gtv-cli sweep`: one comparison for every combination of the values in `[sweep]`, and their summary.
//!
//! DIR/config.toml holds the resolved config with the swept values spelled out; DIR/cells/NNN-key=value… is a complete
//! `compare` folder each, sealed with checksums. A cell whose folder is complete and has the fingerprint of this config, data and
//! program version is not run again, so an interrupted sweep goes on by the same command, failed cells are tried again, and
//! `--resume` is what happens anyway; finished cells keep their numbers when a list is made longer and their places shift.
//! `--shard i/n` runs the cells of index ≡ i − 1 mod n, or with `--pack` the i-th of n parts of about equal cost; `gtv-cli merge`
//! puts the shards' folders together. `--slurm` writes a job array whose tasks are shards.

mod cells;
mod cost;
mod order;
mod plan;
mod slurm;
mod state;
mod summary;
mod table;

pub use plan::{CELLS, Cell, Plan};
pub use state::{State, finished};

use super::opening;
use crate::args::SweepArgs;
use crate::context::Context;
use crate::run_dir::{Fingerprint, RunDir};
use anyhow::Result;
use plan::Checked;
use std::time::Duration;

/// How long to wait for a folder that other shards hold for moments only.
const SHORTLY: Duration = Duration::from_secs(600);

/// Runs the command.
///
/// # Errors
/// A cell that cannot be run, found before any work; an interrupt or a failed write, after which the same command goes
/// on; cells that failed, after what has been run is summarised.
pub fn run(args: SweepArgs, ctx: &Context) -> Result<()> {
    let shard = args.share.shard()?;
    let plan = Plan::read(&args.config, &args.changes.sets, &args.changes.changes()?, ctx)?;
    let checked = plan.validate(ctx)?;
    let out = args.out.unwrap_or_else(|| RunDir::default_path(Some(&args.config), "sweep"));
    let costs: Vec<f64> = checked.iter().map(|c| c.cost.seconds).collect();
    let parts = args.share.pack.then(|| order::packed(&costs, shard.of));
    let is_mine = |index: usize| match &parts {
        Some(parts) => parts[index] + 1 == shard.part,
        None => shard.has(index),
    };
    let mine: Vec<(&Cell, Checked)> = plan
        .coarse_first()
        .into_iter()
        .filter(|index| is_mine(*index))
        .map(|index| (&plan.cells[index], checked[index]))
        .collect();
    if args.dry_run {
        return table::dry_run(&plan, &mine, &out, ctx);
    }
    let prepare = || -> Result<()> {
        // Shards share the folder and each holds it for a moment at a time; what they work on is a cell.
        let _run = RunDir::create_within(&out, &plan.resolved, SHORTLY.max(ctx.patience()), ctx)?;
        let fingerprints: Vec<Fingerprint> = checked.iter().map(|c| c.fingerprint).collect();
        plan.adopt(&fingerprints, &out)
    };
    if args.slurm.slurm {
        prepare()?;
        return slurm::write(&plan, &checked, &args.slurm, &out, ctx);
    }
    let seconds = mine.iter().map(|(_, checked)| checked.cost.seconds).sum();
    opening::announce_many(mine.len(), &plan.problem(&plan.cells[0], &ctx.muted())?, seconds, ctx);
    prepare()?;
    let ran = cells::run(&plan, &mine, &out, args.keep_going, ctx)?;
    {
        let _run = RunDir::hold(&out, SHORTLY.max(ctx.patience()), ctx)?;
        plan.summarise(&out, ctx)?;
    }
    if let Some((name, reason)) = ran.failed.first() {
        let (failed, all) = (ran.failed.len(), mine.len());
        let stopped = if args.keep_going { "" } else { "; --keep-going runs the others first" };
        let others = ran.failed[1..].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let others = if others.is_empty() { others } else { format!("; also failed: {others}") };
        anyhow::bail!(
            "{failed} of {all} cells failed; {name}: {reason}{others}; the same command tries again{stopped}"
        );
    }
    let others = ran.busy.len();
    match ran.busy.into_iter().next() {
        Some(held) => Err(held.context(format!(
            "{others} of {} cells are left to another process, and the same command adds them when it is done",
            mine.len()
        ))),
        None => Ok(()),
    }
}
