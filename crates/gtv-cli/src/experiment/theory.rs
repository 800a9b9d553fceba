//! The theory's side of a comparison: laws of the learned score, and the levels that are made from them.

use super::levels::{Sampled, Sampler};
use super::small_noise;
use crate::config::{Problem, TheoryName};
use crate::context::Context;
use anyhow::Result;
use gtv_theory::compare::Level;
use gtv_theory::dynamics::{NaiveNoise, NaivePaths, PathWise, SmallNoise1d};
use gtv_theory::estimator::{
    Closure, Estimator, FieldLaw, InTime, LinearLaw, LinearSpec, LinearStatistics, Naive, StepLength,
    TimeCorrelation,
};
use gtv_theory::quadrature::QuadratureSpec;
use std::sync::OnceLock;

/// Most paths of a level whose noise is conditioned along each path: a path costs K F².
const MOST_PATH_WISE: usize = 20_000;

/// The laws that a config needs, with the training problem they come from.
pub struct Theory {
    /// The model whose law it is; none where no closure needs it.
    pub spec: Option<LinearSpec>,
    /// The training problem on quadrature nodes; none where no closure needs it.
    pub statistics: Option<LinearStatistics>,
    /// The closures' laws, those that the config names first.
    pub laws: Vec<LinearLaw>,
    /// Mean paths with their noise, which linear-noise and semiclassical share; made when the first of them asks.
    mean_paths: OnceLock<SmallNoise1d>,
}

impl Theory {
    /// Solves every closure.
    ///
    /// # Errors
    /// A closure that cannot be solved, or an interrupt.
    pub fn solve(problem: &Problem, spec: &LinearSpec, ctx: &Context) -> Result<Self> {
        let closures = problem.config.theory.laws();
        if closures.is_empty() {
            return Ok(Self { spec: None, statistics: None, laws: Vec::new(), mean_paths: OnceLock::new() });
        }
        let bar = ctx.progress("theory", closures.len() as u64 + 1);
        let statistics = statistics(problem, spec, &problem.quadrature)?;
        bar.advance(1);
        let mut laws = Vec::with_capacity(closures.len());
        for closure in closures {
            ctx.interrupt.check()?;
            laws.push(statistics.law(closure)?);
            bar.advance(1);
        }
        let spec = Some(spec.clone());
        Ok(Self { spec, statistics: Some(statistics), laws, mean_paths: OnceLock::new() })
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
                    NaivePaths::new(cloud, schedule, problem.kappa(), NaiveNoise::Posterior, sampling)?;
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
                Ok(Box::new(Naive::new(cloud.clone(), *schedule, problem.kappa(), step)?))
            }
        }
    }
}

/// The training problem of a config at one resolution.
///
/// # Errors
/// A quadrature that is too large, or a model that does not fit the data.
pub fn statistics(
    problem: &Problem,
    spec: &LinearSpec,
    quadrature: &QuadratureSpec,
) -> Result<LinearStatistics> {
    Ok(LinearStatistics::new(spec, &problem.schedule, &problem.cloud, quadrature, problem.streams)?)
}
