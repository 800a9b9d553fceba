//! `gtv-cli compare`: the theory's levels against a really trained ensemble, with numbers, figures and a report.

use super::ensemble::{self, Trained};
use super::kernel::Probes;
use super::levels::{Sampled, Sampler};
use super::linearised::Linearised;
use super::opening::{self, Work};
use super::theory::{Learner, Theory};
use super::{lazy, maps, network, sources};
use crate::args::CompareArgs;
use crate::config::{Change, Family, Loaded, Problem};
use crate::context::Context;
use crate::record::{
    Arrays, Distances, Estimate, Gaussianity, Interval, KernelNumbers, LevelSummary, Record, Saved,
};
use crate::report;
use crate::run_dir::{PartStore, RunDir};
use crate::warnings::Warning;
use anyhow::Result;
use gtv_models::Members;
use gtv_theory::compare::{
    self, Axis, CompareSettings, Histogram, Level, Metric, Normalisation, between_model_bands,
    compare_levels, nearest_two, summarize_level,
};
use gtv_theory::estimator::{Closure, Estimator, LinearLaw};
use gtv_theory::score::ExactScore;
use std::collections::BTreeMap;
use std::time::Instant;

/// Share of samples outside the histogram's range from which on the user is told.
const NOTABLE_OUTSIDE: f64 = 0.05;
/// Relative quadrature error from which on the user is told.
const NOTABLE_ERROR: f64 = 0.01;
/// Samples shown as images for each level.
const IMAGES: usize = 16;

/// Runs the command.
///
/// # Errors
/// Bad input before any work; an interrupt or a failed write, after which the same command resumes.
pub fn run(args: CompareArgs, ctx: &Context) -> Result<()> {
    let mut changes = args.changes.changes()?;
    changes.extend(args.target.as_deref().map(Change::target));
    let loaded = Loaded::read(Some(&args.config), &changes, ctx)?;
    let problem = loaded.build(ctx)?;
    loaded.check_quadrature(&problem)?;
    let out = args.out.unwrap_or_else(|| RunDir::default_path(Some(&args.config)));
    opening::announce(&problem, Work::Compare, ctx);
    let run = RunDir::create(&out, &problem.resolved, ctx)?;
    let record = into_folder(&problem, &run, this_command(), ctx)?;
    ctx.say(&report::terminal_table(&record))?;
    ctx.say(&format!("report: {}", out.join("report.html").display()))
}

/// The command line of this process, the program's plain name first.
fn this_command() -> Vec<String> {
    let words = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).enumerate();
    words.map(|(i, a)| if i == 0 { "gtv-cli".to_owned() } else { a }).collect()
}

/// One comparison with everything that belongs into its folder; `command` is what the report says made it.
///
/// # Errors
/// An interrupt or a failed write, after which the same call resumes.
pub fn into_folder(problem: &Problem, run: &RunDir, command: Vec<String>, ctx: &Context) -> Result<Record> {
    let mut saved = compute(problem, run, ctx)?;
    saved.record.command = command;
    saved.record.warnings = ctx.take_warnings().iter().map(ToString::to_string).collect();
    saved.write(run.path())?;
    report::render(&saved, run.path())?;
    // Last of all: a folder without parts is a finished one.
    PartStore::open(run, problem.fingerprint, ctx)?.finish()?;
    Ok(saved.record)
}

/// Every number of the comparison.
fn compute(problem: &Problem, run: &RunDir, ctx: &Context) -> Result<Saved> {
    let store = PartStore::open(run, problem.fingerprint, ctx)?;
    let mut record = describe(problem)?;
    let mut arrays = Arrays::default();
    let mut clock = Clock::default();
    let (theory, ensemble) = match &problem.family {
        // The theory first: it can refuse a config, and takes less time than training.
        Family::Linear => {
            let theory = clock.time("theory", || Theory::of_linear(problem, ctx))?;
            let members = clock.time("training", || ensemble::train(problem, &store, ctx))?;
            (theory, Trained::Linear(Box::new(members)))
        }
        Family::Lazy(lazy) => {
            let trainer = lazy::trainer(problem, lazy, ctx)?;
            let kernel = clock.time("kernel features", || lazy::Kernel::of(problem, &trainer, ctx))?;
            record.lazy = Some(kernel.record);
            let learner = Learner::Flow(Box::new(kernel.flow));
            let theory = clock.time("theory", || Theory::of(learner, problem, ctx))?;
            let train = || lazy::train(problem, &trainer, &lazy.members, "lazy", &store, ctx);
            let members = clock.time("training", train)?;
            (theory, Trained::Lazy(Box::new(members)))
        }
        // The theory of a network starts from its linearisation, which is matched to what was learned.
        Family::Mlp(network) => {
            let fields =
                clock.time("training", || network::train(problem, network, &store, run, ctx))?.fields;
            let linearised =
                clock.time("linearisation", || Linearised::of(problem, network, &fields, ctx))?;
            record.linearised = Some(linearised.record);
            let learner = Learner::Flow(Box::new(linearised.flow));
            let theory = clock.time("theory", || Theory::of(learner, problem, ctx))?;
            (theory, Trained::Networks(fields))
        }
    };
    let laws = &theory.laws;
    record.load = Some(theory.load);
    if let Some(load) = record.load.filter(|load| *load > 1.0) {
        ctx.warn(Warning::HighLoad { load });
    }
    record.quadrature = clock.time("quadrature check", || quadrature_error(problem, &theory, ctx))?;
    record.mean_score_closure = theory.mean_law().map(|law| law.closure().name().to_owned());
    (record.kernel, record.gaussianity) =
        clock.time("kernel", || kernel(problem, ensemble.members(), laws, &mut arrays))?;
    record.variance_sources =
        clock.time("variance sources", || sources::measure(problem, &theory, &ensemble, &store, run, ctx))?;
    let levels = clock.time("sampling", || levels(problem, &theory, &ensemble, &store, ctx))?;
    let settings = settings(problem);
    record.distances = clock.time("distances", || distances(problem, &levels, &settings))?;
    ctx.interrupt.check()?;
    record.levels = clock.time("summaries", || {
        levels.iter().map(|l| Ok((name(l), summary(l, problem, &settings)?))).collect()
    })?;
    ctx.interrupt.check()?;
    densities(problem, &levels, &settings, &mut arrays, ctx)?;
    images(problem, &levels, &mut record, &mut arrays)?;
    record.timing = clock.seconds;
    Ok(Saved { record, arrays, config_toml: std::fs::read_to_string(run.file("config.toml"))? })
}

fn name(level: &Sampled) -> String {
    level.samples.level().to_string()
}

/// The record before anything is computed.
fn describe(problem: &Problem) -> Result<Record> {
    Ok(Record {
        seed: problem.streams.seed(),
        fingerprint: problem.fingerprint.hex(),
        config: serde_json::to_value(&problem.config)?,
        dimension: problem.cloud.dim(),
        device: problem.family.network().map_or("cpu", |n| n.device.name()).to_owned(),
        confidence: problem.config.compare.confidence,
        image_shape: problem.config.compare.image,
        ..Record::default()
    })
}

/// Wall-clock seconds of the stages.
#[derive(Default)]
struct Clock {
    seconds: BTreeMap<String, f64>,
}

impl Clock {
    fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work();
        self.seconds.insert(stage.to_owned(), started.elapsed().as_secs_f64());
        result
    }
}

type Kernel = (BTreeMap<String, KernelNumbers>, Option<Gaussianity>);

/// Theory against ensemble at the level of the kernel.
fn kernel(
    problem: &Problem,
    ensemble: &dyn Members,
    laws: &[LinearLaw],
    arrays: &mut Arrays,
) -> Result<Kernel> {
    if ensemble.len() < 2 {
        return Ok(Default::default());
    }
    let probes = Probes::from_training(problem, ensemble);
    probes.save_ensemble(arrays)?;
    let mut numbers = BTreeMap::new();
    for law in laws {
        numbers.insert(law.closure().name().to_owned(), probes.compare(law, problem, arrays)?);
    }
    maps::save(problem, ensemble, laws, arrays)?;
    Ok((numbers, probes.gaussianity(problem)?))
}

/// Relative change of the theory's mean and total variance under a coarser quadrature.
fn quadrature_error(problem: &Problem, theory: &Theory, ctx: &Context) -> Result<BTreeMap<String, f64>> {
    let mut errors = BTreeMap::new();
    // The cheapest closure stands for all: their integrals are over the same nodes and features.
    let rank = |law: &&LinearLaw| match law.closure() {
        Closure::Leading => 0,
        Closure::Paper => 1,
        _ => 2,
    };
    let Some(fine) = theory.laws.iter().min_by_key(rank) else { return Ok(errors) };
    let Some(coarse) = theory.coarser_law(problem, fine.closure())? else { return Ok(errors) };
    let points = gtv_models::DsmSampler::new(problem.cloud.clone(), problem.schedule)
        .draw_from(&mut problem.streams.stream(gtv_theory::rng::Purpose::Probe, 1, 0), 1_000);
    let (fine, coarse) =
        (fine.prediction_moments(&points.x, &points.t), coarse.prediction_moments(&points.x, &points.t));
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>();
    let difference = square(&mut fine.mean.iter().zip(&coarse.mean).map(|(a, b)| a - b));
    let mean = (difference / square(&mut fine.mean.iter().copied())).sqrt();
    let total = |v: &[f64]| v.iter().sum::<f64>();
    let variance = (total(&coarse.variance) / total(&fine.variance) - 1.0).abs();
    for (quantity, relative) in [("mean prediction", mean), ("total variance", variance)] {
        // A law without variance (one data point) has no relative error.
        if relative.is_finite() {
            errors.insert(quantity.to_owned(), relative);
            if relative > NOTABLE_ERROR {
                ctx.warn(Warning::Quadrature { quantity: quantity.to_owned(), relative });
            }
        }
    }
    Ok(errors)
}

/// Every level's samples, from the data up to the trained ensemble.
fn levels(
    problem: &Problem,
    theory: &Theory,
    ensemble: &Trained,
    store: &PartStore,
    ctx: &Context,
) -> Result<Vec<Sampled>> {
    let sampler = Sampler { problem, store, ctx };
    let config = &problem.config;
    let mut levels = vec![sampler.points()?, sampler.data()?];
    let exact = ExactScore::new(problem.cloud.clone(), problem.schedule);
    levels.push(sampler.single(Level::PfOde, &exact)?);
    if let Some(law) = theory.mean_law() {
        levels.push(sampler.single(Level::MeanScore, law.mean_score().as_ref())?);
    }
    for name in &config.theory.closures {
        levels.push(theory.level(*name, &sampler)?);
    }
    let members = ensemble.members();
    if members.len() > 1 {
        let (own, paths) = ensemble.own_moments(problem)?;
        let models = config.theory.models;
        levels.push(sampler.models(Level::GaussianEmpirical, models, paths, |_, rng| own.sample_field(rng))?);
    }
    let field = |member: usize, _: &mut _| members.field(member);
    levels.push(sampler.models(Level::Ensemble, members.len(), config.sampling.paths, field)?);
    Ok(levels)
}

fn settings(problem: &Problem) -> CompareSettings {
    let config = &problem.config.compare;
    CompareSettings {
        metrics: config.metrics.clone(),
        bins: config.bins,
        range: config.range,
        bootstrap: config.bootstrap,
        confidence: config.confidence,
        projections: config.projections,
        energy_samples: config.energy_samples,
        near_radius: config.near_radius,
        ..CompareSettings::default()
    }
}

/// Every metric between every two levels.
fn distances(problem: &Problem, levels: &[Sampled], settings: &CompareSettings) -> Result<Distances> {
    let samples: Vec<&compare::LevelSamples> = levels.iter().map(|l| &l.samples).collect();
    let pairs: Vec<(usize, usize)> =
        (1..samples.len()).flat_map(|a| (a + 1..samples.len()).map(move |b| (a, b))).collect();
    // The data themselves have no density: to them only distances that transport mass are finite.
    let transport = |m: &Metric| !matches!(m, Metric::Kl | Metric::Js);
    let metrics = settings.metrics.iter().copied().filter(transport).collect();
    let smoothing = CompareSettings { metrics, ..settings.clone() };
    let mut found = compare_levels(&samples, &[(0, 1)], &smoothing, problem.streams)?;
    found.extend(compare_levels(&samples, &pairs, settings, problem.streams)?);
    let mut distances = Distances::new();
    for pair in found {
        let (a, b) = (name(&levels[pair.a]), name(&levels[pair.b]));
        let metrics = distances.entry(a).or_default().entry(b).or_default();
        for (metric, e) in pair.distances {
            let estimate = Estimate { value: e.value, lo: e.lo, hi: e.hi, floor: e.floor };
            metrics.insert(metric.name().to_owned(), estimate);
        }
    }
    Ok(distances)
}

fn interval(i: compare::Interval) -> Interval {
    Interval { value: i.value, lo: i.lo, hi: i.hi }
}

fn summary(level: &Sampled, problem: &Problem, settings: &CompareSettings) -> Result<LevelSummary> {
    let found = summarize_level(&level.samples, Some(&problem.cloud), settings, problem.streams)?;
    let values = |list: &[compare::Interval]| list.iter().map(|i| i.value).collect();
    let mut summary = LevelSummary {
        samples: found.samples,
        models: level.samples.groups().len(),
        diverged: level.diverged,
        total_variance: Some(interval(found.total_variance)),
        mean: values(&found.mean),
        covariance: values(&found.cov),
        ..LevelSummary::default()
    };
    if let Some(near) = found.neighbours {
        summary.memorized_fraction = Some(interval(near.memorized_fraction));
        summary.nearest_distance = Some(interval(near.nearest_distance));
        summary.near_radius = Some(near.near_radius);
        summary.mass_near = near.near_mass.into_iter().map(interval).collect();
        summary.gap_mass = Some(interval(near.gap_mass));
    }
    Ok(summary)
}

/// Histogram densities with their spread between models, in one and two dimensions.
fn densities(
    problem: &Problem,
    levels: &[Sampled],
    settings: &CompareSettings,
    arrays: &mut Arrays,
    ctx: &Context,
) -> Result<()> {
    let Some(axes) = settings.grid(problem.cloud.dim())? else { return Ok(()) };
    let shape: Vec<usize> = axes.iter().map(Axis::len).collect();
    let cells = shape.iter().product();
    for (axis, key) in axes.iter().zip(["x_edges", "y_edges"]) {
        arrays.insert(key, axis.edges());
    }
    // The data themselves have no density.
    for level in levels.iter().filter(|l| *l.samples.level() != Level::Points) {
        let mut members = Vec::with_capacity(level.samples.groups().len() * cells);
        let mut inside = 0.0;
        for group in level.samples.groups() {
            let histogram = Histogram::count(&axes, group)?;
            inside += histogram.inside_share();
            members.extend(histogram.density(Normalisation::All));
        }
        let count = level.samples.groups().len();
        let outside = 1.0 - inside / count as f64;
        let label = name(level);
        if outside > NOTABLE_OUTSIDE {
            ctx.warn(Warning::OutsideRange { level: label.clone(), share: 100.0 * outside });
        }
        let bands = between_model_bands(&members, cells)?;
        arrays.insert_shaped(format!("{label}_density"), &shape, bands.mean)?;
        if count > 1 {
            arrays.insert_shaped(format!("{label}_q25"), &shape, bands.q25)?;
            arrays.insert_shaped(format!("{label}_q75"), &shape, bands.q75)?;
        }
    }
    if problem.cloud.len() <= 256 {
        let shape = [problem.cloud.len(), problem.cloud.dim()];
        arrays.insert_shaped("data", &shape, problem.cloud.points().to_vec())?;
    }
    Ok(())
}

/// Some samples of each level with their nearest data, where a datum is an image.
fn images(problem: &Problem, levels: &[Sampled], record: &mut Record, arrays: &mut Arrays) -> Result<()> {
    if record.image_shape.is_none() {
        return Ok(());
    }
    let dim = problem.cloud.dim();
    for level in levels.iter().filter(|l| *l.samples.level() != Level::Points) {
        let groups = level.samples.groups();
        // One image from each of as many models as there are.
        let picked: Vec<f64> = (0..IMAGES)
            .filter_map(|i| groups[i % groups.len()].chunks_exact(dim).nth(i / groups.len()))
            .flatten()
            .copied()
            .collect();
        let nearest = nearest_two(&picked, &problem.cloud)?;
        let data: Vec<f64> = nearest.index.iter().flat_map(|&m| problem.cloud.point(m)).copied().collect();
        let shape = [picked.len() / dim, dim];
        arrays.insert_shaped(format!("samples_{}", name(level)), &shape, picked)?;
        arrays.insert_shaped(format!("nearest_{}", name(level)), &shape, data)?;
    }
    Ok(())
}
