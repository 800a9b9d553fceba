//! A comparison from end to end: theory and ensemble, kernel numbers, sources of variance, levels, distances, record.

use crate::error::Result;
use crate::history;
use crate::levels::{Sampled, Sampler};
use crate::likelihood;
use crate::maps;
use crate::one_run;
use crate::origin::{Origin, guarded};
use crate::paths;
use crate::pictures::name;
use crate::probes::Probes;
use crate::quadrature_check;
use crate::record::{Arrays, Distances, GaussianityRecord, KernelNumbers, LevelRecord, PoolRecord, Record};
use crate::sources;
use crate::spec::{EnsembleSpec, SamplingSpec, TheorySpec};
use crate::spread;
use crate::theory::Theory;
use crate::warning::Warning;
use gtv_models::external::Ensemble;
use gtv_models::family::{Family, LearnerRecord, Member, Members, Resolution};
use gtv_models::watch::Session;
use gtv_theory::compare::{
    CompareSettings, FEWEST_GROUPS, Interval, Level, LevelSamples, compare_levels, summarize_level,
};
use gtv_theory::dynamics::Tally;
use gtv_theory::law::EmpiricalFields;
use gtv_theory::{PointCloud, TrainingProblem, timing};
use std::collections::BTreeMap;

/// Most evaluations of models in sampling the Gaussian with an ensemble's own moments, where each path asks all members.
const MOST_EVALUATIONS: usize = 30_000_000;
/// Share of the memory in which features are remembered, and bytes of it where the memory is not known.
const REMEMBERED: u64 = 4;
const UNKNOWN: u64 = 1 << 30;

/// What is compared with what, and how.
pub struct Study {
    /// What is trained, on which problem.
    pub family: Box<dyn Family>,
    /// The ensemble's members, by their draws; of an ensemble from outside only their number counts.
    pub members: Vec<Member>,
    /// Where the ensemble comes from.
    pub origin: Origin,
    /// How many members, and what differs between them.
    pub ensemble: EnsembleSpec,
    /// Held-out points whose likelihood is asked, n × D; none where it is empty.
    pub test: Vec<f64>,
    /// The reverse process.
    pub sampling: SamplingSpec,
    /// The predictions.
    pub theory: TheorySpec,
    /// The distances.
    pub compare: CompareSettings,
}

/// What the time of a stage grows with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Members of the ensemble.
    Members,
    /// Nodes of the quadrature.
    Nodes,
    /// Paths of all models.
    Paths,
}

/// The stages whose time is taken, in order, by their names in the record's `timing`. Distances are those of cells, which resampling mixes from the
/// members': that takes longer than to count the samples.
pub(crate) const CLOCKED: [(&str, Growth); 8] = [
    ("theory", Growth::Nodes),
    ("training", Growth::Members),
    ("kernel", Growth::Members),
    ("variance sources", Growth::Members),
    ("quadrature check", Growth::Nodes),
    ("sampling", Growth::Paths),
    ("distances", Growth::Members),
    ("summaries", Growth::Paths),
];

/// What a comparison has found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The numbers.
    pub record: Record,
    /// The arrays.
    pub arrays: Arrays,
    /// The levels' samples, which the numbers are made from.
    pub levels: Vec<Sampled>,
}

/// Wall-clock seconds of the stages.
#[derive(Default)]
struct Clock {
    seconds: BTreeMap<String, f64>,
}

impl Clock {
    fn time<T>(&mut self, stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (result, seconds) = timing::timed(work);
        self.seconds.insert(stage.to_owned(), seconds);
        result
    }
}

impl Study {
    /// What is learned.
    pub fn problem(&self) -> &TrainingProblem {
        self.family.problem()
    }

    /// Whether the theory's features are known at points (n × D, n).
    pub(crate) fn knows(&self, x: &[f64], t: &[f64]) -> bool {
        self.family.listed().is_none_or(|table| table.knows(x, t))
    }

    /// Trains the ensemble.
    ///
    /// # Errors
    /// A member that cannot be trained, an interrupt, or a store that fails.
    pub fn train(&self, session: Session<'_>) -> Result<Box<dyn Members>> {
        Ok(self.family.train("training", &self.members, session)?)
    }

    /// Solves the closures of the learner that stands for the family, from trained members where it needs them.
    ///
    /// # Errors
    /// A learner that cannot be made, a closure that cannot be solved, an interrupt.
    pub fn solve(
        &self,
        members: Option<&dyn Members>,
        session: Session<'_>,
    ) -> Result<(Theory<'_>, LearnerRecord)> {
        // Tables of all models drawn from all laws ask for the same points; paths never do.
        let bytes = match self.sampling.lookup.grid() {
            Some(_) => session.watch.memory_limit().map_or(UNKNOWN, |bytes| bytes / REMEMBERED),
            None => 0,
        };
        let remembered = usize::try_from(bytes / 8).unwrap_or(usize::MAX);
        let resolution = Resolution { quadrature: self.theory.quadrature, remembered };
        let (learner, record) = self.family.learner(members, &resolution, session)?;
        Ok((Theory::of(self, learner, session)?, record))
    }

    /// Every number of the comparison; what is finished is kept in the session's store.
    ///
    /// # Errors
    /// Whatever stops a stage; an interrupt, after which the same call goes on from what is kept.
    pub fn run(&self, session: Session<'_>) -> Result<Outcome> {
        guarded(&self.origin, session, |session| self.compared(session))
    }

    fn compared(&self, session: Session<'_>) -> Result<Outcome> {
        let (mut record, mut arrays, mut clock) = (self.describe(), Arrays::default(), Clock::default());
        let ensemble = |clock: &mut Clock| clock.time("training", || self.ensemble(session));
        let solve = |clock: &mut Clock, members| clock.time("theory", || self.solve(members, session));
        // The theory first where it can be: it can refuse a problem, and takes less time than training.
        let (theory, learner, ensemble) = if self.family.learner_needs_members() {
            let ensemble = ensemble(&mut clock)?;
            let (theory, learner) = solve(&mut clock, ensemble.fields())?;
            (theory, learner, ensemble)
        } else {
            let (theory, learner) = solve(&mut clock, None)?;
            let ensemble = ensemble(&mut clock)?;
            (theory, learner, ensemble)
        };
        adopt(learner, &mut record);
        if let Some(one_run) = &mut record.one_run {
            one_run.gap = theory.gap();
        }
        let load = theory.learner.load();
        record.load = Some(load);
        if load > 1.0 {
            session.watch.warn(&Warning::HighLoad { load });
        }
        record.pool = theory.laws.iter().find_map(|solved| solved.law.settling()).map(|found| PoolRecord {
            models: found.models,
            generations: found.generations,
            change: found.change,
            ratio: found.ratio,
        });
        record.mean_score_closure = theory.mean_law().map(|solved| solved.name().to_owned());
        let probes = Some(ensemble.members()).filter(|n| *n > 1).and_then(|_| Probes::of(self, &ensemble));
        if let Some(probes) = &probes {
            self.check_outside(probes, session)?;
            (record.kernel, record.gaussianity) =
                clock.time("kernel", || kernel(&theory, probes, &ensemble, &mut arrays))?;
            if let (Some(one_run), Some(members)) = (&mut record.one_run, ensemble.fields()) {
                one_run.fidelity = clock.time("fidelity", || one_run::fidelity(&theory, members))?;
            }
            if let Origin::Trained = self.origin {
                record.variance_sources =
                    clock.time("variance sources", || sources::measure(&theory, probes, session))?;
            }
        }
        let errors = || quadrature_check::error(&theory, &record.kernel, session);
        record.quadrature = clock.time("quadrature check", errors)?;
        record.outside = self.outside(probes.as_ref());
        if !self.test.is_empty() {
            record.likelihood =
                clock.time("likelihood", || likelihood::held_out(&theory, &ensemble, &self.test, session))?;
        }
        let levels = clock.time("sampling", || self.levels(&theory, &ensemble, session))?;
        let few = |level: &&Sampled| (2..FEWEST_GROUPS).contains(&level.samples.groups().len());
        let few: Vec<String> = levels.iter().filter(few).map(name).collect();
        if !few.is_empty() {
            session.watch.warn(&Warning::FewModels { levels: few.join(", ") });
        }
        record.distances = clock.time("distances", || self.distances(&levels))?;
        session.check()?;
        clock.time("summaries", || self.describe_levels(&levels, &mut record, &mut arrays, session))?;
        clock.time("reverse process", || history::save(&theory, &ensemble, session, &mut arrays))?;
        self.projections(&levels, &mut arrays)?;
        record.timing = clock.seconds;
        Ok(Outcome { record, arrays, levels })
    }

    /// Every level on its own: numbers, densities, images.
    ///
    /// # Errors
    /// An interrupt.
    pub(crate) fn describe_levels(
        &self,
        levels: &[Sampled],
        record: &mut Record,
        arrays: &mut Arrays,
        session: Session<'_>,
    ) -> Result<()> {
        let data = self.distinct_data(session)?;
        record.levels =
            levels.iter().map(|l| Ok((name(l), self.summary(l, &data)?))).collect::<Result<_>>()?;
        session.check()?;
        self.densities(levels, arrays, session)?;
        self.images(levels, arrays)
    }

    /// The record before anything is computed.
    pub(crate) fn describe(&self) -> Record {
        Record {
            seed: self.problem().streams().seed(),
            dimension: self.problem().dim(),
            data_points: self.problem().cloud().len(),
            device: self.family.device().to_owned(),
            confidence: self.compare.confidence,
            image_shape: self.compare.image,
            ..Record::default()
        }
    }

    /// Every level's samples, from the data up to the trained ensemble.
    fn levels(&self, theory: &Theory<'_>, ensemble: &Ensemble, session: Session<'_>) -> Result<Vec<Sampled>> {
        let sampler = Sampler { study: self, session };
        let mut levels = vec![sampler.points()?, sampler.data()?];
        levels.push(sampler.single(Level::PfOde, self.problem().exact().as_ref())?);
        if let Some(solved) = theory.mean_law() {
            levels.push(sampler.single(Level::MeanScore, solved.law.mean_score().as_ref())?);
        }
        for name in theory.levels() {
            levels.push(theory.level(name, &sampler)?);
        }
        if let Some(members) = ensemble.fields().filter(|members| members.len() > 1) {
            levels.push(self.own_moments(members, &sampler, theory.times.len())?);
        }
        if let Some(members) = ensemble.fields() {
            let field = |member: usize, _: &mut _| Ok(members.field(member));
            levels.push(sampler.models(Level::Ensemble, members.len(), self.sampling.paths, field)?);
        }
        if let Some(groups) = ensemble.samples() {
            let samples = LevelSamples::new(Level::Ensemble, self.problem().dim(), groups.to_vec())?;
            levels.push(Sampled { samples, failed: Tally::default() });
        }
        Ok(levels)
    }

    /// The level of the Gaussian law with the ensemble's own moments, in so many steps.
    fn own_moments(&self, members: &dyn Members, sampler: &Sampler<'_>, steps: usize) -> Result<Sampled> {
        let (level, models) = (Level::GaussianEmpirical, self.theory.models);
        let together = members.field(0).chunks_a_call();
        if together > 1 && self.sampling.lookup.grid().is_none() {
            let law = EmpiricalFields::new((0..members.len()).map(|i| members.field(i)).collect())?;
            let paths = self.own_paths(members.len(), steps * models);
            return sampler.side_by_side(level, (models, paths), &law, together);
        }
        let own = members.own_moments()?;
        let paths = self.own_paths(own.fields_asked, steps * models);
        sampler.models(level, models, paths, |_, rng| {
            own.law.draw(rng).ok_or(crate::Error::NoDraw { name: "gaussian_empirical" })
        })
    }

    /// Paths of each model drawn from the ensemble's own moments, of which an evaluation asks so many members; tables ask every
    /// member for the same points once.
    fn own_paths(&self, fields_asked: usize, evaluations: usize) -> usize {
        let paths = self.theory.paths;
        match self.sampling.lookup.grid() {
            None if fields_asked > 1 => paths.min((MOST_EVALUATIONS / (fields_asked * evaluations)).max(100)),
            None | Some(_) => paths,
        }
    }

    /// Every metric between every two levels.
    fn distances(&self, levels: &[Sampled]) -> Result<Distances> {
        let samples: Vec<&LevelSamples> = levels.iter().map(|l| &l.samples).collect();
        // Every level but the data points, which only the level made from them is compared with.
        let above = (1..samples.len()).flat_map(|a| (a + 1..samples.len()).map(move |b| (a, b)));
        let pairs: Vec<(usize, usize)> = std::iter::once((0, 1)).chain(above).collect();
        let mut distances = Distances::new();
        for pair in compare_levels(&samples, &pairs, &self.compare, self.problem().streams())? {
            let (a, b) = (name(&levels[pair.a]), name(&levels[pair.b]));
            let metrics = distances.entry(a).or_default().entry(b).or_default();
            metrics.extend(
                pair.distances.into_iter().map(|(metric, e)| (metric.card().name.to_owned(), e.into())),
            );
        }
        Ok(distances)
    }

    /// The data that a sample can be a copy of: next to its twin no datum could be.
    fn distinct_data(&self, session: Session<'_>) -> Result<PointCloud> {
        let (cloud, schedule) = (self.problem().cloud(), self.problem().schedule());
        let distinct = cloud.distinct_at(schedule)?;
        if distinct.len() < cloud.len() {
            let (near, total) = (cloud.len() - distinct.len(), cloud.len());
            let found = Warning::NearDuplicates { near, total };
            if cloud.copies_at(schedule)? > 0 {
                session.watch.warn(&found);
            } else {
                session.watch.note(&found.to_string());
            }
        }
        Ok(distinct)
    }

    /// One level on its own.
    pub(crate) fn summary(&self, level: &Sampled, data: &PointCloud) -> Result<LevelRecord> {
        let found = summarize_level(&level.samples, Some(data), &self.compare, self.problem().streams())?;
        let values = |list: &[Interval]| list.iter().map(|i| i.value).collect();
        let mut summary = LevelRecord {
            samples: found.samples,
            models: level.samples.groups().len(),
            diverged: level.failed.diverged,
            exhausted: level.failed.exhausted,
            total_variance: Some(found.total_variance.into()),
            mean: values(&found.mean),
            covariance: values(&found.cov),
            ..LevelRecord::default()
        };
        if let Some(near) = found.neighbours {
            summary.memorized_fraction = Some(near.memorized_fraction.into());
            summary.nearest_distance = Some(near.nearest_distance.into());
            summary.near_radius = Some(near.near_radius);
            summary.mass_near = near.near_mass.into_iter().map(Into::into).collect();
            summary.gap_mass = Some(near.gap_mass.into());
        }
        let (radius, streams) = (summary.near_radius, self.problem().streams());
        summary.spread = spread::between_models(&level.samples, data, radius, streams)?;
        Ok(summary)
    }
}

/// What a learner says of itself, into the record.
pub(crate) fn adopt(learner: LearnerRecord, record: &mut Record) {
    match learner {
        LearnerRecord::Exact => {}
        LearnerRecord::Lazy(lazy) => record.lazy = Some(lazy),
        LearnerRecord::Linearised(linearised) => record.linearised = Some(linearised),
        LearnerRecord::OneRun(run) => record.one_run = Some(run.into()),
    }
}

type KernelFindings = (BTreeMap<String, KernelNumbers>, Option<GaussianityRecord>);

/// Theory against ensemble at the level of the kernel.
fn kernel(
    theory: &Theory<'_>,
    probes: &Probes,
    ensemble: &Ensemble,
    arrays: &mut Arrays,
) -> Result<KernelFindings> {
    probes.save_ensemble(arrays)?;
    let mut numbers = BTreeMap::new();
    for solved in &theory.laws {
        numbers.insert(solved.name().to_owned(), probes.compare(theory, solved, arrays)?);
    }
    maps::save(theory, ensemble, arrays)?;
    paths::save(theory, ensemble, arrays)?;
    Ok((numbers, probes.gaussianity(theory.study)?))
}
