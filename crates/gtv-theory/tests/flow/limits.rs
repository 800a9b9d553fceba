//! Limits of gradient flow, and what stands for it.

use crate::population::{
    PLACES, assert_close, cloud, flow, of_predictions, problem, quadrature, schedule, waves,
};
use gtv_theory::closure::{FiniteP, Leading, Paper};
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::{Flow, Order, Ridge};
use gtv_theory::quadrature::Nodes;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{At, Closure, ExactScore, Law, Learner, Objective, Prediction, ScoreField, TrainingProblem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One feature for each node: the kernel of a model that can fit everything.
#[derive(Debug)]
struct Indicators {
    x: Vec<f64>,
    t: Vec<f64>,
}

impl FeatureMap for Indicators {
    fn len(&self) -> usize {
        self.t.len()
    }

    fn dim(&self) -> usize {
        1
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        for ((row, x), t) in out.chunks_exact_mut(self.t.len()).zip(x).zip(t) {
            for (v, (a, b)) in row.iter_mut().zip(self.x.iter().zip(&self.t)) {
                *v = if a == x && b == t { 1.0 } else { 0.0 };
            }
        }
    }
}

#[test]
fn limits_the_paper_at_the_end_is_the_naive_estimator() {
    // With a feature for every node the model ends at each node's own mean label, and V = C_y/(P ρ w) w: at (x, t),
    // Cov y = (1/P) Σ_{q at (x, t)} ρ_q n_q²/(Σ ρ_q)², n the label noise. Nodes of different data points lie at different x.
    let nodes = Nodes::new(&cloud(1), &schedule(), &quadrature(), Streams::new(0)).unwrap();
    let map: Arc<dyn FeatureMap> =
        Arc::new(Indicators { x: nodes.x(0..nodes.len()).into_owned(), t: nodes.t.clone() });
    let plain = Objective::default();
    let problem = TrainingProblem::new(cloud(1), schedule(), plain, 100, Streams::new(0)).unwrap();
    let law = flow(&problem, &map, f64::INFINITY).expansion(Order::Limit).unwrap();
    let exact = ExactScore::new(cloud(1), schedule());
    // The far nodes have 1e-5 of the mass of the middle ones: look where the modes are not cut.
    let floor = 1e-6 * nodes.mass.iter().fold(0.0f64, |m, v| m.max(*v));
    for q in (0..nodes.len()).step_by(7).filter(|q| nodes.mass[*q] > floor) {
        let at = At { x: &nodes.x(q..q + 1), t: nodes.t[q] };
        let mut mean = [0.0];
        exact.denoiser_into(at.x, at.t, &mut mean);
        let noise = cloud(1).point(nodes.point[q] as usize)[0] - mean[0];
        let want = noise * noise / (100.0 * nodes.mass[q]);
        let got = of_predictions(&law, at, at)[0];
        assert!((got - want).abs() <= 1e-8 * want.max(1e-12 / nodes.mass[q]), "{q}: {got} {want}");
        // Another node's label says nothing here.
        let other = (q + 5) % nodes.len();
        let far = At { x: &nodes.x(other..other + 1), t: nodes.t[other] };
        assert!(of_predictions(&law, at, far)[0].abs() < 1e-8 * (1.0 + got));
    }
}

#[test]
fn limits_at_time_zero_nothing_is_learned() {
    let (problem, features) = (problem(1), waves(1, 4, 0.7));
    let flow = flow(&problem, &features, 0.0);
    for closure in [&Paper as &dyn Closure, &Leading] {
        let law = closure.law(&flow).unwrap();
        let drawn = law.draw(&mut Streams::new(1).stream(Purpose::TheoryModel, 0, 0)).unwrap();
        for (x, t) in PLACES {
            let at = At { x: &x[..1], t };
            assert_eq!(law.cov(at, at), [0.0]);
            let moments = law.prediction_moments(Prediction::Denoiser, at.x, &[t]);
            let skip = problem.objective().skip(&schedule(), t) * x[0];
            assert!(moments.mean == [skip] && moments.variance == [0.0]);
            let mut denoiser = [0.0];
            drawn.denoiser_into(at.x, t, &mut denoiser);
            assert!((denoiser[0] - skip).abs() < 1e-14);
        }
    }
    for time in [-1.0, f64::NAN] {
        assert!(flow.at(time).is_err());
        assert!(Flow::new(&problem, Features::Mapped(features.clone()), time, &quadrature()).is_err());
    }
    assert!(FiniteP.law(&flow).is_err());
}

#[test]
fn limits_leading_ends_at_the_linear_estimators() {
    // τ → ∞ is least squares: the leading closure of the linear estimator without ridge.
    let (problem, features) = (problem(1), waves(1, 4, 0.7));
    let flow = flow(&problem, &features, f64::INFINITY);
    let ridge = Ridge::new(&problem, Features::Mapped(features), 0.0, &quadrature()).unwrap();
    let [end, late, linear] =
        [&flow as &dyn Learner, &flow.at(1e9).unwrap(), &ridge].map(|learner| Leading.law(learner).unwrap());
    for (x, t) in PLACES {
        let [end, late, linear] =
            [&end, &late, &linear].map(|law| law.prediction_moments(Prediction::Denoiser, &x[..1], &[t]));
        assert!((end.mean[0] - late.mean[0]).abs() < 1e-8);
        // The linear estimator's mean is that of infinitely many triples.
        assert!((flow.spectrum().mean(&x[..1], &[t], f64::INFINITY)[0] - linear.mean[0]).abs() < 1e-8);
        for variance in [end.variance[0], late.variance[0]] {
            assert!((variance / linear.variance[0] - 1.0).abs() < 1e-7);
        }
    }
}

#[test]
fn identities_the_ridge_that_stands_in_has_the_same_mean() {
    let flow = flow(&problem(1), &waves(1, 4, 0.7), 0.0);
    for time in [0.05, 1.0, 20.0] {
        let flow = flow.at(time).unwrap();
        let law = Leading.law(flow.as_ridge().unwrap().as_ref()).unwrap();
        let finite = FiniteP.law(&flow).unwrap();
        let mean =
            |law: &dyn Law, x: &[f64], t| law.prediction_moments(Prediction::Denoiser, x, &[t]).mean[0];
        for (x, t) in PLACES {
            let want = flow.spectrum().mean(&x[..1], &[t], time)[0];
            let got = mean(law.as_ref(), &x[..1], t);
            // A mode with ζτ below 1e-5 is left out, one with ζτ above 16 is 1e-7 short of learned.
            assert!((got - want).abs() < 1e-5, "{time}: {got} {want}");
            // At 100 samples the self-consistent mean differs by some of the modes per sample.
            assert!((mean(finite.as_ref(), &x[..1], t) - want).abs() < 0.05);
        }
    }
}

#[test]
fn identities_modes_from_elsewhere() {
    /// Features that count how many points they were asked for.
    #[derive(Debug)]
    struct Counted(Arc<dyn FeatureMap>, AtomicUsize);

    impl FeatureMap for Counted {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn dim(&self) -> usize {
            self.0.dim()
        }

        fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
            self.1.fetch_add(t.len(), Ordering::Relaxed);
            self.0.fill(x, t, out);
        }
    }

    let plain = flow(&problem(1), &waves(1, 5, 0.7), 3.0);
    let modes = plain.spectrum().modes(3.0).unwrap();
    let counted = Arc::new(Counted(modes, AtomicUsize::new(0)));
    let other = plain.with_modes(counted.clone()).unwrap();
    for closure in [&Paper as &dyn Closure, &Leading, &FiniteP] {
        let [a, b] = [&plain, &other].map(|flow| closure.law(flow).unwrap());
        for (x, t) in PLACES {
            let seen = counted.1.load(Ordering::Relaxed);
            let [a, b] = [&a, &b].map(|law| law.prediction_moments(Prediction::Denoiser, &x[..1], &[t]));
            assert_close(&a.mean, &b.mean, 1e-12, "mean");
            assert_close(&a.variance, &b.variance, 1e-12, "variance");
            assert!(counted.1.load(Ordering::Relaxed) > seen, "{} asked elsewhere", closure.card().name);
        }
    }
    // A law that needs more modes than there are finds them itself; what are no modes is refused.
    let few = plain.with_modes(plain.spectrum().modes(0.0).unwrap()).unwrap();
    let of = |flow: &Flow| flow.expansion(Order::First).unwrap().moments(&[0.1], &[0.4]);
    assert_eq!(of(&few), of(&plain));
    assert!(plain.with_modes(waves(1, 6, 0.0)).is_err());
    assert!(plain.with_modes(waves(2, 3, 0.0)).is_err());
    assert!(plain.spectrum().modes(f64::NAN).is_err());
}
