//! The first line of a run: the data, the model, how many, and about how long it takes.
//!
//! Times are counts of operations times what one of each took when it was measured, on a core of 2023; they are right
//! within a factor of about three, which tells seconds from minutes and hours.

use crate::config::{DataConfig, Family, KernelName, Lookup, Problem};
use crate::context::Context;
use crate::progress::Spell;
use crate::warnings::Warning;
use gtv_theory::Features;
use gtv_theory::ntk::{Activation, MlpSpec};
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
    ctx.note(&line(problem, work, ctx.threads));
    match &problem.family {
        Family::Linear => {}
        Family::Lazy(lazy) => warn_of_slow(lazy.task.arch(), ctx),
        Family::Mlp(network) => {
            if work == Work::Compare && problem.config.theory.kernel == Some(KernelName::Infinite) {
                warn_of_slow(network.task.arch(), ctx);
            }
        }
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
    let all = match work {
        Work::Train => training(problem),
        Work::Compare => training(problem) + theory(problem) + sampling(problem),
        Work::Sample(count) => paths(problem, count),
        Work::SampleTheory(count) => theory(problem) + paths(problem, count),
    };
    all / threads as f64
}

/// Seconds of one core for the members.
fn training(problem: &Problem) -> f64 {
    /// Seconds of a multiplication in a matrix product, in 64 and in 32 bits.
    const DOUBLE: f64 = 5e-11;
    const SINGLE: f64 = 2.5e-11;
    let members = problem.config.ensemble.members as f64;
    let samples = problem.spec.samples as f64;
    let each = match &problem.family {
        Family::Linear => {
            let features = problem.spec.features.len() as f64;
            DOUBLE * features * features * (samples + features)
        }
        Family::Lazy(_) => samples * (DOUBLE * samples * samples + pass(problem)),
        Family::Mlp(network) => {
            let training = network.task.training();
            let triples = training.steps as f64 * training.batch_size() as f64;
            3.0 * SINGLE * triples * network.parameters() as f64
        }
    };
    members * each
}

/// Seconds of one core for so many paths.
fn paths(problem: &Problem, count: usize) -> f64 {
    count as f64 * problem.times.len() as f64 * pass(problem)
}

/// Seconds of one core for the closures.
fn theory(problem: &Problem) -> f64 {
    let nodes = problem.quadrature.count(&problem.cloud).unwrap_or(0) as f64;
    let features = problem.spec.features.len() as f64;
    nodes * if problem.family.task().is_some() { 5e-4 } else { 3e-10 * features * features }
}

/// Seconds of one core for the paths of all levels.
fn sampling(problem: &Problem) -> f64 {
    let config = &problem.config;
    let steps = problem.times.len() as f64;
    let models = config.theory.models as f64 * (config.theory.closures.len() + 1) as f64;
    let members = config.ensemble.members as f64;
    let paths = members * config.sampling.paths as f64 + models * config.theory.paths as f64;
    match config.sampling.lookup {
        Lookup::Exact => paths * steps * pass(problem),
        Lookup::Grid => {
            let dim = i32::try_from(problem.cloud.dim()).unwrap_or(i32::MAX);
            let nodes = (config.sampling.grid_points.unwrap_or(0) as f64).powi(dim);
            steps * ((models + members) * nodes * pass(problem) + paths * 1e-8)
        }
    }
}

/// Seconds of one core for one evaluation of a learned field.
fn pass(problem: &Problem) -> f64 {
    let dim = problem.cloud.dim() as f64;
    match &problem.family {
        Family::Linear => match &problem.spec.features {
            // Functions on each coordinate, and the product of all at the time in hand.
            Features::Separable(_) => {
                let each = problem.config.model.features.x.unwrap_or(0) as f64;
                8e-9 * dim * each + 1e-9 * dim * each.powf(dim)
            }
            Features::RandomFourier(_) | Features::Mapped(_) => {
                problem.spec.features.len() as f64 * (1e-8 + 1e-9 * dim)
            }
        },
        Family::Lazy(lazy) => {
            let slow = match lazy.task.arch().activation {
                Activation::Relu | Activation::Erf => 1.0,
                Activation::Silu | Activation::Tanh => 15.0,
            };
            1e-8 * slow * lazy.task.arch().depth.max(1) as f64 * problem.spec.samples as f64
        }
        Family::Mlp(network) => 5e-11 * network.parameters() as f64,
    }
}
