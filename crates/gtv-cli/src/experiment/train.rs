//! `gtv-cli train`: an ensemble of models, saved one file a member.

use super::{ensemble, members};
use crate::args::{ModelArg, TrainArgs};
use crate::config::{Change, Loaded};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::write_json;
use crate::run_dir::{PartStore, RunDir};
use anyhow::Result;
use std::path::PathBuf;
use std::time::Instant;

/// Runs the command.
///
/// # Errors
/// Bad input before any work; an interrupt or a failed write, after which `--resume` goes on.
pub fn run(args: TrainArgs, ctx: &Context) -> Result<()> {
    let (loaded, out) = load(&args, ctx)?;
    let problem = loaded.build(ctx)?;
    let run = RunDir::create(&out, &problem.resolved)?;
    let store = PartStore::open(&run, problem.fingerprint, ctx)?;
    let started = Instant::now();
    let ensemble = ensemble::train(&problem, &store, ctx)?;
    let seconds = started.elapsed().as_secs_f64();
    members::save(run.path(), &problem, &ensemble)?;
    let spec = &problem.spec;
    write_json(
        &run.file("training.json"),
        &serde_json::json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": problem.streams.seed(),
            "device": "cpu",
            "model": "linear",
            "members": ensemble.len(),
            "samples": spec.samples,
            "features": spec.features.len(),
            "load": spec.load(),
            "config": problem.config,
            "timing": { "training": seconds },
        }),
    )?;
    store.finish()?;
    ctx.say(&format!(
        "{} linear models, F = {}, P = {} (F/P = {:.3}), trained in {seconds:.2} s: {}",
        ensemble.len(),
        spec.features.len(),
        spec.samples,
        spec.load(),
        run.file("members").display()
    ))
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
    let networks_only = [
        ("--width", args.width.map(|v| v.to_string())),
        ("--depth", args.depth.map(|v| v.to_string())),
        ("--steps", args.steps.map(|v| v.to_string())),
        ("--device", args.device.map(|d| format!("{d:?}").to_lowercase())),
    ];
    if !matches!(args.model, Some(ModelArg::Mlp | ModelArg::Lazy)) {
        for (argument, value) in networks_only {
            if let Some(value) = value {
                let reason = "a linear model has no such setting: its size is [model.features], it is solved in \
                              closed form, on the CPU";
                return Err(UsageError::Argument { argument, value, reason: reason.to_owned() }.into());
            }
        }
    }
    let mut changes = args.changes.changes()?;
    if let Some(model) = args.model {
        let kind = match model {
            ModelArg::Linear => "linear",
            ModelArg::Lazy => "lazy",
            ModelArg::Mlp => "mlp",
        };
        changes.push(Change::argument("model.kind", kind, format!("--model {kind}")));
    }
    changes.extend(args.target.as_deref().map(Change::target));
    for (key, argument, value) in
        [("ensemble.members", "--members", args.members), ("model.samples", "--samples", args.samples)]
    {
        if let Some(value) = value {
            changes.push(Change::argument(key, value as i64, format!("{argument} {value}")));
        }
    }
    Ok(changes)
}
