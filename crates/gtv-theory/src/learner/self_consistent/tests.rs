use super::*;
use crate::closure::{Closure, FiniteP, ShotNoise, law_of};
use crate::features::{AxisBasis, Features, RandomFourier, Separable};
use crate::law::{At, Law};
use crate::linalg::{gemm_nn, quadratic_forms};
use crate::problem::{Objective, Prediction, Schedule, TrainingProblem};
use crate::quadrature::QuadratureSpec;
use crate::rng::{Purpose, Streams};
use crate::{Learner, PointCloud};

fn problem(dim: usize, samples: usize) -> TrainingProblem {
    let points = (0..5 * dim).map(|i| (i as f64 * 1.3).sin()).collect();
    let cloud = PointCloud::new(points, dim).unwrap();
    let schedule = Schedule::paper(0.05).unwrap();
    TrainingProblem::new(cloud, schedule, Objective::default(), samples, Streams::new(4)).unwrap()
}

/// Products on tensor nodes in one and two dimensions, random features on quasi-random nodes in more.
fn ridge(dim: usize, samples: usize, quasi_nodes: usize) -> Ridge {
    let problem = problem(dim, samples);
    let spec = QuadratureSpec { times: 16, noise_spacing: 0.4, quasi_nodes, ..QuadratureSpec::default() };
    let axis = |lo, hi, len| AxisBasis::Gaussian { lo, hi, len };
    let features = if dim <= 2 {
        let axes = Separable::uniform(dim, axis(-1.5, 1.5, 5), axis(0.05, 1.0, 3));
        Features::Separable(axes.unwrap())
    } else {
        let schedule = Some(*problem.schedule());
        Features::RandomFourier(RandomFourier::new(dim, 48, 2.0, 3.0, schedule, Streams::new(2)).unwrap())
    };
    Ridge::new(&problem, features, 0.1, &spec).unwrap()
}

fn close(a: &[f64], b: &[f64], relative: f64) {
    let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= relative * scale, "{a} {b} at scale {scale}");
    }
}

fn pooled(solved: &SelfConsistent) -> &Pooled {
    match &solved.spread {
        Spread::Pooled(pooled) => pooled,
        Spread::Blocks(_) => panic!("a pool was asked for"),
    }
}

/// Σ_i S_ii of blocks.
fn sum_of_blocks(solved: &SelfConsistent, dim: usize) -> Vec<f64> {
    let Spread::Blocks(blocks) = &solved.spread else { panic!("blocks were asked for") };
    let diagonal = (0..dim).map(|i| &blocks[i * (2 * dim - i + 1) / 2]);
    diagonal.fold(vec![0.0; blocks[0].len()], |sum, block| sum.iter().zip(block).map(|(s, b)| s + b).collect())
}

#[test]
fn oracle_the_sum_over_outputs_is_that_of_the_blocks() {
    for dim in [1, 2, 3] {
        let ridge = ridge(dim, 200, 4096);
        let blocks = SelfConsistent::in_blocks(&ridge).unwrap();
        let sums = SelfConsistent::pooled(&ridge).unwrap();
        close(&sums.mean, &blocks.mean, 1e-8);
        close(&pooled(&sums).total, &sum_of_blocks(&blocks, dim), 1e-8);
    }
}

#[test]
fn oracle_shared_data_points_are_those_of_the_blocks() {
    let ridge = ridge(2, 200, 4096).with_problem(problem(2, 200).with_draws(4).unwrap());
    let blocks = SelfConsistent::in_blocks(&ridge).unwrap();
    let sums = SelfConsistent::pooled(&ridge).unwrap();
    close(&pooled(&sums).total, &sum_of_blocks(&blocks, 2), 1e-8);
}

/// E over probes of tr Var y by draws of weights, with its standard error, beside φᵀS_trφ.
fn against_total(ridge: &Ridge, total: &[f64], mean: &[f64], draws: &[Vec<f64>]) -> (f64, f64, f64) {
    let (dim, f_len) = (ridge.dim(), ridge.features.len());
    let probes = ridge.problem.probes(5, 300);
    let mut phi = vec![0.0; 300 * f_len];
    ridge.features.fill(&probes.x, &probes.t, &mut phi);
    let mut forms = vec![0.0; 300];
    quadratic_forms(&phi, &crate::linalg::fold(total, f_len), f_len, &mut forms);
    let want = forms.iter().sum::<f64>() / 300.0;
    let each: Vec<f64> = draws
        .iter()
        .map(|weights| {
            let deviation: Vec<f64> = weights.iter().zip(mean).map(|(w, m)| w - m).collect();
            let mut out = vec![0.0; 300 * dim];
            gemm_nn(300, dim, f_len, &phi, &deviation, &mut out);
            out.iter().map(|v| v * v).sum::<f64>() / 300.0
        })
        .collect();
    let n = each.len() as f64;
    let found = each.iter().sum::<f64>() / n;
    let variance = each.iter().map(|v| (v - found).powi(2)).sum::<f64>() / (n - 1.0);
    (found, (variance / n).sqrt(), want)
}

#[test]
fn monte_carlo_draws_have_the_total_variance() {
    const DRAWS: usize = 300;
    for (dim, samples) in [(1, 60), (2, 300), (3, 200), (6, 200)] {
        let ridge = ridge(dim, samples, 16_384);
        let solved = SelfConsistent::pooled(&ridge).unwrap();
        let pool = pooled(&solved);
        let rng = |draw: usize| Streams::new(9).stream(Purpose::TheoryModel, draw as u64, 0);
        let shot: Vec<Vec<f64>> = (0..DRAWS).map(|draw| pool.partners.draw(&mut rng(draw))).collect();
        let gaussian = law_of(&ridge, &solved);
        let normal: Vec<Vec<f64>> = (0..DRAWS).map(|draw| gaussian.sample_weights(&mut rng(draw))).collect();
        // The pool is a sample too: its share of the variance is what the first generation lacks.
        let (of_pool, pool_error, _) = against_total(&ridge, &pool.total, &solved.mean, pool.partners.models());
        for draws in [&shot, &normal] {
            let (found, error, want) = against_total(&ridge, &pool.total, &solved.mean, draws);
            let error = error.hypot(0.5 * pool_error);
            println!("D = {dim}: {found:.5} ± {error:.5}, trace {want:.5}, pool {of_pool:.5}");
            assert!((found - want).abs() < 4.0 * error, "D = {dim}: {found} {want} ± {error}");
            assert!(error < 0.15 * want);
        }
    }
}

#[test]
fn identities_totals_of_a_law_are_those_of_its_outputs() {
    let ridge = ridge(5, 300, 8192);
    for closure in [&FiniteP as &dyn Closure, &ShotNoise] {
        let law = closure.law(&ridge).unwrap();
        let settling = law.settling().unwrap();
        assert!(settling.models == 51 && settling.generations > 1 && settling.change < 1e-3);
        let places = ridge.problem.probes(3, 40);
        for prediction in [Prediction::Denoiser, Prediction::Noise] {
            let of_all = law.total_moments(prediction, &places.x, &places.t);
            let of_each = law.prediction_moments(prediction, &places.x, &places.t);
            close(&of_all.mean, &of_each.mean, 1e-12);
            let sum = |v: &[f64]| v.iter().sum::<f64>();
            // The pool's share, at most a half of the variance, from 51 models of 5 outputs.
            let error = 0.5 * (2.0 / (51.0 * 5.0f64)).sqrt();
            assert!((sum(&of_each.variance) / sum(&of_all.variance) - 1.0).abs() < 4.0 * error);
            if prediction == Prediction::Denoiser {
                let (z, other) = (At { x: &places.x[..5], t: places.t[0] }, At { x: &places.x[5..10], t: places.t[1] });
                let on_y = |t| prediction.score_coefficients(ridge.problem.schedule(), t).0;
                let own = law.cov_trace(z, z) / on_y(z.t).powi(2);
                assert!((own / of_all.variance[0] - 1.0).abs() < 1e-10);
                assert!((law.cov_trace(z, other) - law.cov_trace(other, z)).abs() < 1e-9 * law.cov_trace(z, z));
            }
        }
    }
}

#[test]
fn identities_the_pool_does_not_depend_on_threads() {
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let ridge = ridge(4, 200, 6000);
            let mut rng = Streams::new(9).stream(Purpose::TheoryModel, 0, 0);
            (ShotNoise::of_ridge(&ridge).unwrap().sample_weights(&mut rng), FiniteP::of_ridge(&ridge).unwrap().total_weight_variance())
        })
    };
    assert_eq!(made(1), made(3));
}

#[test]
fn loads_that_are_too_high_and_nodes_that_are_too_few_are_refused() {
    let few = ridge(4, 200, 64);
    assert!(matches!(SelfConsistent::of(&few), Err(Error::OutOfRange { name: "quasi_nodes", .. })));
    // Hardly any ridge, and fewer triples than features.
    let crowded = ridge(4, 20, 8192);
    let crowded = Ridge::new(&crowded.problem, Features::clone(&crowded.features), 1e-9, crowded.quadrature()).unwrap();
    assert!(matches!(SelfConsistent::of(&crowded), Err(Error::NotConverged { .. })));
}

#[test]
fn golden_quick_fixed_points_are_near_the_exact_ones() {
    // Just above and just below the number of nodes from which on they are quick; the nodes themselves differ by one replicate.
    let [exact, quick] = [MANY_NODES, MANY_NODES + 2048].map(|nodes| SelfConsistent::of(&ridge(4, 300, nodes)).unwrap());
    let trace = |solved: &SelfConsistent| pooled(solved).total.iter().step_by(49).sum::<f64>();
    assert!((trace(&quick) / trace(&exact) - 1.0).abs() < 0.02);
}
