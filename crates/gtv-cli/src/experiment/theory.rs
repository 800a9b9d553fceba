//! The theory's side of a comparison: laws of the learned score, and the levels that are made from them.

use super::levels::{Sampled, Sampler};
use super::small_noise;
use crate::config::{Lookup, Problem, TheoryName};
use crate::context::Context;
use anyhow::Result;
use gtv_models::memo::MemoFeatures;
use gtv_theory::compare::Level;
use gtv_theory::dynamics::{NaiveNoise, NaivePaths, PathWise, SmallNoise1d};
use gtv_theory::estimator::linear::VarianceSources;
use gtv_theory::estimator::{
    Closure, Estimator, FieldLaw, InTime, InitialFunction, LazyStatistics, LinearLaw, LinearStatistics,
    Naive, StepLength, TimeCorrelation,
};
use gtv_theory::features::FeatureMap;
use std::sync::{Arc, OnceLock};

/// Share of the memory in which features are remembered, and bytes of it where the memory is not known.
const REMEMBERED: u64 = 4;
const UNKNOWN: u64 = 1 << 30;
/// Most paths of a level whose noise is conditioned along each path: a path costs K F².
const MOST_PATH_WISE: usize = 20_000;

/// The training problem on quadrature nodes, from which closures are solved.
pub enum Learner {
    /// Ridge regression on the features of the problem.
    Ridge(Box<LinearStatistics>),
    /// Gradient flow on the features of a network's kernel.
    Flow(Box<Flow>),
}

/// Gradient flow for a time τ.
pub struct Flow {
    /// The kernel's modes.
    pub statistics: LazyStatistics,
    /// τ.
    pub time: f64,
    /// Features of the random function that training starts from, where it is not subtracted, and its law.
    pub initial: Option<(Arc<dyn FeatureMap>, InitialFunction)>,
}

/// The laws that a config needs, with the training problem they come from.
pub struct Theory {
    /// Where the laws come from; none where no closure is asked for.
    pub learner: Option<Learner>,
    /// The closures' laws, those that the config names first.
    pub laws: Vec<LinearLaw>,
    /// F/P, of the modes learned where the model is a network.
    pub load: f64,
    /// Mean paths with their noise, which linear-noise and semiclassical share; made when the first of them asks.
    mean_paths: OnceLock<SmallNoise1d>,
}

impl Learner {
    /// Features over triples; of gradient flow the modes that it has learned.
    fn load(&self) -> f64 {
        match self {
            Self::Ridge(statistics) => statistics.spec().load(),
            Self::Flow(flow) => flow.load(),
        }
    }

    /// The law of a closure.
    fn law(&self, closure: Closure) -> Result<LinearLaw> {
        Ok(match self {
            Self::Ridge(statistics) => statistics.law(closure)?,
            Self::Flow(flow) => flow.law(closure)?,
        })
    }

    /// The same training problem at a coarser resolution.
    fn coarser(&self, problem: &Problem) -> Result<Self> {
        let Problem { schedule, cloud, streams, .. } = problem;
        let quadrature = problem.quadrature.coarser();
        Ok(match self {
            Self::Ridge(statistics) => {
                let coarse =
                    LinearStatistics::new(statistics.spec(), schedule, cloud, &quadrature, *streams)?;
                Self::Ridge(Box::new(coarse))
            }
            Self::Flow(flow) => {
                let spec = flow.statistics.spectrum().spec();
                let statistics = LazyStatistics::new(spec, schedule, cloud, &quadrature, *streams)?;
                let features = flow.initial.as_ref().map(|(features, _)| features.clone());
                // It is asked for too little to be worth remembering.
                Self::Flow(Box::new(Flow::remembering(statistics, flow.time, features, 0)?))
            }
        })
    }

    /// What a closure says of the sources of variance, averaged over points.
    ///
    /// # Errors
    /// As the closure.
    pub fn variance_sources(&self, law: &LinearLaw, x: &[f64], t: &[f64]) -> Result<VarianceSources> {
        let Flow { statistics, time, initial, .. } = match self {
            Self::Ridge(statistics) => return Ok(statistics.variance_sources(law, x, t)?),
            Self::Flow(flow) => flow.as_ref(),
        };
        let time = *time;
        let closure = law.closure();
        if matches!(closure, Closure::FiniteP | Closure::ShotNoise) {
            return Ok(statistics.stand_in(time)?.variance_sources(law, x, t)?);
        }
        // Labels without noise leave what comes from where the inputs fall.
        let mean =
            |law: &LinearLaw| law.prediction_moments(x, t).variance.iter().sum::<f64>() / t.len() as f64;
        let total = match initial {
            None => mean(law),
            // The sources are the data's.
            Some(_) => mean(&statistics.law(closure, time)?),
        };
        let placement = match closure {
            Closure::Paper => 0.0,
            _ => mean(&statistics.with_target_mix(1.0)?.law(closure, time)?),
        };
        Ok(VarianceSources { total, label_noise: total - placement, placement, points: None })
    }
}

impl Flow {
    /// Gradient flow that starts from 0, or from a random function with given features.
    ///
    /// # Errors
    /// Features that are not finite or too many for the nodes.
    pub fn new(
        statistics: LazyStatistics,
        time: f64,
        initial: Option<Arc<dyn FeatureMap>>,
        problem: &Problem,
        ctx: &Context,
    ) -> Result<Self> {
        // Tables of all models drawn from all laws ask for the same points; paths never do.
        let bytes = match problem.config.sampling.lookup {
            Lookup::Grid => ctx.memory.limit().map_or(UNKNOWN, |bytes| bytes / REMEMBERED),
            Lookup::Exact => 0,
        };
        Self::remembering(statistics, time, initial, usize::try_from(bytes / 8).unwrap_or(usize::MAX))
    }

    fn remembering(
        statistics: LazyStatistics,
        time: f64,
        initial: Option<Arc<dyn FeatureMap>>,
        remembered: usize,
    ) -> Result<Self> {
        // ψ and the modes share what there is.
        let each = if initial.is_some() { remembered / 2 } else { remembered };
        let remembering = |map| -> Arc<dyn FeatureMap> { Arc::new(MemoFeatures::new(map, each)) };
        let modes = statistics.spectrum().modes(time)?;
        let statistics = statistics.with_modes(remembering(modes))?;
        let start = |features: Arc<dyn FeatureMap>| -> Result<_> {
            let law = InitialFunction::new(&statistics, features.clone())?;
            let psi = law.features().clone();
            Ok((features, law.with_features(remembering(psi))?))
        };
        let initial = initial.map(start).transpose()?;
        Ok(Self { statistics, time, initial })
    }

    /// F_eff/P.
    pub fn load(&self) -> f64 {
        let spectrum = self.statistics.spectrum();
        spectrum.effective_features(self.time) / spectrum.spec().samples as f64
    }

    /// The law of a closure.
    fn law(&self, closure: Closure) -> Result<LinearLaw> {
        Ok(match &self.initial {
            Some((_, initial)) => initial.law(closure, self.time)?,
            None => self.statistics.law(closure, self.time)?,
        })
    }
}

impl Theory {
    /// Solves every closure of a linear model.
    ///
    /// # Errors
    /// A quadrature that is too large, or a model that does not fit the data; as [`Theory::of`].
    pub fn of_linear(problem: &Problem, ctx: &Context) -> Result<Self> {
        let Problem { spec, schedule, cloud, quadrature, streams, .. } = problem;
        if problem.config.theory.laws().is_empty() {
            return Ok(Self::without_laws(spec.load()));
        }
        let statistics = LinearStatistics::new(spec, schedule, cloud, quadrature, *streams)?;
        Self::of(Learner::Ridge(Box::new(statistics)), problem, ctx)
    }

    fn without_laws(load: f64) -> Self {
        Self { learner: None, laws: Vec::new(), load, mean_paths: OnceLock::new() }
    }

    /// Solves every closure.
    ///
    /// # Errors
    /// A closure that cannot be solved, or an interrupt.
    pub fn of(learner: Learner, problem: &Problem, ctx: &Context) -> Result<Self> {
        let closures = problem.config.theory.laws();
        let bar = ctx.progress("theory", closures.len() as u64);
        let mut laws = Vec::with_capacity(closures.len());
        for closure in closures {
            ctx.interrupt.check()?;
            // A closure is one piece of work; at least it is said which one takes the time.
            bar.message(|| closure.name().to_owned());
            laws.push(learner.law(closure)?);
            bar.advance(1);
        }
        let load = learner.load();
        Ok(Self { laws, learner: Some(learner), ..Self::without_laws(load) })
    }

    /// κ of the naive estimator.
    pub fn kappa(&self, problem: &Problem) -> f64 {
        problem.config.theory.kappa.unwrap_or(self.load)
    }

    /// One closure again under a coarser quadrature.
    ///
    /// # Errors
    /// As solving it.
    pub fn coarser_law(&self, problem: &Problem, closure: Closure) -> Result<Option<LinearLaw>> {
        self.learner.as_ref().map(|learner| learner.coarser(problem)?.law(closure)).transpose()
    }

    /// The law whose mean is the level `mean_score`: the most complete closure that has a mean of its own.
    pub fn mean_law(&self) -> Option<&LinearLaw> {
        let rank = |law: &&LinearLaw| match law.closure() {
            Closure::Paper => 0,
            Closure::Leading => 1,
            Closure::ShotNoise => 2,
            Closure::FiniteP => 3,
        };
        self.laws.iter().max_by_key(rank)
    }

    /// The law of a closure that was solved.
    ///
    /// # Errors
    /// For one that was not.
    pub fn law(&self, closure: Closure) -> Result<&LinearLaw> {
        let found = self.laws.iter().find(|law| law.closure() == closure);
        found.ok_or_else(|| anyhow::anyhow!("closure {} was not computed", closure.name()))
    }

    /// One level of the config's `theory.closures`.
    ///
    /// # Errors
    /// An interrupt, a part that cannot be written, or no path that arrived.
    pub fn level(&self, name: TheoryName, sampler: &Sampler) -> Result<Sampled> {
        let problem = sampler.problem;
        let settings = &problem.config.theory;
        let level = Level::Theory(name.name().to_owned());
        if let Some(closure) = name.closure() {
            let law = self.law(closure)?;
            return sampler.models(level, settings.models, settings.paths, |_, rng| law.sample_field(rng));
        }
        let independent = sampler.single_count();
        match name {
            TheoryName::Naive => sampler.single_with(level, independent, |paths, id, progress| {
                let Problem { cloud, schedule, sampling, streams, .. } = problem;
                let naive =
                    NaivePaths::new(cloud, schedule, self.kappa(problem), NaiveNoise::Posterior, sampling)?;
                Ok(naive.sample(paths, *streams, id, progress))
            }),
            TheoryName::White | TheoryName::MatchedWhite | TheoryName::Damped => {
                let correlation = match name {
                    TheoryName::White => TimeCorrelation::White,
                    TheoryName::MatchedWhite => {
                        TimeCorrelation::MatchedWhite(StepLength::on_grid(&problem.times)?)
                    }
                    _ => TimeCorrelation::Damped {
                        correlation_time: settings.correlation_time.unwrap_or(f64::INFINITY),
                    },
                };
                let base = self.base(problem)?;
                let law = InTime::new(base.as_ref(), correlation)?;
                sampler.single_with(level, independent.min(MOST_PATH_WISE), |paths, id, progress| {
                    let sampler = PathWise::new(&law, &problem.sampling)?;
                    Ok(sampler.sample(paths, problem.streams, id, progress))
                })
            }
            _ => sampler.single_with(level, independent, |paths, id, _| {
                small_noise::sample(problem, self, name, paths, id)
            }),
        }
    }

    /// Paths of the base law's mean score with the variance of their ends.
    ///
    /// # Errors
    /// A path that diverges.
    pub fn small_noise(&self, problem: &Problem) -> Result<&SmallNoise1d> {
        match self.mean_paths.get() {
            Some(made) => Ok(made),
            None => {
                let made = small_noise::about_mean_paths(problem, self)?;
                Ok(self.mean_paths.get_or_init(|| made))
            }
        }
    }

    /// The law that derived levels start from.
    fn base(&self, problem: &Problem) -> Result<Box<dyn Estimator + '_>> {
        match problem.config.theory.base.and_then(TheoryName::closure) {
            Some(closure) => Ok(Box::new(self.law(closure)?)),
            None => {
                let step = StepLength::on_grid(&problem.times)?;
                let Problem { cloud, schedule, .. } = problem;
                Ok(Box::new(Naive::new(cloud.clone(), *schedule, self.kappa(problem), step)?))
            }
        }
    }
}
