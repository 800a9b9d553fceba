//! How long the closures of a ridge regression take on many quasi-random nodes, from one small piece of each kind of their work: blocks of
//! nodes, a few triples of a training set. Pieces are timed on this machine, and counted.

use super::labels::node_labels;
use super::many_outputs::triples_of_laws;
use super::self_consistent::{Plan, gram, quadratic};
use super::{Leverage, Part, Partners, Precision, Residual, Ridge, RidgeSystem, Sprinkling};
use crate::design::{self, BLOCK};
use crate::error::Result;
use crate::rng::Purpose;
use crate::timing::settled;
use rayon::prelude::*;

/// Triples of a training set that are timed.
const TRIPLES: usize = 2048;
/// Nodes whose labels are timed.
const LABELLED: usize = 256;
/// Seconds for each of the numbers that a draw from a joint covariance reads.
const READ: f64 = 1e-9;

/// Seconds of a closure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    /// The fixed points that its law shares with others, by the clock; the first of them pays.
    pub solved: f64,
    /// The rest of its law, by the clock.
    pub law: f64,
    /// What is made when the first model is drawn, by the clock.
    pub first: f64,
    /// A model drawn from it, on one thread.
    pub draw: f64,
}

/// Seconds of the closures that are made from a ridge regression's nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rehearsal {
    /// The labels' averages on all the nodes, which closures share, by the clock.
    pub labels: f64,
    /// To first order in 1/P.
    pub leading: Times,
    /// With self-consistent leverage.
    pub finite_p: Times,
    /// With Poisson sprinkled training points.
    pub shot_noise: Times,
}

impl Ridge {
    /// The seconds that closures take on `nodes` nodes, from this learner on few; `None` for a rule that is a product.
    ///
    /// # Errors
    /// A singular second moment.
    pub(super) fn rehearsed(&self, nodes: usize) -> Result<Option<Rehearsal>> {
        if !self.nodes.blocks().is_empty() {
            return Ok(None);
        }
        let (dim, f_len, threads) = (self.dim(), self.features.len(), rayon::current_num_threads() as f64);
        let scale = nodes as f64 / self.nodes() as f64;
        let labelled = LABELLED.min(self.nodes());
        let labels = settled(|| node_labels(&self.problem, &self.nodes, 0..labelled)).1;
        let labels = labels * nodes as f64 / labelled as f64;
        self.target();
        let fill = self.fill_time();
        let (mean_moment, moment) = settled(|| self.target_moment(|q| self.weight[q]));
        let moment = scale * (fill + moment);

        let value = self.weighted(|q| self.weight[q]);
        let (second_moment, double_gram) = settled(|| gram(self, Precision::Double, &value));
        let (system, solve) = settled(|| RidgeSystem::new(second_moment.clone(), f_len, self.ridge));
        let system = system?;
        let plan = Plan::on(nodes, f_len, dim, system.precision());
        let fill = if design::is_streamed(nodes, f_len) { fill } else { 0.0 };
        let gram_time = scale * (fill + settled(|| gram(self, plan.precision, &value)).1);
        let form_time = scale * (fill + settled(|| quadratic(self, plan.precision, system.inverse())).1);
        let double_gram = scale * (fill + double_gram);

        let mean = system.solve(&mean_moment);
        let (damped, known) = self.triple_times(&system, &mean);
        let laws = triples_of_laws(dim, self.problem.draws()) as f64;
        let joint = (dim * f_len) as f64;
        // Products of two factors of a matrix, one multiplication in each of the rows of a gram.
        let multiplication = double_gram * threads / (0.5 * nodes as f64 * (f_len * f_len) as f64);
        let (first, draw) = if self.has_many_outputs() {
            (0.0, laws * known)
        } else {
            (multiplication * joint.powi(3) / 3.0, READ * joint * joint / 2.0)
        };
        let pairs = (dim * (dim + 1) / 2) as f64;
        let leading = Times {
            solved: 0.0,
            law: if self.has_many_outputs() {
                double_gram + form_time + 2.0 * moment + solve + laws * known / threads + gram_time
            } else {
                (1.0 + pairs) * double_gram + moment + solve
            },
            first,
            draw,
        };
        let iteration = |times: f64| times * (gram_time + form_time) * plan.share + times * solve;
        let fixed_points = plan.passes * (gram_time + form_time) + iteration(plan.leverage);
        let blocks = plan.blocks as f64;
        let spread = blocks * (iteration(plan.covariance) + plan.passes * gram_time);
        let (solved, finite_p, forms) = if plan.pooled {
            let models = Partners::count(dim) as f64;
            let pool = models * self.samples() * (damped + (Partners::GENERATIONS - 1.0) * known);
            let solved = fixed_points + spread + 2.0 * moment + (pool + laws * damped) / threads;
            // Another model's noise takes about what the leverage does.
            (solved, Times { draw: laws * known, ..Times::default() }, 2.0)
        } else {
            // Covariances of labels take what labels do; noise is drawn from a quadratic form for each pair.
            (fixed_points + spread + moment + labels, Times { first, draw, ..Times::default() }, 1.0 + pairs)
        };
        let shot_noise = Times { solved, draw: self.samples() * damped * forms, ..Times::default() };
        Ok(Some(Rehearsal { labels, leading, finite_p: Times { solved, ..finite_p }, shot_noise }))
    }

    /// Seconds of the features of these nodes, by the clock.
    fn fill_time(&self) -> f64 {
        let dim = self.dim();
        let x = self.nodes.x(0..self.nodes());
        let blocks = x.par_chunks(BLOCK * dim).zip(self.nodes.t.par_chunks(BLOCK));
        settled(|| {
            blocks.clone().for_each(|(x, t)| {
                let mut phi = vec![0.0; t.len() * self.features.len()];
                self.features.fill(x, t, &mut phi);
            });
        })
        .1
    }

    /// Seconds of a triple of a training set on one thread: with its leverage, and where that is known.
    fn triple_times(&self, system: &RidgeSystem, mean: &[f64]) -> (f64, f64) {
        let sprinkling = Sprinkling::new(self, system, mean, Leverage::Kept);
        let mut rng = self.problem.streams().named("rehearsal").stream(Purpose::TheoryModel, 0, 0);
        let count = TRIPLES.next_multiple_of(self.problem.draws());
        let triples = self.problem.sampler().draw_from(&mut rng, count);
        let residual = Residual::Fit(mean);
        let residuals: &(dyn Fn(&Part<'_>) -> Vec<f64> + Sync) = &|part| residual.of_triples(self, part);
        let (damped, first) = settled(|| {
            let mut damped = Vec::new();
            sprinkling.weights(&triples, &mut damped, residuals);
            damped
        });
        let again = settled(|| sprinkling.weights(&triples, &mut damped.clone(), residuals)).1;
        (first / count as f64, again / count as f64)
    }
}
