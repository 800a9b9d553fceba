//! The Fokker–Planck solver on equations with known solutions.

use super::problems::fitted_order;
use crate::dynamics::{Density1d, FokkerPlanck};
use crate::schedule::TimeGrid;

fn solver(range: [f64; 2], cells: usize) -> FokkerPlanck {
    FokkerPlanck { range, cells, steps: 1, grid: TimeGrid::Uniform }
}

fn uniform_times(steps: usize, end: f64) -> Vec<f64> {
    (0..=steps).map(|k| end * k as f64 / steps as f64).collect()
}

/// Σ |mass − exact mass|, the exact masses by the midpoint rule.
fn l1(q: &Density1d, exact: impl Fn(f64) -> f64) -> f64 {
    let width = q.width();
    q.mass
        .iter()
        .enumerate()
        .map(|(i, m)| (m - width * exact(q.range[0] + (i as f64 + 0.5) * width)).abs())
        .sum()
}

fn normal(x: f64, mean: f64, var: f64) -> f64 {
    (-0.5 * (x - mean).powi(2) / var).exp() / (std::f64::consts::TAU * var).sqrt()
}

#[test]
fn convergence_ornstein_uhlenbeck_second_order_in_width() {
    // v = −x, b = 1: N(1, 0.04) becomes N(e^{−r}, 0.04 e^{−2r} + (1 − e^{−2r})/2). Steps ∝ cells², so that the
    // first-order error in the step falls with the width's second-order one.
    let cells = [60, 120, 240];
    let decay = (-0.5f64).exp();
    let var = 0.04 * decay * decay + 0.5 * (1.0 - decay * decay);
    let errors = cells.map(|n| {
        let solver = solver([-4.0, 4.0], n);
        let mut q = Density1d::normal(&solver, 1.0, 0.2).unwrap();
        solver.evolve(&uniform_times(n * n / 60, 0.5), |_, x| (-x, 1.0), &mut q).unwrap();
        l1(&q, |x| normal(x, decay, var))
    });
    let order = fitted_order(&cells, &errors);
    assert!((order - 2.0).abs() < 0.15, "{order} {errors:?}");
}

#[test]
fn convergence_multiplicative_noise_is_ito() {
    // v = 0.3x, b = 0.25x²: lognormal with log-mean (0.3 − 0.125) r in Itô's reading (0.3 r in Stratonovich's).
    let cells = [100, 200, 400];
    let lognormal = |x: f64, r: f64| normal(x.ln(), 0.175 * r, 0.25 * r) / x;
    let errors = cells.map(|n| {
        let solver = solver([0.0, 8.0], n);
        let mut q = Density1d::normal(&solver, 1.0, 1.0).unwrap();
        let width = q.width();
        for (i, m) in q.mass.iter_mut().enumerate() {
            *m = width * lognormal((i as f64 + 0.5) * width, 0.3);
        }
        let times: Vec<f64> = uniform_times(n * n / 100, 0.7).iter().map(|r| 0.3 + r).collect();
        solver.evolve(&times, |_, x| (0.3 * x, 0.25 * x * x), &mut q).unwrap();
        l1(&q, |x| lognormal(x, 1.0))
    });
    let order = fitted_order(&cells, &errors);
    // The range's end cuts off a mass of 1e-5, a tenth of the last error.
    assert!((order - 2.0).abs() < 0.25, "{order} {errors:?}");
}

#[test]
fn convergence_without_noise_is_upwind() {
    // v = −x, b = 0 carries N(1, 0.04) to N(e^{−r}, 0.04 e^{−2r}).
    let cells = [400, 800, 1600];
    let decay = (-0.5f64).exp();
    let errors = cells.map(|n| {
        let solver = solver([-1.0, 3.0], n);
        let mut q = Density1d::normal(&solver, 1.0, 0.2).unwrap();
        solver.evolve(&uniform_times(n / 2, 0.5), |_, x| (-x, 0.0), &mut q).unwrap();
        l1(&q, |x| normal(x, decay, 0.04 * decay * decay))
    });
    let order = fitted_order(&cells, &errors);
    assert!((order - 1.0).abs() < 0.15, "{order} {errors:?}");
}

#[test]
fn limits_ito_noise_without_velocity_settles_where_it_is_weak() {
    // Stationary q ∝ 1/b, exactly so on the grid.
    let spread = |x: f64| 0.01 + 0.99 * (-4.0 * x * x).exp();
    let solver = solver([-2.0, 2.0], 80);
    let mut q = Density1d::normal(&solver, 0.3, 0.5).unwrap();
    solver.evolve(&uniform_times(50, 1e9), |_, x| (0.0, spread(x)), &mut q).unwrap();
    let scale = q.mass[0] * spread(-1.975);
    for (i, m) in q.mass.iter().enumerate() {
        let x = -2.0 + 0.05 * (i as f64 + 0.5);
        assert!((m * spread(x) / scale - 1.0).abs() < 1e-9, "{x}: {m}");
    }
}

#[test]
fn identities_mass_is_conserved_and_positive_for_any_step() {
    // Rounding of n = 300 additions a step: 300 · 1e-16, also for one huge step and where b spans 200 decades.
    let solver = solver([-3.0, 3.0], 300);
    for (steps, end) in [(1, 1e6), (100, 1.0), (10, 1e-9)] {
        let mut q = Density1d::normal(&solver, 0.3, 0.4).unwrap();
        let wild = |t: f64, x: f64| (30.0 * (7.0 * x + t).sin(), 50.0 * (-60.0 * x * x).exp());
        solver.evolve(&uniform_times(steps, end), wild, &mut q).unwrap();
        let total: f64 = q.mass.iter().sum();
        assert!((total - 1.0).abs() < steps as f64 * 1e-13, "{steps} {end}: {total}");
        assert!(q.mass.iter().all(|m| *m >= 0.0 && m.is_finite()));
    }
}

#[test]
fn bad_settings_are_refused() {
    let good = FokkerPlanck::default();
    for bad in [
        FokkerPlanck { range: [1.0, -1.0], ..good },
        FokkerPlanck { range: [0.0, f64::NAN], ..good },
        FokkerPlanck { cells: 1, ..good },
        FokkerPlanck { steps: 0, ..good },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
    let mut q = Density1d::normal(&good, 0.0, 1.0).unwrap();
    assert!(FokkerPlanck { cells: 10, ..good }.evolve(&[0.0, 1.0], |_, _| (0.0, 1.0), &mut q).is_err());
    assert!(Density1d::normal(&good, 0.0, 0.0).is_err());
}
