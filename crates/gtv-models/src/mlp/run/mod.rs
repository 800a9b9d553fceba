//! The training of an ensemble of networks: groups of members one after another, each kept as soon as it is done.

mod group;
mod log;
mod pace;
mod state;

pub use log::Log;

use super::{MlpFamily, MlpField, ProbeSet};
use crate::error::Result;
use crate::family::Member;
use crate::watch::{Session, Stage};
use pace::{Costs, PROBES, Pace};

/// What the training of every group needs.
struct Run<'a> {
    family: &'a MlpFamily,
    /// N.
    count: usize,
    /// Begins the names of this ensemble's parts.
    kind: &'a str,
    session: Session<'a>,
    probes: ProbeSet,
    stage: Box<dyn Stage + 'a>,
    log: Log,
    costs: Costs,
    pace: Pace,
}

/// Trains every member that the store does not hold yet; the table `log` (of another kind than `training`, `log-KIND`) grows.
///
/// # Errors
/// A device that fails, a loss that is not finite (the last good checkpoint is kept), an interrupt (a checkpoint is saved
/// first), or a store that fails.
pub(super) fn train(
    family: &MlpFamily,
    kind: &str,
    members: &[Member],
    session: Session<'_>,
) -> Result<(Vec<MlpField>, Log)> {
    let steps = family.task.training().steps;
    let size = family.group_size(members.len());
    let groups: Vec<_> = members.chunks(size).collect();
    let costs = Costs::new(family, size);
    let mut run = Run {
        family,
        count: members.len(),
        kind,
        session,
        probes: ProbeSet::new(&family.task, family.task.problem().streams(), PROBES)?,
        stage: session.watch.stage(kind, groups.len() as u64 * steps),
        log: Log::default(),
        costs,
        pace: Pace::new(costs),
    };
    let mut fields = Vec::with_capacity(members.len());
    for (g, members) in groups.iter().enumerate() {
        session.check()?;
        fields.extend(run.group(members, groups.len() - g - 1)?);
        run.log.end();
    }
    run.show_log()?;
    Ok((fields, run.log))
}

impl Run<'_> {
    fn show_log(&mut self) -> Result<()> {
        let name = if self.kind == "training" { "log".to_owned() } else { format!("log-{}", self.kind) };
        self.log.show(&name, self.session.store)
    }
}
