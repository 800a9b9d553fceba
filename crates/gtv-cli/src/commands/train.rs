//! `gtv-cli train`: an ensemble of models, saved one file a member.

use super::members;
use super::opening::{self, Work};
use crate::args::{ModelArg, TrainArgs};
use crate::config::{Change, Loaded, Problem};
use crate::context::Context;
use crate::io::write_json;
use crate::run_dir::{PartStore, RunDir};
use crate::session::Kept;
use anyhow::Result;
use gtv_models::device::Backend;
use gtv_study::Origin;
use std::path::PathBuf;
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
    let study = &problem.study;
    if let Origin::Outside(_) = study.origin {
        let reason = "brings an ensemble that is trained already; leave it out to train one";
        return Err(loaded.value("ensemble.kind", reason).into());
    }
    study.family.prepare()?;
    opening::announce(&problem, Work::Train, ctx);
    let run = RunDir::create(&out, &problem.resolved, ctx)?;
    let kept = Kept::new(&run, PartStore::open(&run, problem.fingerprint, ctx)?);
    if args.resume && is_finished(&run, &problem) {
        kept.finish()?;
        return ctx.say(&format!("this run is finished: {}", run.file("members").display()));
    }
    // From here on the folder holds an unfinished run, whatever it held before.
    members::remove(&run.file(RECORD))?;
    let started = Instant::now();
    let trained = study.train(kept.session(ctx))?;
    let seconds = started.elapsed().as_secs_f64();
    members::save(run.path(), &problem, trained.as_ref())?;
    let facts = study.family.facts(trained.as_ref());
    record(&problem, &run, seconds, facts.entries)?;
    kept.finish()?;
    let done = facts.sentence.replace("{seconds}", &format!("{seconds:.2} s"));
    ctx.say(&format!("{done}: {}", run.file("members").display()))
}

/// Whether the folder holds all that this command makes for this config.
fn is_finished(run: &RunDir, problem: &Problem) -> bool {
    let text = std::fs::read(run.file(RECORD)).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    record["gtv_run"] == problem.fingerprint.hex()
        && (0..problem.study.members.len()).all(|member| members::file(run.path(), member).is_file())
}

/// Writes `training.json`: what every run says, and what its family does.
fn record(
    problem: &Problem,
    run: &RunDir,
    seconds: f64,
    entries: serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let study = &problem.study;
    let mut record = serde_json::json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("GTV_COMMIT"),
        "gtv_run": problem.fingerprint.hex(),
        "seed": study.problem().streams().seed(),
        "device": study.family.device(),
        "model": study.family.name(),
        "members": study.members.len(),
        "samples": study.problem().samples(),
        "timing": { "training": seconds },
        "config": problem.settings,
    });
    if let Some(record) = record.as_object_mut() {
        record.extend(entries);
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
    let out = args.out.clone().unwrap_or_else(|| RunDir::default_path(args.config.as_deref(), "train"));
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
        let kind = model.name();
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
