//! `gtv-cli sample`: states at ε, from trained models or from the theory's law of learned models.

use super::members;
use super::opening::{self, Work};
use crate::args::SampleArgs;
use crate::config::{Change, Loaded};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{check_writable, write_npy};
use anyhow::Result;
use gtv_models::{Session, Unwatched};
use gtv_study::Study;
use gtv_study::levels::{integrate, tell_lost};
use gtv_theory::ScoreField;
use gtv_theory::dynamics::Tally;
use gtv_theory::rng::{ChaCha8Rng, Purpose};
use rayon::prelude::*;
use std::path::Path;

/// The name of this command's random streams.
const STREAMS: &str = "sample";

/// Runs the command.
///
/// # Errors
/// A folder that is no trained run, a member that it does not have, an output that cannot be written.
pub fn run(args: SampleArgs, ctx: &Context) -> Result<()> {
    if args.count == 0 {
        let reason = "expected at least 1".to_owned();
        return Err(UsageError::Argument { argument: "--count", value: "0".to_owned(), reason }.into());
    }
    let mut changes = args.changes.changes()?;
    if let Some(closure) = args.theory {
        let name = closure.name();
        let list = toml::Value::Array(vec![name.into()]);
        changes.push(Change::argument("theory.closures", list, format!("--theory {name}")));
    }
    let config = if args.run.is_dir() { args.run.join("config.toml") } else { args.run.clone() };
    if args.run.is_file() && args.theory.is_none() {
        return Err(UsageError::Run {
            path: args.run.display().to_string(),
            reason:
                "this is a file; expected the folder of `gtv-cli train`, or add --theory CLOSURE to sample a \
                     config's prediction"
                    .to_owned(),
        }
        .into());
    }
    // Networks are sampled from on the CPU, wherever they were trained.
    let problem = Loaded::read(Some(&config), &changes, ctx)?.on_any_device().build(ctx)?;
    check_writable(&args.out)?;
    let study = &problem.study;
    let dim = study.problem().dim();
    ctx.memory.check(
        "the samples",
        16.0 * args.count as f64 * dim as f64,
        "16 bytes x N x D",
        "ask for fewer samples at a time",
    )?;
    let work = if args.theory.is_some() { Work::SampleTheory(args.count) } else { Work::Sample(args.count) };
    opening::announce(&problem, work, ctx);
    let (x, failed) = match args.theory {
        Some(name) => {
            if study.family.learner_needs_members() {
                let advice = "sample from the trained networks, without --theory";
                return Err(UsageError::Missing { what: "--theory for networks".to_owned(), advice }.into());
            }
            let (theory, _) = study.solve(None, Session { watch: ctx, store: &Unwatched })?;
            let none = || anyhow::anyhow!("{} draws no fields", name.name());
            let law = theory.law(name.closure().ok_or_else(none)?)?;
            let models = study.theory.models;
            draw(study, args.count, models, usize::MAX, ctx, |_, rng| law.draw(rng).ok_or_else(none))?
        }
        None => trained(study, &args, ctx)?,
    };
    tell_lost("sample", x.len() / dim, failed, ctx)?;
    write_npy(&args.out, &[x.len() / dim, dim], &x)?;
    ctx.say(&format!("{}: {} samples in {dim} dimensions", args.out.display(), x.len() / dim))
}

fn trained(study: &Study, args: &SampleArgs, ctx: &Context) -> Result<(Vec<f64>, Tally)> {
    let count = study.members.len();
    if let Some(member) = args.member
        && member >= count
    {
        let reason = format!("the run has {count} members, counted from 0");
        let value = member.to_string();
        return Err(UsageError::Argument { argument: "--member", value, reason }.into());
    }
    if !args.run.join("members").is_dir() {
        return Err(
            UsageError::Run { path: args.run.display().to_string(), reason: untrained(&args.run) }.into()
        );
    }
    let (first, models) = args.member.map_or((0, count), |member| (member, 1));
    // So many paths of one network keep every core at work.
    let busy = args.count / models.max(1) / PATHS_OF_A_CORE >= ctx.threads;
    let side_by_side = if busy { study.family.sampled_side_by_side() } else { usize::MAX };
    draw(study, args.count, models, side_by_side, ctx, |model, _| {
        members::load(&args.run, study.family.as_ref(), first + model)
    })
}

fn untrained(run: &Path) -> String {
    let advice = format!("run `gtv-cli train CONFIG --out {}` first, or add --theory CLOSURE", run.display());
    format!("it holds no trained members; {advice}")
}

/// Paths that one core takes at a time.
const PATHS_OF_A_CORE: usize = 1024;

/// `count` samples, equally from each of `models` fields, in the order of the models; they do not depend on how many are drawn from
/// side by side.
fn draw(
    study: &Study,
    count: usize,
    models: usize,
    side_by_side: usize,
    ctx: &Context,
    field: impl Fn(usize, &mut ChaCha8Rng) -> Result<Box<dyn ScoreField>> + Sync,
) -> Result<(Vec<f64>, Tally)> {
    let (models, streams) = (models.min(count), study.problem().streams().named(STREAMS));
    let bar = ctx.progress("sampling", models as u64);
    let one = |model: usize| -> Result<(Vec<f64>, Tally)> {
        ctx.interrupt.check()?;
        let field = field(model, &mut streams.stream(Purpose::TheoryModel, model as u64, 0))?;
        let paths = count / models + usize::from(model < count % models);
        let progress = |_| !ctx.interrupt.raised();
        let samples = integrate(study, field.as_ref(), paths, streams, model as u64, &progress)?;
        ctx.interrupt.check()?;
        bar.advance(1);
        Ok((samples.x, samples.failed))
    };
    let parts: Vec<(Vec<f64>, Tally)> = match side_by_side {
        1 => (0..models).map(one).collect::<Result<_>>()?,
        _ => (0..models).into_par_iter().map(one).collect::<Result<_>>()?,
    };
    let mut failed = Tally::default();
    parts.iter().for_each(|p| failed += p.1);
    Ok((parts.into_iter().flat_map(|p| p.0).collect(), failed))
}
