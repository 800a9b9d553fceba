//! Log-likelihood by the instantaneous change of variables, against what is known in closed form.

use gtv_theory::dynamics::{
    Divergence, Form, Integrator, Likelihood, PfOde, Sampling, bits_per_dimension, log_mean_exp,
};
use gtv_theory::features::{AxisBasis, RandomFourier, Separable};
use gtv_theory::law::LinearField;
use gtv_theory::rng::Streams;
use gtv_theory::score::CovKind;
use gtv_theory::{
    ExactScore, Features, Objective, PointCloud, Prediction, Schedule, ScheduleKind, ScoreField,
};
use std::f64::consts::{LN_2, TAU};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The score of N(0, diag(v)), v of length D: the flow scales each coordinate by √(α²v + σ²).
struct Gaussian {
    variances: Vec<f64>,
    schedule: Schedule,
}

impl Gaussian {
    fn at(&self, t: f64, i: usize) -> f64 {
        self.schedule.signal(t).powi(2) * self.variances[i] + self.schedule.noise_var(t)
    }

    /// ln N(x; 0, σ_T² v_t/v_T), what the flow makes of N(0, σ_T² I).
    fn log_density(&self, x: &[f64], t: f64) -> f64 {
        let last = self.schedule.t_max();
        let term = |(i, x): (usize, &f64)| {
            let var = self.schedule.noise_var(last) * self.at(t, i) / self.at(last, i);
            -0.5 * x * x / var - 0.5 * (TAU * var).ln()
        };
        x.iter().enumerate().map(term).sum()
    }
}

impl ScoreField for Gaussian {
    fn dim(&self) -> usize {
        self.variances.len()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.dim();
        out.iter_mut().zip(x).enumerate().for_each(|(k, (o, x))| *o = -x / self.at(t, k % dim));
    }
}

/// A field that knows nothing of its derivatives.
struct Plain(ExactScore);

impl ScoreField for Plain {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.0.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.0.score_into(x, t, out);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.0.denoiser_into(x, t, out);
    }
}

fn wave(len: usize) -> Vec<f64> {
    (0..len).map(|i| (0.9 * i as f64 + 0.2).sin()).collect()
}

#[test]
fn oracle_gaussians_in_closed_form() {
    let kinds =
        [ScheduleKind::PAPER, ScheduleKind::Edm, ScheduleKind::Ve { sigma_min: 0.01, sigma_max: 5.0 }];
    for kind in kinds {
        let schedule = Schedule::new(kind, 0.02, 1.0).unwrap();
        let field = Gaussian { variances: vec![0.3, 1.0, 2.5], schedule };
        let (x, t) = (wave(12), [0.02, 0.1, 0.5, 0.02]);
        let found = Likelihood::new(&field, Divergence::Exact).at(&x, &t).unwrap();
        for ((x, &t), found) in x.chunks_exact(3).zip(&t).zip(found) {
            let want = field.log_density(x, t);
            // Steps of 1e-7, some hundred of them.
            assert!((found.nats - want).abs() < 1e-5, "{kind:?} {t}: {} {want}", found.nats);
            assert_eq!(found.standard_error, 0.0);
        }
    }
}

#[test]
fn oracle_the_exact_score_gives_the_density_of_the_noised_data() {
    // N(0, σ_T² I) instead of p(x, T) moves each mode by e^{−10} of itself.
    let schedule = Schedule::paper(0.05).unwrap();
    let cloud =
        PointCloud::with_weights(vec![-1.0, 0.2, 0.5, 0.5, 1.0, -0.8], 2, vec![0.2, 0.5, 0.3]).unwrap();
    let exact = ExactScore::new(cloud, schedule);
    let x = [-0.9, 0.1, 0.4, 0.6, 0.2, 0.0, 1.1, -0.7];
    for t in [0.05, 0.3] {
        let found = Likelihood::new(&exact, Divergence::Exact).at(&x, &[t; 4]).unwrap();
        let density = exact.evaluate(&x, t, CovKind::None).unwrap().log_density;
        for (found, want) in found.iter().zip(density) {
            assert!((found.nats - want).abs() < 1e-3, "{t}: {} {want}", found.nats);
        }
    }
}

#[test]
fn identities_densities_integrate_to_one() {
    let schedule = Schedule::paper(0.05).unwrap();
    let exact = ExactScore::new(PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), schedule);
    // Nothing lies beyond 2.5; the trapezoidal rule is spectral for what vanishes at both ends.
    let step = 0.02;
    let x: Vec<f64> = (-125..=125).map(|k| step * f64::from(k)).collect();
    let found = Likelihood::new(&exact, Divergence::Exact).at(&x, &vec![0.05; x.len()]).unwrap();
    let mass: f64 = found.iter().map(|l| step * l.nats.exp()).sum();
    assert!((mass - 1.0).abs() < 1e-6, "{mass}");
}

#[test]
fn monte_carlo_samples_have_the_entropy_that_their_likelihood_says() {
    // E ln q over samples of q itself, for a linear model of no special shape; and its mass is 1.
    let schedule = Schedule::paper(0.05).unwrap();
    let axis = |lo, hi, len| AxisBasis::Gaussian { lo, hi, len };
    let features = Separable::uniform(1, axis(-1.5, 1.5, 6), axis(0.05, 1.0, 5)).unwrap();
    let weights: Vec<f64> = wave(30).iter().map(|w| 0.05 * w).collect();
    let field =
        LinearField::new(Arc::new(Features::Separable(features)), &Objective::default(), schedule, weights);
    let step = 0.02;
    let x: Vec<f64> = (-150..=150).map(|k| step * f64::from(k)).collect();
    let likelihood = Likelihood::new(&field, Divergence::Exact);
    let grid = likelihood.at(&x, &vec![0.05; x.len()]).unwrap();
    let mass: f64 = grid.iter().map(|l| step * l.nats.exp()).sum();
    let entropy: f64 = grid.iter().map(|l| -step * l.nats.exp() * l.nats).sum();
    assert!((mass - 1.0).abs() < 1e-4, "{mass}");
    let settings = Sampling { integrator: Integrator::Dopri5, form: Form::Denoiser, ..Sampling::default() };
    let drawn = PfOde::new(&field, &settings).unwrap().sample(2000, Streams::new(3), 0, &|_| true);
    let of_drawn = likelihood.at(&drawn.x, &vec![0.05; drawn.x.len()]).unwrap();
    let mean = of_drawn.iter().map(|l| -l.nats).sum::<f64>() / 2000.0;
    let var = of_drawn.iter().map(|l| (-l.nats - mean).powi(2)).sum::<f64>() / 1999.0;
    let error = (var / 2000.0).sqrt();
    assert!((mean - entropy).abs() < 4.0 * error, "{mean} {entropy} {error}");
}

#[test]
fn identities_derivatives_in_closed_form_are_those_of_the_field() {
    let schedule = Schedule::paper(0.05).unwrap();
    let axis = |lo, hi, len| AxisBasis::Gaussian { lo, hi, len };
    let separable = Separable::uniform(2, axis(-1.5, 1.5, 5), axis(0.05, 1.0, 4)).unwrap();
    let fourier = RandomFourier::new(2, 40, 0.7, 2.0, Some(schedule), Streams::new(1)).unwrap();
    let (x, v) = ([0.3, -0.4, 1.0, 0.2], [1.0, 0.5, -0.3, 2.0]);
    for features in [Features::Separable(separable), Features::RandomFourier(fourier)] {
        for prediction in [Prediction::Denoiser, Prediction::Noise] {
            let objective = Objective { prediction, ..Objective::default() };
            let weights = wave(features.len() * 2);
            let field = LinearField::new(Arc::new(features.clone()), &objective, schedule, weights);
            let (mut exact, mut ahead, mut behind) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            field.denoiser_derivative_into(&x, 0.4, &v, &mut exact);
            let h = 1e-5;
            let moved = |h: f64| -> Vec<f64> { x.iter().zip(&v).map(|(x, v)| x + h * v).collect() };
            field.denoiser_into(&moved(h), 0.4, &mut ahead);
            field.denoiser_into(&moved(-h), 0.4, &mut behind);
            for ((e, a), b) in exact.iter().zip(ahead).zip(behind) {
                let difference = (a - b) / (2.0 * h);
                assert!((e - difference).abs() < 1e-6 * (1.0 + e.abs()), "{prediction:?}: {e} {difference}");
            }
        }
    }
    // The exact score's divergence is that of the default, which knows nothing of it.
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0, 0.5, 0.2, -0.3], 2).unwrap();
    let exact = ExactScore::new(cloud, schedule);
    let same = Plain(exact.clone());
    let (mut closed, mut differences) = ([0.0; 2], [0.0; 2]);
    exact.denoiser_divergence_into(&x, 0.2, &mut closed);
    same.denoiser_divergence_into(&x, 0.2, &mut differences);
    for (c, d) in closed.iter().zip(differences) {
        assert!((c - d).abs() < 1e-6 * (1.0 + c.abs()), "{c} {d}");
    }
}

#[test]
fn monte_carlo_hutchinson_is_within_its_standard_error() {
    // Off-diagonal derivatives are what an estimate errs by: three points in three dimensions.
    let schedule = Schedule::paper(0.05).unwrap();
    let cloud = PointCloud::new(vec![-1.0, 0.3, 0.2, 0.8, -0.5, 0.4, 0.1, 0.9, -0.7], 3).unwrap();
    let exact = ExactScore::new(cloud, schedule);
    let (x, t) = (wave(30), [0.2; 10]);
    let truth = Likelihood::new(&exact, Divergence::Exact).at(&x, &t).unwrap();
    let divergence = Divergence::Hutchinson { directions: 32, streams: Streams::new(7) };
    let found = Likelihood::new(&exact, divergence).with_tolerance(1e-5).at(&x, &t).unwrap();
    let chi: f64 =
        found.iter().zip(&truth).map(|(f, t)| ((f.nats - t.nats) / f.standard_error).powi(2)).sum();
    // χ² of 10 with the standard errors of 32 values each: mean 10.7, standard deviation 5.
    assert!(chi > 1.0 && chi < 31.0, "{chi}");
    assert!(found.iter().all(|f| f.standard_error > 1e-4), "an estimate that errs");
}

#[test]
fn limits_bad_points_and_units() {
    let field = Gaussian { variances: vec![1.0], schedule: Schedule::paper(0.05).unwrap() };
    let likelihood = Likelihood::new(&field, Divergence::Exact);
    assert!(likelihood.at(&[0.0], &[0.01]).is_err() && likelihood.at(&[0.0, 1.0], &[0.1]).is_err());
    assert!(likelihood.at(&[f64::NAN], &[0.1]).is_err());
    let one = Divergence::Hutchinson { directions: 1, streams: Streams::new(0) };
    assert!(Likelihood::new(&field, one).at(&[0.0], &[0.1]).is_err());
    assert!((bits_per_dimension(-3.0 * LN_2, 3) - 1.0).abs() < 1e-15);
    let (mean, error) = log_mean_exp(&[-1000.0, -1000.0 + 3f64.ln()]);
    assert!((mean - (-1000.0 + 2f64.ln())).abs() < 1e-12, "{mean}");
    // Densities 1 and 3: mean 2, standard error 1.
    assert!((error - 0.5).abs() < 1e-12, "{error}");
}

/// A field whose calls cost more than their work, and which knows nothing far away.
struct Called {
    inner: Gaussian,
    calls: AtomicUsize,
    rows: AtomicUsize,
}

impl ScoreField for Called {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.inner.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(x.len() / self.dim(), Ordering::Relaxed);
        self.inner.score_into(x, t, out);
        let far = |x: &[f64]| x.iter().any(|x| x.abs() > 50.0);
        let rows = x.chunks_exact(2).zip(out.chunks_exact_mut(2));
        rows.filter(|(x, _)| far(x)).for_each(|(_, o)| o.fill(f64::NAN));
    }

    fn chunks_a_call(&self) -> usize {
        64
    }
}

#[test]
fn oracle_points_of_one_time_are_carried_together() {
    let schedule = Schedule::paper(0.02).unwrap();
    let inner = Gaussian { variances: vec![0.3, 1.5], schedule };
    let field = Called { inner, calls: AtomicUsize::new(0), rows: AtomicUsize::new(0) };
    let (mut x, mut t) = (wave(600), vec![0.02; 300]);
    t[100..].fill(0.3);
    let found = Likelihood::new(&field, Divergence::Exact).at(&x, &t).unwrap();
    for ((x, &t), found) in x.chunks_exact(2).zip(&t).zip(found) {
        let want = field.inner.log_density(x, t);
        assert!((found.nats - want).abs() < 1e-5, "{t}: {} {want}", found.nats);
    }
    // All points of a time in a call: on average more than half of the 100 and 200.
    let (calls, rows) = (field.calls.load(Ordering::Relaxed), field.rows.load(Ordering::Relaxed));
    assert!(rows >= 100 * calls, "{calls} calls of {rows} rows");
    // A point that is lost costs its neighbours nothing.
    (x[42], t) = (60.0, vec![0.02; 300]);
    let found = Likelihood::new(&field, Divergence::Exact).at(&x, &t).unwrap();
    for (i, (x, found)) in x.chunks_exact(2).zip(found).enumerate() {
        let want = field.inner.log_density(x, 0.02);
        assert!(if i == 21 { found.nats.is_nan() } else { (found.nats - want).abs() < 1e-5 }, "{i}");
    }
}
