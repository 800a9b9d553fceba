//! Where the variance between members comes from, measured with companions of every member and predicted by every closure.
//!
//! A member trained again on the true score, with the same draws, has no label noise: what its prediction varies less is
//! `label-noise`, what is left is `placement`. A member trained again on the same data points, noised anew, shares only the
//! points with the first: their covariance is `points`. Networks of a crossed design (`ensemble.initialisations`) split into
//! `data`, `init` and their `interaction`.

use super::ensemble::{self, Trained};
use super::kernel::Probes;
use super::theory::Theory;
use super::{lazy, network};
use crate::config::{Family, Lazy, Problem};
use crate::context::Context;
use crate::record::{Interval, VarianceSource};
use crate::run_dir::{PartStore, RunDir};
use anyhow::Result;
use gtv_models::LinearEnsemble;
use gtv_theory::compare::crossed_variance;
use gtv_theory::estimator::Closure;
use gtv_theory::quadrature::normal_quantile;
use gtv_theory::rng::Purpose;
use std::collections::BTreeMap;

/// E_ρ tr Var y by source: by label noise and placement where `ensemble.sources` asks for it, by data and initialisation
/// where the ensemble is crossed.
///
/// # Errors
/// As training and the closures; an interrupt.
pub fn measure(
    problem: &Problem,
    theory: &Theory,
    ensemble: &Trained,
    store: &PartStore,
    run: &RunDir,
    ctx: &Context,
) -> Result<BTreeMap<String, VarianceSource>> {
    let mut sources = BTreeMap::new();
    let members = ensemble.members();
    let crossed = problem.config.ensemble.initialisations.filter(|b| *b > 1 && members.len() >= 2 * b);
    if members.len() < 2 || !(problem.config.ensemble.sources || crossed.is_some()) {
        return Ok(sources);
    }
    let probes = Probes::from_training(problem, members);
    if let Some(inits) = crossed {
        sources.extend(by_seed(problem, &probes, inits)?);
    }
    if problem.config.ensemble.sources {
        let own = probes.deviations();
        let (clean, again) = companions(problem, ensemble, store, run, ctx)?;
        let left = Probes::from_training(problem, clean.members()).deviations();
        let confidence = problem.config.compare.confidence;
        let mut measured = |name: &str, terms: Vec<f64>| {
            sources.insert(name.to_owned(), source(mean(&terms, confidence)));
        };
        let (total, placement) = (products(&own, &own), products(&left, &left));
        measured("label-noise", total.iter().zip(&placement).map(|(t, p)| t - p).collect());
        if crossed.is_none() {
            measured("total", total);
        }
        measured("placement", placement);
        if let Some(again) = again {
            measured("points", products(&own, &Probes::from_training(problem, &again).deviations()));
        }
    }
    predict(theory, &probes, &mut sources, ctx)?;
    Ok(sources)
}

/// Every member again on the true score, and, of linear models whose triples share data points, on those noised anew.
fn companions(
    problem: &Problem,
    ensemble: &Trained,
    store: &PartStore,
    run: &RunDir,
    ctx: &Context,
) -> Result<(Trained, Option<LinearEnsemble>)> {
    let members = match (ensemble, &problem.family) {
        (Trained::Linear(members), _) => members,
        (_, Family::Mlp(network)) => {
            let clean = network::train_on_true_score(problem, network, store, run, ctx)?;
            return Ok((Trained::Networks(clean), None));
        }
        (_, Family::Lazy(lazy)) => {
            let clean = Lazy { task: lazy.task.with_target_mix(1.0)?, ..(**lazy).clone() };
            let trainer = lazy::trainer(problem, &clean, ctx)?;
            let members = lazy::train(problem, &trainer, &clean.members, "lazy-clean", store, ctx)?;
            return Ok((Trained::Lazy(Box::new(members)), None));
        }
        (_, Family::Linear) => anyhow::bail!("networks without a network's settings"),
    };
    let clean_trainer = ensemble::true_score_trainer(problem)?;
    let clean = ensemble::train_with(&clean_trainer, "clean", problem, store, ctx, |member| {
        Ok(clean_trainer.weights(problem.streams, member)?)
    })?;
    let (trainer, samples) = (members.trainer(), problem.spec.samples);
    let again = (problem.spec.draws > 1)
        .then(|| {
            let sampler = trainer.sampler();
            ensemble::train_with(trainer, "renoised", problem, store, ctx, |member| {
                let triples = sampler.draw(problem.streams, member, samples)?;
                let mut rng = problem.streams.stream(Purpose::Training, member, 1);
                Ok(trainer.fit(&sampler.renoise(&triples, &mut rng), member)?)
            })
        })
        .transpose()?;
    Ok((Trained::Linear(Box::new(clean)), again))
}

/// Data draws against initialisations, in a crossed design.
fn by_seed(problem: &Problem, probes: &Probes, inits: usize) -> Result<Vec<(String, VarianceSource)>> {
    let shape = (problem.config.ensemble.members / inits, inits);
    let (count, confidence) = (probes.places().1.len(), problem.config.compare.confidence);
    let found = crossed_variance(probes.predictions(), shape, count, confidence)?;
    let named = [
        ("data", found.data),
        ("init", found.init),
        ("interaction", found.interaction),
        ("total", found.total),
    ];
    Ok(named.into_iter().map(|(name, i)| (name.to_owned(), source(i))).collect())
}

fn source(measured: Interval) -> VarianceSource {
    VarianceSource { measured: Some(measured), ..VarianceSource::default() }
}

/// What every closure says of the sources that were measured.
fn predict(
    theory: &Theory,
    probes: &Probes,
    sources: &mut BTreeMap<String, VarianceSource>,
    ctx: &Context,
) -> Result<()> {
    let Some(learner) = &theory.learner else { return Ok(()) };
    let (x, t) = probes.places();
    let closures: Vec<Closure> = theory.laws.iter().map(|law| law.closure()).collect();
    for law in &theory.laws {
        let closure = law.closure();
        // Shot noise has finite-p's covariance.
        if closure == Closure::ShotNoise && closures.contains(&Closure::FiniteP) {
            continue;
        }
        ctx.interrupt.check()?;
        let found = learner.variance_sources(law, x, t)?;
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
fn mean(terms: &[f64], confidence: f64) -> Interval {
    let n = terms.len() as f64;
    let value = terms.iter().sum::<f64>() / n;
    let variance = terms.iter().map(|t| (t - value) * (t - value)).sum::<f64>() / (n - 1.0);
    let half = normal_quantile(0.5 + 0.5 * confidence) * (variance / n).sqrt();
    Interval::normal(value, half, terms.len())
}
