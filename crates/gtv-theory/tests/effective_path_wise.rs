//! Path-wise sampling of the effective dynamics: the law of drawing one field for every path, and exact small cases.

use gtv_theory::closure::FiniteP;
use gtv_theory::compare::{directions, project, w1};
use gtv_theory::dynamics::{Form, NaiveNoise, NaivePaths, PathWise, PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::law::{InTime, LinearLaw, Naive, StepLength, TimeCorrelation};
use gtv_theory::learner::{Order, Ridge};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{
    At, ExactScore, Features, Law, Learner, Objective, PointCloud, Result, Schedule, ScheduleKind,
    ScoreField, TimeGrid, TrainingProblem,
};
use rayon::prelude::*;
use std::sync::Arc;

const FORMS: [Form; 2] = [Form::Time, Form::Denoiser];

fn cloud(dim: usize) -> PointCloud {
    match dim {
        1 => PointCloud::new(vec![-1.0, 0.0, 1.0], 1),
        _ => PointCloud::new(vec![-1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0], 2),
    }
    .unwrap()
}

/// The law that a closure gives of ridge regression.
type OfRidge = fn(&Ridge) -> Result<LinearLaw>;

fn leading(ridge: &Ridge) -> Result<LinearLaw> {
    ridge.expansion(Order::First)
}

fn law(dim: usize, axis: usize, samples: usize, closure: OfRidge) -> LinearLaw {
    let schedule = Schedule::paper(0.02).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: axis };
    let time = AxisBasis::Gaussian { lo: 0.02, hi: 1.0, len: axis };
    let features = Features::Separable(Separable::uniform(dim, space, time).unwrap());
    let (objective, streams) = (Objective::default(), Streams::new(1));
    let problem = TrainingProblem::new(cloud(dim), schedule, objective, samples, streams).unwrap();
    let quadrature = QuadratureSpec { times: 40, noise_spacing: 0.2, ..QuadratureSpec::default() };
    closure(&Ridge::new(&problem, features, 0.1, &quadrature).unwrap()).unwrap()
}

fn log_snr(steps: usize, form: Form) -> Sampling {
    Sampling { steps, form, grid: TimeGrid::LogSnr, ..Sampling::default() }
}

/// `paths` paths of each of `fields` drawn fields.
fn field_draws(law: &LinearLaw, settings: &Sampling, fields: u64, paths: usize, seed: u64) -> Vec<f64> {
    let streams = Streams::new(seed);
    let draw = |member: u64| {
        let field = law.draw(&mut streams.stream(Purpose::TheoryModel, member, 0)).unwrap();
        PfOde::new(field.as_ref(), settings).unwrap().sample(paths, streams, member, &unobserved).x
    };
    (0..fields).into_par_iter().map(draw).collect::<Vec<_>>().concat()
}

fn path_wise<L: Law + ?Sized>(law: &L, settings: &Sampling, paths: usize, seed: u64) -> Vec<f64> {
    PathWise::new(law, settings).unwrap().sample(paths, Streams::new(seed), 0, &unobserved).x
}

/// W1, averaged over 16 directions in more than one dimension.
fn distance(a: &[f64], b: &[f64], dim: usize) -> f64 {
    if dim == 1 {
        return w1(a, b).unwrap();
    }
    let count = 16;
    let axes = directions(dim, count, Streams::new(0)).unwrap();
    let along = |axis: &[f64]| w1(&project(a, axis), &project(b, axis)).unwrap();
    axes.chunks_exact(dim).map(along).sum::<f64>() / count as f64
}

/// E x^p of the first coordinate, and its standard error.
fn moment(x: &[f64], dim: usize, p: i32) -> (f64, f64) {
    let n = (x.len() / dim) as f64;
    let sum = |p: i32| x.iter().step_by(dim).map(|x| x.powi(p)).sum::<f64>() / n;
    let (mean, square) = (sum(p), sum(2 * p));
    (mean, ((square - mean * mean) / n).sqrt())
}

/// Three samples each of field draws and of path-wise draws: the mean W1 of the nine pairs at most twice the floor, the mean W1
/// within the same law, and even moments up to the eighth, which the tails dominate, within 4.5 standard errors;
/// while the same noise made white is at least eight away, so that the test can fail.
fn agree(dim: usize, law: &LinearLaw, settings: &Sampling, paths: usize) {
    let drawn: Vec<_> = (0..3).map(|s| field_draws(law, settings, paths as u64, 1, 10 + s)).collect();
    let found: Vec<_> = (0..3).map(|s| path_wise(law, settings, paths, 20 + s)).collect();
    assert!(found.iter().all(|x| x.len() == paths * dim), "every path arrives");
    let within = |x: &[Vec<f64>]| (0..3).map(|i| distance(&x[i], &x[(i + 1) % 3], dim)).sum::<f64>();
    let floor = (within(&drawn) + within(&found)) / 6.0;
    let pairs = drawn.iter().flat_map(|a| found.iter().map(|b| distance(a, b, dim)));
    let apart = pairs.sum::<f64>() / 9.0;
    assert!(apart < 2.0 * floor, "{dim}D {:?}: W1 {apart}, floor {floor}", settings.form);
    let deviation = |x: &[f64]| {
        let of_power = |p: i32| {
            let ((a, error_a), (b, error_b)) = (moment(&drawn.concat(), dim, p), moment(x, dim, p));
            (a - b).abs() / error_a.hypot(error_b)
        };
        [2, 4, 8].map(of_power).into_iter().fold(0.0, f64::max)
    };
    let apart = deviation(&found.concat());
    assert!(apart < 4.5, "{dim}D {:?}: moments {apart} standard errors apart", settings.form);
    let white = InTime::new(law, TimeCorrelation::White).unwrap();
    let apart = deviation(&path_wise(&white, settings, paths, 30));
    assert!(apart > 8.0, "{dim}D {:?}: white noise {apart} standard errors apart", settings.form);
}

#[test]
fn monte_carlo_path_wise_is_field_draws_in_one_dimension() {
    for (closure, form) in [(FiniteP::of_ridge as OfRidge, Form::Time), (leading, Form::Denoiser)] {
        agree(1, &law(1, 8, 128, closure), &Sampling { steps: 50, form, ..Sampling::default() }, 8000);
    }
}

#[test]
fn monte_carlo_path_wise_is_field_draws_in_two_dimensions() {
    let law = law(2, 4, 32, FiniteP::of_ridge);
    for form in FORMS {
        agree(2, &law, &Sampling { steps: 30, form, ..Sampling::default() }, 4000);
    }
}

#[test]
fn monte_carlo_average_over_fields_is_the_average_over_paths() {
    // Five paths of each field are not independent, so the floor is that of two such samples.
    let law = law(1, 8, 128, FiniteP::of_ridge);
    let settings = Sampling { steps: 30, ..Sampling::default() };
    let fields: Vec<_> = (0..3).map(|s| field_draws(&law, &settings, 2000, 5, 40 + s)).collect();
    let floor = (0..3).map(|i| distance(&fields[i], &fields[(i + 1) % 3], 1)).sum::<f64>() / 3.0;
    let apart = distance(&fields[0], &path_wise(&law, &settings, 10_000, 50), 1);
    assert!(apart < 2.0 * floor, "W1 {apart}, floor {floor}");
}

/// A mean score and a covariance given by functions.
struct Given<C: Fn(At<'_>, At<'_>) -> Vec<f64> + Send + Sync> {
    mean: Arc<dyn ScoreField>,
    cov: C,
}

impl<C: Fn(At<'_>, At<'_>) -> Vec<f64> + Send + Sync> Law for Given<C> {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.mean.clone()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        (self.cov)(z, other)
    }
}

#[test]
fn limits_without_variance_paths_are_the_flows_to_the_bit() {
    for kind in [ScheduleKind::PAPER, ScheduleKind::Flow] {
        let schedule = Schedule::new(kind, 0.01, 0.99).unwrap();
        for dim in [1, 2] {
            let mean: Arc<dyn ScoreField> = Arc::new(ExactScore::new(cloud(dim), schedule));
            let still = Given { mean: mean.clone(), cov: move |_, _| vec![0.0; dim * dim] };
            for form in FORMS {
                let settings = log_snr(20, form);
                let flow = PfOde::new(mean.as_ref(), &settings).unwrap().starting_around(&vec![0.3; dim]);
                let paths = PathWise::new(&still, &settings).unwrap().starting_around(&vec![0.3; dim]);
                // More than one chunk, the last block not full.
                let expected = flow.unwrap().sample(1100, Streams::new(3), 5, &unobserved);
                assert_eq!(paths.unwrap().sample(1100, Streams::new(3), 5, &unobserved), expected);
            }
        }
    }
}

/// s = −x.
struct Pull(Schedule);

impl ScoreField for Pull {
    fn dim(&self) -> usize {
        2
    }

    fn schedule(&self) -> &Schedule {
        &self.0
    }

    fn score_into(&self, x: &[f64], _t: f64, out: &mut [f64]) {
        out.iter_mut().zip(x).for_each(|(o, x)| *o = -x);
    }
}

/// Entry (i, j) of Cov[ξ_i(t), ξ_j(t')] of two noises n_1, n_2 that persist: ξ = (n_1 + t n_2, (1 − t) n_1).
fn persistent(t: f64, other: f64) -> [f64; 4] {
    let (a, b) = ([[1.0, t], [1.0 - t, 0.0]], [[1.0, other], [1.0 - other, 0.0]]);
    let dot = |i: usize, j: usize| a[i][0] * b[j][0] + a[i][1] * b[j][1];
    [dot(0, 0), dot(0, 1), dot(1, 0), dot(1, 1)]
}

#[test]
fn monte_carlo_two_steps_have_the_closed_form_covariance() {
    // Linear drift and noise that does not depend on the state: x_2 = A_1 A_0 x_T + A_1 g_0 ξ_0 + g_1 ξ_1 in either form. Time
    // form: A = 1 + h(β − D), g = hD. Denoiser form: m̂ = ((1 − σ²)x + σ²ξ)/α, A = r + q(1 − σ²)/α, g = qσ²/α with r = σ'/σ,
    // q = α' − αr. 200,000 paths; a sample covariance has standard error √((c_ii c_jj + c_ij²)/n): 4.5 of them.
    let schedule = Schedule::paper(0.1).unwrap();
    let estimator = Given { mean: Arc::new(Pull(schedule)), cov: |z, w| persistent(z.t, w.t).to_vec() };
    for form in FORMS {
        let settings = Sampling { steps: 2, form, ..Sampling::default() };
        let times = settings.times(&schedule).unwrap();
        let step = |k: usize| {
            let (from, to) = (times[k], times[k + 1]);
            let (alpha, var, h) = (schedule.signal(from), schedule.noise_var(from), from - to);
            match form {
                Form::Time => {
                    let d = schedule.diffusion(from);
                    (1.0 + h * (schedule.drift_rate(from) - d), h * d)
                }
                Form::Denoiser => {
                    let r = schedule.noise_std(to) / var.sqrt();
                    let q = schedule.signal(to) - alpha * r;
                    (r + q * (1.0 - var) / alpha, q * var / alpha)
                }
            }
        };
        let ((a0, g0), (a1, g1)) = (step(0), step(1));
        let expected: Vec<f64> = (0..4)
            .map(|e| {
                let term = |k: usize, l: usize| persistent(times[k], times[l])[e];
                let start = if e % 3 == 0 { schedule.noise_var(1.0) } else { 0.0 };
                (a0 * a1).powi(2) * start
                    + (a1 * g0).powi(2) * term(0, 0)
                    + g1 * g1 * term(1, 1)
                    + a1 * g0 * g1 * (term(0, 1) + term(1, 0))
            })
            .collect();
        let n = 200_000;
        let x = path_wise(&estimator, &settings, n, 50);
        for i in 0..2 {
            let mean = x.iter().skip(i).step_by(2).sum::<f64>() / n as f64;
            assert!(mean.abs() < 4.5 * (expected[3 * i] / n as f64).sqrt(), "{form:?} mean {i}: {mean}");
            for j in 0..2 {
                let found = x.chunks_exact(2).map(|x| x[i] * x[j]).sum::<f64>() / n as f64;
                let exact = expected[2 * i + j];
                let error = ((expected[3 * i] * expected[3 * j] + exact * exact) / n as f64).sqrt();
                assert!((found - exact).abs() < 4.5 * error, "{form:?} {i}{j}: {found}, exactly {exact}");
            }
        }
    }
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    let law = law(1, 8, 128, leading);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| path_wise(&law, &Sampling::default(), 3000, 4))
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn oracle_naive_estimator_path_wise_is_the_naive_paths() {
    // Up to one block of paths in one dimension both draw the same normals in the same order: equal to rounding, which
    // the flow amplifies by at most e^10 between the basins.
    let schedule = Schedule::paper(0.03).unwrap();
    let cloud = cloud(1);
    for form in FORMS {
        let settings = log_snr(60, form);
        let step = StepLength::on_grid(&settings.times(&schedule).unwrap()).unwrap();
        let naive = Naive::new(cloud.clone(), schedule, 0.2, step).unwrap();
        let paths = NaivePaths::new(&cloud, &schedule, 0.2, NaiveNoise::Gaussian, &settings).unwrap();
        let expected = paths.sample(32, Streams::new(6), 1, &unobserved);
        let found = PathWise::new(&naive, &settings).unwrap().sample(32, Streams::new(6), 1, &unobserved);
        let apart = found.x.iter().zip(&expected.x).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-10, "{form:?}: {apart}");
    }
}

#[test]
fn monte_carlo_naive_estimator_path_wise_in_two_dimensions() {
    let (schedule, n) = (Schedule::paper(0.03).unwrap(), 10_000);
    let cloud = cloud(2);
    let settings = log_snr(60, Form::Denoiser);
    let step = StepLength::on_grid(&settings.times(&schedule).unwrap()).unwrap();
    let naive = Naive::new(cloud.clone(), schedule, 0.2, step).unwrap();
    let draw = |load: f64, seed| {
        let paths = NaivePaths::new(&cloud, &schedule, load, NaiveNoise::Gaussian, &settings).unwrap();
        paths.sample(n, Streams::new(seed), 0, &unobserved).x
    };
    let (a, b, c) = (draw(0.2, 1), draw(0.2, 2), draw(0.2, 3));
    let floor = (distance(&a, &b, 2) + distance(&b, &c, 2) + distance(&c, &a, 2)) / 3.0;
    let found = path_wise(&naive, &settings, n, 4);
    assert!(distance(&a, &found, 2) < 2.0 * floor, "{} {floor}", distance(&a, &found, 2));
}
