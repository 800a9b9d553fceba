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
use crate::probes::{Places, Probes};
use crate::record::{Arrays, Distances, GaussianityRecord, KernelNumbers, LevelRecord, PoolRecord, Record};
use crate::sources;
use crate::spec::{EnsembleSpec, SamplingSpec, TheorySpec};
use crate::spread;
use crate::theory::Theory;
use crate::warning::Warning;
use gtv_models::external::Ensemble;
use gtv_models::family::{Effort, Family, LearnerRecord, Member, Members, Resolution};
use gtv_models::mlp::KernelName;
use gtv_models::watch::Session;
use gtv_theory::compare::{
    CompareSettings, FEWEST_GROUPS, Interval, Level, LevelSamples, compare_levels, summarize_level,
};
use gtv_theory::dynamics::Tally;
use gtv_theory::law::EmpiricalFields;
use gtv_theory::learner::triples_of_laws;
use gtv_theory::problem::Triples;
use gtv_theory::quadrature::Nodes;
use gtv_theory::{PointCloud, TrainingProblem};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Relative quadrature error from which on the user is told, where it is also the share below of what the members resolve.
const NOTABLE_ERROR: f64 = 0.01;
/// What they resolve itself: the change between two resolutions is more than the finer one's error.
const NOTABLE_SHARE: f64 = 1.0;
/// Points at which two resolutions of the quadrature are compared.
const CHECKED: usize = 1_000;
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

/// About how long the stages of a study take, in seconds of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudyEffort {
    /// Training all members.
    pub training: f64,
    /// Solving the closures.
    pub theory: f64,
    /// The paths of all levels.
    pub sampling: f64,
    /// One path at the state itself, without a table.
    path: f64,
}

impl StudyEffort {
    /// So many paths.
    pub fn paths(&self, count: usize) -> f64 {
        count as f64 * self.path
    }
}

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
        let started = Instant::now();
        let result = work();
        self.seconds.insert(stage.to_owned(), started.elapsed().as_secs_f64());
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

    /// The points at which the theory's integrals and their errors are found.
    ///
    /// # Errors
    /// Settings of the quadrature out of range, or more nodes than is sensible.
    pub(crate) fn quadrature_points(&self) -> Result<Places> {
        let (problem, spec) = (self.problem(), self.theory.quadrature);
        let Triples { mut x, mut t, .. } = problem.probes(1, CHECKED);
        for spec in [spec, spec.coarser()] {
            let nodes = Nodes::new(problem.cloud(), problem.schedule(), &spec, problem.streams())?;
            x.extend_from_slice(&nodes.x(0..nodes.len()));
            t.extend(&nodes.t);
        }
        Ok(Places { x, t })
    }

    /// How long the family's work takes for the initialisations of this ensemble.
    pub(crate) fn family_effort(&self) -> Effort {
        self.family.effort(self.members.iter().map(|member| member.init).collect::<BTreeSet<_>>().len())
    }

    /// About how long it takes; the family's numbers times how many of each there are.
    pub fn effort(&self) -> StudyEffort {
        let effort = self.family_effort();
        let cloud = self.problem().cloud();
        let nodes = self.theory.nodes(cloud).unwrap_or(0) as f64;
        let anchors =
            if self.theory.kernel == KernelName::Trained { self.theory.anchors as f64 } else { 0.0 };
        let members = self.members.len() as f64;
        let models = (self.theory.models * (self.theory.closures.len() + 1)) as f64;
        let (steps, dim) = (self.sampling.integration.steps as f64, cloud.dim() as f64);
        let paths = members * self.sampling.paths as f64 + models * self.theory.paths as f64;
        let path =
            steps * self.sampling.integration.integrator.tableau().nodes.len() as f64 * effort.evaluation;
        let sampling = match self.sampling.lookup.grid() {
            None => paths * path,
            Some(grid) => {
                /// Seconds of a step from a table.
                const STEP: f64 = 1e-8;
                let nodes = (grid.len as f64).powf(dim);
                steps * ((models + members) * nodes * effort.evaluation + paths * STEP)
            }
        };
        let training = match self.origin {
            Origin::Trained => members * effort.member,
            Origin::Outside(_) => 0.0,
        };
        /// Seconds of one coordinate of a datum in an exact score, of which every node and path of the true score asks one or more.
        const DATUM: f64 = 1.2e-10;
        let exact = DATUM * cloud.len() as f64 * dim;
        // Laws in many dimensions are made and drawn from fresh triples besides.
        let (node, triples) = if nodes == 0.0 || self.theory.quadrature.is_tensor(cloud) {
            (effort.product_node, 0.0)
        } else {
            (effort.node, triples_of_laws(cloud.dim(), self.problem().draws()) as f64)
        };
        /// Times that a closure asks for the features of a point.
        const PASSES: f64 = 3.0;
        let laws = self.theory.laws().len() as f64;
        let points = nodes + triples;
        let drawn = self.theory.models as f64 * laws * triples * effort.features;
        let single = members * self.sampling.paths as f64 * steps;
        StudyEffort {
            training,
            theory: (0.5 + laws) * points * (PASSES * effort.features + node)
                + 1.5 * nodes * exact
                + anchors * effort.anchor,
            sampling: sampling + drawn + single * exact,
            path,
        }
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
        let errors = || quadrature_error(&theory, &record.kernel, session);
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

type Kernel = (BTreeMap<String, KernelNumbers>, Option<GaussianityRecord>);

/// Theory against ensemble at the level of the kernel.
fn kernel(theory: &Theory<'_>, probes: &Probes, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<Kernel> {
    probes.save_ensemble(arrays)?;
    let mut numbers = BTreeMap::new();
    for solved in &theory.laws {
        numbers.insert(solved.name().to_owned(), probes.compare(theory, solved, arrays)?);
    }
    maps::save(theory, ensemble, arrays)?;
    paths::save(theory, ensemble, arrays)?;
    Ok((numbers, probes.gaussianity(theory.study)?))
}

/// Relative change of the theory's mean and total variance under a coarser quadrature; `kernel` has what the members resolve.
fn quadrature_error(
    theory: &Theory<'_>,
    kernel: &BTreeMap<String, KernelNumbers>,
    session: Session<'_>,
) -> Result<BTreeMap<String, f64>> {
    let mut errors = BTreeMap::new();
    // The simplest closure with a residual stands for all: their integrals are over the same nodes and features.
    let simplest = |solved: &&crate::theory::Solved| match solved.closure.card().completeness {
        Some(0) | None => u8::MAX,
        Some(completeness) => completeness,
    };
    let Some(fine) = theory.laws.iter().min_by_key(simplest) else { return Ok(errors) };
    if theory.study.family.listed().is_some() {
        let points = theory.study.quadrature_points()?;
        if !theory.study.knows(&points.x, &points.t) {
            return Ok(errors);
        }
    }
    let (coarser, points) = (theory.learner.coarser()?, theory.study.problem().probes(1, CHECKED));
    let prediction = theory.study.problem().objective().prediction;
    let coarse = fine.closure.total_moments(coarser.as_ref(), prediction, &points.x, &points.t)?;
    let fine = theory.moments(fine.law.as_ref(), &points.x, &points.t);
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>();
    let difference = square(&mut fine.mean.iter().zip(&coarse.mean).map(|(a, b)| a - b));
    let mean = (difference / square(&mut fine.mean.iter().copied())).sqrt();
    let total = |v: &[f64]| v.iter().sum::<f64>();
    let variance = (total(&coarse.variance) / total(&fine.variance) - 1.0).abs();
    let least =
        |of: &dyn Fn(&KernelNumbers) -> Option<f64>| kernel.values().filter_map(of).fold(f64::NAN, f64::min);
    let resolved = [least(&|k| k.mean_error_floor), least(&|k| k.variance_ratio_se)];
    for ((quantity, relative), resolved) in
        [("mean prediction", mean), ("total variance", variance)].into_iter().zip(resolved)
    {
        // A law without variance (one data point) has no relative error.
        if relative.is_finite() {
            errors.insert(quantity.to_owned(), relative);
            // Without members to compare with, nothing says what is small. One run is measured on a sample, whose error no setting of
            // the quadrature makes smaller.
            let sampled = theory.learner.as_one_run().is_some();
            if relative > NOTABLE_ERROR.max(NOTABLE_SHARE * resolved) && !sampled {
                session.watch.warn(&Warning::Quadrature { quantity, relative });
            }
        }
    }
    Ok(errors)
}
