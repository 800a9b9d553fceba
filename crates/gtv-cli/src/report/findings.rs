//! What a record shows beyond its headline: white noise, the shape of the fluctuations, and where variance comes from.
//! As everywhere in the answer, two numbers are called different only where their intervals are disjoint.

use std::cmp::Ordering;

use super::levels::{DATA, ENSEMBLE, TRUE_SCORE, label, of_closure};
use super::number::{estimate, plain};
use super::view::of_level;
use crate::record::{Cumulant, Estimate, LevelRecord, Record};

/// Most data whose masses are named in a sentence.
const NAMED: usize = 4;
/// A learned distribution whose total variance differs by more than this factor from its data's is far from them.
const FAR: f64 = 2.0;
/// Share of diverged paths from which on it is told.
const MANY_DIVERGED: f64 = 1e-3;

/// What a record shows beyond its headline, `main` being the closure that the answer is about.
pub fn all(record: &Record, main: &str) -> Vec<String> {
    let found = [
        sources(record, main),
        seeds(record),
        network(record),
        lazy(record),
        colour(record, main),
        naive(record),
        lost(record),
    ];
    found.into_iter().flatten().collect()
}

/// Trained models whose distribution has little to do with their data: collapsed, blown up, or elsewhere.
pub fn far_from_data(record: &Record) -> Option<String> {
    let (data, learned) = (record.levels.get(DATA)?, record.levels.get(ENSEMBLE)?);
    let truth = data.total_variance?.value;
    let spread = truth.sqrt();
    let mut reasons = Vec::new();
    if let Some(variance) = learned.total_variance {
        let (lo, hi) = variance.ends().unwrap_or((variance.value, variance.value));
        let far = !variance.value.is_finite() || lo > FAR * truth || FAR * hi < truth;
        let text = format!("their total variance is {}, the data's {}", estimate(&variance), plain(truth));
        reasons.extend(far.then_some(text));
    }
    if let Some(nearest) = of_level(record, ENSEMBLE, |l| l.nearest_distance) {
        let far = nearest.ends().map_or(nearest.value, |(lo, _)| lo) > spread;
        let text = format!(
            "their samples are on average {} from the nearest datum, more than the data's own standard deviation {}",
            estimate(&nearest),
            plain(spread)
        );
        reasons.extend(far.then_some(text));
    }
    let shift = data.mean.iter().zip(&learned.mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    if shift > spread {
        reasons.push(format!(
            "their mean is {} away from the data's, more than its standard deviation {}",
            plain(shift),
            plain(spread)
        ));
    }
    (truth > 0.0 && !reasons.is_empty()).then(|| {
        format!(
            "The trained models are far from their data: {}. Look at the training before the theory: its rate and steps, model.samples, and whether model.features covers the data.",
            reasons.join("; ")
        )
    })
}

fn gap(record: &Record, level: &str) -> Option<Estimate> {
    of_level(record, level, |l| l.gap_mass)
}

/// The naive estimator's white noise is expelled from uncertain regions.
fn naive(record: &Record) -> Option<String> {
    let (naive, exact) = (gap(record, "theory_naive")?, gap(record, TRUE_SCORE)?);
    let masses = |level: &str| {
        let near = &record.levels.get(level)?.mass_near;
        let listed = (1..=NAMED).contains(&near.len());
        listed.then(|| near.iter().map(|i| plain(i.value)).collect::<Vec<_>>().join(", "))
    };
    let near = match (masses("theory_naive"), masses(TRUE_SCORE)) {
        (Some(naive), Some(exact)) => format!(" (mass near each datum: {naive}; without noise: {exact})"),
        _ => String::new(),
    };
    let numbers = format!(
        "White noise, as the naive estimator's, leaves {} of the mass in gaps, the PF-ODE without noise {}{near}.",
        estimate(&naive),
        estimate(&exact)
    );
    let why = match naive.clearly(&exact) {
        Some(Ordering::Less) => {
            "It is expelled from uncertain regions: in the Itô equation the noise has no direction of its own, but a state leaves \
             a noisy place sooner than a quiet one, so mass collects where the posterior is certain, at the data."
        }
        Some(Ordering::Greater) => {
            "Here more of its mass lies far from every datum than without noise. That counts mass beyond the data too, where \
             strong noise throws it, so it is no filling of gaps by itself: compare the masses near inner and outer data."
        }
        Some(Ordering::Equal) => {
            "The intervals overlap, so no expulsion from uncertain regions is shown here."
        }
        None => "Without intervals, no expulsion from uncertain regions is shown here.",
    };
    Some(format!("{numbers} {why}"))
}

/// Gap mass with white, damped and the model's own correlation in time, at the same V at equal times.
fn colour(record: &Record, main: &str) -> Option<String> {
    let white = gap(record, "theory_white");
    let damped = gap(record, "theory_damped");
    let own = gap(record, &of_closure(main))?;
    let first = white.or(damped)?;
    let mut parts = Vec::new();
    parts.extend(white.map(|i| format!("{} for noise that is white in time", estimate(&i))));
    parts.extend(damped.map(|i| format!("{} with its correlation damped", estimate(&i))));
    parts.push(format!("{} with the models' own correlation ({main})", estimate(&own)));
    parts.extend(gap(record, ENSEMBLE).map(|i| format!("{} in the trained ensemble", estimate(&i))));
    let verdict = match first.clearly(&own) {
        Some(Ordering::Less) => {
            "At the same variance at every time, correlation in time puts more mass into the gaps: it is the persistence of a \
             model's error along a path that fills them, not its size."
        }
        Some(Ordering::Greater) => {
            "At the same variance at every time, correlation in time puts less mass into the gaps."
        }
        Some(Ordering::Equal) => {
            "The intervals overlap, so correlation in time is not shown to matter for the gaps here."
        }
        None => "Without intervals, correlation in time is not shown to matter for the gaps here.",
    };
    Some(format!("Mass in gaps: {}. {verdict}", parts.join(", ")))
}

/// Skewness and kurtosis, where more features than samples or the own-moments Gaussian put the closure in doubt.
pub fn shape(record: &Record, theory: &Estimate, own: Option<&Estimate>) -> Option<String> {
    let g = record.gaussianity.as_ref()?;
    let loaded = record.load.filter(|load| *load >= 1.0);
    let beyond = own.is_some_and(|own| {
        let exceeds = own.floor.zip(own.ends()).is_some_and(|(floor, (lo, _))| lo > floor);
        exceeds && matches!(theory.clearly(own), Some(Ordering::Less | Ordering::Equal))
    });
    if loaded.is_none() && !beyond {
        return None;
    }
    let (s, k) = (&g.skewness, &g.excess_kurtosis);
    let far = |c: &Cumulant| c.mean.abs() > 2.0 * c.standard_error;
    let reason = match loaded {
        Some(load) => format!("With F/P = {} a model has as many features as samples or more", plain(load)),
        None => "A Gaussian law with the right mean and covariance still misses the ensemble".to_owned(),
    };
    let verdict = match (far(s) || far(k), k.mean > 0.0) {
        (true, true) => {
            "the fluctuations are not Gaussian, their tails are heavier, and the Gaussian closure's error is in that"
        }
        (true, false) => "the fluctuations are not Gaussian, and the Gaussian closure's error is in that",
        (false, _) => "which does not show that the fluctuations at a point are other than Gaussian",
    };
    Some(format!(
        "{reason}. Averaged with the variance as weight, the learned score has skewness {} (standard error at one point {}) \
         and excess kurtosis {} ({}): {verdict}.",
        plain(s.mean),
        plain(s.standard_error),
        plain(k.mean),
        plain(k.standard_error)
    ))
}

/// What sources of variance are called.
const SOURCES: [(&str, &str); 6] = [
    ("label-noise", "label noise: the labels, given where the (x, t) fall"),
    ("placement", "placement: where the (x, t) fall"),
    ("points", "points: which data points are drawn"),
    ("data", "data: the training set"),
    ("init", "initialisation: the network's first parameters"),
    ("interaction", "interaction of data and initialisation"),
];

/// What a source of variance is called.
pub fn source_name(source: &str) -> String {
    let known = SOURCES.iter().find(|(name, _)| *name == source);
    known.map_or_else(|| source.replace('-', " "), |(_, text)| (*text).to_owned())
}

/// The share of the variance that goes through the labels.
fn sources(record: &Record, main: &str) -> Option<String> {
    let of = |source: &str| record.variance_sources.get(source);
    let (labels, total) = (of("label-noise")?, of("total")?);
    let share = |part: f64, whole: f64| (whole > 0.0 && part.is_finite()).then(|| 100.0 * part / whole);
    let measured = share(labels.measured?.value, total.measured?.value)?;
    let predicted = match (labels.predicted.get(main), total.predicted.get(main)) {
        (Some(part), Some(whole)) => share(*part, *whole),
        _ => None,
    };
    let predicted = predicted.map_or_else(String::new, |p| format!(" ({main} predicts {p:.0} %)"));
    let others =
        [("placement", "from where the inputs fall"), ("points", "from which data points are drawn")];
    let rest = others.iter().filter_map(|(name, what)| {
        let part = share(of(name)?.measured?.value, total.measured?.value)?;
        Some(format!("{part:.0} % {what}"))
    });
    let rest: Vec<String> = rest.collect();
    let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join(", ")) };
    Some(format!(
        "Of the variance between models of the prediction y, {measured:.0} % comes from the noise of the labels, which is \
         generalization through variance proper{predicted}{rest}."
    ))
}

/// How the variance between networks splits into data and initialisation.
fn seeds(record: &Record) -> Option<String> {
    let of = |source: &str| record.variance_sources.get(source)?.measured;
    let (data, init, both, total) = (of("data")?, of("init")?, of("interaction")?, of("total")?);
    let share = |i: Estimate| format!("{:.0} %", 100.0 * i.value / total.value);
    (total.value > 0.0).then(|| {
        format!(
            "Of the variance between networks of the prediction y, {} comes from the training data, {} from the \
             initialisation, and {} from the two together.",
            share(data),
            share(init),
            share(both)
        )
    })
}

/// How far a trained network is from the linear model that the theory takes it for.
fn network(record: &Record) -> Option<String> {
    let l = record.linearised.as_ref()?;
    let time = if l.time_fitted {
        format!("for the time whose mean prediction is nearest to the ensemble's, {} away", plain(l.misfit))
    } else {
        format!(
            "for the time of its training, with a mean prediction {} away from the ensemble's",
            plain(l.misfit)
        )
    };
    Some(format!(
        "The closures take the network for its linearisation at initialisation under gradient flow {time}: {} modes learned. \
         Training moved the tangent kernel by {} of its size and the parameters by {} of theirs; the closures are for the limit \
         where both vanish.",
        plain(l.effective_features),
        plain(l.kernel_drift),
        plain(l.parameter_movement)
    ))
}

/// What gradient flow has learned of an infinitely wide network's kernel.
fn lazy(record: &Record) -> Option<String> {
    let l = record.lazy.as_ref()?;
    let time = match l.time {
        Some(time) => format!("for a time {}", plain(time)),
        None => "until every training label is fitted".to_owned(),
    };
    let learned = match record.load {
        Some(load) => {
            format!("{} modes, {} for each training triple", plain(l.effective_features), plain(load))
        }
        None => format!("{} modes", plain(l.effective_features)),
    };
    Some(format!(
        "Gradient flow on the tangent kernel of infinitely wide networks, {time}, learns {learned}; the kernel's features miss \
         {} of its trace.",
        plain(l.truncation)
    ))
}

/// Lost paths that could change the numbers.
fn lost(record: &Record) -> Option<String> {
    let lost = |l: &LevelRecord| l.diverged + l.exhausted;
    let share = |l: &LevelRecord| lost(l) as f64 / (lost(l) + l.samples).max(1) as f64;
    let lost = record.levels.iter().filter(|(_, l)| share(l) > MANY_DIVERGED);
    let named: Vec<String> =
        lost.map(|(name, l)| format!("{} % ({})", plain(100.0 * share(l)), label(name))).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Paths that diverged or were given up are left out of every number, and are not few: {}.",
            named.join(", ")
        )
    })
}
