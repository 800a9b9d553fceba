//! The theory's side of a comparison: the laws of the learned score that a study needs, and what levels are made from.

use crate::error::{Error, Result};
use crate::levels::{Sampled, Sampler};
use crate::spec::TheoryName;
use crate::study::Study;
use gtv_models::watch::Session;
use gtv_theory::closure::{Closure, VarianceSources, variance_sources};
use gtv_theory::compare::Level;
use gtv_theory::dynamics::SmallNoise1d;
use gtv_theory::law::{Law, Naive, StepLength, TotalMoments};
use gtv_theory::learner::{GapMatch, Learner};
use gtv_theory::progress::{self, Step};
use std::sync::OnceLock;

/// A closure with its law.
pub struct Solved {
    /// The closure.
    pub closure: &'static dyn Closure,
    /// Its law.
    pub law: Box<dyn Law>,
}

impl Solved {
    /// The closure's name.
    pub fn name(&self) -> &'static str {
        self.closure.card().name
    }
}

/// The laws that a study needs, with the learner they come from.
pub struct Theory<'a> {
    /// The study.
    pub study: &'a Study,
    /// Where the laws come from.
    pub learner: Box<dyn Learner>,
    /// The closures' laws, those that the study names first.
    pub laws: Vec<Solved>,
    /// Step times of sampling, from T to ε.
    pub times: Vec<f64>,
    /// Mean paths with their noise, made when the first level asks for them.
    mean_paths: OnceLock<SmallNoise1d>,
}

impl<'a> Theory<'a> {
    /// Solves every closure.
    ///
    /// # Errors
    /// A closure that cannot be solved, or an interrupt.
    pub fn of(study: &'a Study, learner: Box<dyn Learner>, session: Session<'_>) -> Result<Self> {
        let closures = study.theory.laws();
        let stage = session.watch.stage("theory", closures.len() as u64);
        let mut laws = Vec::with_capacity(closures.len());
        for closure in closures {
            session.check()?;
            let name = closure.card().name;
            stage.message(&|| name.to_owned());
            let said = |step: &Step| stage.message(&|| format!("{name}: {step}"));
            laws.push(Solved { closure, law: progress::listening(&said, || closure.law(learner.as_ref()))? });
            stage.advance(1);
        }
        let times = study.sampling.integration.times(study.problem().schedule())?;
        Ok(Self { study, learner, laws, times, mean_paths: OnceLock::new() })
    }

    /// κ of the naive estimator.
    pub fn kappa(&self) -> f64 {
        self.study.theory.kappa.unwrap_or(self.learner.load())
    }

    /// The levels of `theory.closures` that models are drawn for: all, unless features are known at listed points alone, of which
    /// only a level that starts from no closure is left.
    pub fn levels(&self) -> impl Iterator<Item = TheoryName> {
        let listed = self.study.family.listed().is_some();
        let free = |name: &TheoryName| name.closure().or(self.base_closure()).is_none();
        self.study.theory.closures.iter().copied().filter(move |name| !listed || free(name))
    }

    /// The law whose mean is the level `mean_score`: the most complete closure that has a mean of its own; none where features are
    /// known at listed points alone.
    pub fn mean_law(&self) -> Option<&Solved> {
        let everywhere = self.study.family.listed().is_none();
        self.laws.iter().filter(|_| everywhere).max_by_key(|solved| solved.closure.card().completeness)
    }

    /// The law of a closure that was solved.
    ///
    /// # Errors
    /// For one that was not.
    pub fn law(&self, closure: &dyn Closure) -> Result<&dyn Law> {
        let name = closure.card().name;
        let found = self.laws.iter().find(|solved| solved.name() == name);
        found.map(|solved| solved.law.as_ref()).ok_or(Error::NoLaw { name })
    }

    /// The closures whose covariance no other solved closure stands for.
    pub fn covariances(&self) -> impl Iterator<Item = &Solved> {
        let cards = || self.laws.iter().map(|solved| solved.closure.card());
        self.laws.iter().filter(move |solved| !solved.closure.card().is_covered_by(cards()))
    }

    /// E y and tr Var y of a law, in the study's prediction type.
    pub fn moments(&self, law: &dyn Law, x: &[f64], t: &[f64]) -> TotalMoments {
        law.total_moments(self.study.problem().objective().prediction, x, t)
    }

    /// What a closure says of the sources of variance, averaged over points.
    ///
    /// # Errors
    /// As the closure.
    pub fn variance_sources(&self, solved: &Solved, x: &[f64], t: &[f64]) -> Result<VarianceSources> {
        Ok(variance_sources(solved.closure, self.learner.as_ref(), solved.law.as_ref(), x, t)?)
    }

    /// The generalisation gap of the anchors and the ridge that has it, where the theory is from trained models and the gap is not lost in
    /// its noise.
    pub fn gap(&self) -> Option<GapMatch> {
        self.learner.as_one_run()?.matched_to_gap().ok().map(|(_, gap)| gap)
    }

    /// A level of `theory.closures`.
    ///
    /// # Errors
    /// An interrupt, a store that fails, or no path that arrived.
    pub fn level(&self, name: TheoryName, sampler: &Sampler<'_>) -> Result<Sampled> {
        match name {
            TheoryName::Closure(closure) => {
                let (law, spec) = (self.law(closure)?, &self.study.theory);
                let level = Level::Theory(name.name().to_owned());
                sampler.models(level, spec.models, spec.paths, |_, rng| {
                    law.draw(rng).ok_or(Error::NoDraw { name: closure.card().name })
                })
            }
            TheoryName::Derived(derived) => sampler.derived(derived, self),
        }
    }

    /// Paths of the base law's mean score with the variance of their ends.
    ///
    /// # Errors
    /// A path that diverges.
    pub fn small_noise(&self) -> Result<&SmallNoise1d> {
        match self.mean_paths.get() {
            Some(made) => Ok(made),
            None => {
                let made = crate::levels::about_mean_paths(self)?;
                Ok(self.mean_paths.get_or_init(|| made))
            }
        }
    }

    fn base_closure(&self) -> Option<&'static dyn Closure> {
        self.study.theory.base.and_then(|base| base.closure())
    }

    /// The law that derived levels start from.
    ///
    /// # Errors
    /// A closure that was not solved.
    pub fn base(&self) -> Result<Box<dyn Law + '_>> {
        match self.base_closure() {
            Some(closure) => Ok(Box::new(self.law(closure)?)),
            None => {
                let problem = self.study.problem();
                let (cloud, step) = (problem.cloud().clone(), StepLength::on_grid(&self.times)?);
                Ok(Box::new(Naive::new(cloud, *problem.schedule(), self.kappa(), step)?))
            }
        }
    }
}
