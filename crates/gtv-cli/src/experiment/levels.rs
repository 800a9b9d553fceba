//! The levels of a comparison, each sampled with the config's integrator so that neighbours differ in one thing only.

use crate::config::Problem;
use crate::context::Context;
use crate::run_dir::PartStore;
use crate::warnings::Warning;
use anyhow::Result;
use gtv_theory::ScoreField;
use gtv_theory::compare::{Level, LevelSamples};
use gtv_theory::dynamics::{self, PfOde, Samples};
use gtv_theory::rng::{ChaCha8Rng, Purpose};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// A level with the paths that did not arrive.
pub struct Sampled {
    /// The samples, grouped by model.
    pub samples: LevelSamples,
    /// Paths left out.
    pub diverged: usize,
}

/// Draws levels for one problem, each model saved as soon as it is sampled.
pub struct Sampler<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// Where partial results go.
    pub store: &'a PartStore,
    /// Progress, warnings, interrupts.
    pub ctx: &'a Context,
}

/// Most samples of a level whose field is not random: enough for a resampling error well below that of 100 models.
const MOST_SINGLE: usize = 1_000_000;

/// The number that keeps the random streams of levels apart: levels are compared as independent.
pub fn lane(level: &Level) -> u64 {
    let number = match level {
        Level::Ensemble => 0,
        Level::Data => 1,
        Level::PfOde => 2,
        Level::MeanScore => 3,
        Level::GaussianEmpirical => 4,
        Level::Theory(closure) => match closure.as_str() {
            "paper" => 5,
            "leading" => 6,
            "finite-p" => 7,
            "shot-noise" => 8,
            "naive" => 9,
            "white" => 10,
            "damped" => 11,
            "fokker-planck" => 12,
            "linear-noise" => 13,
            "semiclassical" => 14,
            "matched-white" => 16,
            _ => 17,
        },
        Level::Points => 15,
    };
    number << 40
}

impl Sampler<'_> {
    /// Samples of a level whose field is one.
    pub fn single_count(&self) -> usize {
        let config = &self.problem.config;
        (config.ensemble.members * config.sampling.paths).clamp(1, MOST_SINGLE)
    }

    /// The data themselves, drawn with their weights.
    ///
    /// # Errors
    /// None for a valid problem.
    pub fn points(&self) -> Result<Sampled> {
        self.drawn(Level::Points, 1.0, 0.0)
    }

    /// Level 0: data smoothed to p(x | ε).
    ///
    /// # Errors
    /// None for a valid problem.
    pub fn data(&self) -> Result<Sampled> {
        let (schedule, t) = (&self.problem.schedule, self.problem.schedule.t_min());
        self.drawn(Level::Data, schedule.signal(t), schedule.noise_std(t))
    }

    /// `signal` x0 + `std` n.
    fn drawn(&self, level: Level, signal: f64, std: f64) -> Result<Sampled> {
        let cloud = &self.problem.cloud;
        let mut rng = self.problem.streams.stream(Purpose::Initial, lane(&level), 0);
        let picker = cloud.picker();
        let mut x = Vec::with_capacity(self.single_count() * cloud.dim());
        for _ in 0..self.single_count() {
            let point = cloud.point(picker.pick(rng.random()));
            x.extend(point.iter().map(|mu| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                signal * mu + std * noise
            }));
        }
        Ok(Sampled { samples: LevelSamples::new(level, cloud.dim(), vec![x])?, diverged: 0 })
    }

    /// A level made by one field.
    ///
    /// # Errors
    /// As [`Sampler::single_with`].
    pub fn single(&self, level: Level, field: &dyn ScoreField) -> Result<Sampled> {
        self.single_with(level, self.single_count(), |paths, id, progress| {
            integrate(self.problem, field, paths, id, progress)
        })
    }

    /// A level whose paths are independent of each other: `draw(paths, id, progress)`, id selecting its random streams.
    ///
    /// # Errors
    /// An interrupt, a part that cannot be written, or no path that arrived.
    pub fn single_with(
        &self,
        level: Level,
        paths: usize,
        draw: impl FnOnce(usize, u64, dynamics::Progress) -> Result<Samples>,
    ) -> Result<Sampled> {
        let label = level.to_string();
        let bar = self.ctx.progress(&label, paths as u64);
        let (x, diverged) = self.part(&label, || {
            let progress = |paths: usize| {
                bar.advance(paths as u64);
                !self.ctx.interrupt.raised()
            };
            draw(paths, lane(&level), &progress)
        })?;
        self.finish(level, vec![x], diverged)
    }

    /// A level made by a law of fields: `draw(model, rng)` gives each model's field.
    ///
    /// # Errors
    /// As [`Sampler::single`].
    pub fn models(
        &self,
        level: Level,
        models: usize,
        paths: usize,
        draw: impl Fn(usize, &mut ChaCha8Rng) -> Box<dyn ScoreField> + Sync,
    ) -> Result<Sampled> {
        let label = level.to_string();
        let bar = self.ctx.progress(&label, models as u64);
        let lane = lane(&level);
        let groups: Vec<(Vec<f64>, usize)> = (0..models)
            .into_par_iter()
            .map(|model| {
                let drawn = self.part(&format!("{label}-{model:05}"), || {
                    let id = lane + model as u64;
                    let mut rng = self.problem.streams.stream(Purpose::TheoryModel, id, 0);
                    let field = draw(model, &mut rng);
                    integrate(self.problem, field.as_ref(), paths, id, &|_| !self.ctx.interrupt.raised())
                });
                bar.advance(1);
                drawn
            })
            .collect::<Result<_>>()?;
        let diverged = groups.iter().map(|g| g.1).sum();
        self.finish(level, groups.into_iter().map(|g| g.0).collect(), diverged)
    }

    /// A saved part, or a new one: states that arrived, and the number that did not.
    fn part(&self, key: &str, make: impl FnOnce() -> Result<Samples>) -> Result<(Vec<f64>, usize)> {
        if let Some(mut values) = self.store.load(key, self.ctx)
            && let Some(failed) = values.pop()
        {
            return Ok((values, failed as usize));
        }
        self.ctx.interrupt.check()?;
        let samples = make()?;
        self.ctx.interrupt.check()?;
        let failed = samples.failed.diverged + samples.failed.exhausted;
        let mut values = samples.x;
        values.push(failed as f64);
        self.store.save(key, &values)?;
        values.pop();
        Ok((values, failed))
    }

    fn finish(&self, level: Level, groups: Vec<Vec<f64>>, diverged: usize) -> Result<Sampled> {
        let dim = self.problem.cloud.dim();
        if diverged > 0 {
            let arrived: usize = groups.iter().map(|g| g.len() / dim).sum();
            let total = (arrived + diverged) as u64;
            self.ctx.warn(Warning::PathsDiverged {
                level: level.to_string(),
                diverged: diverged as u64,
                total,
            });
        }
        // A model all of whose paths diverged has no distribution to show; the count above tells of it.
        let groups: Vec<Vec<f64>> = groups.into_iter().filter(|g| !g.is_empty()).collect();
        anyhow::ensure!(
            !groups.is_empty(),
            "{level}: every path diverged; use more sampling.steps, or sampling.form = \"denoiser\""
        );
        Ok(Sampled { samples: LevelSamples::new(level, dim, groups)?, diverged })
    }
}

/// Paths of one field by the config's sampler; `id` selects the random stream of the initial states.
///
/// # Errors
/// A lookup table in more than two dimensions.
pub fn integrate(
    problem: &Problem,
    field: &dyn ScoreField,
    paths: usize,
    id: u64,
    progress: dynamics::Progress,
) -> Result<Samples> {
    let Problem { config, sampling, times, streams, .. } = problem;
    match config.sampling.lookup.grid() {
        None => Ok(PfOde::new(field, sampling)?.sample(paths, *streams, id, progress)),
        Some(grid) => {
            let lookup = dynamics::Lookup::of_field(field, times, grid)?;
            Ok(lookup.sample(paths, *streams, id, progress))
        }
    }
}
