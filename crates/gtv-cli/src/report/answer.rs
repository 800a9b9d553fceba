//! The answer in words, derived from the numbers by fixed rules, so that it says no more than they do.
//!
//! Every claim about the theory is made against the best of the baselines: the data, the true score, the mean score. Two
//! distances are called different only where their intervals are disjoint. A distance is called within its floor only
//! where the estimate itself is.

use std::cmp::Ordering;

use super::findings;
use super::levels::{self, ENSEMBLE, OWN_MOMENTS};
use super::metrics;
use super::number::{bracket, estimate, plain, with_error};
use super::one_run;
use super::view::{Baseline, View, models};
use crate::record::{Estimate, Record};

/// Below this an error of the mean or the variance is called accurate.
const ACCURATE: f64 = 0.1;
/// Standard errors that an excess over that must have to be called one.
const SURE: f64 = 2.0;

/// The sentences of the answer, most important first; a record without distances gets one that says so.
pub fn answer(record: &Record) -> Vec<String> {
    let mut said: Vec<String> = findings::far_from_data(record).into_iter().collect();
    let Some(view) = View::new(record) else {
        let alone = one_run::answer(record);
        let nothing =
            "No distances were saved, so this record answers nothing about distributions.".to_owned();
        said.push(alone.unwrap_or(nothing));
        return said;
    };
    let main = view.main();
    match main {
        None => said.push("No theory level was compared with the ensemble.".into()),
        Some((closure, theory)) => {
            said.push(view.headline(closure, theory));
            said.extend(view.other_baselines());
            if levels::completeness(closure).is_none() {
                said.push(
                    "That level makes a point about the theory and predicts no trained model: no closure of the models' own law \
                     was computed."
                        .into(),
                );
            } else {
                said.extend(view.beyond_floor(closure, theory));
                said.extend(view.closer(closure, theory));
                said.extend(findings::shape(record, theory, view.to_ensemble(OWN_MOMENTS)));
            }
        }
    }
    let main = main.map_or("", |(closure, _)| closure);
    said.extend(kernel(record, main));
    said.extend(findings::all(record, main));
    said
}

/// 1 − d_theory/d_baseline in percent, with an interval: the two distances' own ones, added in quadrature on the scale of
/// logarithms (the MOVER interval of a ratio). Both are distances to one ensemble, so that this is rather too wide.
fn explained(theory: &Estimate, baseline: &Estimate) -> (f64, Option<(f64, f64)>) {
    let ratio = theory.value / baseline.value;
    let percent = |ratio: f64| 100.0 * (1.0 - ratio);
    let ends = theory.ends().zip(baseline.ends()).filter(|_| ratio > 0.0);
    let ends = ends.map(|((t_lo, t_hi), (b_lo, b_hi))| {
        let arm = |a: f64, b: f64| a.ln().hypot(b.ln()).exp();
        let longest = ratio * arm(t_hi / theory.value, baseline.value / b_lo);
        let shortest = ratio / arm(theory.value / t_lo, b_hi / baseline.value);
        (percent(longest), percent(shortest))
    });
    (percent(ratio), ends)
}

/// How a distance stands to its floor, after "the rest" or the like.
fn against_floor(e: &Estimate) -> String {
    let Some(floor) = e.floor.filter(|f| f.is_finite()) else {
        return "has no known resampling floor, so that how much of it is noise is unknown".into();
    };
    let (over, floor_text) = (e.value - floor, plain(floor));
    match e.ends() {
        _ if over <= 0.0 => format!("is within the resampling floor ({floor_text})"),
        Some((lo, _)) if lo <= floor => format!(
            "exceeds the resampling floor ({floor_text}) by {}, not for certain: the interval reaches the floor",
            plain(over)
        ),
        ends => format!(
            "exceeds the resampling floor ({floor_text}) by {} {}",
            plain(over),
            bracket(ends.map(|(lo, hi)| (lo - floor, hi - floor)))
        )
        .trim_end()
        .to_owned(),
    }
}

impl View<'_> {
    /// The theory against the best baseline.
    fn headline(&self, closure: &str, theory: &Estimate) -> String {
        let name = metrics::name(&self.metric);
        let distance = format!("{name} = {}", estimate(theory));
        let rest = against_floor(theory);
        let Some((best, base)) = self.baselines().into_iter().next() else {
            return format!(
                "The theory's average learned distribution ({closure}) lies {distance} from the trained ensemble's, which {rest}. \
                 No baseline was compared, so what the theory adds is unknown."
            );
        };
        let Baseline { called, without, .. } = best;
        match theory.clearly(base) {
            Some(Ordering::Less) => {
                let (share, ends) = explained(theory, base);
                let ends = ends.map_or_else(String::new, |(lo, hi)| format!(" [{lo:.0}, {hi:.0}]"));
                format!(
                    "Of the distance between the best baseline ({called}, {name} = {}) and the trained ensemble, the theory \
                     ({closure}) explains {share:.0} %{ends}; the rest, {}, {rest}.",
                    estimate(base),
                    estimate(theory)
                )
            }
            Some(Ordering::Equal) if theory.hi.is_some_and(|hi| base.value <= hi) => format!(
                "The theory ({closure}) is not shown to explain what the models learn: {without} is as near to the trained \
                 ensemble ({name} = {}) as the theory ({}). The theory's distance {rest}.",
                estimate(base),
                estimate(theory)
            ),
            Some(Ordering::Equal) => format!(
                "The theory ({closure}, {distance}) is nearer to the trained ensemble than the best baseline, {without} is ({}), \
                 but not for certain: their intervals overlap. The theory's distance {rest}.",
                estimate(base)
            ),
            Some(Ordering::Greater) => format!(
                "The theory ({closure}) fails here: {without} is nearer to the trained ensemble ({name} = {}) than the theory is \
                 ({}). The theory's distance {rest}.",
                estimate(base),
                estimate(theory)
            ),
            None => format!(
                "The theory ({closure}) lies {distance} from the trained ensemble, the best baseline ({called}) {}; {}, so \
                 neither is said to be nearer. The theory's distance {rest}.",
                estimate(base),
                no_interval(self.record)
            ),
        }
    }

    /// The baselines that are not the best one.
    fn other_baselines(&self) -> Option<String> {
        let others: Vec<String> = self
            .baselines()
            .into_iter()
            .skip(1)
            .map(|(baseline, e)| format!("{} {}", baseline.called, estimate(e)))
            .collect();
        (!others.is_empty()).then(|| format!("The other baselines: {}.", others.join(", ")))
    }

    /// Closures that are clearly closer than the one the answer is about.
    fn closer(&self, main: &str, theory: &Estimate) -> Option<String> {
        let closer = |e: &Estimate| e.clearly(theory) == Some(Ordering::Less);
        let others = self.closures().into_iter().filter(|(name, e)| *name != main && closer(e));
        let named: Vec<String> = others.map(|(name, e)| format!("{name} at {}", estimate(e))).collect();
        (!named.is_empty()).then(|| format!("Closer than {main}: {}.", named.join(", ")))
    }

    /// What a distance that clearly exceeds its floor is due to, by the level with the ensemble's own moments.
    fn beyond_floor(&self, closure: &str, theory: &Estimate) -> Option<String> {
        let exceeds = |e: &Estimate| e.floor.zip(e.ends()).is_some_and(|(floor, (lo, _))| lo > floor);
        let own = self.to_ensemble(OWN_MOMENTS).filter(|_| exceeds(theory))?;
        let law =
            format!("A Gaussian law with the ensemble's own mean and covariance is at {}", estimate(own));
        Some(match theory.clearly(own)? {
            Ordering::Greater => {
                format!("{law}, closer: the remainder is dominated by the predicted mean and covariance.")
            }
            Ordering::Less if levels::covariance_of(closure) != closure => format!(
                "{law}, further away: fluctuations beyond the second cumulant matter, and this closure captures part of them."
            ),
            Ordering::Less | Ordering::Equal if exceeds(own) => format!(
                "{law}, no closer: the remainder is dominated by what a Gaussian closure leaves out, not by the predicted mean \
                 and covariance."
            ),
            Ordering::Less | Ordering::Equal => {
                format!("{law}, not clearly closer nor further: the remainder is not attributed.")
            }
        })
    }
}

/// Why there is no interval.
pub fn no_interval(record: &Record) -> String {
    match models(record, ENSEMBLE) {
        0 => "no interval was saved".into(),
        1 => "no interval: 1 member is too few".into(),
        members => format!("no interval: {members} members are too few"),
    }
}

/// The learned statistics themselves.
fn kernel(record: &Record, closure: &str) -> Option<String> {
    let all = &record.kernel;
    let k = all.get(closure).or_else(|| all.get(levels::covariance_of(closure)))?;
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
