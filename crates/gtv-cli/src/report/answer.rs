//! The answer in words, derived from the numbers by fixed rules, so that it says no more than they do.
//!
//! Two distances are called different only where their intervals are disjoint; a distance is called above its floor
//! only where its whole interval is.

use std::collections::BTreeMap;

use super::findings;
use super::number::{bracket, estimate, plain, with_error};
use crate::plot::style::{closure, level_label, main_metric, metric_name, ranked};
use crate::record::{Estimate, Interval, LevelSummary, Record};

/// Below this a distance in the variance or the mean is called accurate.
const ACCURATE: f64 = 0.1;
/// Standard errors that an excess over that must have to be called one.
const SURE: f64 = 2.0;

/// The sentences of the answer, most important first; a record without distances gets one that says so.
pub fn answer(record: &Record) -> Vec<String> {
    let metrics = record.metrics();
    let Some(metric) = main_metric(&metrics) else {
        return vec!["No distances were saved, so this record answers nothing about distributions.".into()];
    };
    let view = View { record, metric, name: metric_name(metric) };
    let mut said = Vec::new();
    match view.main() {
        None => said.push("No theory level was compared with the ensemble.".into()),
        Some((closure, theory)) => {
            let mut first = view.headline(closure, theory);
            let illustrates = ILLUSTRATIONS.contains(&closure);
            if let Some(variance) = view.variance(closure, theory).filter(|_| !illustrates) {
                first = format!("{first} {variance}");
            }
            said.push(first);
            if illustrates {
                said.push(
                    "That level makes a point about the theory and predicts no trained model: no closure of the models' own law \
                     was computed."
                        .into(),
                );
            } else {
                said.push(view.remainder(closure, theory));
                said.extend(view.closer(closure, theory));
                said.extend(findings::shape(record, theory, view.to_ensemble("gaussian_empirical")));
            }
        }
    }
    said.extend(view.kernel());
    let main = view.main().map_or("", |(closure, _)| closure);
    said.extend(findings::sources(record, main));
    said.extend(findings::seeds(record));
    said.extend(findings::network(record));
    said.extend(findings::lazy(record));
    said.extend(findings::colour(record, main));
    said.extend(findings::naive(record));
    said.extend(view.lost());
    said
}

/// Closures from the most to the least complete. The one that the answer is about is chosen by this order, not by
/// its distance, so that luck among closures does not enter.
const COMPLETENESS: [&str; 4] = ["shot-noise", "finite-p", "leading", "paper"];

/// Levels that make a point about the theory and are no prediction of what is learned: chosen only where there is no other.
const ILLUSTRATIONS: [&str; 7] =
    ["naive", "fokker-planck", "linear-noise", "semiclassical", "damped", "white", "matched-white"];

/// The rank of a closure, 0 for the most complete.
fn rank(name: &str) -> usize {
    let place = |list: &[&str]| list.iter().position(|c| *c == name);
    let first = COMPLETENESS.len();
    // A closure that is not listed comes between the two.
    place(&COMPLETENESS).or_else(|| Some(first + 1 + place(&ILLUSTRATIONS)?)).unwrap_or(first)
}

/// A number of a level with its interval.
pub fn level_interval(
    record: &Record,
    level: &str,
    number: impl Fn(&LevelSummary) -> Option<Interval>,
) -> Option<Interval> {
    number(record.levels.get(level)?).filter(|i| i.value.is_finite())
}

/// The level of the closure that the answer is about.
pub fn main_theory(record: &Record) -> Option<String> {
    let metrics = record.metrics();
    let metric = main_metric(&metrics)?;
    let view = View { record, metric, name: String::new() };
    view.main().map(|(closure, _)| format!("theory_{closure}"))
}

/// Levels of the attribution from the data to the ensemble, each adding one effect.
pub fn chain(record: &Record) -> Vec<String> {
    let theory = main_theory(record);
    let known = |level: &str| {
        record.distances.contains_key(level) || record.distances.values().any(|to| to.contains_key(level))
    };
    let fixed = ["points", "data", "pf_ode", "mean_score"].into_iter().map(str::to_owned);
    fixed.chain(theory).chain(["ensemble".to_owned()]).filter(|l| known(l)).collect()
}

/// What the step between two neighbours of the chain adds.
pub fn effect(to: &str) -> &'static str {
    match to {
        "data" => "smoothing of the data by the forward noise left at t = ε",
        "pf_ode" => "integration error of the sampler, and its start from pure noise",
        "mean_score" => "bias: the models' mean score differs from the true score",
        "ensemble" => "the closure's error: what the assumed law of the fluctuations misses",
        _ => "variance: scores fluctuate from model to model",
    }
}

struct View<'a> {
    record: &'a Record,
    metric: &'a str,
    name: String,
}

fn above(a: &Estimate, b: &Estimate) -> bool {
    a.lo > b.hi
}

impl View<'_> {
    fn to_ensemble(&self, level: &str) -> Option<&Estimate> {
        self.record.distance(level, "ensemble", self.metric).filter(|e| e.value.is_finite())
    }

    fn closures(&self) -> Vec<(&str, &Estimate)> {
        let distances = &self.record.distances;
        let ends = |(a, to)| std::iter::once(a).chain(BTreeMap::keys(to)).map(String::as_str);
        let levels = ranked(distances.iter().flat_map(ends));
        levels.into_iter().filter_map(|l| Some((closure(l)?, self.to_ensemble(l)?))).collect()
    }

    fn main(&self) -> Option<(&str, &Estimate)> {
        self.closures().into_iter().min_by_key(|(name, _)| rank(name))
    }

    /// Closures that are clearly closer than the one the answer is about.
    fn closer(&self, main: &str, theory: &Estimate) -> Option<String> {
        let others =
            self.closures().into_iter().filter(|(name, _)| *name != main && !ILLUSTRATIONS.contains(name));
        let closures = others.filter(|(_, e)| above(theory, e));
        let named: Vec<String> = closures.map(|(name, e)| format!("{name} at {}", estimate(e))).collect();
        (!named.is_empty()).then(|| format!("Closer than {main}: {}.", named.join(", ")))
    }

    fn headline(&self, closure: &str, theory: &Estimate) -> String {
        let others = [("mean_score", "the mean score alone"), ("pf_ode", "the true score")];
        let others: Vec<String> = others
            .iter()
            .filter_map(|(level, what)| Some(format!("{what} {}", estimate(self.to_ensemble(level)?))))
            .collect();
        let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
        format!(
            "The theory's average learned distribution (closure {closure}) lies {} = {} from the trained ensemble's{others}.",
            self.name,
            estimate(theory)
        )
    }

    fn variance(&self, closure: &str, theory: &Estimate) -> Option<String> {
        let mean = self.to_ensemble("mean_score")?;
        Some(if above(mean, theory) {
            let share = 100.0 * (1.0 - theory.value / mean.value);
            format!(
                "The predicted variance between models closes {share:.0} % of the distance that the mean score leaves."
            )
        } else if above(theory, mean) {
            format!(
                "Adding the predicted variance takes the prediction further from the ensemble than the mean score alone: \
                 the {closure} closure fails here."
            )
        } else {
            "The intervals of the theory and of the mean score alone overlap, so this comparison does not show that the \
             predicted variance improves the prediction."
                .into()
        })
    }

    fn remainder(&self, closure: &str, theory: &Estimate) -> String {
        let floor = plain(theory.floor);
        if theory.floor.is_nan() {
            return "No resampling floor was saved, so how much of this distance is noise is unknown.".into();
        }
        if theory.lo <= theory.floor {
            return format!(
                "The theory's distance is within the resampling floor ({floor}): with this many models the theory and the ensemble cannot be \
                 told apart; more of them (ensemble.members) would lower the floor."
            );
        }
        let excess = format!(
            "The remainder exceeds the resampling floor ({floor}) by {} {}",
            plain(theory.value - theory.floor),
            bracket(theory.lo - theory.floor, theory.hi - theory.floor)
        );
        let Some(own) = self.to_ensemble("gaussian_empirical") else { return format!("{excess}.") };
        let own_text = estimate(own);
        if closure == "shot-noise" && above(own, theory) {
            format!(
                "{excess}; a Gaussian law with the ensemble's own mean and covariance is further away ({own_text}), so \
                 fluctuations beyond the second cumulant matter and this closure captures part of them."
            )
        } else if above(theory, own) {
            format!(
                "{excess}; it is dominated by the predicted mean and covariance, since a Gaussian law with the ensemble's \
                 own is closer ({own_text})."
            )
        } else if own.lo > own.floor {
            format!(
                "{excess}; a Gaussian law with the ensemble's own mean and covariance is no closer ({own_text}), so the \
                 remainder is dominated by what a Gaussian closure leaves out, not by the predicted mean and covariance."
            )
        } else {
            format!(
                "{excess}; a Gaussian law with the ensemble's own mean and covariance is at {own_text}, not clearly \
                 closer nor further, so the remainder is not attributed."
            )
        }
    }

    /// The learned statistics themselves; shot-noise has the mean and covariance of finite-p.
    fn kernel(&self) -> Option<String> {
        let (closure, _) = self.main()?;
        let kernel = &self.record.kernel;
        let k = kernel.get(closure).or_else(|| kernel.get("finite-p").filter(|_| closure == "shot-noise"))?;
        let off = (k.variance_ratio - 1.0).abs();
        let (spread, floor) = (k.variance_ratio_se.unwrap_or(0.0), k.mean_error_floor.unwrap_or(0.0));
        // The models' own scatter adds to the square of the theory's error.
        let beyond = k.mean_error * k.mean_error - floor * floor;
        let verdict = if off <= ACCURATE && k.mean_error <= ACCURATE {
            "are predicted accurately"
        } else if off - SURE * spread <= ACCURATE && beyond <= ACCURATE * ACCURATE {
            "agree with the prediction within what this many models resolve"
        } else {
            "are not predicted accurately"
        };
        Some(format!(
            "The mean and the variance of the learned prediction itself {verdict}: relative error of the mean {}{}, \
             predicted over measured variance {}, correlation of the two variance maps {}.",
            plain(k.mean_error),
            k.mean_error_floor.map(|f| format!(" (floor {})", plain(f))).unwrap_or_default(),
            with_error(k.variance_ratio, k.variance_ratio_se),
            plain(k.correlation)
        ))
    }

    /// Divergence that could change the numbers.
    fn lost(&self) -> Option<String> {
        let share = |l: &LevelSummary| l.diverged as f64 / (l.diverged + l.samples).max(1) as f64;
        let lost = self.record.levels.iter().filter(|(_, l)| share(l) > 1e-3);
        let named: Vec<String> =
            lost.map(|(name, l)| format!("{} % ({})", plain(100.0 * share(l)), level_label(name))).collect();
        (!named.is_empty()).then(|| {
            format!(
                "Paths that diverged are left out of every number, and are not few: {}.",
                named.join(", ")
            )
        })
    }
}
