//! The laws' covariances: along paths against pair by pair, changed in time, and the properties that V must have.

use gtv_theory::closure::FiniteP;
use gtv_theory::dynamics::{PathWise, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::law::{EmpiricalLinear, InTime, LinearLaw, Naive, Response, StepLength, TimeCorrelation};
use gtv_theory::learner::{Order, Ridge};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{
    At, ExactScore, Features, Law, Learner, Objective, PointCloud, Prediction, Result, Schedule,
    ScheduleKind, ScoreField, TimeGrid, TrainingProblem,
};
use std::sync::Arc;

fn features(dim: usize, axis: usize) -> Features {
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: axis };
    let time = AxisBasis::Gaussian { lo: 0.02, hi: 1.0, len: axis };
    Features::Separable(Separable::uniform(dim, space, time).unwrap())
}

fn schedule() -> Schedule {
    Schedule::paper(0.02).unwrap()
}

/// The law that a closure gives of ridge regression.
type OfRidge = fn(&Ridge) -> Result<LinearLaw>;

fn paper(ridge: &Ridge) -> Result<LinearLaw> {
    ridge.expansion(Order::Limit)
}

fn leading(ridge: &Ridge) -> Result<LinearLaw> {
    ridge.expansion(Order::First)
}

fn law(cloud: &PointCloud, axis: usize, prediction: Prediction, closure: OfRidge) -> LinearLaw {
    let objective = Objective { prediction, ..Objective::default() };
    let problem = TrainingProblem::new(cloud.clone(), schedule(), objective, 128, Streams::new(1)).unwrap();
    let quadrature = QuadratureSpec { times: 30, noise_spacing: 0.3, ..QuadratureSpec::default() };
    closure(&Ridge::new(&problem, features(cloud.dim(), axis), 0.1, &quadrature).unwrap()).unwrap()
}

fn three_points() -> PointCloud {
    PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap()
}

fn triangle() -> PointCloud {
    PointCloud::new(vec![-1.0, -0.5, 0.9, -0.4, 0.2, 1.0], 2).unwrap()
}

/// The largest difference between covariances along `paths` paths and pair by pair, relative to the largest.
fn against_pairs(law: &dyn Law, response: Response, paths: usize, points: usize) -> f64 {
    let field = law.mean_score();
    let (dim, schedule) = (field.dim(), *field.schedule());
    let times: Vec<f64> = (0..points).map(|k| 0.95 - 0.13 * k as f64).collect();
    let state = |k: usize| -> Vec<f64> {
        (0..paths * dim).map(|i| 1.2 * ((i * 5 + k * 3) as f64 * 0.7).sin()).collect()
    };
    let factor = |t: f64| match response {
        Response::Score => 1.0,
        Response::Denoiser => schedule.noise_var(t) / schedule.signal(t),
    };
    let mut cov = law.path_cov(response, paths + 1, points);
    let (mut apart, mut largest) = (0.0f64, 0.0f64);
    // Twice, since a restart must forget.
    for _ in 0..2 {
        cov.restart();
        for k in 0..points {
            let first = if cov.is_white() { k } else { 0 };
            let mut out = vec![0.0; paths * (k + 1 - first) * dim * dim];
            let x = state(k);
            cov.advance(&x, times[k], &mut out);
            let mut blocks = out.chunks_exact(dim * dim);
            for (path, x) in x.chunks_exact(dim).enumerate() {
                for (l, &t) in times.iter().enumerate().take(k + 1).skip(first) {
                    let earlier = state(l);
                    let other = At { x: &earlier[path * dim..(path + 1) * dim], t };
                    let pair = law.cov(At { x, t: times[k] }, other);
                    for (found, expected) in blocks.next().unwrap().iter().zip(pair) {
                        let expected = expected * factor(t) * factor(times[k]);
                        apart = apart.max((found - expected).abs());
                        largest = largest.max(expected.abs());
                    }
                }
            }
        }
    }
    assert!(largest > 0.0);
    apart / largest
}

/// What [`Law::path_cov`] does when it is not overridden.
struct Plain<'a>(&'a dyn Law);

impl Law for Plain<'_> {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.0.mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.0.cov(z, other)
    }
}

fn trained(law: &LinearLaw, cloud: &PointCloud, axis: usize, members: usize) -> EmpiricalLinear {
    let mut rng = Streams::new(2).stream(Purpose::TheoryModel, 0, 0);
    let weights: Vec<Vec<f64>> = (0..members).map(|_| law.sample_weights(&mut rng)).collect();
    let features = Arc::new(features(cloud.dim(), axis));
    EmpiricalLinear::new(features, &Objective::default(), schedule(), &weights).unwrap()
}

#[test]
fn oracle_covariances_along_paths_are_those_of_pairs() {
    // Cov W is known to the rounding of its largest entries, about 1e-6 of what a covariance of y needs; see path_cov.rs.
    for (cloud, axis) in [(three_points(), 6), (triangle(), 4)] {
        for prediction in [Prediction::Denoiser, Prediction::Noise] {
            for (name, closure) in [("paper", paper as OfRidge), ("leading", leading)] {
                let law = law(&cloud, axis, prediction, closure);
                for response in [Response::Score, Response::Denoiser] {
                    let apart = against_pairs(&law, response, 3, 5);
                    assert!(apart < 1e-6, "{prediction:?} {name} {response:?}: {apart}");
                    assert!(against_pairs(&Plain(&law), response, 2, 3) < 1e-13);
                }
            }
        }
        let law = law(&cloud, axis, Prediction::Denoiser, leading);
        // Fewer members than weights, and more.
        for members in [10, 400] {
            let own = trained(&law, &cloud, axis, members);
            let apart = against_pairs(&own, Response::Denoiser, 3, 5);
            assert!(apart < 1e-12, "{members} members: {apart}");
        }
        let naive = Naive::new(cloud, schedule(), 0.3, StepLength::fixed(0.05).unwrap()).unwrap();
        assert!(against_pairs(&naive, Response::Denoiser, 3, 5) < 1e-14);
        for correlation in [
            TimeCorrelation::White,
            TimeCorrelation::MatchedWhite(StepLength::fixed(0.1).unwrap()),
            TimeCorrelation::Damped { correlation_time: 0.2 },
        ] {
            let changed = InTime::new(&law, correlation.clone()).unwrap();
            let apart = against_pairs(&changed, Response::Score, 3, 5);
            assert!(apart < 1e-6, "{correlation:?}: {apart}");
        }
    }
}

#[test]
fn identities_empirical_covariance_is_the_members() {
    // Cov[ŝ, ŝ'] from the members' own fields, in two dimensions.
    let cloud = triangle();
    let law = law(&cloud, 3, Prediction::Denoiser, leading);
    let own = trained(&law, &cloud, 3, 80);
    let mut rng = Streams::new(2).stream(Purpose::TheoryModel, 0, 0);
    let (z, other) = (At { x: &[0.3, -0.2], t: 0.4 }, At { x: &[-0.5, 0.6], t: 0.2 });
    let answers: Vec<[[f64; 2]; 2]> = (0..80)
        .map(|_| {
            let field = law.draw(&mut rng).unwrap();
            [z, other].map(|z| {
                let mut out = [0.0; 2];
                field.score_into(z.x, z.t, &mut out);
                out
            })
        })
        .collect();
    let mean = |p: usize, i: usize| answers.iter().map(|a| a[p][i]).sum::<f64>() / 80.0;
    let found = own.cov(z, other);
    for i in 0..2 {
        for j in 0..2 {
            let (a, b) = (mean(0, i), mean(1, j));
            let expected = answers.iter().map(|s| (s[0][i] - a) * (s[1][j] - b)).sum::<f64>() / 79.0;
            assert!((found[2 * i + j] - expected).abs() < 1e-11 * expected.abs().max(1.0));
        }
    }
}

#[test]
fn limits_of_the_correlation_time_are_the_coloured_and_the_white_law() {
    let law = law(&three_points(), 6, Prediction::Denoiser, FiniteP::of_ridge);
    let settings = Sampling::default();
    let sample =
        |law: &dyn Law| PathWise::new(law, &settings).unwrap().sample(500, Streams::new(3), 0, &unobserved).x;
    let damped =
        |correlation_time| sample(&InTime::new(&law, TimeCorrelation::Damped { correlation_time }).unwrap());
    let (coloured, white) = (sample(&law), sample(&InTime::new(&law, TimeCorrelation::White).unwrap()));
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 500.0;
    assert_eq!(damped(f64::INFINITY), coloured);
    let slow = InTime::new(&law, TimeCorrelation::Damped { correlation_time: 1e6 }).unwrap();
    let (z, other) = (At { x: &[0.3], t: 0.4 }, At { x: &[0.1], t: 0.3 });
    assert!((slow.cov(z, other)[0] / law.cov(z, other)[0] - 1.0).abs() < 2e-7);
    // e^{−Δ/ℓ} = e^{−1600} is 0 in f64: the same draws, in the presence of a factor that is diagonal.
    assert!(apart(&damped(2e-5), &white) < 1e-6, "{}", apart(&damped(2e-5), &white));
    assert!(apart(&coloured, &white) > 0.05, "{}", apart(&coloured, &white));
    assert!(InTime::new(&law, TimeCorrelation::Damped { correlation_time: 0.0 }).is_err());
    assert!(InTime::new(&law, TimeCorrelation::Damped { correlation_time: f64::NAN }).is_err());
}

/// Cov[ŝ(z), ŝ(z')] = e^{−|t−t'|/ℓ}/(D_t D_t'): V is e^{−|t−t'|/ℓ}.
struct Exponential(ExactScore, f64);

impl Law for Exponential {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        Arc::new(self.0.clone())
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        let diffusion = |t| self.0.schedule().diffusion(t);
        vec![(-(z.t - other.t).abs() / self.1).exp() / (diffusion(z.t) * diffusion(other.t))]
    }
}

#[test]
fn identities_matched_white_noise_keeps_the_integrated_strength() {
    // τ(t) = ∫_ε^T e^{−|t−t'|/ℓ} dt' = ℓ(2 − e^{−(t−ε)/ℓ} − e^{−(T−t)/ℓ}); 48 nodes see the kink at t' = t to about 1/48².
    let (step, scale) = (0.02, 0.3);
    let inner = Exponential(ExactScore::new(three_points(), schedule()), scale);
    let matched = TimeCorrelation::MatchedWhite(StepLength::fixed(step).unwrap());
    let white = InTime::new(&inner, matched).unwrap();
    for t in [0.1, 0.37, 0.9] {
        let z = At { x: &[0.2], t };
        let tau = white.cov(z, z)[0] / inner.cov(z, z)[0] * step;
        let decay = |lag: f64| (-lag / scale).exp();
        let exact = scale * (2.0 - decay(t - 0.02) - decay(1.0 - t));
        assert!((tau - exact).abs() < 2e-3 * exact, "{tau} {exact}");
    }
    // Noise that is white already keeps its strength.
    let naive = Naive::new(three_points(), schedule(), 0.3, StepLength::fixed(0.05).unwrap()).unwrap();
    let matched = TimeCorrelation::MatchedWhite(StepLength::fixed(0.01).unwrap());
    let z = At { x: &[0.4], t: 0.2 };
    assert_eq!(InTime::new(&naive, matched).unwrap().cov(z, z), naive.cov(z, z));
}

#[test]
fn identities_step_lengths_are_those_of_the_grid() {
    let times = Schedule::paper(0.01).unwrap().grid(TimeGrid::LogSnr, 40).unwrap();
    let step = StepLength::on_grid(&times).unwrap();
    for t in times.windows(2) {
        for nearby in [t[0], t[0] * (1.0 + 1e-12), t[0] * (1.0 - 1e-12)] {
            assert_eq!(step.at(nearby), t[0] - t[1]);
        }
    }
    assert!(StepLength::on_grid(&[0.5]).is_err() && StepLength::on_grid(&[0.1, 0.5]).is_err());
    assert!(StepLength::fixed(0.0).is_err());
    assert!(Naive::new(three_points(), schedule(), -1.0, step).is_err());
}

fn naive(cloud: PointCloud) -> Naive {
    Naive::new(cloud, schedule(), 0.5, StepLength::fixed(0.02).unwrap()).unwrap()
}

/// tr Cov[ŝ, ŝ] at one point.
fn trace(law: &dyn Law, x: &[f64], t: f64) -> f64 {
    law.cov(At { x, t }, At { x, t }).iter().step_by(x.len() + 1).sum()
}

#[test]
fn limits_one_datum_makes_no_noise() {
    for cloud in [PointCloud::new(vec![0.4], 1).unwrap(), PointCloud::new(vec![0.4, -0.2], 2).unwrap()] {
        let dim = cloud.dim();
        let unclosed = law(&cloud, 4, Prediction::Denoiser, paper);
        for t in [0.02, 0.1, 0.5, 1.0] {
            for x in [-1.0, 0.0, 0.4, 1.3] {
                let x = vec![x; dim];
                assert_eq!(trace(&naive(cloud.clone()), &x, t), 0.0);
                assert_eq!(trace(&unclosed, &x, t), 0.0);
            }
        }
    }
}

/// The largest n·Cov·n over a few states relative to tr Cov there, for a unit normal n of the data's line or plane.
fn off_the_data(law: &dyn Law, normal: &[f64], states: &[Vec<f64>]) -> f64 {
    let dim = normal.len();
    let mut worst = 0.0f64;
    for x in states {
        for t in [0.05, 0.2, 0.6] {
            let cov = law.cov(At { x, t }, At { x, t });
            let off: f64 = (0..dim * dim).map(|e| normal[e / dim] * cov[e] * normal[e % dim]).sum();
            let trace: f64 = cov.iter().step_by(dim + 1).sum();
            assert!(trace > 0.0, "no noise at all at {x:?}, {t}");
            worst = worst.max(off.abs() / trace);
        }
    }
    worst
}

#[test]
fn limits_data_on_a_line_or_a_plane_make_no_noise_off_it() {
    let root5 = 5.0f64.sqrt();
    let line = PointCloud::new(vec![-0.6, -1.2, 0.1, 0.2, 0.6, 1.2], 2).unwrap();
    let normal = [2.0 / root5, -1.0 / root5];
    let states = [vec![0.0, 0.0], vec![0.3, -0.4], vec![-0.2, 0.1]];
    let closed = law(&line, 4, Prediction::Denoiser, paper);
    assert!(off_the_data(&naive(line), &normal, &states) < 1e-10);
    assert!(off_the_data(&closed, &normal, &states) < 1e-10);
    // z = x + 2y.
    let plane: Vec<f64> = [[-1.0, 0.0], [1.0, 0.2], [0.3, 0.9], [0.1, -0.8]]
        .iter()
        .flat_map(|p| [p[0], p[1], p[0] + 2.0 * p[1]])
        .collect();
    let plane = PointCloud::new(plane, 3).unwrap();
    let root6 = 6.0f64.sqrt();
    let normal = [1.0 / root6, 2.0 / root6, -1.0 / root6];
    let states = [vec![0.0, 0.0, 0.0], vec![0.5, -0.2, 0.4], vec![-0.1, 0.3, 0.9]];
    assert!(off_the_data(&naive(plane), &normal, &states) < 1e-10);
}

#[test]
fn limits_noise_decays_far_from_the_data() {
    // The naive posterior settles on the nearest datum, e^{−αx/σ²} of the next; features vanish outside their range.
    let naive = naive(three_points());
    let closed = law(&three_points(), 8, Prediction::Denoiser, paper);
    for t in [0.05, 0.1] {
        for law in [&naive as &dyn Law, &closed] {
            let decay = [1.0, 3.0, 9.0].map(|x| trace(law, &[x], t));
            assert!(decay[1] < 0.1 * decay[0] && decay[2] < 1e-6 * decay[1].max(1e-200), "{decay:?}");
        }
    }
}

#[test]
fn limits_noise_concentrates_where_the_posterior_is_uncertain() {
    let naive = naive(three_points());
    let closed = law(&three_points(), 16, Prediction::Denoiser, paper);
    for (t, contrast) in [(0.03, 1e6), (0.05, 100.0)] {
        let signal = schedule().signal(t);
        let ratio = |e: &dyn Law| trace(e, &[0.5 * signal], t) / trace(e, &[signal], t);
        assert!(ratio(&naive) > contrast, "naive at {t}: {}", ratio(&naive));
        assert!(ratio(&closed) > 3.0, "paper at {t}: {}", ratio(&closed));
    }
}

#[test]
fn limits_denoiser_noise_is_finite_without_signal() {
    // α_T = 0: the score's noise vanishes and the denoiser's does not.
    let schedule = Schedule::new(ScheduleKind::Sqrt, 0.02, 1.0).unwrap();
    assert_eq!(schedule.signal(1.0), 0.0);
    let naive = Naive::new(three_points(), schedule, 0.5, StepLength::fixed(0.1).unwrap()).unwrap();
    let mut out = [0.0];
    naive.path_cov(Response::Denoiser, 1, 1).advance(&[0.3], 1.0, &mut out);
    // Γ is the data's variance there.
    assert!((out[0] - 5.0 * 2.0 / 3.0).abs() < 1e-12, "{out:?}");
}
