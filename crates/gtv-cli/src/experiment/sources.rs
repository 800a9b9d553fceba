//! Where the variance between members comes from, measured with companions of every member and predicted by every closure.
//!
//! A member trained again on the true score, with the same draws, has no label noise: what its prediction varies less is
//! `label-noise`, what is left is `placement`. A member trained again on the same data points, noised anew, shares only the
//! points with the first: their covariance is `points`.

use super::ensemble;
use super::kernel::Probes;
use super::theory::Theory;
use crate::config::Problem;
use crate::context::Context;
use crate::record::{Interval, VarianceSource};
use crate::run_dir::PartStore;
use anyhow::Result;
use gtv_models::LinearEnsemble;
use gtv_theory::estimator::Closure;
use gtv_theory::quadrature::normal_quantile;
use gtv_theory::rng::Purpose;
use std::collections::BTreeMap;

/// E_ρ tr Var y by source; nothing unless `ensemble.sources` asks for it.
///
/// # Errors
/// As training and the closures; an interrupt.
pub fn measure(
    problem: &Problem,
    theory: &Theory,
    members: &LinearEnsemble,
    store: &PartStore,
    ctx: &Context,
) -> Result<BTreeMap<String, VarianceSource>> {
    let mut sources = BTreeMap::new();
    if !problem.config.ensemble.sources || members.len() < 2 {
        return Ok(sources);
    }
    let trainer = members.trainer();
    let samples = problem.spec.samples;
    let clean_trainer = ensemble::true_score_trainer(problem)?;
    let clean = ensemble::train_with(&clean_trainer, "clean", problem, store, ctx, |member| {
        Ok(clean_trainer.weights(problem.streams, member)?)
    })?;
    let probes = Probes::from_training(problem, members);
    let own = probes.deviations();
    let left = Probes::from_training(problem, &clean).deviations();
    let confidence = problem.config.compare.confidence;
    let mut measured = |name: &str, terms: Vec<f64>| {
        let source = VarianceSource { measured: Some(mean(&terms, confidence)), ..VarianceSource::default() };
        sources.insert(name.to_owned(), source);
    };
    let (total, placement) = (products(&own, &own), products(&left, &left));
    measured("label-noise", total.iter().zip(&placement).map(|(t, p)| t - p).collect());
    measured("total", total);
    measured("placement", placement);
    if problem.spec.draws > 1 {
        let sampler = trainer.sampler();
        let again = ensemble::train_with(trainer, "renoised", problem, store, ctx, |member| {
            let triples = sampler.draw(problem.streams, member, samples)?;
            let mut rng = problem.streams.stream(Purpose::Training, member, 1);
            Ok(trainer.fit(&sampler.renoise(&triples, &mut rng), member)?)
        })?;
        measured("points", products(&own, &Probes::from_training(problem, &again).deviations()));
    }
    let Some(statistics) = &theory.statistics else { return Ok(sources) };
    let (x, t) = probes.places();
    let closures: Vec<Closure> = theory.laws.iter().map(|law| law.closure()).collect();
    for law in &theory.laws {
        let closure = law.closure();
        // Shot noise has finite-p's covariance.
        if closure == Closure::ShotNoise && closures.contains(&Closure::FiniteP) {
            continue;
        }
        ctx.interrupt.check()?;
        let found = statistics.variance_sources(law, x, t)?;
        let predicted = [
            ("total", Some(found.total)),
            ("label-noise", Some(found.label_noise)),
            ("placement", Some(found.placement)),
            ("points", found.points),
        ];
        for (name, value) in predicted {
            if let (Some(source), Some(value)) = (sources.get_mut(name), value) {
                source.predicted.insert(closure.name().to_owned(), value);
            }
        }
    }
    Ok(sources)
}

/// Each member's mean over probes of the product of two deviations, times N/(N − 1): their mean is a covariance.
fn products(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
    let n = a.len() as f64;
    let term =
        |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() * n / (n - 1.0);
    a.iter().zip(b).map(term).collect()
}

/// The mean over members with its normal interval.
fn mean(terms: &[f64], confidence: f64) -> Interval {
    let n = terms.len() as f64;
    let value = terms.iter().sum::<f64>() / n;
    let variance = terms.iter().map(|t| (t - value) * (t - value)).sum::<f64>() / (n - 1.0);
    let half = normal_quantile(0.5 + 0.5 * confidence) * (variance / n).sqrt();
    Interval { value, lo: value - half, hi: value + half }
}
