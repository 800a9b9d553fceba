//! Where the variance between members comes from, measured with companions of every member and predicted by every closure.
//!
//! A member trained again on the true score, with the same draws, has no label noise: what its prediction varies less is
//! `label-noise`, what is left is `placement`. A member trained again on the same data points, noised anew, shares only the
//! points with the first: their covariance is `points`. Networks of a crossed design (`ensemble.initialisations`) split into
//! `data`, `init` and their `interaction`.

use crate::error::Result;
use crate::probes::Probes;
use crate::record::{Estimate, VarianceSource};
use crate::theory::Theory;
use gtv_models::watch::Session;
use gtv_theory::compare::{Interval, crossed_variance};
use gtv_theory::quadrature::normal_quantile;
use std::collections::BTreeMap;

/// E_ρ tr Var y by source, from the ensemble's predictions at probes: by label noise and placement where `ensemble.sources` asks for
/// it, by data and initialisation where the ensemble is crossed.
///
/// # Errors
/// As training and the closures; an interrupt.
pub fn measure(
    theory: &Theory<'_>,
    probes: &Probes,
    session: Session<'_>,
) -> Result<BTreeMap<String, VarianceSource>> {
    let (study, mut sources) = (theory.study, BTreeMap::new());
    let (members, confidence) = (study.members.len(), study.compare.confidence);
    let crossed = study.ensemble.initialisations.filter(|b| *b > 1 && members >= 2 * b);
    if let Some(inits) = crossed {
        let (shape, count) = ((members / inits, inits), probes.places().1.len());
        let found = crossed_variance(probes.predictions(), shape, count, confidence)?;
        let named = [
            ("data", found.data),
            ("init", found.init),
            ("interaction", found.interaction),
            ("total", found.total),
        ];
        sources.extend(named.map(|(name, i)| (name.to_owned(), source(i.into()))));
    }
    if study.ensemble.sources {
        let family = study.family.as_ref();
        let clean = family.on(study.problem().with_target_mix(1.0)?);
        let clean = clean.train("clean", &study.members, session)?;
        let (own, left) = (probes.deviations(), Probes::from_training(study, clean.as_ref()).deviations());
        let mut measured = |name: &str, terms: Vec<f64>| {
            sources.insert(name.to_owned(), source(mean(&terms, confidence)));
        };
        let (total, placement) = (products(&own, &own), products(&left, &left));
        measured("label-noise", total.iter().zip(&placement).map(|(t, p)| t - p).collect());
        if crossed.is_none() {
            measured("total", total);
        }
        measured("placement", placement);
        if let Some(again) = family.train_renoised(&study.members, session)? {
            let again = Probes::from_training(study, again.as_ref()).deviations();
            measured("points", products(&own, &again));
        }
    }
    if !sources.is_empty() {
        predict(theory, probes, &mut sources, session)?;
    }
    Ok(sources)
}

fn source(measured: Estimate) -> VarianceSource {
    VarianceSource { measured: Some(measured), ..VarianceSource::default() }
}

/// What every closure says of the sources that were measured.
fn predict(
    theory: &Theory<'_>,
    probes: &Probes,
    sources: &mut BTreeMap<String, VarianceSource>,
    session: Session<'_>,
) -> Result<()> {
    let (x, t) = probes.places();
    for solved in theory.covariances() {
        session.check()?;
        let found = theory.variance_sources(solved, x, t)?;
        let predicted = [
            ("total", Some(found.total)),
            ("label-noise", Some(found.label_noise)),
            ("placement", Some(found.placement)),
            ("points", found.points),
        ];
        for (name, value) in predicted {
            if let (Some(source), Some(value)) = (sources.get_mut(name), value) {
                source.predicted.insert(solved.name().to_owned(), value);
            }
        }
    }
    Ok(())
}

/// Each member's mean over probes of the product of two deviations, times N/(N − 1): their mean is a covariance.
fn products(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
    let n = a.len() as f64;
    let term =
        |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() * n / (n - 1.0);
    a.iter().zip(b).map(term).collect()
}

/// The mean over members with its normal interval.
fn mean(terms: &[f64], confidence: f64) -> Estimate {
    let n = terms.len() as f64;
    let value = terms.iter().sum::<f64>() / n;
    let variance = terms.iter().map(|t| (t - value) * (t - value)).sum::<f64>() / (n - 1.0);
    let half = normal_quantile(0.5 + 0.5 * confidence) * (variance / n).sqrt();
    Interval::normal(value, half, terms.len()).into()
}
