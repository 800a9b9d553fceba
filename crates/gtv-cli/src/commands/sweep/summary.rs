//! The cells side by side: sweep.csv, sweep.json, figures, report, and the table on stdout.

use super::plan::Plan;
use super::state::State;
use crate::config::Swept;
use crate::context::Context;
use crate::record::{SWEEP_SCHEMA, SweepCell, SweepKey, SweepRecord, quantities};
use crate::report::sweep as report;
use anyhow::Result;
use std::path::Path;

impl Plan {
    /// Writes the summary of the cells in a folder, and prints the table.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn summarise(&self, out: &Path, ctx: &Context) -> Result<()> {
        let record = self.summary(out, ctx)?;
        record.write(out)?;
        report::render(&record, &self.resolved, out, ctx.sheet)?;
        ctx.say(&report::terminal_table(&record))?;
        let missing = record.missing().count();
        if missing > 0 {
            ctx.say(&format!(
                "{missing} of {} cells are missing (report.html lists them); the same command runs those of its shard, \
                 gtv-cli merge adds those of other shards\n",
                record.cells.len()
            ))?;
        }
        ctx.say(&format!("report: {}", out.join("report.html").display()))
    }

    fn summary(&self, out: &Path, ctx: &Context) -> Result<SweepRecord> {
        let muted = ctx.muted();
        let cells = self.cells.iter().map(|cell| -> Result<SweepCell> {
            let (record, failure) = match self.state(cell, out, &muted)? {
                State::Finished(record) => (Some(record), None),
                State::Failed(reason) => (None, Some(reason)),
                State::Damaged(reason) => (None, Some(format!("damaged: {reason}"))),
                State::Missing | State::Begun | State::Foreign => (None, None),
            };
            Ok(SweepCell {
                index: cell.index,
                folder: cell.folder.clone(),
                finished: record.is_some(),
                failure,
                values: cell.values.iter().map(serde_json::to_value).collect::<Result<_, _>>()?,
                quantities: record.as_deref().map(quantities).unwrap_or_default(),
            })
        });
        let key = |swept: &Swept| -> Result<SweepKey> {
            let values = swept.values.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            Ok(SweepKey { key: swept.key.clone(), values })
        };
        Ok(SweepRecord {
            schema: SWEEP_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: serde_json::to_value(self.base.table())?,
            keys: self.lists.keys.iter().map(key).collect::<Result<_>>()?,
            zip: self.lists.zipped(),
            cells: cells.collect::<Result<_>>()?,
        })
    }
}
