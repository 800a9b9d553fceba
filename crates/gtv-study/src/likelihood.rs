//! The likelihood that each level gives held-out data: of the exact score, the mean score, every closure's average law, a trained member
//! and the ensemble's average law, by the instantaneous change of variables.

use crate::error::Result;
use crate::record::{Estimate, LikelihoodRecord};
use crate::theory::Theory;
use gtv_models::external::Ensemble;
use gtv_models::watch::Session;
use gtv_theory::ScoreField;
use gtv_theory::compare::{Interval, Level};
use gtv_theory::dynamics::{Divergence, Likelihood, LogLikelihood, bits_per_dimension, log_mean_exp};
use gtv_theory::quadrature::normal_quantile;
use gtv_theory::rng::Purpose;
use std::collections::BTreeMap;

/// Most held-out points that are asked about, evenly from all of them.
const MOST_POINTS: usize = 200;
/// Most models of a law that are asked.
const MOST_MODELS: usize = 20;
/// Tolerance of a step: some 10⁻⁴ nats at the end.
const TOLERANCE: f64 = 1e-5;
/// The name of a member of the ensemble among levels.
const MEMBER: &str = "member";

/// ln q of points under every level, means over points with their intervals.
///
/// # Errors
/// An interrupt; points that are not finite.
pub fn held_out(
    theory: &Theory<'_>,
    ensemble: &Ensemble,
    points: &[f64],
    session: Session<'_>,
) -> Result<BTreeMap<String, LikelihoodRecord>> {
    let problem = theory.study.problem();
    let dim = problem.dim();
    let total = points.len() / dim;
    let count = total.min(MOST_POINTS);
    let row = |i: usize| &points[i * total / count * dim..][..dim];
    let x: Vec<f64> = (0..count).flat_map(row).copied().collect();
    let asked = Asked { x: &x, dim, theory, session };
    let mut records = BTreeMap::new();
    let exact = Likelihood::new(problem.exact().as_ref(), Divergence::Exact);
    let found = asked.of(exact)?;
    records.insert(Level::PfOde.to_string(), asked.record(&[found]));
    if let Some(solved) = theory.mean_law() {
        let found = asked.of_field(solved.law.mean_score().as_ref())?;
        records.insert(Level::MeanScore.to_string(), asked.record(&[found]));
    }
    for solved in &theory.laws {
        let level = Level::Theory(solved.name().to_owned()).to_string();
        let streams = problem.streams().named(&level);
        let models = theory.study.theory.models.min(MOST_MODELS) as u64;
        let drawn = (0..models).map_while(|model| {
            let field = solved.law.draw(&mut streams.stream(Purpose::TheoryModel, model, 0))?;
            Some(asked.of_field(field.as_ref()))
        });
        let drawn = drawn.collect::<Result<Vec<_>>>()?;
        if !drawn.is_empty() {
            records.insert(level, asked.average(&drawn));
        }
    }
    if let Some(members) = ensemble.fields() {
        let found = (0..members.len().min(MOST_MODELS)).map(|i| asked.of_field(members.field(i).as_ref()));
        let found = found.collect::<Result<Vec<_>>>()?;
        records.insert(MEMBER.to_owned(), asked.record(&found));
        records.insert(Level::Ensemble.to_string(), asked.average(&found));
    }
    Ok(records)
}

/// The points, as states at ε.
struct Asked<'a> {
    x: &'a [f64],
    dim: usize,
    theory: &'a Theory<'a>,
    session: Session<'a>,
}

impl Asked<'_> {
    fn of_field(&self, field: &dyn ScoreField) -> Result<Vec<f64>> {
        let divergence = Divergence::in_dimension(self.dim, self.theory.study.problem().streams());
        self.of(Likelihood::new(field, divergence))
    }

    fn of<F: ScoreField + ?Sized>(&self, likelihood: Likelihood<'_, F>) -> Result<Vec<f64>> {
        self.session.check()?;
        let t = vec![self.theory.study.problem().schedule().t_min(); self.x.len() / self.dim];
        let found = likelihood.with_tolerance(TOLERANCE).at(self.x, &t)?;
        Ok(found.iter().map(|LogLikelihood { nats, .. }| *nats).collect())
    }

    /// A mean over models first, then over points.
    fn record(&self, models: &[Vec<f64>]) -> LikelihoodRecord {
        let count = models.len() as f64;
        let mean = |i: usize| models.iter().map(|m| m[i]).sum::<f64>() / count;
        self.summary((0..models[0].len()).map(mean).collect(), models.len())
    }

    /// The law that is the models' average.
    fn average(&self, models: &[Vec<f64>]) -> LikelihoodRecord {
        let of = |i: usize| log_mean_exp(&models.iter().map(|m| m[i]).collect::<Vec<_>>()).0;
        self.summary((0..models[0].len()).map(of).collect(), models.len())
    }

    fn summary(&self, all: Vec<f64>, models: usize) -> LikelihoodRecord {
        let total = all.len();
        let nats: Vec<f64> = all.into_iter().filter(|l| l.is_finite()).collect();
        let n = nats.len() as f64;
        let mean = nats.iter().sum::<f64>() / n;
        let variance = nats.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / (n - 1.0);
        let quantile = normal_quantile(0.5 + 0.5 * self.theory.study.compare.confidence);
        let half = quantile * (variance / n).sqrt();
        let bits = |nats: f64| bits_per_dimension(nats, self.dim);
        let scale = bits(1.0).abs();
        LikelihoodRecord {
            points: nats.len(),
            failed: total - nats.len(),
            models,
            nats: Estimate::from(Interval::normal(mean, half, nats.len())),
            bits_per_dimension: Estimate::from(Interval::normal(bits(mean), scale * half, nats.len())),
        }
    }
}
