//! `gtv-cli score`: s(x, t) = ∇ log p(x | t) of a point set in closed form, with log p, the posterior mean and C, and a
//! bound on the share of the posterior's mass that was left out of each.

use super::{check_archive, read_argument};
use crate::args::{CovArg, PrecisionArg, ScoreArgs};
use crate::config::{Change, Duplicates, Loaded, ScheduleForm, file_cloud, keys};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{Array, Compression, Named, write_npz};
use gtv_theory::score::{CovKind, Evaluation, ExactScore, ExactScore32, IndexCost};
use gtv_theory::{Schedule, ScheduleKind};
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// Bad arguments or arrays, too little memory, an output that cannot be written.
pub fn run(args: ScoreArgs, ctx: &Context) -> anyhow::Result<()> {
    let schedule = schedule(&args)?;
    let points = read_argument(&args.data, ctx)?;
    let weights = args.weights.as_deref().map(|w| read_argument(w, ctx)).transpose()?;
    let queries = read_argument(&args.at, ctx)?;
    let cloud = file_cloud(points, weights.as_ref(), None, Duplicates::Refuse, ctx)?;
    let (count, dim) = queries.rows()?;
    if dim != cloud.dim() {
        let expected =
            format!("(queries, {}), the dimension of the points in {}", cloud.dim(), args.data.display());
        return Err(queries.wrong_shape(&expected).into());
    }
    let kind = match args.cov {
        CovArg::Full => CovKind::Full,
        CovArg::Trace => CovKind::Trace,
        CovArg::None => CovKind::None,
    };
    ctx.memory.check(
        "the score of these queries",
        // The library holds the posterior's covariance beside the proxy score's.
        8.0 * count as f64 * (3.0 * dim as f64 + 2.0 + 2.0 * kind.values(dim) as f64)
            + IndexCost::bytes_for(cloud.len(), dim) as f64,
        "8 bytes x Q x (3 D + 2 + 2 D^2), 2 in place of 2 D^2 with --cov trace, and 4 bytes x M x min(D/3, 256) for an \
         index of the points",
        "use --cov trace or none, or ask for fewer queries at a time",
    )?;
    check_archive(&args.out)?;

    let (points, time) = (cloud.len(), args.time);
    let largest = cloud.points().iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let wrong = |error: gtv_theory::Error| UsageError::Argument {
        argument: "--tolerance",
        value: args.tolerance.unwrap_or_default().to_string(),
        reason: error.to_string(),
    };
    let (found, index) = match args.precision {
        PrecisionArg::F64 => {
            let mut field = ExactScore::new(cloud, schedule);
            if let Some(tolerance) = args.tolerance {
                field = field.with_tolerance(tolerance).map_err(wrong)?;
            }
            let found = in_batches(|x| field.evaluate(x, time, kind), &queries.values, dim, points, ctx)?;
            (found, field.index_cost())
        }
        PrecisionArg::F32 => {
            let mut field = ExactScore32::new(cloud, schedule);
            if let Some(tolerance) = args.tolerance {
                field = field.with_tolerance(tolerance).map_err(wrong)?;
            }
            let found = in_batches(|x| field.evaluate(x, time, kind), &queries.values, dim, points, ctx)?;
            (found, field.index_cost())
        }
    };
    let per_query = [
        (&found.score, dim),
        (&found.log_density, 1),
        (&found.posterior_mean, dim),
        (&found.proxy_score_cov, kind.values(dim)),
    ];
    let overflow = per_query.iter().filter_map(|(values, width)| {
        let at = values.iter().position(|v| !v.is_finite())?;
        Some(at / width.max(&1))
    });
    if let Some(row) = overflow.min() {
        return Err(overflowed(row, &args, &queries, dim, (largest, schedule.noise_std(time))).into());
    }

    let (rows, list, matrices) = ([count, dim], [count], [count, dim, dim]);
    let mut arrays = vec![
        Named { name: "score", shape: &rows, values: &found.score },
        Named { name: "log_density", shape: &list, values: &found.log_density },
        Named { name: "posterior_mean", shape: &rows, values: &found.posterior_mean },
    ];
    let cov = &found.proxy_score_cov;
    match args.cov {
        CovArg::Full => arrays.push(Named { name: "proxy_score_cov", shape: &matrices, values: cov }),
        CovArg::Trace => arrays.push(Named { name: "proxy_score_cov_trace", shape: &list, values: cov }),
        CovArg::None => {}
    }
    // Without an index every point is summed.
    if index.is_some() || args.tolerance.is_some() {
        arrays.push(Named { name: "left_out", shape: &list, values: &found.left_out });
    }
    write_npz(&args.out, &arrays, Compression::Stored)?;
    let names: Vec<&str> = arrays.iter().map(|a| a.name).collect();
    let index = index.map_or(String::new(), |cost| {
        format!("; index of the points: {:.2} s, {:.1} MB", cost.seconds, cost.bytes as f64 / 1e6)
    });
    ctx.say(&format!(
        "{}: {count} queries in {dim} dimensions: {}{index}",
        args.out.display(),
        names.join(", ")
    ))
}

/// What is to blame for a result that is no 64-bit float: squares of coordinates, or the division by σ², whichever is
/// further from 1.
fn overflowed(
    row: usize,
    args: &ScoreArgs,
    queries: &Array,
    dim: usize,
    (data, sigma): (f64, f64),
) -> UsageError {
    let query = queries.values[row * dim..(row + 1) * dim].iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let far = |argument: &'static str, path: &Path, what: String| UsageError::Argument {
        argument,
        value: path.display().to_string(),
        reason: format!("{what}, too far away for its square to be a 64-bit float; rescale data and queries"),
    };
    let coordinates = query.max(data) > 1.0 / sigma;
    if coordinates && query >= data {
        return far("--at", &args.at, format!("query {row} has a coordinate of size {query:.0e}"));
    }
    if coordinates {
        return far("--data", &args.data, format!("a point has a coordinate of size {data:.0e}"));
    }
    UsageError::Argument {
        argument: "--time",
        value: format!("{:?}", args.time),
        reason: "the score is too large for a 64-bit float so close to t = 0; use a larger time".to_owned(),
    }
}

/// The score of all queries, a batch at a time so that Ctrl-C is heard.
fn in_batches(
    evaluate: impl Fn(&[f64]) -> gtv_theory::Result<Evaluation>,
    queries: &[f64],
    dim: usize,
    points: usize,
    ctx: &Context,
) -> anyhow::Result<Evaluation> {
    /// Multiplications (queries × points × dimensions) in a batch, of the order of a second.
    const BATCH_WORK: usize = 1 << 29;
    /// Queries below which the threads would not all have work.
    const SMALLEST_BATCH: usize = 1024;
    let batch = (BATCH_WORK / (points * dim)).next_multiple_of(64).max(SMALLEST_BATCH);
    let progress = ctx.progress("score", (queries.len() / dim) as u64);
    let mut batches = queries.chunks(batch * dim);
    let mut all = evaluate(batches.next().unwrap_or_default())?;
    progress.advance(all.len() as u64);
    for x in batches {
        ctx.interrupt.check_for_nothing()?;
        let part = evaluate(x)?;
        progress.advance(part.len() as u64);
        all.score.extend(part.score);
        all.log_density.extend(part.log_density);
        all.left_out.extend(part.left_out);
        all.posterior_mean.extend(part.posterior_mean);
        all.posterior_cov.extend(part.posterior_cov);
        all.proxy_score_cov.extend(part.proxy_score_cov);
    }
    ctx.interrupt.check_for_nothing()?;
    Ok(all)
}

/// The schedule that the arguments describe, up to its natural last time.
fn schedule(args: &ScoreArgs) -> anyhow::Result<Schedule> {
    let named = format!("--schedule {}", args.schedule);
    let mut changes = vec![Change::argument("schedule.kind", args.schedule.as_str(), named)];
    for text in &args.params {
        let wrong =
            |reason: String| UsageError::Argument { argument: "--param", value: text.clone(), reason };
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| wrong("expected KEY=VALUE, e.g. --param beta_min=0.1".to_owned()))?;
        let value: f64 =
            value.trim().parse().map_err(|_| wrong(format!("expected a number, found {value:?}")))?;
        // The parameters of a schedule are the keys that go with its kind.
        let parameters = keys().all.iter().filter(|k| k.section() == "schedule" && !k.when.is_empty());
        if !parameters.clone().any(|k| k.name() == key.trim()) {
            let mut known: Vec<&str> = parameters.map(|k| k.name()).collect();
            known.dedup();
            let reason = format!("there is no parameter {key:?}; possible: {}", known.join(", "));
            return Err(wrong(reason).into());
        }
        changes.push(Change::argument(&format!("schedule.{}", key.trim()), value, format!("--param {text}")));
    }
    let ScheduleForm::BuiltIn(family) = Loaded::parse("", None, &changes)?.config.schedule.kind else {
        let reason = "a table is read by a config alone: [schedule] kind = \"table\"".to_owned();
        return Err(
            UsageError::Argument { argument: "--schedule", value: args.schedule.clone(), reason }.into()
        );
    };
    // σ = t of edm has no last time; every other family is defined for data at t = 0 and noise at t = 1.
    let last = if family == ScheduleKind::Edm { f64::INFINITY } else { 1.0 };
    if !(args.time.is_finite() && args.time > 0.0 && args.time <= last) {
        let upper = if last.is_finite() {
            format!(" and at most {last}, the last time of this schedule")
        } else {
            String::new()
        };
        return Err(UsageError::Argument {
            argument: "--time",
            value: format!("{:?}", args.time),
            reason: format!("expected a time above 0{upper}; the score of discrete data is singular at 0"),
        }
        .into());
    }
    Ok(build(family, args.time)?)
}

fn build(family: ScheduleKind, time: f64) -> gtv_theory::Result<Schedule> {
    // Only the range between the ends is limited by them; the functions of time are not.
    Schedule::new(family, 0.5 * time, time)
}
