//! Modes, responses and means against plain computations.

use crate::population::{
    PLACES, Plain, assert_close, flow, of_predictions, problem, quadrature, schedule, waves,
};
use gtv_theory::closure::{FiniteP, Leading};
use gtv_theory::features::Features;
use gtv_theory::learner::{FlowSpectrum, Order};
use gtv_theory::{At, Closure, Learner, Objective, Prediction, TrainingProblem};

#[test]
fn oracle_modes_are_mercers() {
    // e_i orthonormal in L²(wρ), Σ ζ_i e_i e_i' the kernel, f̄_τ the plain flow, at all times.
    let (problem, features) = (problem(1), waves(1, 5, 0.7));
    let plain = Plain::new(&problem, &features);
    let spectrum = FlowSpectrum::new(&problem, Features::Mapped(features.clone()), &quadrature()).unwrap();
    let trace: f64 = plain
        .phi
        .chunks_exact(5)
        .enumerate()
        .map(|(q, phi)| plain.nodes.mass[q] * plain.weight[q] * phi.iter().map(|v| v * v).sum::<f64>())
        .sum();
    assert!((spectrum.values().iter().sum::<f64>() / trace - 1.0).abs() < 1e-12);
    assert!((spectrum.trace() / trace - 1.0).abs() < 1e-12);
    for time in [0.0, 0.03, 1.0, 40.0] {
        let weights = plain.flow(&plain.moments(&plain.labels), time);
        for (x, t) in PLACES {
            let mut phi = vec![0.0; 5];
            features.fill(&x[..1], &[t], &mut phi);
            let skip = problem.objective().skip(&schedule(), t);
            let want = skip * x[0] + phi.iter().zip(&weights).map(|(p, w)| p * w).sum::<f64>();
            let got = spectrum.mean(&x[..1], &[t], time)[0];
            assert!((got - want).abs() < 1e-9, "{time}: {got} {want}");
        }
    }
    // The number of modes learned at the time that is asked for it.
    for modes in [0.5, 2.0, 4.5] {
        assert!((spectrum.effective_features(spectrum.time_of(modes)) - modes).abs() < 1e-9);
    }
    assert_eq!(spectrum.time_of(5.0), f64::INFINITY);
}

#[test]
fn oracle_leading_is_the_first_order_of_gradient_flow() {
    // Differences in the mass of one node have an error of the step squared (1e-10) and of rounding over the step (1e-11 times
    // the size of W): 1e-6 of the covariance leaves room for the flattest directions.
    for (dim, draws, target_mix) in [(1, 1, 0.0), (1, 5, 0.3), (2, 1, 0.0)] {
        let (features, of) = (waves(dim, 4, 0.7), problem(dim));
        let objective = Objective { target_mix, ..*of.objective() };
        let (cloud, samples, streams) = (of.cloud().clone(), of.samples(), of.streams());
        let problem = TrainingProblem::new(cloud, schedule(), objective, samples, streams);
        let problem = problem.unwrap().with_draws(draws).unwrap();
        let plain = Plain::new(&problem, &features);
        let flow = flow(&problem, &features, 0.0);
        for time in [0.02, 0.7, 15.0] {
            let covariance = plain.covariance(&plain.labels, time);
            let law = flow.at(time).unwrap().expansion(Order::First).unwrap();
            for (x, t) in PLACES {
                for (other, s) in PLACES {
                    let (z, z2) = (At { x: &x[..dim], t }, At { x: &other[..dim], t: s });
                    let want = plain.between(&covariance, z, z2);
                    let what = format!("D = {dim}, m = {draws}, τ = {time}");
                    assert_close(&of_predictions(&law, z, z2), &want, 1e-6, &what);
                }
            }
        }
    }
}

#[test]
fn oracle_initial_functions_share() {
    // Var over (data, f_0) = E_g Cov_data + Cov_g mean. Both are quadratic in g, so the average over g ~ N(0, I₃) is exactly that over
    // the six points ±√3 e_k.
    let (problem, features, initial) = (problem(1), waves(1, 4, 0.7), waves(1, 3, -0.9));
    let plain = Plain::new(&problem, &features);
    let flow = flow(&problem, &features, 0.0).starting_from(initial.clone()).unwrap();
    let mut psi = vec![0.0; plain.nodes.len() * 3];
    initial.fill(&plain.nodes.x(0..plain.nodes.len()), &plain.nodes.t, &mut psi);
    for time in [0.05, 2.0] {
        let flow = flow.at(time).unwrap();
        let law = flow.expansion(Order::First).unwrap();
        let (mut inner, mut means) = (vec![0.0; 16], Vec::new());
        for k in 0..3 {
            for sign in [-1.0, 1.0] {
                let g = sign * 3f64.sqrt();
                let labels: Vec<f64> =
                    plain.labels.iter().enumerate().map(|(q, y)| y - g * psi[q * 3 + k]).collect();
                let covariance = plain.covariance(&labels, time);
                inner.iter_mut().zip(covariance).for_each(|(i, c)| *i += c / 6.0);
                means.push((k, g, plain.flow(&plain.moments(&labels), time)));
            }
        }
        let still = plain.flow(&plain.moments(&plain.labels), time);
        let (mut total, mut split) = (0.0, 0.0);
        let (mut xs, mut ts) = (Vec::new(), Vec::new());
        for (x, t) in PLACES {
            for (other, s) in PLACES {
                let (z, z2) = (At { x: &x[..1], t }, At { x: &other[..1], t: s });
                let both = |at: At<'_>| {
                    let (mut phi, mut own) = (vec![0.0; 4], vec![0.0; 3]);
                    features.fill(at.x, &[at.t], &mut phi);
                    initial.fill(at.x, &[at.t], &mut own);
                    (phi, own)
                };
                let ((a, pa), (b, pb)) = (both(z), both(z2));
                let deviation = |phi: &[f64], psi: &[f64], (k, g, w): &(usize, f64, Vec<f64>)| {
                    let learned: f64 =
                        phi.iter().zip(w.iter().zip(&still)).map(|(p, (w, s))| p * (w - s)).sum();
                    g * psi[*k] + learned
                };
                let outer: f64 =
                    means.iter().map(|m| deviation(&a, &pa, m) * deviation(&b, &pb, m) / 6.0).sum();
                let want = plain.between(&inner, z, z2)[0] + outer;
                let got = of_predictions(&law, z, z2)[0];
                // Directions of f_0 that hold less than a thousandth of its variance are left out of the interaction.
                assert!((got - want).abs() < 1e-3 * want.abs().max(1e-3), "τ = {time}: {got} {want}");
                if x == other {
                    total += want;
                }
            }
            xs.push(x[0]);
            ts.push(t);
        }
        let parts = flow.split(Order::First, &xs, &ts).unwrap();
        split += 3.0 * parts.total();
        assert!((split / total - 1.0).abs() < 1e-3, "τ = {time}: {split} {total} {parts:?}");
        assert!(parts.data > 0.0 && parts.initialisation > 0.0 && parts.interaction > 0.0);
    }
    assert!(FiniteP.law(&flow.at(1.0).unwrap()).is_err());
}

#[test]
fn oracle_the_mean_to_first_order() {
    // For masses with Cov(m_q, m_p) = (ρ_q δ_qp − ρ_q ρ_p)/P, E W − W(ρ) = (1/2P) (Σ_q ρ_q ∂²W/∂m_q² − d²W/dε² at (1 + ε)ρ), here
    // by second differences. The theory's integral over the course of training is a rule of some 1 %.
    let (problem, features) = (problem(1), waves(1, 4, 0.7));
    let plain = Plain::new(&problem, &features);
    let flow = flow(&problem, &features, 0.0);
    let moments = plain.moments(&plain.labels);
    for time in [0.05, 0.7, 15.0, 300.0] {
        let still = plain.flow(&moments, time);
        let mut shift = vec![0.0; still.len()];
        let mut add = |scale: f64, step: f64, moved: &dyn Fn(f64) -> Vec<f64>| {
            let (up, down) = (moved(step), moved(-step));
            for (k, s) in shift.iter_mut().enumerate() {
                *s += scale * (up[k] - 2.0 * still[k] + down[k]) / (step * step) / 200.0;
            }
        };
        for q in 0..plain.nodes.len() {
            add(plain.nodes.mass[q], 1e-4, &|by| {
                let mut moments = moments.clone();
                plain.add_node(q, by, &plain.labels, &mut moments.0, &mut moments.1);
                plain.flow(&moments, time)
            });
        }
        add(-1.0, 1e-3, &|by| {
            let scaled = |v: &[f64]| v.iter().map(|v| (1.0 + by) * v).collect();
            plain.flow(&(scaled(&moments.0), scaled(&moments.1)), time)
        });
        let law = Leading.law(&flow.at(time).unwrap()).unwrap();
        for (x, t) in PLACES {
            let mut phi = vec![0.0; 4];
            features.fill(&x[..1], &[t], &mut phi);
            let dot = |w: &[f64]| phi.iter().zip(w).map(|(p, w)| p * w).sum::<f64>();
            let (want, before) = (dot(&shift), flow.spectrum().mean(&x[..1], &[t], time)[0]);
            let got = law.prediction_moments(Prediction::Denoiser, &x[..1], &[t]).mean[0] - before;
            let size = phi.iter().zip(&shift).map(|(p, w)| (p * w).abs()).sum::<f64>();
            assert!((got - want).abs() < 0.02 * size + 1e-7, "τ = {time}: {got} {want} of {size}");
        }
    }
}
