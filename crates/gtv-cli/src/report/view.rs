//! A record seen through its leading metric: which theory it is about, what that is compared with, and the way from the
//! data to the ensemble.

use std::collections::BTreeMap;

use super::levels::{self, DATA, ENSEMBLE, MEAN_SCORE, TRUE_SCORE, closure, ranked};
use super::metrics;
use gtv_theory::closure::{Closure, OneRun};

use crate::record::{Estimate, LevelRecord, Record};

/// A record and the metric that leads its report.
pub struct View<'a> {
    /// The record.
    pub record: &'a Record,
    /// The metric's name in the record.
    pub metric: String,
}

/// What one has without the theory's variance.
pub struct Baseline {
    /// Its level.
    pub level: &'static str,
    /// What it is called in a sentence.
    pub called: &'static str,
    /// The same with what it does without.
    pub without: &'static str,
}

const BASELINES: [Baseline; 3] = [
    Baseline { level: DATA, called: "the data", without: "the data themselves, without any model," },
    Baseline { level: TRUE_SCORE, called: "the true score", without: "the true score, without any theory," },
    Baseline {
        level: MEAN_SCORE,
        called: "the mean score",
        without: "the mean score, without the predicted variance,",
    },
];

impl<'a> View<'a> {
    /// The view of a record; none of one without distances.
    pub fn new(record: &'a Record) -> Option<Self> {
        Some(Self { record, metric: metrics::main(&record.metrics())?.to_owned() })
    }

    /// A level's distance to the trained ensemble, where it is finite.
    pub fn to_ensemble(&self, level: &str) -> Option<&'a Estimate> {
        self.record.distance(level, ENSEMBLE, &self.metric).filter(|e| e.value.is_finite())
    }

    /// Closures with a distance to the ensemble that predict trained models, the most complete first.
    pub fn closures(&self) -> Vec<(&'a str, &'a Estimate)> {
        let mut found: Vec<_> = self.theories().filter(|(c, _)| levels::completeness(c).is_some()).collect();
        found.sort_by_key(|(c, _)| std::cmp::Reverse(levels::completeness(c)));
        found
    }

    /// Every closure with a distance to the ensemble, in the order of levels.
    fn theories(&self) -> impl Iterator<Item = (&'a str, &'a Estimate)> {
        let all = ranked(named_levels(self.record)).into_iter();
        all.filter_map(|l| Some((closure(l)?, self.to_ensemble(l)?)))
    }

    /// The closure that the answer is about: the most complete one, whatever its distance, so that luck among closures does
    /// not enter. One that predicts no trained models only where there is no other.
    pub fn main(&self) -> Option<(&'a str, &'a Estimate)> {
        self.closures().into_iter().next().or_else(|| self.theories().next())
    }

    /// The baselines that were compared, the nearest to the ensemble first.
    pub fn baselines(&self) -> Vec<(&'static Baseline, &'a Estimate)> {
        let mut found: Vec<_> =
            BASELINES.iter().filter_map(|b| Some((b, self.to_ensemble(b.level)?))).collect();
        found.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
        found
    }
}

/// Levels that a record has a distance of, with repetitions.
fn named_levels(record: &Record) -> impl Iterator<Item = &str> {
    let ends = record.distances.iter().flat_map(|(a, to)| std::iter::once(a).chain(BTreeMap::keys(to)));
    ends.map(String::as_str)
}

/// Levels that have a distance or a summary, in reading order.
pub fn all_levels(record: &Record) -> Vec<&str> {
    ranked(named_levels(record).chain(record.levels.keys().map(String::as_str)))
}

/// The level of the closure that the answer is about.
pub fn main_theory(record: &Record) -> Option<String> {
    View::new(record)?.main().map(|(closure, _)| levels::of_closure(closure))
}

/// The level that single runs predict.
pub fn one_run_level(record: &Record) -> Option<String> {
    let level = levels::of_closure(OneRun.card().name);
    record.levels.contains_key(&level).then_some(level)
}

/// Levels of the attribution from the data to the ensemble, each adding one effect.
pub fn chain(record: &Record) -> Vec<String> {
    let theory = main_theory(record);
    let known: Vec<&str> = named_levels(record).collect();
    let fixed = ["points", DATA, TRUE_SCORE, MEAN_SCORE].into_iter().map(str::to_owned);
    let all = fixed.chain(theory).chain([ENSEMBLE.to_owned()]);
    all.filter(|l| known.contains(&l.as_str())).collect()
}

/// A number of a level on its own, where it is finite.
pub fn of_level(
    record: &Record,
    level: &str,
    number: impl Fn(&LevelRecord) -> Option<Estimate>,
) -> Option<Estimate> {
    number(record.levels.get(level)?).filter(|i| i.value.is_finite())
}

/// Models that a level is made of; 0 where that is not known.
pub fn models(record: &Record, level: &str) -> usize {
    record.levels.get(level).map_or(0, |l| l.models)
}
