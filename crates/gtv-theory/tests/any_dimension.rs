//! `finite-p` and `shot-noise` in many dimensions: totals over outputs and pools of models against the blocks of few dimensions.

use gtv_theory::closure::{FiniteP, Leading, Paper, ShotNoise};
use gtv_theory::features::{AxisBasis, RandomFourier, Separable};
use gtv_theory::law::{LinearLaw, TotalMoments, drawn_covariance};
use gtv_theory::learner::{Flow, Ridge};
use gtv_theory::linalg::{gemm_tn, solve_spd};
use gtv_theory::ntk::{
    Embedding, MlpSpec, NetworkFeatures, NetworkKernel, NetworkModel, NystromSpec, TimeEmbedding,
};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use gtv_theory::{
    At, Closure, Error, Features, Law, Learner, Objective, PointCloud, Preconditioning, Prediction, Schedule,
    TrainingProblem,
};
use std::sync::Arc;

fn problem(dim: usize, samples: usize) -> TrainingProblem {
    let points = (0..5 * dim).map(|i| (i as f64 * 1.3).sin()).collect();
    let cloud = PointCloud::new(points, dim).unwrap();
    let schedule = Schedule::paper(0.05).unwrap();
    TrainingProblem::new(cloud, schedule, Objective::default(), samples, Streams::new(4)).unwrap()
}

/// Products on tensor nodes in one and two dimensions, 48 random features on quasi-random nodes in more.
fn learner(problem: &TrainingProblem, ridge: f64, quasi_nodes: usize) -> Ridge {
    let spec = QuadratureSpec { times: 16, noise_spacing: 0.4, quasi_nodes, ..QuadratureSpec::default() };
    let axis = |lo, hi, len| AxisBasis::Gaussian { lo, hi, len };
    let features = if problem.dim() <= 2 {
        let axes = Separable::uniform(problem.dim(), axis(-1.5, 1.5, 5), axis(0.05, 1.0, 3));
        Features::Separable(axes.unwrap())
    } else {
        let schedule = Some(*problem.schedule());
        let fourier = RandomFourier::new(problem.dim(), 48, 2.0, 3.0, schedule, Streams::new(2));
        Features::RandomFourier(fourier.unwrap())
    };
    Ridge::new(problem, features, ridge, &spec).unwrap()
}

fn close(a: &[f64], b: &[f64], relative: f64) {
    let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= relative * scale, "{a} {b} at scale {scale}");
    }
}

fn rng(draw: usize) -> ChaCha8Rng {
    Streams::new(9).stream(Purpose::TheoryModel, draw as u64, 0)
}

#[test]
fn oracle_totals_are_those_of_the_blocks() {
    let with_draws = |dim, draws| problem(dim, 200).with_draws(draws).unwrap();
    for problem in [problem(1, 200), problem(2, 200), problem(3, 200), with_draws(1, 4), with_draws(2, 4)] {
        let (dim, ridge) = (problem.dim(), learner(&problem, 0.1, 4096));
        let (blocks, pooled) = (FiniteP::of_ridge(&ridge).unwrap(), FiniteP::pooled(&ridge).unwrap());
        assert!(blocks.settling().is_none() && pooled.settling().is_some());
        close(pooled.mean_weights(), blocks.mean_weights(), 1e-8);
        let places = problem.probes(0, 50);
        // The outputs' own variances, added up, against the sum over outputs.
        let each = blocks.moments(&places.x, &places.t).variance;
        let sums: Vec<f64> = each.chunks_exact(dim).map(|v| v.iter().sum()).collect();
        close(&pooled.total_moments(Prediction::Denoiser, &places.x, &places.t).variance, &sums, 1e-8);
        let at = |k: usize| At { x: &places.x[k * dim..(k + 1) * dim], t: places.t[k] };
        for k in 0..20 {
            let trace = |z, other| -> f64 { blocks.cov(z, other).iter().step_by(dim + 1).sum() };
            let scale = (trace(at(k), at(k)) * trace(at(k + 1), at(k + 1))).sqrt();
            assert!((pooled.cov_trace(at(k), at(k + 1)) - trace(at(k), at(k + 1))).abs() < 1e-8 * scale);
        }
    }
}

/// Each model's tr (y − E y)(y − E y)ᵀ, means over probes.
fn spreads(law: &LinearLaw, models: &[Vec<f64>]) -> Vec<f64> {
    let (dim, places) = (law.dim(), problem(law.dim(), 100).probes(5, 300));
    let mean = law.moments(&places.x, &places.t).mean;
    let square = |weights: &Vec<f64>| {
        let (field, mut sum, mut y) = (law.field(weights.clone()), 0.0, vec![0.0; dim]);
        for ((x, &t), mean) in places.x.chunks_exact(dim).zip(&places.t).zip(mean.chunks_exact(dim)) {
            field.prediction_into(x, t, &mut y);
            sum += y.iter().zip(mean).map(|(y, m)| (y - m) * (y - m)).sum::<f64>();
        }
        sum / places.t.len() as f64
    };
    models.iter().map(square).collect()
}

/// Mean and its standard error.
fn average(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

#[test]
fn monte_carlo_draws_have_the_total_variance() {
    const DRAWS: usize = 200;
    for (dim, samples) in [(1, 60), (2, 300), (3, 200), (6, 200)] {
        let problem = problem(dim, samples);
        let ridge = learner(&problem, 0.1, 8192);
        let (normal, shot) = (FiniteP::pooled(&ridge).unwrap(), ShotNoise::pooled(&ridge).unwrap());
        let places = problem.probes(5, 300);
        let TotalMoments { variance, .. } = normal.total_moments(Prediction::Denoiser, &places.x, &places.t);
        let want = variance.iter().sum::<f64>() / variance.len() as f64;
        let of_normal: Vec<Vec<f64>> = (0..DRAWS).map(|draw| normal.sample_weights(&mut rng(draw))).collect();
        let of_shot: Vec<Vec<f64>> = (0..DRAWS).map(|draw| shot.sample_weights(&mut rng(draw))).collect();
        for models in [of_normal, of_shot] {
            let (found, error) = average(&spreads(&normal, &models));
            // The pool of K models is a sample too, and has less than half of the variance from its members.
            let settling = normal.settling().unwrap();
            let error = error.hypot(0.5 * error * (DRAWS as f64 / settling.models as f64).sqrt());
            println!("D = {dim}: {found:.5} ± {error:.5}, total {want:.5}, {settling:?}");
            assert!((found - want).abs() < 4.0 * error, "D = {dim}: {found} ± {error}, {want}");
            assert!(error < 0.2 * want, "{error} {want}");
        }
    }
}

/// Ridge regression on a training set of its own.
fn trained(learner: &Ridge, set: u64) -> Vec<f64> {
    let (problem, features) = (learner.problem(), learner.features());
    let (triples, f_len) = (problem.draw(set), features.len());
    let count = triples.len();
    let mut phi = vec![0.0; count * f_len];
    features.fill(&triples.x, &triples.t, &mut phi);
    let weigh = |rows: &[f64]| -> Vec<f64> {
        let rows = rows.chunks_exact(rows.len() / count).zip(&triples.t);
        rows.flat_map(|(row, &t)| row.iter().map(move |v| problem.weight(t) / count as f64 * v)).collect()
    };
    let labels = problem.labels(&triples);
    let (mut moment, mut weights) = (vec![0.0; f_len * f_len], vec![0.0; f_len * problem.dim()]);
    gemm_tn(f_len, f_len, count, &phi, &weigh(&phi), &mut moment);
    gemm_tn(f_len, problem.dim(), count, &phi, &weigh(&labels), &mut weights);
    (0..f_len).for_each(|i| moment[i * f_len + i] += learner.ridge());
    solve_spd("a second moment", "", &moment, f_len, &mut weights).unwrap();
    weights
}

#[test]
fn monte_carlo_the_law_is_that_of_trained_models_at_two_samples_a_feature() {
    const MODELS: usize = 100;
    let problem = problem(3, 96);
    let ridge = learner(&problem, 1e-3, 8192);
    let (law, first) = (FiniteP::of_ridge(&ridge).unwrap(), Leading.law(&ridge).unwrap());
    let places = problem.probes(5, 300);
    let of = |law: &dyn Law| -> f64 {
        let TotalMoments { variance, .. } = law.total_moments(Prediction::Denoiser, &places.x, &places.t);
        variance.iter().sum::<f64>() / variance.len() as f64
    };
    let models: Vec<Vec<f64>> = (0..MODELS as u64).map(|set| trained(&ridge, set)).collect();
    let (found, error) = average(&spreads(&law, &models));
    println!("trained {found:.4} ± {error:.4}, finite-p {:.4}, leading {:.4}", of(&law), of(first.as_ref()));
    assert!((found - of(&law)).abs() < 4.0 * error, "{found} ± {error}, {}", of(&law));
    assert!((found - of(first.as_ref())).abs() > 4.0 * error, "{found} ± {error}, {}", of(first.as_ref()));
}

#[test]
fn monte_carlo_the_features_of_lazy_networks_in_five_dimensions() {
    const MODELS: usize = 60;
    let (preconditioning, schedule) =
        (Preconditioning::Edm { data_std: 0.7 }, Schedule::paper(0.05).unwrap());
    let cloud = problem(5, 200).cloud().clone();
    let objective = Objective { preconditioning, ..Objective::default() };
    let lazy = TrainingProblem::new(cloud.clone(), schedule, objective, 200, Streams::new(4)).unwrap();
    let time = TimeEmbedding::LogSnr;
    let embedding = Embedding::new(5, schedule, preconditioning, time, 2, 1.0, Streams::new(4)).unwrap();
    let network =
        NetworkModel::new(&MlpSpec { depth: 1, ..MlpSpec::default() }, embedding, &objective).unwrap();
    let resolved = NystromSpec { landmarks: 160, most: 60, ..NystromSpec::default() };
    let features = NetworkFeatures::new(&network, NetworkKernel::Ntk, &cloud, &resolved, Streams::new(4));
    let features = Features::Mapped(Arc::new(features.unwrap()));
    let spec = QuadratureSpec { quasi_nodes: 8192, ..QuadratureSpec::default() };
    let flow = Flow::new(&lazy, features, 1.0, &spec).unwrap();
    // A fifth as many features as samples.
    let flow = flow.at(flow.spectrum().time_of(40.0)).unwrap();
    let (ridge, law) = (flow.as_ridge().unwrap(), FiniteP.law(&flow).unwrap());
    let places = lazy.probes(5, 300);
    let TotalMoments { variance, .. } = law.total_moments(Prediction::Denoiser, &places.x, &places.t);
    let want = variance.iter().sum::<f64>() / variance.len() as f64;
    let models: Vec<Vec<f64>> = (0..MODELS as u64).map(|set| trained(&ridge, set)).collect();
    let (found, error) = average(&spreads(&FiniteP::of_ridge(&ridge).unwrap(), &models));
    println!("trained {found:.4} ± {error:.4}, finite-p {want:.4}");
    assert!((found - want).abs() < 4.0 * error && error < 0.1 * want, "{found} ± {error}, {want}");
}

#[test]
fn identities_totals_of_a_law_are_those_of_its_outputs() {
    let problem = problem(5, 300);
    let ridge = learner(&problem, 0.1, 8192);
    for closure in [&FiniteP as &dyn Closure, &ShotNoise] {
        let law = closure.law(&ridge).unwrap();
        let settling = law.settling().unwrap();
        assert!(settling.models == 51 && settling.generations > 1 && settling.change < 5e-3);
        let places = problem.probes(3, 40);
        for prediction in [Prediction::Denoiser, Prediction::Noise] {
            let of_all = law.total_moments(prediction, &places.x, &places.t);
            let of_each = law.prediction_moments(prediction, &places.x, &places.t);
            close(&of_all.mean, &of_each.mean, 1e-12);
            let sum = |v: &[f64]| v.iter().sum::<f64>();
            // The pool's share, at most a half of the variance, from 51 models of some 5 independent numbers each.
            let error = 0.5 * (2.0 / (51.0 * 5.0f64)).sqrt();
            let ratio = sum(&of_each.variance) / sum(&of_all.variance);
            assert!((ratio - 1.0).abs() < 4.0 * error, "{ratio}");
        }
        let at = |k: usize| At { x: &places.x[k * 5..(k + 1) * 5], t: places.t[k] };
        let of_score = law.total_moments(Prediction::Score, &places.x, &places.t).variance;
        assert!((law.cov_trace(at(3), at(3)) / of_score[3] - 1.0).abs() < 1e-10);
        assert!((law.cov_trace(at(0), at(1)) / law.cov_trace(at(1), at(0)) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn identities_the_pool_does_not_depend_on_threads() {
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let ridge = learner(&problem(4, 200), 0.1, 6000);
            let law = FiniteP::of_ridge(&ridge).unwrap();
            let drawn = ShotNoise::of_ridge(&ridge).unwrap().sample_weights(&mut rng(0));
            (drawn, law.sample_weights(&mut rng(1)), law.total_weight_variance())
        })
    };
    assert_eq!(made(1), made(3));
}

#[test]
fn nodes_that_are_too_few_are_refused() {
    // All 48 features count, on 64 nodes.
    let few = FiniteP.law(&learner(&problem(4, 200), 1e-6, 64)).err().unwrap();
    assert!(matches!(few, Error::OutOfRange { name: "quasi_nodes", value: 64.0, .. }), "{few}");
    assert!(
        few.to_string().contains("64") && few.to_string().contains("ten times as many as samples"),
        "{few}"
    );
}

#[test]
fn convergence_quick_fixed_points_are_near_the_exact_ones() {
    // From 16,384 nodes on fixed points start from an eighth of the nodes, in single precision; the nodes themselves differ by one
    // replicate of nine.
    let total =
        |nodes| FiniteP::of_ridge(&learner(&problem(4, 300), 0.1, nodes)).unwrap().total_weight_variance();
    assert!((total(16_384 + 2048) / total(16_384) - 1.0).abs() < 0.02);
}

#[test]
fn monte_carlo_shared_points_on_quasi_random_nodes_are_those_of_tensor_nodes() {
    let total = |draws, tensor_points| {
        let problem = problem(2, 400).with_draws(draws).unwrap();
        let axes = Separable::uniform(
            2,
            AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 5 },
            AxisBasis::Gaussian { lo: 0.05, hi: 1.0, len: 3 },
        );
        let spec = QuadratureSpec {
            times: 16,
            noise_spacing: 0.4,
            quasi_nodes: 16_384,
            tensor_points,
            ..QuadratureSpec::default()
        };
        let ridge = Ridge::new(&problem, Features::Separable(axes.unwrap()), 0.1, &spec).unwrap();
        let places = problem.probes(5, 300);
        let flow = Flow::new(&problem, Features::clone(ridge.features()), 3.0, &spec).unwrap();
        let of = |closure: &dyn Closure, learner: &dyn Learner| -> f64 {
            let found = closure.total_moments(learner, Prediction::Denoiser, &places.x, &places.t).unwrap();
            found.variance.iter().sum()
        };
        let of_ridge = [&FiniteP as &dyn Closure, &Leading].map(|closure| of(closure, &ridge));
        let of_flow = [&FiniteP as &dyn Closure, &Leading, &Paper].map(|closure| of(closure, &flow));
        [of_ridge.as_slice(), &of_flow].concat()
    };
    let shares = |tensor_points| -> Vec<f64> {
        let (one, eight) = (total(1, tensor_points), total(8, tensor_points));
        one.iter().zip(eight).map(|(one, eight)| eight / one).collect()
    };
    let (tensor, quasi) = (shares(64), shares(0));
    // 8,192 groups of 8 triples, each with one estimate of ḡḡᵀ of about its own size as spread, seven times over.
    let error = 7.0 / 8192f64.sqrt();
    println!("tensor {tensor:?}, quasi-random {quasi:?}");
    for (quasi, tensor) in quasi.iter().zip(tensor) {
        assert!((quasi / tensor - 1.0).abs() < error, "{quasi} {tensor}");
        // The share is seen.
        assert!(tensor > 1.0 + 2.0 * error, "{tensor}");
    }
}

#[test]
fn monte_carlo_drawn_covariances_are_those_of_the_blocks() {
    let problem = problem(2, 300);
    let ridge = learner(&problem, 0.1, 8192);
    let (blocks, pooled) = (FiniteP::of_ridge(&ridge).unwrap(), ShotNoise::pooled(&ridge).unwrap());
    let (x, t) = ([0.3, -0.2, 0.5, 0.1], [0.2, 0.6]);
    let at = |k: usize| At { x: &x[2 * k..2 * k + 2], t: t[k] };
    let found = drawn_covariance(&pooled, Prediction::Score, &x, &t, 400, Streams::new(6)).unwrap();
    for (k, l) in [(0, 0), (0, 1), (1, 1)] {
        let exact = blocks.cov(at(k), at(l));
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let place = (2 * k + i) * 4 + 2 * l + j;
            let (value, error) = (found.covariance[place], found.standard_error[place]);
            // The pool of 128 models has less than half of the variance from its members.
            let scale = (blocks.cov(at(k), at(k))[3 * i] * blocks.cov(at(l), at(l))[3 * j]).sqrt();
            let error = error.hypot(0.5 * scale * (2.0 / 128f64).sqrt());
            assert!(
                (value - exact[2 * i + j]).abs() < 4.0 * error,
                "{value} ± {error}, {}",
                exact[2 * i + j]
            );
        }
    }
}
