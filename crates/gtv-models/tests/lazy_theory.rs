//! The theory of lazy networks against really trained ones: relu, depth 1, three points in one dimension. Variance at every
//! training time, the initialisation's share of it, and the average learned distribution.

use gtv_models::lazy::InitialFunctions;
use gtv_models::{EnsembleOptions, LazyEnsemble, LazyTrainer, Member, Members};
use gtv_theory::compare::w1_sorted;
use gtv_theory::dynamics::{Lookup, LookupGrid, Sampling};
use gtv_theory::features::Features;
use gtv_theory::learner::{Flow, Learner, Order};
use gtv_theory::linalg::{gemm_nn, gemm_nt};
use gtv_theory::ntk::{Embedding, MlpSpec, NetworkFeatures, NetworkKernel, NystromSpec, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, TrainingProblem, Triples};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{BuiltIn, Schedule};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

const TIMES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const PROBES: usize = 400;
/// Features of the kernels: they miss some 3e-3 of the tangent kernel's trace.
const NYSTROM: NystromSpec = NystromSpec { landmarks: 384, threshold: 1e-10, most: 192 };

struct Setting {
    streams: Streams,
    schedule: Schedule,
    trainer: LazyTrainer,
}

impl Setting {
    fn new(seed: u64, samples: usize, time: f64, initial: bool) -> Self {
        let streams = Streams::new(seed);
        let schedule = Schedule::paper(0.01).unwrap();
        let cloud = BuiltIn::ThreePoints {}.build(&streams).unwrap();
        let preconditioning = Preconditioning::Edm { data_std: (2.0f64 / 3.0).sqrt() };
        let embedding =
            Embedding::new(1, schedule, preconditioning, TimeEmbedding::LogSnr, 2, 1.0, streams).unwrap();
        let arch = MlpSpec { depth: 1, ..MlpSpec::default() };
        let objective = Objective { preconditioning, ..Objective::default() };
        let problem = TrainingProblem::new(cloud, schedule, objective, samples, streams).unwrap();
        let initial =
            if initial { InitialFunctions::Drawn(NYSTROM, streams) } else { InitialFunctions::Centred };
        let trainer = LazyTrainer::new(&arch, embedding, problem, time, initial).unwrap();
        Self { streams, schedule, trainer }
    }

    /// What stands for the networks in the theory, from the initial function 0.
    fn flow(&self) -> Flow {
        let (model, problem) = (self.trainer.model(), self.trainer.problem());
        let kernel = NetworkKernel::Ntk;
        let features = NetworkFeatures::new(model, kernel, problem.cloud(), &NYSTROM, self.streams).unwrap();
        println!("features of the tangent kernel: {:?}", features.truncation());
        let quadrature = QuadratureSpec { times: 48, noise_spacing: 0.125, ..QuadratureSpec::default() };
        Flow::new(problem, Features::Mapped(Arc::new(features)), self.trainer.time(), &quadrature).unwrap()
    }

    fn train(&self, members: &[Member], times: &[f64]) -> Vec<LazyEnsemble> {
        let options = EnsembleOptions::default();
        LazyEnsemble::train_for(&self.trainer, self.streams, members, times, options).unwrap()
    }

    fn probes(&self) -> Triples {
        self.trainer.problem().probes(0, PROBES)
    }
}

/// Members of independent draws.
fn members(count: u64) -> Vec<Member> {
    (0..count).map(|i| Member { index: i, data: i, init: i }).collect()
}

/// Mean, and (mean square deviation, its standard error over the members), averaged over the probes.
fn moments(predictions: &[f64]) -> (Vec<f64>, f64, f64) {
    let count = (predictions.len() / PROBES) as f64;
    let mut mean = vec![0.0; PROBES];
    for y in predictions.chunks_exact(PROBES) {
        mean.iter_mut().zip(y).for_each(|(m, y)| *m += y / count);
    }
    let squares: Vec<f64> = predictions
        .chunks_exact(PROBES)
        .map(|y| y.iter().zip(&mean).map(|(y, m)| (y - m) * (y - m)).sum::<f64>() / PROBES as f64)
        .collect();
    let variance = squares.iter().sum::<f64>() / (count - 1.0);
    let spread = squares.iter().map(|s| (s - variance).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance, (spread / count).sqrt())
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    let size: f64 = b.iter().map(|b| b * b).sum();
    (a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / size).sqrt()
}

/// Mean of the prediction at each place, and its mean variance.
fn average(flow: &Flow, order: Order, probes: &Triples) -> (Vec<f64>, f64) {
    let moments = flow.expansion(order).unwrap().moments(&probes.x, &probes.t);
    let variance = moments.variance.iter().sum::<f64>() / PROBES as f64;
    (moments.mean, variance)
}

#[test]
fn monte_carlo_leading_predicts_the_variance_at_every_time() {
    let setting = Setting::new(0, 512, 1.0, false);
    let (flow, probes) = (setting.flow(), setting.probes());
    let ensembles = setting.train(&members(300), &TIMES);
    for (ensemble, time) in ensembles.iter().zip(TIMES) {
        let (mean, variance, error) = moments(&ensemble.predictions(&probes.x, &probes.t));
        let of = |order| average(&flow.at(time).unwrap(), order, &probes);
        let ((leading_mean, leading), (_, paper)) = (of(Order::First), of(Order::Limit));
        let modes = flow.spectrum().effective_features(time);
        println!(
            "τ = {time}, {modes:.1} modes learned: leading {:.3}, paper {:.3} of the ensemble's variance (standard \
             error {:.3}); error of the mean {:.4}",
            leading / variance,
            paper / variance,
            error / variance,
            relative(&leading_mean, &mean)
        );
        assert!((leading / variance - 1.0).abs() < 0.08, "τ = {time}: {}", leading / variance);
    }
}

#[test]
fn monte_carlo_the_initial_functions_share() {
    let setting = Setting::new(0, 512, 1.0, true);
    let probes = setting.probes();
    let features = setting.trainer.initial().unwrap().clone();
    println!("features of the initial functions: {:?}", features.truncation());
    let flow = setting.flow().starting_from(features).unwrap();
    // Twenty training sets, each from twelve initial functions.
    let (sets, starts) = (20, 12);
    let crossed: Vec<Member> =
        (0..sets * starts).map(|i| Member { index: i, data: i / starts, init: 1_000 + i }).collect();
    let times = [1.0, 30.0, 1000.0];
    for (ensemble, time) in setting.train(&crossed, &times).iter().zip(times) {
        let y = ensemble.predictions(&probes.x, &probes.t);
        // Within one training set: initialisation and its interaction with the data.
        let within: Vec<f64> = y.chunks_exact(starts as usize * PROBES).map(|set| moments(set).1).collect();
        let count = within.len() as f64;
        let mean = within.iter().sum::<f64>() / count;
        let spread = within.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = (spread / count).sqrt();
        let flow = flow.at(time).unwrap();
        let split = flow.split(Order::First, &probes.x, &probes.t).unwrap();
        let theory = split.initialisation + split.interaction;
        println!("τ = {time}: {split:?}; ensemble's share of the start {mean:.3e} ± {error:.1e}");
        // Three standard errors, and the second order of 1/P in the interaction, which is itself the first.
        let order = split.interaction * split.interaction / theory;
        assert!((theory - mean).abs() < 3.0 * error + order, "τ = {time}: {theory} {mean} ± {error}");
        // The joint law has the sum.
        let joint = average(&flow, Order::First, &probes).1;
        assert!((joint / split.total() - 1.0).abs() < 1e-6, "{joint} {split:?}");
    }
}

/// Paths of each model, models trained, models drawn from each law (more, so that the draws add little noise of their own), and the
/// table that all are looked up in.
const PATHS: usize = 400;
const MODELS: usize = 2_000;
const DRAWS: usize = 8_000;
const GRID: LookupGrid = LookupGrid { lo: -3.0, hi: 3.0, len: 151 };

/// Models whose tables are made together.
const BATCH: usize = 50;

/// The average learned distribution of models given by their denoisers on the table, one after another, sorted.
fn distribution(
    setting: &Setting,
    lane: u64,
    models: usize,
    denoisers: impl Fn(Range<usize>) -> Vec<f64> + Sync,
) -> Vec<f64> {
    let times = Sampling::default().times(&setting.schedule).unwrap();
    let empty = Lookup::new(&setting.schedule, &times, GRID, 1).unwrap();
    let cells = (times.len() - 1) * GRID.len;
    let mut x: Vec<f64> = (0..models.div_ceil(BATCH))
        .into_par_iter()
        .flat_map_iter(|batch| {
            let range = batch * BATCH..models.min((batch + 1) * BATCH);
            let mut lookup = empty.clone();
            let mut x = Vec::with_capacity(PATHS * range.len());
            for (values, model) in denoisers(range.clone()).chunks_exact(cells).zip(range) {
                let mut rows = values.chunks_exact(GRID.len);
                lookup.tabulate(|_, out| out.copy_from_slice(rows.next().unwrap()));
                let lane = (lane << 40) + model as u64;
                lookup.for_each_batch(PATHS, setting.streams, lane, |batch| x.extend(batch));
            }
            x
        })
        .collect();
    x.par_sort_unstable_by(f64::total_cmp);
    x
}

#[test]
fn monte_carlo_leading_predicts_the_average_learned_distribution() {
    // F_eff/P from 1/29 to 1/8.
    for samples in [256, 72] {
        average_learned_distribution(samples);
    }
}

fn average_learned_distribution(samples: usize) {
    let time = 1000.0;
    let setting = Setting::new(0, samples, time, false);
    let flow = setting.flow();
    let modes = flow.spectrum().effective_features(time);
    assert!(modes / samples as f64 <= 1.0 / 8.0, "{modes} modes");
    let times = Sampling::default().times(&setting.schedule).unwrap();
    let (mut x, mut t) = (Vec::new(), Vec::new());
    for time in &times[..times.len() - 1] {
        x.extend(GRID.points());
        t.extend(std::iter::repeat_n(*time, GRID.len));
    }
    let cells = t.len();
    let ensemble = setting.train(&members(MODELS as u64), &[time]).swap_remove(0);
    let trained = ensemble.predictions(&x, &t);
    let mut mean = vec![0.0; cells];
    for y in trained.chunks_exact(cells) {
        mean.iter_mut().zip(y).for_each(|(m, y)| *m += y / MODELS as f64);
    }
    let deviations: Vec<f64> = trained
        .chunks_exact(cells)
        .flat_map(|y| y.iter().zip(&mean).map(|(y, m)| (y - m) / ((MODELS - 1) as f64).sqrt()))
        .collect();
    let of_members =
        distribution(&setting, 0, MODELS, |range| trained[range.start * cells..range.end * cells].to_vec());

    // A Gaussian with the ensemble's own moments.
    let own = |lane: u64| {
        distribution(&setting, lane, DRAWS, |range| {
            let count = range.len();
            let noise: Vec<f64> = range
                .flat_map(|model| {
                    let rng = setting.streams.stream(Purpose::TheoryModel, (lane << 40) + model as u64, 0);
                    StandardNormal.sample_iter(rng).take(MODELS)
                })
                .collect();
            let mut values = vec![0.0; count * cells];
            gemm_nn(count, cells, MODELS, &noise, &deviations, &mut values);
            values.iter_mut().enumerate().for_each(|(k, v)| *v += mean[k % cells]);
            values
        })
    };
    let of_law = |lane: u64, order| {
        let law = flow.expansion(order).unwrap();
        let model = setting.trainer.model();
        let skip: Vec<f64> = x.iter().zip(&t).map(|(x, t)| model.output_coefficients(*t).0 * x).collect();
        let features = law.features();
        let mut phi = vec![0.0; cells * features.len()];
        features.fill(&x, &t, &mut phi);
        distribution(&setting, lane, DRAWS, |range| {
            let count = range.len();
            let weights: Vec<f64> = range
                .flat_map(|model| {
                    let id = (lane << 40) + model as u64;
                    law.sample_weights(&mut setting.streams.stream(Purpose::TheoryModel, id, 0))
                })
                .collect();
            let mut values = vec![0.0; count * cells];
            gemm_nt(count, cells, features.len(), &weights, &phi, &mut values);
            values.iter_mut().enumerate().for_each(|(k, v)| *v += skip[k % cells]);
            values
        })
    };
    let own_draws = own(1);
    let floor = w1_sorted(&own_draws, &own(2));
    let own_moments = w1_sorted(&own_draws, &of_members);
    let leading = w1_sorted(&of_law(3, Order::First), &of_members);
    let paper = w1_sorted(&of_law(4, Order::Limit), &of_members);
    println!(
        "W1 to the trained average at {modes:.1} modes, P = {samples}: leading {leading:.4}, paper {paper:.4}, own moments \
         {own_moments:.4}, floor {floor:.4}"
    );
    assert!(leading <= own_moments + 0.004, "P = {samples}: leading {leading}, own moments {own_moments}");
    assert!(leading < paper, "P = {samples}: leading {leading}, paper {paper}");
}
