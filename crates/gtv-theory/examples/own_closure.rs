//! A closure of one's own, against 200 trained models: the mean variance of the denoiser.
//!
//! The variance of least squares with F features is larger than leading order says, by 1/(1 − F/P): the closure `inflated` puts that
//! in. A law needs no more than a mean score and a covariance. Run with
//! `cargo run --release -p gtv-theory --example own_closure`.

use gtv_theory::closure::{Card, FiniteP, Leading, Needs, Role};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::law::EmpiricalLinear;
use gtv_theory::{At, Closure, Features, Law, Learner, Objective, PointCloud, Prediction, Result, Schedule};
use gtv_theory::{ScoreField, TrainingProblem, learner::Ridge, linalg, quadrature, rng::Streams};
use std::sync::Arc;

/// Leading order, its covariance divided by 1 − F/P.
struct Inflated;

static CARD: Card = Card {
    name: "inflated",
    label: "inflated",
    meaning: "leading order with the variance inflation of least squares",
    role: Role::Other,
    completeness: Some(1),
    needs: Needs::Learner,
    covariance_of: None,
};

impl Closure for Inflated {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn law(&self, learner: &dyn Learner) -> Result<Box<dyn Law>> {
        Ok(Box::new(InflatedLaw(Leading.law(learner)?, 1.0 / (1.0 - learner.load()))))
    }
}

struct InflatedLaw(Box<dyn Law>, f64);

impl Law for InflatedLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.0.mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.0.cov(z, other).iter().map(|cov| self.1 * cov).collect()
    }
}

/// Ridge regression on one training set, (Â + γ)⁻¹ b̂.
fn train(problem: &TrainingProblem, learner: &Ridge, draw: u64) -> Result<Vec<f64>> {
    let (triples, len) = (problem.draw(draw), learner.features().len());
    let (mut phi, mut weights) = (vec![0.0; triples.len() * len], vec![0.0; len]);
    learner.features().fill(&triples.x, &triples.t, &mut phi);
    let diagonal = |i: usize| if i.is_multiple_of(len + 1) { learner.ridge() } else { 0.0 };
    let mut moment: Vec<f64> = (0..len * len).map(diagonal).collect();
    for ((row, y), &t) in phi.chunks_exact(len).zip(problem.labels(&triples)).zip(&triples.t) {
        let share = problem.weight(t) / triples.len() as f64;
        weights.iter_mut().zip(row).for_each(|(w, a)| *w += share * a * y);
        moment.iter_mut().enumerate().for_each(|(k, m)| *m += share * row[k / len] * row[k % len]);
    }
    linalg::solve_spd("a second moment", "use a larger ridge", &moment, len, &mut weights)?;
    Ok(weights)
}

/// The variance of the denoiser by closure and of 200 trained models, over 200 places of the training distribution.
pub fn rows() -> Result<Vec<(&'static str, f64)>> {
    let (schedule, cloud) = (Schedule::paper(0.02)?, PointCloud::new(vec![-1.0, 0.0, 1.0], 1)?);
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 256, Streams::new(1))?;
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 8 };
    let features = Features::Separable(Separable::uniform(1, axis(-1.5, 1.5), axis(0.02, 1.0))?);
    let learner = Ridge::new(&problem, features, 0.1, &quadrature::QuadratureSpec::default())?;
    let places = problem.probes(0, 200);
    let moments = |law: &dyn Law| law.prediction_moments(Prediction::Denoiser, &places.x, &places.t);
    let variance = |law: &dyn Law| moments(law).variance.iter().sum::<f64>() / 200.0;
    let closures = [&Leading as &dyn Closure, &Inflated, &FiniteP].into_iter();
    let row = |closure: &dyn Closure| Ok((closure.card().name, variance(closure.law(&learner)?.as_ref())));
    let mut rows = closures.map(row).collect::<Result<Vec<_>>>()?;
    let members: Vec<_> = (0..200).map(|draw| train(&problem, &learner, draw)).collect::<Result<_>>()?;
    let features = learner.features().clone();
    let trained = EmpiricalLinear::new(features, problem.objective(), schedule, &members)?;
    rows.push(("200 trained models", variance(&trained)));
    Ok(rows)
}

/// Prints the rows.
pub fn main() -> Result<()> {
    rows()?.iter().for_each(|(label, variance)| println!("{label:<20} Var of the denoiser {variance:.5}"));
    Ok(())
}
