//! `gtv-cli bands`: error bars of one trained network, without an ensemble.

use super::members;
use crate::args::BandsArgs;
use crate::config::{Change, Loaded, Problem};
use crate::context::Context;
use crate::failure::UsageError;
use crate::record::Saved;
use crate::report;
use crate::run_dir::{PartStore, RunDir};
use crate::session::Kept;
use anyhow::Result;
use gtv_study::Outcome;
use gtv_theory::closure::{Closure, OneRun};

/// Runs the command.
///
/// # Errors
/// A folder that is no trained run, or whose run did not save what is needed; a member that it does not have; an interrupt or a failed
/// write, after which the same command goes on.
pub fn run(args: BandsArgs, ctx: &Context) -> Result<()> {
    let refuse = |reason: String| UsageError::Run { path: args.run.display().to_string(), reason };
    if !args.run.join("members").is_dir() {
        let advice = format!("run `gtv-cli train CONFIG --model mlp --out {}` first", args.run.display());
        return Err(refuse(format!("it holds no trained members; {advice}")).into());
    }
    let closure = OneRun.card().name;
    let set = |key: &str, value: toml::Value| Change::argument(key, value, "gtv-cli bands".to_owned());
    let mut changes = vec![
        set("theory.kernel", "trained".into()),
        set("theory.closures", toml::Value::Array(vec![closure.into()])),
    ];
    // What a config says of other closures stands in the way of none here.
    let others = ["theory.base", "theory.kappa", "theory.correlation_time"];
    changes.extend(others.map(|key| Change::without(key, "gtv-cli bands".to_owned())));
    changes.extend(args.changes.changes()?);
    let problem =
        Loaded::read(Some(&args.run.join("config.toml")), &changes, ctx)?.on_any_device().build(ctx)?;
    let count = problem.study.members.len();
    if args.member >= count {
        let reason = format!("the run has {count} members, counted from 0");
        let value = args.member.to_string();
        return Err(UsageError::Argument { argument: "--member", value, reason }.into());
    }
    let member = members::restore(&args.run, &problem, &[args.member])?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join(format!("bands-{:05}", args.member)));
    let run = RunDir::create(&out, &problem.resolved, ctx)?;
    let kept = Kept::new(&run, PartStore::open(&run, of_member(&problem, args.member), ctx)?);
    let Outcome { record, arrays, levels: _ } = problem.study.bands(member.as_ref(), kept.session(ctx))?;
    let saved = Saved::new(&problem, record, arrays, super::this_command(), ctx.take_warnings())?;
    saved.write(run.path())?;
    report::render(&saved, run.path(), ctx.sheet)?;
    kept.finish()?;
    ctx.say(&report::bands_table(&saved.record))?;
    ctx.say(&format!("report: {}", out.join("report.html").display()))
}

/// What the kept parts of a member's bands belong to.
fn of_member(problem: &Problem, member: usize) -> crate::run_dir::Fingerprint {
    crate::run_dir::Fingerprint::new(&format!("{}\nmember {member}", problem.fingerprint.hex()), &[])
}
