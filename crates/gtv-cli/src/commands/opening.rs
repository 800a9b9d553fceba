//! The first line of a run: the data, the model, how many, and about how long it takes.
//!
//! Times are counts of operations times what one of each took when it was measured, on a core of 2023; they are right
//! within a factor of about three, which tells seconds from minutes and hours. A comparison that takes minutes by these is forecast
//! from pieces of its work.

use crate::config::{Chosen, DataConfig, Problem};
use crate::context::Context;
use crate::progress::Spell;
use crate::warnings::Warning;
use gtv_theory::ntk::Activation;
use std::time::Duration;

/// What is done with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `train`.
    Train,
    /// `compare`.
    Compare,
    /// `sample`, so many paths of trained members.
    Sample(usize),
    /// `sample --theory`.
    SampleTheory(usize),
}

/// Prints the line, and warns of a network whose kernels take long.
pub fn announce(problem: &Problem, work: Work, ctx: &Context) {
    if !problem.chosen.is_empty() {
        ctx.note(&chosen(&problem.chosen));
    }
    let seconds = seconds(problem, work, ctx.threads);
    ctx.note(&format!("{}; {}", what(problem), about(seconds)));
    ctx.expect(seconds);
    if let Some(activation) = problem.study.family.kernel_activation() {
        warn_of_slow(activation, ctx);
    }
}

/// Warns of kernels that have no closed form.
pub fn warn_of_slow(activation: Activation, ctx: &Context) {
    match activation {
        Activation::Relu | Activation::Erf => {}
        Activation::Tanh | Activation::Silu => {
            ctx.warn(&Warning::SlowActivation { activation: activation.name() });
        }
    }
}

/// What was chosen to fit the data, a line for each section.
pub fn chosen(all: &[Chosen]) -> String {
    let mut lines = vec![
        "chosen to fit the data, and written to config.toml (a config, or --set, overrides each):".to_owned(),
    ];
    let mut section = "";
    for Chosen { key, value } in all {
        let (own, name) = key.rsplit_once('.').unwrap_or(("", key));
        let setting = format!("{name} = {value}");
        match lines.last_mut().filter(|_| own == section) {
            Some(line) => line.extend([", ", &setting]),
            None => lines.push(format!("  [{own}] {setting}")),
        }
        section = own;
    }
    lines.join("\n")
}

/// Seconds by the clock.
fn seconds(problem: &Problem, work: Work, threads: usize) -> f64 {
    /// From here on a forecast takes a small part of the time itself.
    const MINUTE: f64 = 60.0;
    let counted = core_seconds(problem, work) / threads as f64;
    if work != Work::Compare || counted < MINUTE {
        return counted;
    }
    // What is wrong with a trial is wrong with the comparison, which says so.
    let stages = problem.study.forecast().ok().flatten();
    stages.map_or(counted, |stages| stages.iter().map(|stage| stage.seconds).sum())
}

/// The same for several runs that take so long in all on one core.
pub fn announce_many(count: usize, first: &Problem, seconds: f64, ctx: &Context) {
    let seconds = seconds / ctx.threads as f64;
    ctx.note(&format!("{count} runs, the first: {}; {} for all", what(first), about(seconds)));
}

/// `about 3m 20s`.
pub fn about(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.max(1.0)) {
        Ok(time) => format!("about {}", Spell(time)),
        Err(_) => "about for ever".to_owned(),
    }
}

/// The data, the model and the members.
pub fn what(problem: &Problem) -> String {
    let (study, config) = (&problem.study, &problem.config);
    let cloud = study.problem().cloud();
    let data = match &config.data {
        DataConfig::File(file) => file.path.display().to_string(),
        DataConfig::BuiltIn(set) => serde_json::to_value(set)
            .ok()
            .and_then(|value| value["kind"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "built-in".to_owned()),
    };
    format!(
        "data: {data}, {} in {}; model: {}, P = {}; {}",
        plural(cloud.len(), "point"),
        plural(cloud.dim(), "dimension"),
        study.family.describe(),
        study.problem().samples(),
        plural(study.members.len(), "member"),
    )
}

/// `1 point`, `2 points`.
pub fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Estimate in seconds of one core; see the module's head.
pub fn core_seconds(problem: &Problem, work: Work) -> f64 {
    let effort = problem.study.effort();
    match work {
        Work::Train => effort.training,
        Work::Compare => effort.training + effort.theory + effort.kernel + effort.sampling,
        Work::Sample(count) => effort.paths(count),
        Work::SampleTheory(count) => effort.theory + effort.paths(count),
    }
}
