//! What a record shows beyond its headline: white noise, the shape of the fluctuations, and where variance comes from.
//! As everywhere in the answer, two numbers are called different only where their intervals are disjoint.

use super::answer::level_interval;
use super::number::{interval, plain};
use crate::record::{Estimate, Interval, Record};

/// Most data whose masses are named in a sentence.
const NAMED: usize = 4;

fn gap(record: &Record, level: &str) -> Option<Interval> {
    level_interval(record, level, |l| l.gap_mass)
}

/// The naive estimator's white noise is expelled from uncertain regions.
pub fn naive(record: &Record) -> Option<String> {
    let (naive, exact) = (gap(record, "theory_naive")?, gap(record, "pf_ode")?);
    let masses = |level: &str| {
        let near = &record.levels.get(level)?.mass_near;
        let listed = (1..=NAMED).contains(&near.len());
        listed.then(|| near.iter().map(|i| plain(i.value)).collect::<Vec<_>>().join(", "))
    };
    let near = match (masses("theory_naive"), masses("pf_ode")) {
        (Some(naive), Some(exact)) => format!(" (mass near each datum: {naive}; without noise: {exact})"),
        _ => String::new(),
    };
    let numbers = format!(
        "White noise, as the naive estimator's, leaves {} of the mass in gaps, the PF-ODE without noise {}{near}.",
        interval(&naive),
        interval(&exact)
    );
    let why = if naive.hi < exact.lo {
        "It is expelled from uncertain regions: in the Itô equation the noise has no direction of its own, but a state leaves \
         a noisy place sooner than a quiet one, so mass collects where the posterior is certain, at the data."
    } else if naive.lo > exact.hi {
        "Here more of its mass lies far from every datum than without noise. That counts mass beyond the data too, where strong \
         noise throws it, so it is no filling of gaps by itself: compare the masses near inner and outer data."
    } else {
        "The intervals overlap, so no expulsion from uncertain regions is shown here."
    };
    Some(format!("{numbers} {why}"))
}

/// Gap mass with white, damped and the model's own correlation in time, at the same V at equal times.
pub fn colour(record: &Record, main: &str) -> Option<String> {
    let white = gap(record, "theory_white");
    let damped = gap(record, "theory_damped");
    let own = gap(record, &format!("theory_{main}"))?;
    let first = white.or(damped)?;
    let mut parts = Vec::new();
    parts.extend(white.map(|i| format!("{} for noise that is white in time", interval(&i))));
    parts.extend(damped.map(|i| format!("{} with its correlation damped", interval(&i))));
    parts.push(format!("{} with the models' own correlation ({main})", interval(&own)));
    parts.extend(gap(record, "ensemble").map(|i| format!("{} in the trained ensemble", interval(&i))));
    let verdict = if first.hi < own.lo {
        "At the same variance at every time, correlation in time puts more mass into the gaps: it is the persistence of a \
         model's error along a path that fills them, not its size."
    } else if first.lo > own.hi {
        "At the same variance at every time, correlation in time puts less mass into the gaps."
    } else {
        "The intervals overlap, so correlation in time is not shown to matter for the gaps here."
    };
    Some(format!("Mass in gaps: {}. {verdict}", parts.join(", ")))
}

/// Skewness and kurtosis, where more features than samples or the own-moments Gaussian put the closure in doubt.
pub fn shape(record: &Record, theory: &Estimate, own: Option<&Estimate>) -> Option<String> {
    let g = record.gaussianity.as_ref()?;
    let loaded = record.load.filter(|load| *load >= 1.0);
    let beyond = own.is_some_and(|own| own.lo > own.floor && theory.lo <= own.hi);
    if loaded.is_none() && !beyond {
        return None;
    }
    let (s, k) = (&g.skewness, &g.excess_kurtosis);
    let far = |c: &crate::record::Cumulant| c.mean.abs() > 2.0 * c.standard_error;
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

/// What a source of variance is called.
pub fn source_name(source: &str) -> String {
    match source {
        "label-noise" => "label noise: the labels, given where the (x, t) fall".into(),
        "placement" => "placement: where the (x, t) fall".into(),
        "points" => "points: which data points are drawn".into(),
        "data" => "data: the training set".into(),
        "init" => "initialisation: the network's first parameters".into(),
        "interaction" => "interaction of data and initialisation".into(),
        other => other.replace('-', " "),
    }
}

/// The share of the variance that goes through the labels.
pub fn sources(record: &Record, main: &str) -> Option<String> {
    let of = |source: &str| record.variance_sources.get(source);
    let (labels, total) = (of("label-noise")?, of("total")?);
    let share = |part: f64, whole: f64| (whole > 0.0 && part.is_finite()).then(|| 100.0 * part / whole);
    let measured = share(labels.measured?.value, total.measured?.value)?;
    let predicted = match (labels.predicted.get(main), total.predicted.get(main)) {
        (Some(part), Some(whole)) => share(*part, *whole),
        _ => None,
    };
    let predicted = predicted.map_or_else(String::new, |p| format!(" ({main} predicts {p:.0} %)"));
    let rest: Vec<String> = record
        .variance_sources
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "placement" | "points"))
        .filter_map(|(name, s)| {
            let part = share(s.measured?.value, total.measured?.value)?;
            let what = match name.as_str() {
                "placement" => "from where the inputs fall",
                _ => "from which data points are drawn",
            };
            Some(format!("{part:.0} % {what}"))
        })
        .collect();
    let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join(", ")) };
    Some(format!(
        "Of the variance between models of the prediction y, {measured:.0} % comes from the noise of the labels, which is \
         generalization through variance proper{predicted}{rest}."
    ))
}

/// How the variance between networks splits into data and initialisation.
pub fn seeds(record: &Record) -> Option<String> {
    let of = |source: &str| record.variance_sources.get(source)?.measured;
    let (data, init, both, total) = (of("data")?, of("init")?, of("interaction")?, of("total")?);
    let share = |i: Interval| format!("{:.0} %", 100.0 * i.value / total.value);
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
pub fn network(record: &Record) -> Option<String> {
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
pub fn lazy(record: &Record) -> Option<String> {
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
    let total: f64 = l.split.values().sum();
    let split = if total > 0.0 {
        let share = |source: &str| l.split.get(source).map_or(0.0, |v| 100.0 * v / total);
        format!(
            " Of the predicted variance {:.0} % comes from the training data, {:.0} % from the initial function, {:.0} % from \
             the two together.",
            share("data"),
            share("init"),
            share("interaction")
        )
    } else {
        String::new()
    };
    Some(format!(
        "Gradient flow on the tangent kernel of infinitely wide networks, {time}, learns {learned}; the kernel's features miss \
         {} of its trace.{split}",
        plain(l.truncation)
    ))
}
