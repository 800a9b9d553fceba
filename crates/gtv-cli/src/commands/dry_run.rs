//! `compare --dry-run`: the sizes, the times and the memory of a comparison's stages.

use super::opening::{chosen, plural, what};
use crate::config::Problem;
use crate::context::{Context, print};
use crate::memory::Bytes;
use gtv_study::{Forecast, Growth};

/// Prints them, after small trials of the comparison; nothing is written.
///
/// # Errors
/// As the comparison; a stdout that cannot be written.
pub fn run(problem: &Problem, ctx: &Context) -> anyhow::Result<()> {
    let study = &problem.study;
    let mut lines = Vec::new();
    if !problem.chosen.is_empty() {
        lines.push(chosen(&problem.chosen));
    }
    lines.push(what(problem));
    let rows: Vec<(&str, String, f64)> = match study.forecast()? {
        Some(stages) => stages.into_iter().map(|stage| (stage.name, sized(stage), stage.seconds)).collect(),
        None => {
            let (effort, threads) = (study.effort(), ctx.threads as f64);
            let by_count =
                |name, seconds: f64| (name, "operations counted, no trial".to_owned(), seconds / threads);
            let stages = [
                ("theory", effort.theory),
                ("training", effort.training),
                ("kernel", effort.kernel),
                ("sampling", effort.sampling),
            ];
            stages.map(|(name, seconds)| by_count(name, seconds)).to_vec()
        }
    };
    let total = rows.iter().map(|row| row.2).sum();
    let all = ("in all", format!("on {}", plural(ctx.threads, "thread")), total);
    lines.extend(
        rows.iter()
            .chain([&all])
            .map(|(name, size, seconds)| format!("{name:<18}{size:<36}{seconds:>9.1} s")),
    );
    lines.extend(problem.needs.iter().map(|need| {
        let bytes = Bytes(need.bytes as u64).to_string();
        format!("memory, {:<36}{bytes:>20}  ({})", need.what, need.formula)
    }));
    print(&lines.join("\n"))
}

/// What a stage's time grows with, and how much of it there is.
fn sized(stage: Forecast) -> String {
    let count = stage.size as usize;
    match stage.growth {
        Growth::Members => plural(count, "member"),
        Growth::Nodes => plural(count, "node"),
        Growth::Paths => plural(count, "path"),
    }
}
