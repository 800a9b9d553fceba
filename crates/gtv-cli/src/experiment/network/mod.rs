//! The trained ensemble of networks of a config: groups of members one after another, each saved as soon as it is done.

mod group;
mod log;
mod pace;
mod state;

pub use log::Log;

use crate::config::{Network, Problem};
use crate::context::Context;
use crate::progress::Progress;
use crate::run_dir::{PartStore, RunDir};
use anyhow::Result;
use gtv_models::mlp::{MlpField, ProbeSet};
use pace::{Costs, PROBES, Pace};

/// Trained networks in the order of the members, and what was measured along the way.
#[derive(Debug)]
pub struct Trained {
    /// One field a member.
    pub fields: Vec<MlpField>,
    /// The lines of `log.csv`.
    pub log: Log,
}

/// What the training of every group needs.
struct Session<'a> {
    problem: &'a Problem,
    network: &'a Network,
    /// Begins the names of this ensemble's parts.
    kind: &'a str,
    store: &'a PartStore,
    ctx: &'a Context,
    probes: ProbeSet,
    bar: Progress,
    log: Log,
    costs: Costs,
    pace: Pace,
}

/// Opens the device, so that one that is missing stops a run before it starts.
///
/// # Errors
/// [`gtv_models::Error::Device`].
pub fn check_device(network: &Network) -> Result<()> {
    network.device.open()?;
    Ok(())
}

/// Trains every member that the store does not hold yet.
///
/// # Errors
/// As [`train_as`].
pub fn train(
    problem: &Problem,
    network: &Network,
    store: &PartStore,
    run: &RunDir,
    ctx: &Context,
) -> Result<Trained> {
    train_as("network", problem, network, store, run, ctx)
}

/// Trains the same members again on the true score, with the same draws: label noise removed.
///
/// # Errors
/// As [`train_as`].
pub fn train_on_true_score(
    problem: &Problem,
    network: &Network,
    store: &PartStore,
    run: &RunDir,
    ctx: &Context,
) -> Result<Vec<MlpField>> {
    let clean = Network { task: network.task.with_target_mix(1.0)?, ..network.clone() };
    Ok(train_as("clean", problem, &clean, store, run, ctx)?.fields)
}

/// The same for an ensemble of its own kind beside the run's main one, which is `network`; writes `log.csv`, or
/// `log-KIND.csv`.
///
/// # Errors
/// A device that fails, a loss that is not finite (the last good checkpoint is kept), an interrupt (a checkpoint is saved
/// first), or a file that cannot be written.
pub fn train_as(
    kind: &str,
    problem: &Problem,
    network: &Network,
    store: &PartStore,
    run: &RunDir,
    ctx: &Context,
) -> Result<Trained> {
    let steps = network.task.training().steps;
    let groups: Vec<_> = network.members.chunks(network.group_size()).collect();
    let log_every = network.log_every;
    let costs = Costs::new(network, &problem.sampling, network.group_size(), log_every);
    let file = if kind == "network" { "log.csv".to_owned() } else { format!("log-{kind}.csv") };
    let mut session = Session {
        problem,
        network,
        kind,
        store,
        ctx,
        probes: ProbeSet::new(&network.task, problem.streams, PROBES),
        bar: ctx.progress(if kind == "network" { "training" } else { kind }, groups.len() as u64 * steps),
        log: Log::new(run.file(file)),
        costs,
        pace: Pace::new(costs),
    };
    let mut fields = Vec::with_capacity(network.members.len());
    for (g, members) in groups.iter().enumerate() {
        ctx.interrupt.check()?;
        fields.extend(session.group(members, groups.len() - g - 1)?);
        session.log.end();
    }
    session.log.write()?;
    Ok(Trained { fields, log: session.log })
}
