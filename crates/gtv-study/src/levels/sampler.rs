//! How levels are drawn: each model's samples are kept as soon as they are made.

use super::DerivedLevel;
use crate::error::{Error, Result};
use crate::study::Study;
use crate::theory::Theory;
use crate::warning::Warning;
use gtv_models::watch::{Session, Watch};
use gtv_theory::ScoreField;
use gtv_theory::compare::{Level, LevelSamples};
use gtv_theory::dynamics::{self, Lookup, PfOde, Samples, Tally};
use gtv_theory::law::EmpiricalFields;
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// A level with the paths that did not arrive.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The samples, grouped by model.
    pub samples: LevelSamples,
    /// Paths left out.
    pub failed: Tally,
}

/// Draws levels of a study.
#[derive(Clone, Copy)]
pub struct Sampler<'a> {
    /// The study.
    pub study: &'a Study,
    /// Progress, interrupts, kept work.
    pub session: Session<'a>,
}

/// Most samples of a level whose field is not random: enough for a resampling error well below that of 100 models.
const MOST_SINGLE: usize = 1_000_000;

impl Sampler<'_> {
    /// Samples of a level whose field is one.
    fn single_count(&self) -> usize {
        (self.study.members.len() * self.study.sampling.paths).clamp(1, MOST_SINGLE)
    }

    /// The streams of a level: of its name.
    fn streams(&self, level: &Level) -> Streams {
        self.study.problem().streams().named(&level.to_string())
    }

    /// The data themselves, drawn with their weights.
    ///
    /// # Errors
    /// None for a valid study.
    pub fn points(&self) -> Result<Sampled> {
        self.drawn(Level::Points, 1.0, 0.0)
    }

    /// Level 0: data smoothed to p(x | ε).
    ///
    /// # Errors
    /// None for a valid study.
    pub fn data(&self) -> Result<Sampled> {
        let schedule = self.study.problem().schedule();
        let t = schedule.t_min();
        self.drawn(Level::Data, schedule.signal(t), schedule.noise_std(t))
    }

    /// `signal` x0 + `std` n.
    fn drawn(&self, level: Level, signal: f64, std: f64) -> Result<Sampled> {
        let cloud = self.study.problem().cloud();
        let mut rng = self.streams(&level).stream(Purpose::Initial, 0, 0);
        let picker = cloud.picker();
        let mut x = Vec::with_capacity(self.single_count() * cloud.dim());
        for _ in 0..self.single_count() {
            let point = cloud.point(picker.pick(rng.random()));
            x.extend(point.iter().map(|mu| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                signal * mu + std * noise
            }));
        }
        Ok(Sampled { samples: LevelSamples::new(level, cloud.dim(), vec![x])?, failed: Tally::default() })
    }

    /// A level made by one field.
    ///
    /// # Errors
    /// As [`Sampler::derived`].
    pub fn single(&self, level: Level, field: &dyn ScoreField) -> Result<Sampled> {
        let streams = self.streams(&level);
        self.independent(level, self.single_count(), |paths, progress| {
            integrate(self.study, field, paths, streams, 0, progress)
        })
    }

    /// A level that is derived from another law.
    ///
    /// # Errors
    /// An interrupt, a store that fails, or no path that arrived.
    pub fn derived(&self, derived: &dyn DerivedLevel, theory: &Theory<'_>) -> Result<Sampled> {
        let level = Level::Theory(derived.card().card.name.to_owned());
        let (streams, paths) = (self.streams(&level), self.single_count().min(derived.card().most_paths));
        self.independent(level, paths, |paths, progress| derived.sample(theory, paths, streams, progress))
    }

    /// A level whose paths are independent of each other.
    fn independent(
        &self,
        level: Level,
        paths: usize,
        draw: impl FnOnce(usize, dynamics::Progress<'_>) -> Result<Samples>,
    ) -> Result<Sampled> {
        let label = level.to_string();
        let stage = self.session.watch.stage(&label, paths as u64);
        let (x, failed) = self.part(&label, || {
            let progress = |paths: usize| {
                stage.advance(paths as u64);
                !self.session.watch.interrupted()
            };
            draw(paths, &progress)
        })?;
        self.finish(level, vec![x], failed)
    }

    /// A level made by a law of fields: `draw(model, rng)` gives each model's field.
    ///
    /// # Errors
    /// As [`Sampler::derived`].
    pub fn models(
        &self,
        level: Level,
        models: usize,
        paths: usize,
        draw: impl Fn(usize, &mut ChaCha8Rng) -> Result<Box<dyn ScoreField>> + Sync,
    ) -> Result<Sampled> {
        use rayon::prelude::*;
        let (label, streams) = (level.to_string(), self.streams(&level));
        let stage = self.session.watch.stage(&label, models as u64);
        let groups: Vec<(Vec<f64>, Tally)> = (0..models)
            .into_par_iter()
            .map(|model| {
                let drawn = self.part(&format!("{label}-{model:05}"), || {
                    let field = draw(model, &mut streams.stream(Purpose::TheoryModel, model as u64, 0))?;
                    let progress = |_| !self.session.watch.interrupted();
                    integrate(self.study, field.as_ref(), paths, streams, model as u64, &progress)
                });
                stage.advance(1);
                drawn
            })
            .collect::<Result<_>>()?;
        let mut failed = Tally::default();
        groups.iter().for_each(|g| failed += g.1);
        self.finish(level, groups.into_iter().map(|g| g.0).collect(), failed)
    }

    /// A level made by the Gaussian law with fields' own moments, of fields whose calls cost more than their work: models are carried
    /// side by side, so that each field is called for the states of all.
    ///
    /// # Errors
    /// As [`Sampler::derived`].
    pub fn side_by_side(
        &self,
        level: Level,
        (models, paths): (usize, usize),
        law: &EmpiricalFields,
        together: usize,
    ) -> Result<Sampled> {
        let (label, streams, dim) = (level.to_string(), self.streams(&level), self.study.problem().dim());
        let stage = self.session.watch.stage(&label, models as u64);
        let (mut groups, mut failed) = (vec![Vec::new(); models], Tally::default());
        for (first, groups) in groups.chunks_mut(together).enumerate().map(|(i, g)| (i * together, g)) {
            let (rows, lost) = self.part(&format!("{label}-{first:05}"), || {
                let model = |i: usize| streams.stream(Purpose::TheoryModel, (first + i) as u64, 0);
                let field = law.draw_together(&mut (0..groups.len()).map(model).collect::<Vec<_>>());
                let progress = |_| !self.session.watch.interrupted();
                integrate(self.study, field.as_ref(), paths, streams, first as u64, &progress)
            })?;
            for states in rows.chunks_exact(groups.len() * dim) {
                groups.iter_mut().zip(states.chunks_exact(dim)).for_each(|(group, x)| group.extend(x));
            }
            // A row that is lost is a path of each model.
            let each = groups.len();
            failed += Tally { diverged: each * lost.diverged, exhausted: each * lost.exhausted };
            stage.advance(each as u64);
        }
        self.finish(level, groups, failed)
    }

    /// A kept part, or a new one: states that arrived, and the numbers of those that did not.
    fn part(&self, key: &str, make: impl FnOnce() -> Result<Samples>) -> Result<(Vec<f64>, Tally)> {
        let mut values = self.session.part(key, || {
            let samples = make()?;
            self.session.check()?;
            let mut values = samples.x;
            values.extend([samples.failed.diverged, samples.failed.exhausted].map(|paths| paths as f64));
            Ok::<_, Error>(values)
        })?;
        let mut count = || values.pop().unwrap_or_default() as usize;
        let (exhausted, diverged) = (count(), count());
        Ok((values, Tally { diverged, exhausted }))
    }

    fn finish(&self, level: Level, groups: Vec<Vec<f64>>, failed: Tally) -> Result<Sampled> {
        let dim = self.study.problem().dim();
        let arrived: usize = groups.iter().map(|g| g.len() / dim).sum();
        tell_lost(&level.to_string(), arrived, failed, self.session.watch)?;
        // A model none of whose paths arrived has no distribution to show; the counts above tell of it.
        let groups: Vec<Vec<f64>> = groups.into_iter().filter(|g| !g.is_empty()).collect();
        Ok(Sampled { samples: LevelSamples::new(level, dim, groups)?, failed })
    }
}

/// The member, and its states at ε, of what is kept under a key of the ensemble's level; `None` for what is kept of another.
pub fn ensemble_part<'a>(key: &str, values: &'a [f64]) -> Option<(usize, &'a [f64])> {
    let member = key.strip_prefix(&Level::Ensemble.to_string())?.strip_prefix('-')?.parse().ok()?;
    // Two counts of paths that did not arrive come last.
    Some((member, &values[..values.len().checked_sub(2)?]))
}

/// Warns of paths that did not arrive.
///
/// # Errors
/// [`Error::NoPath`] where none did, with the setting that helps against what became of most of them.
pub fn tell_lost(level: &str, arrived: usize, failed: Tally, watch: &dyn Watch) -> Result<()> {
    let Tally { diverged, exhausted } = failed;
    let total = arrived + diverged + exhausted;
    if arrived == 0 {
        let (most, how, advice) = if exhausted > diverged {
            (exhausted, Warning::GIVEN_UP, Warning::MORE_STEPS)
        } else {
            (diverged, "diverged", "use more sampling.steps, or sampling.form = \"denoiser\"")
        };
        return Err(Error::NoPath { level: level.to_owned(), most, total, how, advice });
    }
    if diverged > 0 {
        watch.warn(&Warning::PathsDiverged { level: level.to_owned(), diverged, total });
    }
    if exhausted > 0 {
        watch.warn(&Warning::PathsExhausted { level: level.to_owned(), exhausted, total });
    }
    Ok(())
}

/// Paths of one field by the study's sampler; `id` tells models of one stream family apart.
///
/// # Errors
/// A lookup table in more than two dimensions.
pub fn integrate(
    study: &Study,
    field: &dyn ScoreField,
    paths: usize,
    streams: Streams,
    id: u64,
    progress: dynamics::Progress<'_>,
) -> Result<Samples> {
    let sampling = &study.sampling;
    match sampling.lookup.grid() {
        None => Ok(PfOde::new(field, &sampling.integration)?.sample(paths, streams, id, progress)),
        Some(grid) => {
            let times = sampling.integration.times(study.problem().schedule())?;
            Ok(Lookup::of_field(field, &times, grid)?.sample(paths, streams, id, progress))
        }
    }
}
