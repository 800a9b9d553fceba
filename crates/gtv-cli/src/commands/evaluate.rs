//! `gtv-cli evaluate`: trained members, a closure's mean and covariance, or the exact score, at given points.

use super::likelihood::Ask;
use super::{check_archive, members};
use crate::args::EvaluateArgs;
use crate::config::{Change, Loaded};
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{Compression, Named, ReadError, read_array, write_npz};
use anyhow::Result;
use gtv_models::{Session, Unwatched};
use gtv_study::Study;
use gtv_theory::law::Law;
use gtv_theory::{At, Schedule, ScoreField};
use rayon::prelude::*;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// Points that do not fit, a folder that is no trained run, an output that cannot be written.
pub fn run(args: EvaluateArgs, ctx: &Context) -> Result<()> {
    let mut changes = args.changes.changes()?;
    if let Some(closure) = args.theory {
        let name = closure.name();
        let list = toml::Value::Array(vec![name.into()]);
        changes.push(Change::argument("theory.closures", list, format!("--theory {name}")));
    }
    let is_run = args.run.is_dir();
    let config = if is_run { args.run.join("config.toml") } else { args.run.clone() };
    let problem = Loaded::read(Some(&config), &changes, ctx)?.on_any_device().build(ctx)?;
    let study = &problem.study;
    let points = Points::read(&args.at, args.likelihood, study, ctx)?;
    check_archive(&args.out)?;
    let (dim, count) = (points.dim, points.t.len());
    let ask = args.likelihood.then(|| Ask { x: &points.x, t: &points.t, study, ctx });
    let (evaluated, likely) = match args.theory {
        Some(name) => {
            if study.family.learner_needs_members() {
                let advice = "evaluate the trained networks, without --theory";
                return Err(UsageError::Missing { what: "--theory for networks".to_owned(), advice }.into());
            }
            if let Some(table) = study.family.listed() {
                table.check(&points.x, &points.t, "points of --at").map_err(gtv_models::Error::from)?;
            }
            let (theory, _) = study.solve(None, Session { watch: ctx, store: &Unwatched })?;
            let closure = name.closure().ok_or_else(|| anyhow::anyhow!("{} has no law", name.name()))?;
            let law = theory.law(closure)?;
            let cov = points.covariance(law, ctx)?;
            let likely = ask.map(|ask| ask.law(law)).transpose()?;
            (Evaluated { cov: Some(cov), ..points.evaluate(law.mean_score().as_ref()) }, likely)
        }
        None if is_run => {
            let evaluated = points.members(&args.run, study, ctx)?;
            (evaluated, ask.map(|ask| ask.members(&args.run)).transpose()?)
        }
        None => {
            let exact = study.problem().exact().as_ref();
            (points.evaluate(exact), ask.map(|ask| ask.exact(exact)).transpose()?)
        }
    };
    let models = evaluated.score.len() / points.x.len();
    let of_fields: &[usize] =
        if args.theory.is_none() && is_run { &[models, count, dim] } else { &[count, dim] };
    let (rows, list, matrices) = ([count, dim], [count], [count, dim, dim]);
    let mut arrays = vec![
        Named { name: "x", shape: &rows, values: &points.x },
        Named { name: "t", shape: &list, values: &points.t },
        Named { name: "score", shape: of_fields, values: &evaluated.score },
        Named { name: "denoiser", shape: of_fields, values: &evaluated.denoiser },
        Named { name: "noise", shape: of_fields, values: &evaluated.noise },
    ];
    if let Some(cov) = &evaluated.cov {
        arrays.push(Named { name: "score_cov", shape: &matrices, values: cov });
    }
    let of_points: &[usize] = if of_fields.len() == 3 { &[models, count] } else { &list };
    for (name, values) in likely.iter().flatten() {
        let shape = if values.len() == count { &list[..] } else { of_points };
        arrays.push(Named { name, shape, values });
    }
    write_npz(&args.out, &arrays, Compression::Stored)?;
    let names: Vec<&str> = arrays.iter().map(|a| a.name).collect();
    ctx.say(&format!("{}: {count} points in {dim} dimensions: {}", args.out.display(), names.join(", ")))
}

/// Points (x, t), with the order in which those of one time stand together.
struct Points {
    x: Vec<f64>,
    t: Vec<f64>,
    dim: usize,
    schedule: Schedule,
    /// Places of points, a list for each time.
    at_times: Vec<(f64, Vec<usize>)>,
}

/// A field, or fields one after the other, at the points.
#[derive(Default)]
struct Evaluated {
    score: Vec<f64>,
    denoiser: Vec<f64>,
    noise: Vec<f64>,
    /// Cov ŝ between models, Q × D × D.
    cov: Option<Vec<f64>>,
}

impl Points {
    /// Reads x and t; `alone` allows points without times, which are at ε.
    fn read(path: &Path, alone: bool, study: &Study, ctx: &Context) -> Result<Self> {
        let archive = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
        if !archive && !alone {
            let reason =
                "expected an .npz with x (Q, D) and t (Q); points alone are for --likelihood".to_owned();
            return Err(
                UsageError::Argument { argument: "--at", value: path.display().to_string(), reason }.into()
            );
        }
        let x = read_array(path, Some("x").filter(|_| archive), &ctx.memory)?;
        let t = match read_array(path, Some("t"), &ctx.memory) {
            Err(ReadError::Key { .. } | ReadError::Format { .. }) if alone => None,
            found => Some(found?),
        };
        let (problem, (count, columns)) = (study.problem(), x.rows()?);
        let (dim, schedule) = (problem.dim(), *problem.schedule());
        if columns != dim {
            return Err(x
                .wrong_shape(&format!("x (points, {dim}), where {dim} is the dimension of the data"))
                .into());
        }
        let (t_min, t_max) = (schedule.t_min(), schedule.t_max());
        let t = match t {
            Some(t) => t.list("one time t for each point of x", count)?.to_vec(),
            None => vec![t_min; count],
        };
        if let Some(index) = t.iter().position(|t| !(t_min..=t_max).contains(t)) {
            let reason = format!(
                "t holds {} at index {index}; expected times from schedule.t_min = {t_min} to t_max = {t_max}",
                t[index]
            );
            return Err(UsageError::Run { path: path.display().to_string(), reason }.into());
        }
        ctx.memory.check(
            "the fields at these points",
            24.0 * (count * dim) as f64 * study.members.len() as f64,
            "24 bytes x N x Q x D",
            "ask for fewer points at a time",
        )?;
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| t[*a].total_cmp(&t[*b]));
        let at_times =
            order.chunk_by(|a, b| t[*a] == t[*b]).map(|places| (t[places[0]], places.to_vec())).collect();
        Ok(Self { x: x.values, t, dim, schedule, at_times })
    }

    /// One field at all points, those of one time in one call.
    fn evaluate(&self, field: &dyn ScoreField) -> Evaluated {
        let dim = self.dim;
        let answers = self.at_times.par_iter().map(|(t, places)| {
            let x: Vec<f64> = places.iter().flat_map(|q| &self.x[q * dim..(q + 1) * dim]).copied().collect();
            let (mut score, mut denoiser) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            field.score_into(&x, *t, &mut score);
            field.denoiser_into(&x, *t, &mut denoiser);
            (score, denoiser)
        });
        let answers: Vec<_> = answers.collect();
        let zero = || vec![0.0; self.x.len()];
        let mut all = Evaluated { score: zero(), denoiser: zero(), noise: zero(), cov: None };
        for ((t, places), (score, denoiser)) in self.at_times.iter().zip(answers) {
            let std = self.schedule.noise_std(*t);
            for (q, (s, m)) in places.iter().zip(score.chunks_exact(dim).zip(denoiser.chunks_exact(dim))) {
                let row = q * dim..(q + 1) * dim;
                all.score[row.clone()].copy_from_slice(s);
                all.denoiser[row.clone()].copy_from_slice(m);
                all.noise[row].iter_mut().zip(s).for_each(|(n, s)| *n = -std * s);
            }
        }
        all
    }

    /// Every member of a run, one after the other.
    fn members(&self, run: &Path, study: &Study, ctx: &Context) -> Result<Evaluated> {
        if !run.join("members").is_dir() {
            let reason = "it holds no trained members; run `gtv-cli train CONFIG --out` first, or add --theory CLOSURE";
            return Err(UsageError::Run { path: run.display().to_string(), reason: reason.to_owned() }.into());
        }
        let bar = ctx.progress("members", study.members.len() as u64);
        let mut all = Evaluated::default();
        for member in 0..study.members.len() {
            ctx.interrupt.check_for_nothing()?;
            let found = self.evaluate(members::load(run, study.family.as_ref(), member)?.as_ref());
            all.score.extend(found.score);
            all.denoiser.extend(found.denoiser);
            all.noise.extend(found.noise);
            bar.advance(1);
        }
        Ok(all)
    }

    /// Cov ŝ at every point, Q × D × D.
    fn covariance(&self, law: &dyn Law, ctx: &Context) -> Result<Vec<f64>> {
        let size = self.dim * self.dim;
        ctx.memory.check(
            "the covariance at these points",
            8.0 * (self.t.len() * size) as f64,
            "8 bytes x Q x D^2",
            "ask for fewer points at a time",
        )?;
        let mut cov = vec![0.0; self.t.len() * size];
        let points = self.x.par_chunks_exact(self.dim).zip(&self.t);
        cov.par_chunks_exact_mut(size).zip(points).for_each(|(cov, (x, &t))| {
            cov.copy_from_slice(&law.cov(At { x, t }, At { x, t }));
        });
        Ok(cov)
    }
}
