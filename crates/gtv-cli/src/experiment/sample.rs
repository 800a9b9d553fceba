//! `gtv-cli sample`: states at ε, from trained models or from the theory's law of learned models.

use super::opening::{self, Work};
use super::theory::{Learner, Theory};
use super::{ensemble, lazy, levels, members};
use crate::args::SampleArgs;
use crate::config::{Change, Family, Loaded, Problem};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{check_writable, write_npy};
use crate::warnings::Warning;
use anyhow::Result;
use gtv_models::mlp::NetworkForm;
use gtv_theory::ScoreField;
use gtv_theory::dynamics::Tally;
use gtv_theory::estimator::FieldLaw;
use gtv_theory::rng::{ChaCha8Rng, Purpose};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Keeps the streams of this command apart from those of the levels of `compare`.
const LANE: u64 = 64 << 40;

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
        let list = toml::Value::Array(vec![closure.name().into()]);
        changes.push(Change::argument("theory.closures", list, format!("--theory {}", closure.name())));
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
    let mut loaded = Loaded::read(Some(&config), &changes, ctx)?;
    // Networks are sampled from on the CPU, wherever they were trained.
    loaded.config.training.device = None;
    let problem = loaded.build(ctx)?;
    check_writable(&args.out)?;
    let dim = problem.cloud.dim();
    ctx.memory.check(
        "the samples",
        16.0 * args.count as f64 * dim as f64,
        "16 bytes x N x D",
        "ask for fewer samples at a time",
    )?;
    let work = if args.theory.is_some() { Work::SampleTheory(args.count) } else { Work::Sample(args.count) };
    opening::announce(&problem, work, ctx);
    let (x, failed) = match args.theory {
        Some(_) => {
            let laws = match &problem.family {
                Family::Linear => Theory::of_linear(&problem, ctx)?,
                Family::Lazy(lazy) => {
                    let kernel = lazy::Kernel::of(&problem, &lazy::trainer(&problem, lazy, ctx)?, ctx)?;
                    Theory::of(Learner::Flow(Box::new(kernel.flow)), &problem, ctx)?
                }
                Family::Mlp(_) => {
                    let advice = "sample from the trained networks, without --theory";
                    return Err(
                        UsageError::Missing { what: "--theory for networks".to_owned(), advice }.into()
                    );
                }
            }
            .laws;
            let models = problem.config.theory.models;
            draw(&problem, args.count, models, Order::Together, ctx, |_, rng| Ok(laws[0].sample_field(rng)))?
        }
        None => trained(&problem, &args, ctx)?,
    };
    let total = (failed.diverged + failed.exhausted + x.len() / dim) as u64;
    let level = || "sample".to_owned();
    let failures = [
        (failed.diverged, Warning::PathsDiverged { level: level(), diverged: failed.diverged as u64, total }),
        (
            failed.exhausted,
            Warning::PathsExhausted { level: level(), exhausted: failed.exhausted as u64, total },
        ),
    ];
    let failures: Vec<Warning> = failures.into_iter().filter(|(n, _)| *n > 0).map(|(_, w)| w).collect();
    if x.is_empty() {
        let reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
        return Err(anyhow::anyhow!("no path arrived, nothing was written: {}", reasons.join("; ")));
    }
    failures.into_iter().for_each(|warning| ctx.warn(warning));
    write_npy(&args.out, &[x.len() / dim, dim], &x)?;
    ctx.say(&format!("{}: {} samples in {dim} dimensions", args.out.display(), x.len() / dim))
}

fn trained(problem: &Problem, args: &SampleArgs, ctx: &Context) -> Result<(Vec<f64>, Tally)> {
    let count = problem.config.ensemble.members;
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
    let network = match &problem.family {
        Family::Linear => {
            let trainer = ensemble::trainer(problem)?;
            return draw(problem, args.count, models, Order::Together, ctx, |model, _| {
                Ok(Box::new(trainer.field(members::linear::load(&args.run, problem, first + model)?)))
            });
        }
        Family::Lazy(lazy) => {
            let trainer = lazy::trainer(problem, lazy, ctx)?;
            return draw(problem, args.count, models, Order::Together, ctx, |model, _| {
                Ok(Box::new(members::lazy::load(&args.run, &trainer, first + model)?))
            });
        }
        Family::Mlp(network) => network,
    };
    let form = Arc::new(NetworkForm::of(&network.task));
    let busy = args.count / models.max(1) / PATHS_OF_A_CORE >= ctx.threads;
    let wide = network.task.arch().width > WIDEST_TOGETHER;
    let order = if wide && busy { Order::OneByOne } else { Order::Together };
    draw(problem, args.count, models, order, ctx, |model, _| {
        Ok(Box::new(members::network::load(&args.run, network, &form, first + model)?))
    })
}

fn untrained(run: &Path) -> String {
    let advice = format!("run `gtv-cli train CONFIG --out {}` first, or add --theory CLOSURE", run.display());
    format!("it holds no trained members; {advice}")
}

/// Networks up to this width are sampled from side by side.
const WIDEST_TOGETHER: usize = 512;

/// Paths that one core takes at a time: so many for each core keep all of them at work on one network.
const PATHS_OF_A_CORE: usize = 1024;

/// In which order models are sampled from; the samples do not depend on it.
enum Order {
    /// Several at a time.
    Together,
    /// One at a time: a wide network's paths keep every core busy, and its weights all of the cache.
    OneByOne,
}

/// `count` samples, equally from each of `models` fields, in the order of the models.
fn draw(
    problem: &Problem,
    count: usize,
    models: usize,
    order: Order,
    ctx: &Context,
    field: impl Fn(usize, &mut ChaCha8Rng) -> Result<Box<dyn ScoreField>> + Sync,
) -> Result<(Vec<f64>, Tally)> {
    let models = models.min(count);
    let bar = ctx.progress("sampling", models as u64);
    let one = |model: usize| -> Result<(Vec<f64>, Tally)> {
        ctx.interrupt.check()?;
        let id = LANE + model as u64;
        let field = field(model, &mut problem.streams.stream(Purpose::TheoryModel, id, 0))?;
        let paths = count / models + usize::from(model < count % models);
        let samples = levels::integrate(problem, field.as_ref(), paths, id, &|_| !ctx.interrupt.raised())?;
        ctx.interrupt.check()?;
        bar.advance(1);
        Ok((samples.x, samples.failed))
    };
    let parts: Vec<(Vec<f64>, Tally)> = match order {
        Order::Together => (0..models).into_par_iter().map(one).collect::<Result<_>>()?,
        Order::OneByOne => (0..models).map(one).collect::<Result<_>>()?,
    };
    let mut failed = Tally::default();
    parts.iter().for_each(|(_, part)| failed += *part);
    Ok((parts.into_iter().flat_map(|p| p.0).collect(), failed))
}
