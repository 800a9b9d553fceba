//! Orders of the Itô steppers on geometric Brownian motion, dX = μX ds + cX dW: X = X₀ exp((μ − c²/2) s + c W).

use super::problems::fitted_order;
use crate::dynamics::{
    DiagonalNoise, EulerMaruyama, ItoSde, ItoStepper, ItoWorkspace, Milstein, WeakOrderTwo, draw_increments,
};
use crate::rng::{Purpose, Streams};

/// dX = μ s X ds + c (1 + s) X dW; with `steady`, without the factors of s.
struct Geometric {
    rate: f64,
    noise: f64,
    steady: bool,
}

impl ItoSde for Geometric {
    fn drift(&mut self, s: f64, z: &[f64], out: &mut [f64]) {
        let rate = if self.steady { self.rate } else { self.rate * s };
        out.iter_mut().zip(z).for_each(|(o, z)| *o = rate * z);
    }

    fn apply_noise(&mut self, s: f64, z: &[f64], dw: &[f64], out: &mut [f64]) {
        let noise = if self.steady { self.noise } else { self.noise * (1.0 + s) };
        for ((o, z), dw) in out.iter_mut().zip(z).zip(dw) {
            *o = noise * z * dw;
        }
    }
}

impl DiagonalNoise for Geometric {}

/// Root mean square of X_h − X at s = 1 over 4000 paths.
fn strong_error(method: &impl ItoStepper<Geometric>, steps: usize) -> f64 {
    let n = 4000;
    let mut sde = Geometric { rate: 0.5, noise: 0.8, steady: true };
    let mut rng = Streams::new(12).stream(Purpose::PathNoise, 0, 0);
    let (mut z, mut dw, mut total) = (vec![1.0; n], vec![0.0; n], vec![0.0; n]);
    let mut work = ItoWorkspace::new(n);
    let h = 1.0 / steps as f64;
    for k in 0..steps {
        draw_increments(&mut rng, h, &mut dw);
        total.iter_mut().zip(&dw).for_each(|(w, dw)| *w += dw);
        method.step(&mut sde, k as f64 * h, h, &dw, &mut z, &mut work);
    }
    let exact = |w: f64| (0.5 - 0.32 + 0.8 * w).exp();
    let sum: f64 = z.iter().zip(&total).map(|(z, w)| (z - exact(*w)).powi(2)).sum();
    (sum / n as f64).sqrt()
}

#[test]
fn convergence_strong_orders() {
    // The rms error's own relative error is about 1/√(2·4000) times a factor for heavy tails: slopes hold to 0.1.
    let steps = [16, 32, 64, 128, 256];
    let euler = fitted_order(&steps, &steps.map(|k| strong_error(&EulerMaruyama, k)));
    let milstein = fitted_order(&steps, &steps.map(|k| strong_error(&Milstein, k)));
    assert!((euler - 0.5).abs() < 0.1, "{euler}");
    assert!((milstein - 1.0).abs() < 0.1, "{milstein}");
}

/// |E X_h² − E X²| at s = 1 without sampling error: steps are linear in z, so E X_h² is a product of second moments, each
/// exact under five-point Gauss–Hermite quadrature.
fn weak_error(method: &impl ItoStepper<Geometric>, steps: usize, direction: f64) -> f64 {
    let (rate, noise) = (1.1, 0.5);
    let mut sde = Geometric { rate, noise, steady: false };
    let mut work = ItoWorkspace::new(1);
    let nodes = [0.0, 1.355626179974266, 2.8569700138728056];
    let weights = [8.0 / 15.0, 0.22207592200561266, 0.011257411327720691];
    let (start, h) = (if direction > 0.0 { 0.0 } else { 1.0 }, direction / steps as f64);
    let mut moment = 1.0;
    for k in 0..steps {
        let mut second = |normal: f64| {
            let mut z = [1.0];
            let dw = [normal * h.abs().sqrt()];
            method.step(&mut sde, start + k as f64 * h, h, &dw, &mut z, &mut work);
            z[0] * z[0]
        };
        moment *= weights[0] * second(0.0)
            + (1..3).map(|i| weights[i] * (second(nodes[i]) + second(-nodes[i]))).sum::<f64>();
    }
    // ∫₀¹ 2μs + c²(1 + s)² ds; downwards in s the drift's sign turns and the noise's does not.
    let exact = (direction * rate + noise * noise * 7.0 / 3.0).exp();
    (moment - exact).abs()
}

#[test]
fn convergence_weak_orders_in_both_directions() {
    let steps = [32, 64, 128, 256];
    for direction in [1.0, -1.0] {
        let slope = |errors: [f64; 4]| fitted_order(&steps, &errors);
        let euler = slope(steps.map(|k| weak_error(&EulerMaruyama, k, direction)));
        let milstein = slope(steps.map(|k| weak_error(&Milstein, k, direction)));
        let two = slope(steps.map(|k| weak_error(&WeakOrderTwo, k, direction)));
        assert!((euler - 1.0).abs() < 0.1, "{euler}");
        assert!((milstein - 1.0).abs() < 0.15, "{milstein}");
        assert!((two - 2.0).abs() < 0.15, "{two}");
    }
}
