//! How long a comparison will take on this machine, from two small trials of it.
//!
//! Both trials run every stage at a fraction of its size, the second at twice the first; time is taken to be linear in what each
//! stage's time grows with (members, nodes, paths), so that T = T_2 + (T_2 − T_1)(S − S_2)/(S_2 − S_1).

use crate::error::Result;
use crate::origin::Origin;
use crate::spec::EnsembleSpec;
use crate::study::{CLOCKED, Growth, Study};
use gtv_models::watch::{Session, Unwatched};
use gtv_theory::quadrature::QuadratureSpec;
use std::collections::BTreeMap;

/// Seconds of one core that the trials may take by a first estimate.
const TRIAL: f64 = 3.0;
/// Fewest paths of each model in a trial; fewer do not fill the batches that models are asked in.
const PATHS: usize = 64;
/// Seconds of one core that the paths of a trial may take by a first estimate.
const PATHS_TIME: f64 = 0.5;
/// Seconds that a first run may pay for what is made once, such as threads, before it is repeated.
const SETTLED: f64 = 1.0;
/// Most parts of a rule in time, or of quasi-random nodes, that a trial is made of.
const PARTS: usize = 24;
/// Fewest quasi-random nodes.
const FEWEST_NODES: usize = 512;

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

/// How large a study is, in what its stages' times grow with.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sizes {
    members: f64,
    nodes: f64,
    paths: f64,
}

impl Sizes {
    fn of(&self, growth: Growth) -> f64 {
        match growth {
            Growth::Members => self.members,
            Growth::Nodes => self.nodes,
            Growth::Paths => self.paths,
        }
    }
}

impl Study {
    /// The stages in order with their times; `None` where even a trial takes long (networks), or members come from outside.
    ///
    /// # Errors
    /// As [`Study::run`] of a trial.
    pub fn forecast(&self) -> Result<Option<Vec<Stage>>> {
        let fewest = rayon::current_num_threads().max(2);
        let training = 3.0 * fewest as f64 * self.family.effort().member;
        let outside = matches!(self.origin, Origin::Outside(_));
        if outside || self.family.learner_needs_members() || training > TRIAL * fewest as f64 {
            return Ok(None);
        }
        let one_each = (fewest * (2 + self.theory.laws().len())) as f64 * self.effort().paths(1);
        let paths = ((PATHS_TIME / one_each) as usize).max(PATHS);
        let small = self.trial(fewest, 1, paths);
        let twice = self.trial(2 * fewest, 2, paths);
        let mut first = small.clocked()?;
        if first.values().sum::<f64>() < SETTLED {
            first = small.clocked()?;
        }
        let second = twice.clocked()?;
        let (one, two, all) = (small.sizes(), twice.sizes(), self.sizes());
        let stage = |&(name, growth): &(&'static str, Growth)| {
            let seconds = |times: &BTreeMap<String, f64>| times.get(name).copied().unwrap_or(0.0);
            let (t1, t2) = (seconds(&first), seconds(&second));
            let (s1, s2, size) = (one.of(growth), two.of(growth), all.of(growth));
            let slope = if s2 > s1 { ((t2 - t1) / (s2 - s1)).max(0.0) } else { 0.0 };
            Stage { name, growth, size, seconds: (t2 + slope * (size - s2)).max(0.0) }
        };
        Ok(Some(CLOCKED.iter().map(stage).collect()))
    }

    fn clocked(&self) -> Result<BTreeMap<String, f64>> {
        let silent = Unwatched;
        Ok(self.run(Session { watch: &silent, store: &silent })?.record.timing)
    }

    /// The same with few members, models and paths, and so many parts of the quadrature.
    fn trial(&self, members: usize, parts: usize, paths: usize) -> Self {
        let ensemble = EnsembleSpec { members, initialisations: None, ..self.ensemble.clone() };
        let mut theory = self.theory.clone();
        let QuadratureSpec { times, quasi_nodes, .. } = theory.quadrature;
        theory.quadrature.times = (parts * times.div_ceil(PARTS)).clamp(2 * parts, times.max(2));
        theory.quadrature.quasi_nodes =
            (parts * (quasi_nodes / PARTS).max(FEWEST_NODES)).min(quasi_nodes.max(64));
        theory.models = members.min(theory.models);
        theory.paths = paths.min(theory.paths);
        let mut sampling = self.sampling.clone();
        sampling.paths = paths.min(sampling.paths);
        Self {
            family: self.family.on(self.problem().clone()),
            members: ensemble.draws(),
            origin: Origin::Trained,
            ensemble,
            sampling,
            theory,
            compare: self.compare.clone(),
            test: Vec::new(),
        }
    }

    fn sizes(&self) -> Sizes {
        let members = self.members.len() as f64;
        let models = (self.theory.models * (self.theory.closures.len() + 1)) as f64;
        let paths = members * self.sampling.paths as f64 + models * self.theory.paths as f64;
        let nodes = self.theory.quadrature.count(self.problem().cloud()).unwrap_or(0) as f64;
        Sizes { members, nodes, paths }
    }
}
