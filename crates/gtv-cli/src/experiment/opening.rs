//! The first line of a run: the data, the model, how many, and about how long it takes.
//!
//! Times are counts of multiplications over a rate that was measured once on two cores of 2023; they are right within
//! a factor of about three, which tells seconds from minutes and hours.

use crate::config::{DataConfig, Family, Problem};
use crate::context::Context;
use crate::progress::Spell;
use crate::warnings::Warning;
use gtv_theory::ntk::{Activation, MlpSpec};
use std::time::Duration;

/// What is done with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `train`.
    Train,
    /// `compare`.
    Compare,
}

/// Prints the line, and warns of a network whose kernels take long.
pub fn announce(problem: &Problem, work: Work, ctx: &Context) {
    ctx.note(&line(problem, work, ctx.threads));
    if let Family::Lazy(lazy) = &problem.family {
        warn_of_slow(lazy.task.arch(), ctx);
    }
}

/// Warns of kernels that have no closed form.
pub fn warn_of_slow(arch: &MlpSpec, ctx: &Context) {
    match arch.activation {
        Activation::Relu | Activation::Erf => {}
        Activation::Tanh | Activation::Silu => {
            ctx.warn(Warning::SlowActivation { activation: name(arch.activation) });
        }
    }
}

fn line(problem: &Problem, work: Work, threads: usize) -> String {
    let seconds = seconds(problem, work, threads);
    format!("{}; {}", what(problem), about(seconds))
}

/// The same for several runs of a kind, of which the first stands for all.
pub fn announce_many(count: usize, first: &Problem, ctx: &Context) {
    let seconds = count as f64 * seconds(first, Work::Compare, ctx.threads);
    ctx.note(&format!("{count} runs, the first: {}; {} for all", what(first), about(seconds)));
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu => "relu",
        Activation::Silu => "silu",
        Activation::Tanh => "tanh",
        Activation::Erf => "erf",
    }
}

fn about(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.max(1.0)) {
        Ok(time) => format!("about {}", Spell(time)),
        Err(_) => "about for ever".to_owned(),
    }
}

fn what(problem: &Problem) -> String {
    let (cloud, config) = (&problem.cloud, &problem.config);
    let data = match &config.data {
        DataConfig::File(file) => file.path.display().to_string(),
        DataConfig::BuiltIn(set) => serde_json::to_value(set)
            .ok()
            .and_then(|value| value["kind"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "built-in".to_owned()),
    };
    let plural = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let model = match &problem.family {
        Family::Linear => format!("linear, F = {}", problem.spec.features.len()),
        Family::Lazy(lazy) => {
            let arch = lazy.task.arch();
            format!("lazy, {} layers of {}", arch.depth, name(arch.activation))
        }
        Family::Mlp(network) => {
            let arch = network.task.arch();
            let steps = network.task.training().steps;
            format!("mlp, {} layers of {} {}, {steps} steps", arch.depth, arch.width, name(arch.activation))
        }
    };
    format!(
        "data: {data}, {} in {}; model: {model}, P = {}; {}",
        plural(cloud.len(), "point"),
        plural(cloud.dim(), "dimension"),
        problem.spec.samples,
        plural(config.ensemble.members, "member"),
    )
}

/// Estimate in seconds; see the module's head.
fn seconds(problem: &Problem, work: Work, threads: usize) -> f64 {
    /// Multiplications of one thread in a second.
    const RATE: f64 = 2e9;
    let (config, spec) = (&problem.config, &problem.spec);
    let (members, samples) = (config.ensemble.members as f64, spec.samples as f64);
    let dim = problem.cloud.dim() as f64;
    let evaluations = problem.times.len() as f64;
    let all_paths = members * config.sampling.paths as f64;
    // One pass through a model for one point.
    let (training, pass) = match &problem.family {
        Family::Linear => {
            let features = spec.features.len() as f64;
            (members * features * features * (samples + features), features * dim)
        }
        Family::Lazy(lazy) => {
            let kernel = samples * 40.0 * lazy.task.arch().depth.max(1) as f64;
            (members * samples * (samples * samples + kernel), kernel)
        }
        Family::Mlp(network) => {
            let (training, parameters) = (network.task.training(), network.parameters() as f64);
            (3.0 * members * training.steps as f64 * training.batch_size() as f64 * parameters, parameters)
        }
    };
    let sampling = all_paths * evaluations * pass;
    let total = match work {
        Work::Train => training,
        Work::Compare => training + sampling,
    };
    total / (RATE * threads as f64)
}
