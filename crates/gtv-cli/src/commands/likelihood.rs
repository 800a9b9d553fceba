//! `gtv-cli evaluate --likelihood`: ln q of points under members, a closure or the exact score.

use super::members;
use crate::context::Context;
use anyhow::Result;
use gtv_study::Study;
use gtv_theory::dynamics::{Divergence, Likelihood, bits_per_dimension, log_mean_exp};
use gtv_theory::law::Law;
use gtv_theory::rng::Purpose;
use gtv_theory::{ExactScore, ScoreField};
use std::path::Path;

/// Named arrays: one value for each point, or for each member and point.
pub type Arrays = Vec<(&'static str, Vec<f64>)>;

/// The points that are asked about, x (Q × D) at t (Q).
pub struct Ask<'a> {
    /// x.
    pub x: &'a [f64],
    /// t.
    pub t: &'a [f64],
    /// What they are points of.
    pub study: &'a Study,
    /// The command's surroundings.
    pub ctx: &'a Context,
}

/// Values with their standard errors, one field after the other.
#[derive(Default)]
struct Found {
    nats: Vec<f64>,
    errors: Vec<f64>,
}

impl Ask<'_> {
    /// Under every member of a run and their average law.
    pub fn members(&self, run: &Path) -> Result<Arrays> {
        let (count, mut found) = (self.study.members.len(), Found::default());
        let bar = self.ctx.progress("likelihood", count as u64);
        for member in 0..count {
            self.add(members::load(run, self.study.family.as_ref(), member)?.as_ref(), &mut found)?;
            bar.advance(1);
        }
        let average = self.average(&found.nats);
        let bits = self.bits(&average.nats);
        let mut arrays = self.arrays(found);
        arrays.push(("log_likelihood_average", average.nats));
        arrays.push(("bits_per_dimension_average", bits));
        Ok(arrays)
    }

    /// Under the mean score of a law and the average of models drawn from it.
    pub fn law(&self, law: &dyn Law) -> Result<Arrays> {
        let mut mean = Found::default();
        self.add(law.mean_score().as_ref(), &mut mean)?;
        let mut arrays = self.arrays(mean);
        let (models, mut found) = (self.study.theory.models, Found::default());
        let streams = self.study.problem().streams().named("evaluate");
        let bar = self.ctx.progress("likelihood", models as u64);
        for model in 0..models as u64 {
            let Some(field) = law.draw(&mut streams.stream(Purpose::TheoryModel, model, 0)) else {
                return Ok(arrays);
            };
            self.add(field.as_ref(), &mut found)?;
            bar.advance(1);
        }
        let average = self.average(&found.nats);
        arrays.push(("bits_per_dimension_average", self.bits(&average.nats)));
        arrays.push(("log_likelihood_average", average.nats));
        arrays.push(("log_likelihood_average_error", average.errors));
        Ok(arrays)
    }

    /// Under the exact score, whose divergence is known in every dimension.
    pub fn exact(&self, field: &ExactScore) -> Result<Arrays> {
        let mut found = Found::default();
        self.add_by(&Likelihood::new(field, Divergence::Exact), &mut found)?;
        Ok(self.arrays(found))
    }

    fn add(&self, field: &dyn ScoreField, found: &mut Found) -> Result<()> {
        let problem = self.study.problem();
        let divergence = Divergence::in_dimension(problem.dim(), problem.streams());
        self.add_by(&Likelihood::new(field, divergence), found)
    }

    fn add_by<F: ScoreField + ?Sized>(
        &self,
        likelihood: &Likelihood<'_, F>,
        found: &mut Found,
    ) -> Result<()> {
        self.ctx.interrupt.check_for_nothing()?;
        for one in likelihood.at(self.x, self.t)? {
            found.nats.push(one.nats);
            found.errors.push(one.standard_error);
        }
        Ok(())
    }

    /// The average law of fields, with its standard error over them.
    fn average(&self, nats: &[f64]) -> Found {
        let count = self.t.len();
        let of = |q: usize| log_mean_exp(&nats.iter().skip(q).step_by(count).copied().collect::<Vec<_>>());
        let (nats, errors) = (0..count).map(of).unzip();
        Found { nats, errors }
    }

    fn bits(&self, nats: &[f64]) -> Vec<f64> {
        let dim = self.study.problem().dim();
        nats.iter().map(|nats| bits_per_dimension(*nats, dim)).collect()
    }

    /// What is said of fields; errors only where they are estimated.
    fn arrays(&self, found: Found) -> Arrays {
        let bits = self.bits(&found.nats);
        let mut arrays = vec![("log_likelihood", found.nats), ("bits_per_dimension", bits)];
        if found.errors.iter().any(|error| *error > 0.0) {
            arrays.push(("log_likelihood_error", found.errors));
        }
        arrays
    }
}
