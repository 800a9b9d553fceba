//! The probability-flow ODE.

use super::problems::{Gaussian, all_schedules, distance, fitted_order, points};
use crate::dynamics::{Form, Integrator, PfOde, Sampling, Tally, unobserved};
use crate::error::Error;
use crate::rng::Streams;
use crate::schedule::{Schedule, ScheduleKind, TimeGrid};
use crate::score::ScoreField;

const START: [f64; 8] = [-1.7, 0.4, 0.2, -0.9, 1.1, 2.3, 0.0, 0.6];

fn flow(field: &impl ScoreField, settings: Sampling, start: &[f64]) -> Vec<f64> {
    let ode = PfOde::new(field, &settings).unwrap();
    let mut x = start.to_vec();
    assert_eq!(ode.transport(&mut x, &mut ode.workspace()), Tally::default());
    x
}

#[test]
fn convergence_orders_in_both_forms() {
    // Smooth over [0.2, 0.95] for every schedule, so the fitted slope is the method's order to within 0.25.
    for schedule in all_schedules(0.2, 0.95) {
        let field = Gaussian::new(schedule);
        let exact = field.exact_flow(&START);
        for (integrator, steps) in [
            (Integrator::Euler, [640, 1280, 2560]),
            (Integrator::Heun, [320, 640, 1280]),
            (Integrator::Rk4, [80, 160, 320]),
        ] {
            for form in [Form::Time, Form::Denoiser] {
                let errors = steps.map(|steps| {
                    let settings = Sampling { integrator, steps, form, ..Sampling::default() };
                    distance(&flow(&field, settings, &START), &exact)
                });
                let order = fitted_order(&steps, &errors);
                let expected = integrator.tableau().order as f64;
                assert!(
                    (order - expected).abs() < 0.25,
                    "{schedule:?} {integrator:?} {form:?}: {order} {errors:?}"
                );
            }
        }
    }
}

#[test]
fn identities_euler_time_steps_are_the_papers() {
    let schedule = Schedule::paper(0.01).unwrap();
    let field = points(schedule, &[-1.0, 0.0, 1.0]);
    let mut x = START.to_vec();
    let mut s = vec![0.0; x.len()];
    for t in schedule.grid(TimeGrid::Uniform, 30).unwrap().windows(2) {
        field.score_into(&x, t[0], &mut s);
        for (x, s) in x.iter_mut().zip(&s) {
            *x -= (t[1] - t[0]) * (schedule.drift_rate(t[0]) * *x + schedule.diffusion(t[0]) * s);
        }
    }
    assert_eq!(flow(&field, Sampling::default(), &START), x, "bit for bit");
}

#[test]
fn identities_euler_denoiser_steps_are_ddim() {
    for schedule in all_schedules(0.01, 0.99) {
        let field = points(schedule, &[-1.0, 0.0, 1.0]);
        let mut x = START.to_vec();
        let mut m = vec![0.0; x.len()];
        for t in schedule.grid(TimeGrid::LogSnr, 12).unwrap().windows(2) {
            field.denoiser_into(&x, t[0], &mut m);
            let ratio = schedule.noise_std(t[1]) / schedule.noise_std(t[0]);
            let gain = schedule.signal(t[1]) - schedule.signal(t[0]) * ratio;
            for (x, m) in x.iter_mut().zip(&m) {
                *x = ratio * *x + gain * m;
            }
        }
        let settings =
            Sampling { form: Form::Denoiser, steps: 12, grid: TimeGrid::LogSnr, ..Sampling::default() };
        // θ is inverted to t with a relative error of up to 1e-10 (Schedule's own claim).
        assert!(distance(&flow(&field, settings, &START), &x) < 1e-8, "{schedule:?}");
    }
}

#[test]
fn limits_one_datum_is_reached_exactly() {
    // M = 1: x_ε = αμ + (σ_ε/σ_T)(x_T − α_T μ), also from α = 0 and down to σ = 1e-6.
    for kind in [ScheduleKind::Flow, ScheduleKind::Sqrt, ScheduleKind::VpCosine { offset: 0.008 }] {
        let schedule = Schedule::new(kind, 1e-6, 1.0).unwrap();
        let field = points(schedule, &[0.7]);
        let (start, end) = (schedule.t_max(), schedule.t_min());
        let ratio = schedule.noise_std(end) / schedule.noise_std(start);
        let exact = START.map(|x| schedule.signal(end) * 0.7 + ratio * (x - schedule.signal(start) * 0.7));
        for integrator in [Integrator::Euler, Integrator::Heun, Integrator::Rk4, Integrator::Dopri5] {
            let settings = Sampling { integrator, form: Form::Denoiser, steps: 5, ..Sampling::default() };
            let found = flow(&field, settings, &START);
            assert!(distance(&found, &exact) < 1e-13, "{kind:?} {integrator:?}: {found:?} {exact:?}");
        }
    }
}

#[test]
fn convergence_adaptive_honours_its_tolerance() {
    // The Gaussian's flow contracts (v_ε < v_t), so the error is at most the sum of the local errors, each below
    // rtol·|x| + atol with |x| < 4: with fewer than 200 steps, below 1000 rtol.
    for form in [Form::Time, Form::Denoiser] {
        for schedule in all_schedules(1e-3, 0.98) {
            let field = Gaussian::new(schedule);
            let exact = field.exact_flow(&START);
            let errors = [1e-4, 1e-6, 1e-8, 1e-10].map(|rtol| {
                let settings = Sampling {
                    integrator: Integrator::Dopri5,
                    form,
                    rtol,
                    atol: rtol,
                    max_steps: 1000,
                    ..Sampling::default()
                };
                distance(&flow(&field, settings, &START), &exact) / rtol
            });
            assert!(errors.iter().all(|e| *e < 1000.0), "{schedule:?} {form:?}: {errors:?}");
        }
    }
}

#[test]
fn identities_adaptive_paths_do_not_see_each_other() {
    let field = points(Schedule::paper(1e-4).unwrap(), &[-1.0, 0.0, 1.0]);
    let settings = Sampling { integrator: Integrator::Dopri5, ..Sampling::default() };
    let together = flow(&field, settings, &START);
    let alone: Vec<f64> = START.iter().flat_map(|x| flow(&field, settings, &[*x])).collect();
    assert_eq!(together, alone);
}

#[test]
fn limits_without_variance_the_flow_memorizes() {
    // V = 0 and three points: all but the few paths that start between basins end within 3 σ_ε of a datum, and the
    // three basins have equal mass by symmetry of ±1 (4 standard errors).
    let schedule = Schedule::paper(1e-3).unwrap();
    let field = points(schedule, &[-1.0, 0.0, 1.0]);
    let settings = Sampling {
        integrator: Integrator::Rk4,
        form: Form::Denoiser,
        steps: 60,
        grid: TimeGrid::LogSnr,
        ..Sampling::default()
    };
    let n = 20_000;
    let samples = PfOde::new(&field, &settings).unwrap().sample(n, Streams::new(3), 0, &unobserved);
    assert_eq!((samples.len(), samples.failed, samples.cancelled), (n, Tally::default(), false));
    let near = |p: f64| {
        let reach = 4.0 * schedule.noise_std(schedule.t_min());
        samples.x.iter().filter(|x| (*x - schedule.signal(schedule.t_min()) * p).abs() < reach).count() as f64
    };
    let counts = [-1.0, 0.0, 1.0].map(near);
    assert!(counts.iter().sum::<f64>() > 0.999 * n as f64, "{counts:?}");
    let share: f64 = 1.0 / 3.0;
    let error = (share * (1.0 - share) / n as f64).sqrt();
    assert!(counts.iter().all(|c| (c / n as f64 - share).abs() < 4.0 * error), "{counts:?}");
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    let field = points(Schedule::paper(0.01).unwrap(), &[-1.0, 0.3, 1.0]);
    let ode = PfOde::new(&field, &Sampling::default()).unwrap().starting_around(&[0.1]).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| ode.sample(5000, Streams::new(8), 2, &unobserved))
    };
    assert_eq!(with(1), with(2));
}

/// A score that pushes rows with x > 0 to infinity in finite time.
struct Explosive(Schedule);

impl ScoreField for Explosive {
    fn dim(&self) -> usize {
        1
    }
    fn schedule(&self) -> &Schedule {
        &self.0
    }
    fn score_into(&self, x: &[f64], _t: f64, out: &mut [f64]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o = if *x > 0.0 { 1e8 * x.powi(3) } else { 0.0 };
        }
    }
}

#[test]
fn divergent_paths_are_counted_and_left_out() {
    let field = Explosive(Schedule::paper(0.01).unwrap());
    for integrator in [Integrator::Euler, Integrator::Rk4, Integrator::Dopri5] {
        let settings = Sampling { integrator, max_steps: 300, ..Sampling::default() };
        let samples = PfOde::new(&field, &settings).unwrap().sample(3000, Streams::new(5), 0, &unobserved);
        let failed = samples.failed.diverged + samples.failed.exhausted;
        assert_eq!(samples.len() + failed, 3000);
        assert!(samples.x.iter().all(|x| x.is_finite() && *x <= 0.0));
        // Half of N(0, 1) is positive: 4 standard errors.
        assert!((samples.failed_share() - 0.5).abs() < 4.0 * (0.25f64 / 3000.0).sqrt(), "{samples:?}");
    }
}

#[test]
fn a_cancelled_run_keeps_what_was_finished() {
    let field = Gaussian::new(Schedule::paper(0.01).unwrap());
    let ode = PfOde::new(&field, &Sampling::default()).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let samples = pool.install(|| ode.sample(10_000, Streams::new(5), 0, &|_| false));
    assert!(samples.cancelled);
    let whole = ode.sample(10_000, Streams::new(5), 0, &unobserved);
    assert!(!samples.is_empty() && samples.len() < whole.len());
    assert_eq!(samples.x, whole.x[..samples.x.len()]);
}

#[test]
fn bad_settings_are_refused() {
    let singular = Gaussian::new(Schedule::new(ScheduleKind::Flow, 0.01, 1.0).unwrap());
    let cosine = Gaussian::new(Schedule::new(ScheduleKind::VpCosine { offset: 0.008 }, 0.01, 1.0).unwrap());
    for field in [&singular, &cosine] {
        assert!(matches!(PfOde::new(field, &Sampling::default()), Err(Error::Unsupported { .. })));
    }
    let field = Gaussian::new(Schedule::paper(0.01).unwrap());
    let base = Sampling::default();
    for settings in [
        Sampling { steps: 0, ..base },
        Sampling { rtol: 0.0, ..base },
        Sampling { atol: f64::NAN, ..base },
        Sampling { max_steps: 0, ..base },
        Sampling { grid: TimeGrid::EdmRho { rho: -1.0 }, ..base },
    ] {
        assert!(PfOde::new(&field, &settings).is_err(), "{settings:?}");
    }
    let ode = PfOde::new(&field, &base).unwrap();
    assert!(ode.starting_around(&[1.0]).is_err(), "the field has two dimensions");
}
