//! How long a comparison will take on this machine, from small pieces of its work that are timed, and counted.
//!
//! Members are trained, a model for each thread; fields are followed along few paths in few steps; the theory is rehearsed on few nodes
//! ([`Learner::rehearse`](gtv_theory::Learner::rehearse)), or solved on few and on four times as many, of which
//! T = T_2 + (T_2 − T_1)(S − S_2)/(S_2 − S_1).
//! Levels are compared and described whole, two and three of all.

use crate::error::Result;
use crate::levels::{Sampled, Sampler, integrate};
use crate::origin::Origin;
use crate::probes::PROBES;
use crate::spec::EnsembleSpec;
use crate::study::{CLOCKED, Growth, Study};
use gtv_models::family::{Members, Resolution};
use gtv_models::watch::{Session, Unwatched};
use gtv_theory::ScoreField;
use gtv_theory::compare::kernel::ProbePredictions;
use gtv_theory::compare::{Level, LevelSamples, compare_levels, nearest_two};
use gtv_theory::dynamics::{CHUNK, Integrator, Tally};
use gtv_theory::learner::Times;
use gtv_theory::problem::Triples;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Purpose;
use gtv_theory::timing;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Seconds of one core that members of a trial may take by a first estimate.
const TRIAL: f64 = 3.0;
/// Seconds of one core that paths of a trial may take by a first estimate, how many there are at least and at most, and their steps.
const PATHS_TIME: f64 = 0.4;
const PATHS: [usize; 2] = [16, 256];
const STEPS: usize = 3;
/// Most parts of a product rule that a trial is made of.
const PARTS: usize = 24;
/// How many times as many of them the larger trial has.
const MORE: usize = 4;
/// Quasi-random nodes of a rehearsal for each thread.
const NODES: usize = 2048;
/// Points at which members are asked.
const ASKED: usize = 200;
/// Data whose neighbours are sought.
const SOUGHT: usize = 256;

/// One stage of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// What it is called in the record's `timing`.
    pub name: &'static str,
    /// What its time grows with.
    pub growth: Growth,
    /// How much of that there is.
    pub size: f64,
    /// Seconds by the clock.
    pub seconds: f64,
}

/// [`settled`] work that can fail.
fn settled<T>(work: impl FnMut() -> Result<T>) -> Result<(T, f64)> {
    let (made, seconds) = timing::settled(work);
    Ok((made?, seconds))
}

/// [`timed`](timing::timed) work that can fail: what is kept once it is made, so that a second time tells nothing.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let (made, seconds) = timing::timed(work);
    Ok((made?, seconds))
}

/// The closures' seconds.
struct Theory {
    /// Of all laws, by the clock.
    laws: f64,
    /// Of the check of the quadrature.
    check: f64,
    each: BTreeMap<&'static str, Times>,
}

impl Study {
    /// The stages in order with their times; `None` where even a trial takes long (networks), or members come from outside.
    ///
    /// # Errors
    /// As [`Study::run`] of a trial.
    pub fn forecast(&self) -> Result<Option<Vec<Stage>>> {
        let fewest = rayon::current_num_threads().max(2);
        let training = fewest as f64 * self.family_effort().member;
        let outside = matches!(self.origin, Origin::Outside(_));
        if outside || self.family.learner_needs_members() || training > TRIAL * fewest as f64 {
            return Ok(None);
        }
        let (silent, count) = (Unwatched, self.members.len() as f64);
        let session = Session { watch: &silent, store: &silent };
        let trial = self.trial(fewest);
        let (members, seconds) = settled(|| trial.train(session))?;
        let training = seconds * count / fewest as f64;
        let theory = self.theory_times(&trial, session)?;
        let (moments, kernel) = self.kernel_time(members.as_ref(), theory.each.len())?;
        let sources = if self.ensemble.sources { training + kernel } else { 0.0 };
        let sampling = self.sampling_time(&trial, members.as_ref(), &theory)?;
        let (distances, summaries) = self.levels_times(session)?;
        let seconds =
            [theory.laws, training, kernel, sources, theory.check + moments, sampling, distances, summaries];
        let models = (self.theory.models * (self.theory.closures.len() + 1)) as f64;
        let stage = |(&(name, growth), seconds): (&(&'static str, Growth), f64)| {
            let size = match growth {
                Growth::Members => count,
                Growth::Nodes => self.theory.nodes(self.problem().cloud()).unwrap_or(0) as f64,
                Growth::Paths => count * self.sampling.paths as f64 + models * self.theory.paths as f64,
            };
            Stage { name, growth, size, seconds }
        };
        Ok(Some(CLOCKED.iter().zip(seconds).map(stage).collect()))
    }

    /// The same with few members and steps.
    fn trial(&self, members: usize) -> Self {
        let ensemble = EnsembleSpec { members, initialisations: None, ..self.ensemble.clone() };
        let mut sampling = self.sampling.clone();
        if sampling.integration.integrator != Integrator::Dopri5 {
            sampling.integration.steps = sampling.integration.steps.min(STEPS);
        }
        Self {
            family: self.family.on(self.problem().clone()),
            members: ensemble.draws(),
            origin: Origin::Trained,
            ensemble,
            sampling,
            theory: self.theory.clone(),
            compare: self.compare.clone(),
            test: Vec::new(),
        }
    }

    fn theory_times(&self, trial: &Self, session: Session<'_>) -> Result<Theory> {
        let (spec, cloud) = (self.theory.quadrature, self.problem().cloud());
        let nodes = spec.count(cloud)?;
        let few = NODES * rayon::current_num_threads().max(2);
        let learner = |parts: usize| {
            let quadrature = QuadratureSpec {
                times: (parts * spec.times.div_ceil(PARTS)).clamp(2 * parts, spec.times.max(2)),
                quasi_nodes: (parts * few).min(spec.quasi_nodes),
                ..spec
            };
            let made = trial.family.learner(None, &Resolution { quadrature, remembered: 0 }, session)?.0;
            Ok::<_, crate::Error>((made, quadrature.count(cloud)? as f64))
        };
        let (small, first) = learner(1)?;
        let rehearsal = small.rehearse(nodes)?;
        let shared = rehearsal.as_ref().map_or(0.0, |found| found.labels);
        let mut theory = Theory { laws: shared, check: 0.0, each: BTreeMap::new() };
        let mut solved = 0.0f64;
        let mut more = None;
        for closure in self.theory.laws() {
            let times = match rehearsal.as_ref().and_then(|found| closure.rehearsed(found)) {
                Some(times) => times,
                None => {
                    if more.is_none() {
                        more = Some(learner(MORE)?);
                    }
                    let Some((larger, second)) = &more else { continue };
                    let (_, t1) = timed(|| Ok(closure.law(small.as_ref())?))?;
                    let (law, t2) = timed(|| Ok(closure.law(larger.as_ref())?))?;
                    let slope = if *second > first { ((t2 - t1) / (second - first)).max(0.0) } else { 0.0 };
                    let mut rng = self.problem().streams().stream(Purpose::TheoryModel, 0, 0);
                    let first = timed(|| Ok(law.draw(&mut rng).is_some()))?.1;
                    let draw = settled(|| Ok(law.draw(&mut rng).is_some()))?.1;
                    let law = t2 + slope * (nodes as f64 - second);
                    Times { law, first, draw, ..Times::default() }
                }
            };
            // The simplest closure checks the quadrature, on fewer nodes.
            if theory.each.is_empty() {
                theory.check = 0.5 * (times.solved + times.law);
            }
            theory.laws += times.law;
            solved = solved.max(times.solved);
            theory.each.insert(closure.card().name, times);
        }
        theory.laws += solved;
        Ok(theory)
    }

    /// Seconds of the moments of two laws at the points of a check, and of the kernel's stage for so many laws.
    fn kernel_time(&self, members: &dyn Members, laws: usize) -> Result<(f64, f64)> {
        let (count, dim) = (self.members.len(), self.problem().dim());
        let Triples { x, t, .. } = self.problem().probes(0, ASKED);
        let (predictions, asking) = settled(|| Ok(members.predictions(&x, &t)))?;
        let (scale, threads) = (PROBES as f64 / ASKED as f64, rayon::current_num_threads() as f64);
        let asking = asking * scale / members.len() as f64;
        if count < 2 {
            return Ok((threads * asking, 0.0));
        }
        let all: Vec<f64> = predictions.iter().copied().cycle().take(count * ASKED * dim).collect();
        let ensemble = ProbePredictions::new(&all, &[1.0; ASKED], dim)?;
        let (resamples, confidence) = (self.compare.bootstrap, self.compare.confidence);
        let compared = || {
            let moments = ensemble.moments();
            Ok(ensemble.compare(&moments, resamples, confidence, self.problem().streams())?)
        };
        let (_, comparing) = settled(compared)?;
        // Laws are asked on one thread.
        let of_laws = laws as f64 * (threads * asking + comparing * scale);
        Ok((threads * asking, count as f64 * asking + of_laws))
    }

    /// Seconds of the paths of all levels, with the drawing of models.
    fn sampling_time(&self, trial: &Self, members: &dyn Members, theory: &Theory) -> Result<f64> {
        let threads = rayon::current_num_threads();
        let (steps, own) = (trial.sampling.integration.steps as f64, self.sampling.integration.steps as f64);
        // Tables take their time whatever the paths are.
        let is_table = self.sampling.lookup.grid().is_some();
        // Seconds of a step of one path, or of a table's paths, on all threads.
        let followed = |fields: &[&dyn ScoreField], paths: usize| -> Result<f64> {
            let follow = || {
                let streams = self.problem().streams().named("trial");
                let follow = |(id, field): (usize, &&dyn ScoreField)| {
                    integrate(trial, *field, paths, streams, id as u64, &|_| true).map(drop)
                };
                fields.par_iter().enumerate().try_for_each(follow)
            };
            Ok(settled(follow)?.1 * own / steps / fields.len() as f64)
        };
        let fewer = |paths: usize, evaluation: f64| {
            let each = 2.0 * steps * evaluation;
            if is_table { paths } else { ((PATHS_TIME / each) as usize).clamp(PATHS[0], PATHS[1]).min(paths) }
        };
        let scale = |paths: usize, few: usize| paths as f64 / few as f64;

        let single = (self.members.len() * self.sampling.paths).max(1);
        let side_by_side = single.div_ceil(CHUNK).min(threads);
        let cloud = self.problem().cloud();
        let few = fewer(single, side_by_side as f64 * 1.2e-10 * (cloud.len() * cloud.dim()) as f64);
        let exact: &dyn ScoreField = self.problem().exact().as_ref();
        let mut seconds = followed(&vec![exact; side_by_side], few)? * scale(single, few);

        let fields: Vec<Box<dyn ScoreField>> = (0..members.len()).map(|i| members.field(i)).collect();
        let fields: Vec<&dyn ScoreField> = fields.iter().map(AsRef::as_ref).collect();
        let paths = self.sampling.paths.min(self.theory.paths);
        let few = fewer(paths, threads as f64 * self.family_effort().evaluation);
        let learned = followed(&fields, few)? / few as f64;
        let count = self.members.len() as f64;
        let drawn = (self.theory.models * (self.theory.closures.len() + usize::from(count > 1.0))) as f64;
        // The mean score, the ensemble, and the drawn models.
        let ensemble = (single + self.members.len() * self.sampling.paths) as f64;
        seconds += learned * (ensemble + drawn * self.theory.paths as f64);
        let draws = |times: &Times| times.first + self.theory.models as f64 * times.draw / threads as f64;
        Ok(seconds + theory.each.values().map(draws).sum::<f64>())
    }

    /// Seconds of the distances between all levels, and of their summaries.
    fn levels_times(&self, session: Session<'_>) -> Result<(f64, f64)> {
        let (problem, failed) = (self.problem(), Tally::default());
        let (cloud, dim, streams) = (problem.cloud(), problem.dim(), problem.streams());
        let data = Sampler { study: self, session }.data()?.samples;
        let rows = &data.groups()[0];
        let each = rows.len() / dim / self.members.len().max(1);
        // Levels that differ: where they agree within a few cells of a metric, their samples are sorted too.
        let level = |level: Level, scale: f64| {
            let scaled = |group: &[f64]| group.iter().map(|x| scale * x).collect();
            let groups = rows.chunks(each.max(1) * dim).map(scaled).collect();
            LevelSamples::new(level, dim, groups)
        };
        let (drawn, ensemble) = (level(Level::GaussianEmpirical, 1.15)?, level(Level::Ensemble, 1.3)?);
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let three = [&data, &drawn, &ensemble];
        let (_, comparing) = settled(|| Ok(compare_levels(&three, &pairs, &self.compare, streams)?))?;
        // Data, true score and mean score; theory, the ensemble and its Gaussian.
        let (single, many) = (3.0, (2 + self.theory.closures.len()) as f64);
        let levels = single + many;
        // Some of it is done for each level, the rest for each pair.
        let share = (levels / 3.0 * levels * (levels - 1.0) / 6.0).sqrt();
        let some = &cloud.points()[..SOUGHT.min(cloud.len()) * dim];
        let (_, seeking) = settled(|| Ok(nearest_two(some, cloud)?))?;
        let seeking = seeking * (cloud.len() as f64 / SOUGHT as f64).max(1.0);
        let describing = |samples| {
            let level = Sampled { samples, failed };
            settled(|| self.summary(&level, cloud)).map(|(_, seconds)| seconds)
        };
        let described = single * describing(data)? + many * describing(ensemble)?;
        Ok((comparing * share, seeking + described))
    }
}
