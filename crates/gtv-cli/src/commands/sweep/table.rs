//! What is seen of a sweep before it runs and while it does: the table of `--dry-run`, and a row a cell on a terminal.

use super::cost::Cost;
use super::plan::{Cell, Checked, Plan};
use super::state::State;
use crate::commands::opening::about;
use crate::context::Context;
use crate::memory::Bytes;
use crate::record::Record;
use crate::report::number::duration;
use crate::report::sweep::line;
use crate::report::table::aligned;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// A live table: a line for each cell that is there.
pub struct Live {
    /// Width of the cells' names.
    width: usize,
}

impl Live {
    /// The table of these cells.
    pub fn of(mine: &[(&Cell, Checked)], ctx: &Context) -> Self {
        let width = mine.iter().map(|(cell, _)| cell.name().chars().count()).max().unwrap_or(0);
        ctx.live(&|| format!("{:width$}  {:>7}  distance to the trained ensemble", "cell", "time"));
        Self { width }
    }

    /// The row of a cell; without a time it was there before.
    pub fn print(&self, cell: &Cell, record: &Record, time: Option<Duration>, ctx: &Context) {
        let time = time.map_or("before".to_owned(), |time| duration(time.as_secs_f64()));
        let (width, name) = (self.width, cell.name());
        ctx.live(&|| format!("{name:width$}  {time:>7}  {}", line(record)));
    }
}

/// Prints what a sweep would do: time and memory of each cell and of all.
///
/// # Errors
/// A config that cannot be read again, or a stdout that cannot be written.
pub fn dry_run(plan: &Plan, mine: &[(&Cell, Checked)], out: &Path, ctx: &Context) -> Result<()> {
    let time = |cost: &Cost| about(cost.seconds / ctx.threads as f64);
    let memory = |cost: &Cost| Bytes(cost.bytes as u64).to_string();
    let mut rows = vec![["cell", "time", "memory", "state"].map(str::to_owned)];
    let muted = ctx.muted();
    let mut todo = Vec::new();
    for (cell, checked) in mine {
        let state = match plan.state(cell, out, &muted)? {
            State::Finished(record) if record.fingerprint == checked.fingerprint.hex() => "finished",
            State::Finished(_) | State::Missing | State::Foreign => "",
            State::Begun => "begun",
            State::Failed(_) => "failed",
            State::Damaged(_) => "damaged",
        };
        if state != "finished" {
            todo.push(checked.cost);
        }
        rows.push([cell.name().to_owned(), time(&checked.cost), memory(&checked.cost), state.to_owned()]);
    }
    ctx.say(&aligned(&rows))?;
    let all = Cost::in_all(mine.iter().map(|(_, checked)| checked.cost));
    let rest = Cost::in_all(todo.iter().copied());
    let threads = if ctx.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", ctx.threads) };
    ctx.say(&format!(
        "{} cells: {} on {threads}, up to {} of memory; {} to run: {}. Times are right within a factor of three. Nothing was written.",
        mine.len(),
        time(&all),
        memory(&all),
        todo.len(),
        if todo.is_empty() { "no time".to_owned() } else { time(&rest) },
    ))
}
