//! `gtv-cli train`: an ensemble of models, saved one file a member.

use super::network::Trained;
use super::opening::{self, Work};
use super::{ensemble, lazy, members, network};
use crate::args::{ModelArg, TrainArgs};
use crate::config::{Change, Family, Lazy, Loaded, Network, Problem};
use crate::context::Context;
use crate::io::{WriteError, write_json};
use crate::run_dir::{PartStore, RunDir};
use anyhow::Result;
use gtv_models::device::Backend;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What says that a run is finished, and what came of it.
const RECORD: &str = "training.json";

/// Runs the command.
///
/// # Errors
/// Bad input before any work; an interrupt or a failed write, after which `--resume` goes on.
pub fn run(args: TrainArgs, ctx: &Context) -> Result<()> {
    let (loaded, out) = load(&args, ctx)?;
    let problem = loaded.build(ctx)?;
    if let Some(network) = problem.family.network() {
        network::check_device(network)?;
    }
    opening::announce(&problem, Work::Train, ctx);
    let run = RunDir::create(&out, &problem.resolved, ctx)?;
    let store = PartStore::open(&run, problem.fingerprint, ctx)?;
    if args.resume && is_finished(&run, &problem) {
        store.finish()?;
        return ctx.say(&format!("this run is finished: {}", run.file("members").display()));
    }
    // From here on the folder holds an unfinished run, whatever it held before.
    remove(&run.file(RECORD))?;
    let done = match &problem.family {
        Family::Linear => linear(&problem, &run, &store, ctx)?,
        Family::Lazy(lazy) => infinite(&problem, lazy, &run, &store, ctx)?,
        Family::Mlp(network) => networks(&problem, network, &run, &store, ctx)?,
    };
    store.finish()?;
    ctx.say(&format!("{done}: {}", run.file("members").display()))
}

fn remove(path: &Path) -> Result<(), WriteError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(WriteError::new(path, "remove the file", e))
        }
        _ => Ok(()),
    }
}

/// Whether the folder holds all that this command makes for this config.
fn is_finished(run: &RunDir, problem: &Problem) -> bool {
    let text = std::fs::read(run.file(RECORD)).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    record["gtv_run"] == problem.fingerprint.hex()
        && (0..problem.config.ensemble.members).all(|member| members::file(run.path(), member).is_file())
}

fn linear(problem: &Problem, run: &RunDir, store: &PartStore, ctx: &Context) -> Result<String> {
    let started = Instant::now();
    let ensemble = ensemble::train(problem, store, ctx)?;
    let seconds = started.elapsed().as_secs_f64();
    members::linear::save(run.path(), problem, &ensemble)?;
    let spec = &problem.spec;
    let about = serde_json::json!({
        "device": "cpu",
        "model": "linear",
        "features": spec.features.len(),
        "load": spec.load(),
        "timing": { "training": seconds },
    });
    record(problem, run, about)?;
    Ok(format!(
        "{} linear models, F = {}, P = {} (F/P = {:.3}), trained in {seconds:.2} s",
        ensemble.len(),
        spec.features.len(),
        spec.samples,
        spec.load(),
    ))
}

fn infinite(
    problem: &Problem,
    lazy: &Lazy,
    run: &RunDir,
    store: &PartStore,
    ctx: &Context,
) -> Result<String> {
    let started = Instant::now();
    let trainer = lazy::trainer(problem, lazy, ctx)?;
    let ensemble = lazy::train(problem, &trainer, &lazy.members, "lazy", store, ctx)?;
    let seconds = started.elapsed().as_secs_f64();
    members::lazy::save(run.path(), problem, &ensemble)?;
    let time = lazy.time.is_finite().then_some(lazy.time);
    let about = serde_json::json!({
        "device": "cpu",
        "model": "lazy",
        "time": time,
        "timing": { "training": seconds },
    });
    record(problem, run, about)?;
    let time = time.map_or("until every label is fitted".to_owned(), |t| format!("for a time {t}"));
    Ok(format!(
        "{} infinitely wide networks, P = {}, trained {time} in {seconds:.1} s",
        ensemble.members().len(),
        problem.spec.samples,
    ))
}

fn networks(
    problem: &Problem,
    network: &Network,
    run: &RunDir,
    store: &PartStore,
    ctx: &Context,
) -> Result<String> {
    let Trained { fields, log } = network::train(problem, network, store, run, ctx)?;
    members::network::save(run.path(), problem, network, &fields)?;
    let (parameters, seconds) = (network.parameters(), log.seconds());
    let measured = ["loss", "j0", "j1", "memorized"].map(|name| (name, log.final_mean(name)));
    let about = serde_json::json!({
        "device": network.device.name(),
        "model": "mlp",
        "parameters": parameters,
        "steps": network.task.training().steps,
        "group": network.group_size(),
        "final": std::collections::BTreeMap::from(measured),
        "timing": { "training": seconds },
    });
    record(problem, run, about)?;
    let number = |name: &str| log.final_mean(name).map_or("-".to_owned(), |v| format!("{v:.4}"));
    Ok(format!(
        "{} networks of {parameters} parameters, P = {}, trained in {seconds:.1} s on {}; J0 = {}, J1 = {}, memorized {}",
        fields.len(),
        problem.spec.samples,
        network.device.name(),
        number("j0"),
        number("j1"),
        number("memorized"),
    ))
}

/// Writes `training.json`: what every run says, and `about` this one.
fn record(problem: &Problem, run: &RunDir, about: serde_json::Value) -> Result<()> {
    let mut record = serde_json::json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "gtv_run": problem.fingerprint.hex(),
        "seed": problem.streams.seed(),
        "members": problem.config.ensemble.members,
        "samples": problem.spec.samples,
        "config": problem.config,
    });
    if let (Some(record), serde_json::Value::Object(about)) = (record.as_object_mut(), about) {
        record.extend(about);
    }
    Ok(write_json(&run.file(RECORD), &record)?)
}

/// The config with the arguments' changes, and the run's folder.
fn load(args: &TrainArgs, ctx: &Context) -> Result<(Loaded, PathBuf)> {
    if args.resume {
        // clap has made sure that --out is there.
        let out = args.out.clone().unwrap_or_default();
        return Ok((Loaded::read(Some(&out.join("config.toml")), &changes(args)?, ctx)?, out));
    }
    let out = args.out.clone().unwrap_or_else(|| RunDir::default_path(args.config.as_deref()));
    Ok((Loaded::read(args.config.as_deref(), &changes(args)?, ctx)?, out))
}

fn changes(args: &TrainArgs) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    if let (Some(ModelArg::Mlp), None, false) = (args.model, &args.config, args.resume) {
        // Networks are for more than a line; --set data.kind=… comes after this.
        changes.push(Change::argument("data.kind", "square", "--model mlp".to_owned()));
    }
    changes.extend(args.changes.changes()?);
    if let Some(model) = args.model {
        let kind = match model {
            ModelArg::Linear => "linear",
            ModelArg::Lazy => "lazy",
            ModelArg::Mlp => "mlp",
        };
        changes.push(Change::argument("model.kind", kind, format!("--model {kind}")));
    }
    changes.extend(args.target.as_deref().map(Change::target));
    let depth = if args.model == Some(ModelArg::Lazy) { "model.lazy.depth" } else { "model.mlp.depth" };
    let numbers = [
        ("ensemble.members", "--members", args.members),
        ("model.samples", "--samples", args.samples),
        ("model.mlp.width", "--width", args.width),
        (depth, "--depth", args.depth),
        ("training.steps", "--steps", args.steps),
    ];
    for (key, argument, value) in numbers {
        if let Some(value) = value {
            changes.push(Change::whole(key, argument, value)?);
        }
    }
    if let Some(device) = args.device {
        let name = Backend::from(device).name();
        changes.push(Change::argument("training.device", name, format!("--device {name}")));
    }
    Ok(changes)
}
