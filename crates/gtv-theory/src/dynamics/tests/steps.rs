//! The steppers on problems of their own.

use super::problems::fitted_order;
use crate::dynamics::{Adaptive, DOPRI5, EULER, HEUN, Ode, RK4, Stages, Stop, Tableau};

/// dz/ds = (−z₂, z₁) + (0, cos s) z₁: non-autonomous and coupled, so that nodes and all a_ij matter.
struct Coupled;

impl Ode for Coupled {
    fn rhs(&mut self, s: f64, z: &[f64], dz: &mut [f64]) {
        dz[0] = -z[1];
        dz[1] = z[0] * (1.0 + s.cos());
    }
}

fn run(method: &Tableau, steps: usize) -> [f64; 2] {
    let (mut z, mut work) = ([1.0, 0.5], Stages::new(method, 2));
    let h = 2.0 / steps as f64;
    for k in 0..steps {
        method.step(&mut Coupled, k as f64 * h, h, &mut z, &mut work);
    }
    z
}

#[test]
fn identities_row_sums_are_nodes() {
    for method in [EULER, HEUN, RK4, DOPRI5] {
        for (row, node) in method.stages.iter().zip(method.nodes) {
            assert!((row.iter().sum::<f64>() - node).abs() < 1e-14);
        }
        assert!((method.weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!(method.error.iter().sum::<f64>().abs() < 1e-14);
    }
}

#[test]
fn convergence_orders_on_a_coupled_equation() {
    let exact = run(&DOPRI5, 4000);
    for method in [EULER, HEUN, RK4, DOPRI5] {
        let steps: [usize; 4] = if method.order > 3 { [10, 20, 40, 80] } else { [100, 200, 400, 800] };
        let errors = steps.map(|k| {
            let z = run(&method, k);
            (z[0] - exact[0]).hypot(z[1] - exact[1])
        });
        let order = fitted_order(&steps, &errors);
        assert!((order - method.order as f64).abs() < 0.2, "order {order} for {}", method.order);
    }
}

/// dz/ds = z², which leaves every bound at s = 1/z₀.
struct BlowUp;

impl Ode for BlowUp {
    fn rhs(&mut self, _s: f64, z: &[f64], dz: &mut [f64]) {
        dz[0] = z[0] * z[0];
    }
}

#[test]
fn adaptive_stops_for_the_right_reason() {
    let control = Adaptive { rtol: 1e-8, atol: 1e-10, max_steps: 500 };
    let mut work = Stages::new(&DOPRI5, 1);
    let mut z = [1.0];
    let run = control.integrate(&mut BlowUp, 0.0, 0.5, 0.1, &mut z, &mut work);
    assert_eq!(run.stop, Stop::Done);
    assert!((z[0] - 2.0).abs() < 1e-6 && run.accepted < 60, "{z:?} {run:?}");
    let past = control.integrate(&mut BlowUp, 0.5, 2.0, 0.1, &mut z, &mut work);
    assert_ne!(past.stop, Stop::Done);
    let mut z = [f64::NAN];
    assert_eq!(control.integrate(&mut BlowUp, 0.0, 0.5, 0.1, &mut z, &mut work).stop, Stop::Diverged);
}

#[test]
fn adaptive_integrates_backwards_and_forwards_to_the_start() {
    let control = Adaptive { rtol: 1e-9, atol: 1e-9, max_steps: 1000 };
    let (mut z, mut work) = ([1.0, 0.5], Stages::new(&DOPRI5, 2));
    assert_eq!(control.integrate(&mut Coupled, 0.0, 2.0, 0.01, &mut z, &mut work).stop, Stop::Done);
    assert_eq!(control.integrate(&mut Coupled, 2.0, 0.0, 0.01, &mut z, &mut work).stop, Stop::Done);
    assert!((z[0] - 1.0).abs() < 1e-7 && (z[1] - 0.5).abs() < 1e-7, "{z:?}");
}
