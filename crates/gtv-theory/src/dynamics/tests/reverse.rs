//! The reverse SDE.

use super::problems::{Gaussian, fitted_order, points};
use crate::dynamics::{Form, Integrator, PfOde, ReverseSde, Sampling, unobserved};
use crate::rng::Streams;
use crate::schedule::{Schedule, ScheduleKind, TimeGrid};

/// Means and variances of the columns.
fn moments(x: &[f64], dim: usize) -> Vec<(f64, f64)> {
    let n = (x.len() / dim) as f64;
    (0..dim)
        .map(|j| {
            let mean = x.iter().skip(j).step_by(dim).sum::<f64>() / n;
            let var = x.iter().skip(j).step_by(dim).map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            (mean, var)
        })
        .collect()
}

/// Mean and variance of the first coordinate after all steps, by the plain recursion that steps of a Gaussian's
/// reverse SDE obey: they are affine in x.
fn recursion(field: &Gaussian, settings: &Sampling) -> (f64, f64) {
    let s = field.schedule;
    let times = settings.times(&s).unwrap();
    let mean0 = field.mean[0];
    let (mut mean, mut var) = (s.signal(times[0]) * mean0, s.noise_var(times[0]));
    for t in times.windows(2) {
        let (signal, noise, total) = (s.signal(t[0]), s.noise_var(t[0]), field.var(t[0]));
        let (slope, offset, fresh) = match settings.form {
            Form::Time => {
                let h = t[0] - t[1];
                let (rate, d) = (s.drift_rate(t[0]), s.diffusion(t[0]));
                (1.0 + h * (rate - 2.0 * d / total), 2.0 * h * d * signal * mean0 / total, 2.0 * d * h)
            }
            Form::Denoiser => {
                let ratio = signal / s.signal(t[1]);
                let bridge = noise - ratio * ratio * s.noise_var(t[1]);
                let pull = s.signal(t[1]) * bridge / noise;
                let gain = signal * field.std * field.std / total;
                let slope = ratio * s.noise_var(t[1]) / noise + pull * gain;
                (slope, pull * (1.0 - gain * signal) * mean0, bridge * s.noise_var(t[1]) / noise)
            }
        };
        mean = slope * mean + offset;
        var = slope * slope * var + fresh;
    }
    (mean, var)
}

fn settings(form: Form, steps: usize) -> Sampling {
    Sampling { form, steps, grid: TimeGrid::LogSnr, ..Sampling::default() }
}

#[test]
fn convergence_the_sde_tends_to_the_gaussian_at_weak_order_one() {
    let field = Gaussian::new(Schedule::paper(0.01).unwrap());
    let exact = field.var(0.01);
    for form in [Form::Time, Form::Denoiser] {
        let steps = [800, 1600, 3200];
        let errors = steps.map(|k| (recursion(&field, &settings(form, k)).1 - exact).abs());
        let order = fitted_order(&steps, &errors);
        assert!((order - 1.0).abs() < 0.05, "{form:?}: {order} {errors:?}");
    }
}

#[test]
fn monte_carlo_flow_and_sde_have_the_gaussians_moments() {
    // 4 standard errors, √(v/n) of a mean and v√(2/n) of a variance. The SDE's discretisation bias (of order
    // 1/steps) is known exactly from the recursion; Heun's is far below a standard error.
    let schedule = Schedule::paper(0.01).unwrap();
    let field = Gaussian::new(schedule);
    let n = 40_000;
    let check = |name: &str, x: &[f64], mean: f64, var: f64| {
        let (m, v) = moments(x, 2)[0];
        assert!((m - mean).abs() < 4.0 * (var / n as f64).sqrt(), "{name}: mean {m}, exact {mean}");
        assert!((v / var - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{name}: variance {v}, exact {var}");
    };
    let heun = Sampling { integrator: Integrator::Heun, ..settings(Form::Time, 400) };
    let flow = PfOde::new(&field, &heun).unwrap().starting_around(&field.mean).unwrap();
    let end = schedule.signal(schedule.t_min()) * field.mean[0];
    check("flow", &flow.sample(n, Streams::new(1), 0, &unobserved).x, end, field.var(schedule.t_min()));
    for form in [Form::Time, Form::Denoiser] {
        let settings = settings(form, 200);
        let sde = ReverseSde::new(&field, &settings).unwrap().starting_around(&field.mean).unwrap();
        let (mean, var) = recursion(&field, &settings);
        check(&format!("{form:?}"), &sde.sample(n, Streams::new(2), 0, &unobserved).x, mean, var);
    }
}

#[test]
fn limits_one_datum_gives_the_bridge() {
    // M = 1: the ancestral steps are exact, so that x_ε ~ N(αμ, σ_ε²) after three steps from α = 0.
    let schedule = Schedule::new(ScheduleKind::Flow, 1e-3, 1.0).unwrap();
    let field = points(schedule, &[0.7]);
    let settings = Sampling { form: Form::Denoiser, steps: 3, ..Sampling::default() };
    let n = 40_000;
    let samples = ReverseSde::new(&field, &settings).unwrap().sample(n, Streams::new(4), 0, &unobserved);
    let (mean, var) = moments(&samples.x, 1)[0];
    let exact = schedule.noise_var(1e-3);
    assert!((mean - schedule.signal(1e-3) * 0.7).abs() < 4.0 * (exact / n as f64).sqrt());
    assert!((var / exact - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{var} {exact}");
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    let field = Gaussian::new(Schedule::paper(0.01).unwrap());
    let sde = ReverseSde::new(&field, &Sampling::default()).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sde.sample(3000, Streams::new(8), 2, &unobserved))
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn ode_integrators_are_refused() {
    let field = Gaussian::new(Schedule::paper(0.01).unwrap());
    let settings = Sampling { integrator: Integrator::Rk4, ..Sampling::default() };
    assert!(ReverseSde::new(&field, &settings).is_err());
}
