//! J1 − J0 = E[λ/2 tr C] whatever the field, and cases whose objectives are known.

use gtv_theory::data::{BuiltIn, ComponentCov, GaussianMixture, MixtureComponent, PointCloud};
use gtv_theory::error::Error;
use gtv_theory::problem::LossWeight;
use gtv_theory::rng::Streams;
use gtv_theory::schedule::{Schedule, ScheduleKind};
use gtv_theory::score::{ExactScore, MixtureScore, ScoreField, objectives};

/// Standard errors allowed: a correct estimate fails one check in 16,000.
const K: f64 = 4.0;

/// A wrong score: that of the final noise, s = −x.
struct NoiseOnly(Schedule, usize);

impl ScoreField for NoiseOnly {
    fn dim(&self) -> usize {
        self.1
    }
    fn schedule(&self) -> &Schedule {
        &self.0
    }
    fn score_into(&self, x: &[f64], _: f64, out: &mut [f64]) {
        out.iter_mut().zip(x).for_each(|(o, x)| *o = -x);
    }
}

#[test]
fn monte_carlo_objectives_differ_by_the_mean_uncertainty() {
    let streams = Streams::new(21);
    let schedule = Schedule::paper(0.01).unwrap();
    for set in [BuiltIn::ThreePoints {}, BuiltIn::Blend {}] {
        let cloud = set.build(&streams).unwrap();
        let dim = cloud.dim();
        let truth = ExactScore::new(cloud, schedule);
        let field = NoiseOnly(schedule, dim);
        for weight in [LossWeight::NoiseVar, LossWeight::Unit, LossWeight::Likelihood] {
            let o = objectives(&field, &truth, weight, 40_000, &streams).unwrap();
            assert!(o.residual.mean.abs() < K * o.residual.std_error, "{o:?}");
            // The residual's error is a small part of what it is the residual of: the test could fail.
            assert!(o.residual.std_error < 0.1 * o.gap.mean && o.j0.mean > 5.0 * o.j0.std_error, "{o:?}");
        }
    }
}

#[test]
fn limits_the_true_score_has_no_j0_and_one_datum_no_gap() {
    let streams = Streams::new(3);
    let schedule = Schedule::paper(0.01).unwrap();
    let truth = ExactScore::new(BuiltIn::Polygon {}.build(&streams).unwrap(), schedule);
    let o = objectives(&truth, &truth, LossWeight::NoiseVar, 20_000, &streams).unwrap();
    // Not 0 exactly: with covariances asked for, the mean is summed around another origin.
    assert!(o.j0.mean < 1e-26, "{o:?}");
    assert!((o.j1.mean - o.gap.mean).abs() < K * o.residual.std_error);
    let one = ExactScore::new(PointCloud::new(vec![0.3, -2.0], 2).unwrap(), schedule);
    let o = objectives(&one, &one, LossWeight::NoiseVar, 2_000, &streams).unwrap();
    assert_eq!(o.gap.mean, 0.0);
    assert!(o.j1.mean < 1e-20, "{o:?}");
}

#[test]
fn monte_carlo_gap_of_a_gaussian_is_its_integral() {
    // One Gaussian of variance v: C = (α²v/σ²)/(α²v + σ²) everywhere; with λ = σ² the gap is ½ D mean_t α²v/(α²v + σ²).
    let (v, dim) = (0.3, 2);
    let mean = vec![0.5; dim];
    let part = MixtureComponent { mean, cov: ComponentCov::Isotropic(v), weight: 1.0 };
    let schedule = Schedule::new(ScheduleKind::Sqrt, 0.05, 0.95).unwrap();
    let truth = MixtureScore::new(GaussianMixture::new(&[part]).unwrap(), schedule);
    let o = objectives(&truth, &truth, LossWeight::NoiseVar, 40_000, &Streams::new(9)).unwrap();
    let n = 2000;
    let integrand = |t: f64| {
        let signal2 = 1.0 - t;
        signal2 * v / (signal2 * v + t)
    };
    let mean = (0..n).map(|i| integrand(0.05 + 0.9 * (i as f64 + 0.5) / n as f64)).sum::<f64>() / n as f64;
    let expected = 0.5 * dim as f64 * mean;
    assert!((o.gap.mean - expected).abs() < K * o.gap.std_error, "{o:?} {expected}");
    assert!((o.j1.mean - expected).abs() < K * o.j1.std_error, "{o:?} {expected}");
}

#[test]
fn mismatches_are_refused() {
    let streams = Streams::new(0);
    let schedule = Schedule::paper(0.01).unwrap();
    let truth = ExactScore::new(BuiltIn::ThreePoints {}.build(&streams).unwrap(), schedule);
    let run = |field: &dyn ScoreField, n| objectives(field, &truth, LossWeight::Unit, n, &streams);
    assert!(matches!(run(&NoiseOnly(schedule, 2), 100), Err(Error::Shape { .. })));
    let other = NoiseOnly(Schedule::paper(0.02).unwrap(), 1);
    assert!(matches!(run(&other, 100), Err(Error::Unsupported { .. })));
    assert!(matches!(run(&truth, 16), Err(Error::OutOfRange { name: "samples", .. })));
    assert_eq!(run(&truth, 1000), run(&truth, 1000), "the seed decides");
}
