//! `gtv-cli distance`: every metric between two files of samples, with interval and floor.

use super::read_argument;
use crate::args::DistanceArgs;
use crate::config::Loaded;
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{Array, ReadError, check_writable, write_json};
use crate::record::Estimate;
use crate::report::aligned;
use crate::report::number::{estimate, plain};
use anyhow::Result;
use gtv_theory::compare::{Level, LevelSamples, ResamplingUnit, compare_levels};
use gtv_theory::rng::Streams;
use std::collections::BTreeMap;

/// Runs the command.
///
/// # Errors
/// Files that are no samples, or of different dimensions; settings that cannot be.
pub fn run(args: DistanceArgs, ctx: &Context) -> Result<()> {
    let loaded = Loaded::read(None, &args.changes.changes()?, ctx)?;
    let (mut settings, seed) = (loaded.config.compare.clone(), loaded.config.seed);
    let files = [read_argument(&args.a, ctx)?, read_argument(&args.b, ctx)?];
    if let Some(out) = &args.out {
        check_writable(out)?;
    }
    let [(a, dim), (b, other)] = [groups(&files[0])?, groups(&files[1])?];
    if dim != other {
        let reason = format!("its samples have {other} dimensions, those of {} have {dim}", args.a.display());
        return Err(UsageError::Run { path: args.b.display().to_string(), reason }.into());
    }
    if args.changes.sets.iter().all(|set| !set.trim_start().starts_with("compare.range")) {
        settings.range = span(files.iter().flat_map(|file| &file.values));
    }
    settings.validate()?;
    let levels = [LevelSamples::new(Level::Given(0), dim, a)?, LevelSamples::new(Level::Given(1), dim, b)?];
    let found = compare_levels(&levels.each_ref(), &[(0, 1)], &settings, Streams::new(seed))?;
    let distances: Vec<(&str, Estimate)> =
        found.into_iter().flat_map(|pair| pair.distances).map(|(m, e)| (m.card().name, e.into())).collect();
    let mut rows = vec![["metric", "a to b", "floor"].map(str::to_owned)];
    let floor = |e: &Estimate| e.floor.map_or_else(|| "–".to_owned(), plain);
    rows.extend(distances.iter().map(|(name, e)| [(*name).to_owned(), estimate(e), floor(e)]));
    if let Some(out) = &args.out {
        let numbers: BTreeMap<&str, Estimate> = distances.iter().copied().collect();
        let sizes = levels.each_ref().map(|level| [level.groups().len(), level.samples()]);
        let record = serde_json::json!({
            "schema": 1, "a": args.a, "b": args.b, "models_and_samples": sizes, "seed": seed,
            "confidence": settings.confidence, "range": settings.range, "distances": numbers,
        });
        write_json(out, &record)?;
    }
    ctx.say(aligned(&rows).trim_end())?;
    let of = |level: &LevelSamples| match level.unit() {
        ResamplingUnit::Model => format!("{} models", level.groups().len()),
        ResamplingUnit::Chunk => format!("{} samples of one model", level.samples()),
    };
    ctx.say(&format!(
        "a: {}; b: {}; {dim} dimensions; {:.0} % intervals; histograms over [{}, {}]",
        of(&levels[0]),
        of(&levels[1]),
        100.0 * settings.confidence,
        plain(settings.range[0]),
        plain(settings.range[1])
    ))
}

/// Samples grouped by model, with their dimension: (N, n, D), or one group of (n, D).
fn groups(file: &Array) -> Result<(Vec<Vec<f64>>, usize), ReadError> {
    match *file.shape {
        [_, rows, dim] if rows * dim > 0 => {
            Ok((file.values.chunks_exact(rows * dim).map(<[f64]>::to_vec).collect(), dim))
        }
        [_, _] | [_] => Ok((vec![file.values.clone()], file.rows()?.1)),
        [] | [..] => Err(file.wrong_shape("(samples, dimension), or (models, samples, dimension)")),
    }
}

/// The range of all values, a twentieth wider at each end; one wide around a single value.
fn span<'a>(values: impl Iterator<Item = &'a f64>) -> [f64; 2] {
    let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    let margin = if hi > lo { 0.05 * (hi - lo) } else { 0.5 };
    [lo - margin, hi + margin]
}
