//! Summaries of one level and of predictions at probe points, against numbers worked out by hand.

use gtv_theory::PointCloud;
use gtv_theory::compare::kernel::{ProbeMoments, ProbePredictions, compare_kernels};
use gtv_theory::compare::*;
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn identities_summary_of_three_points_by_hand() {
    let data = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    // Two models of five and of ten samples count equally.
    let first = vec![-1.1, -0.5, 0.05, 0.45, 1.3];
    let second = vec![0.0; 10];
    let level = LevelSamples::new(Level::Ensemble, 1, vec![first, second]).unwrap();
    let s = summarize_level(&level, Some(&data), &CompareSettings::default(), Streams::new(1)).unwrap();
    assert_eq!((s.samples, s.units, s.unit), (15, 2, ResamplingUnit::Model));
    // First model: mean 0.04, mean square (1.21 + 0.25 + 0.0025 + 0.2025 + 1.69)/5 = 0.671.
    assert!(close(s.mean[0].value, 0.02) && close(s.cov[0].value, 0.671 / 2.0 - 0.0004));
    assert!(close(s.total_variance.value, s.cov[0].value));
    let n = s.neighbours.unwrap();
    // d₁/d₂: 0.1/1.1, 0.5/0.5, 0.05/0.95, 0.45/0.55, 0.3/1.3: copies 1, 3 and 5.
    assert!(close(n.memorized_fraction.value, 0.5 * (0.6 + 1.0)));
    assert!(close(n.nearest_distance.value, 0.5 * (0.1 + 0.5 + 0.05 + 0.45 + 0.3) / 5.0));
    assert!(close(n.near_radius, 0.2) && n.samples == 15);
    let values = |v: &[Interval]| v.iter().map(|i| i.value).collect::<Vec<_>>();
    for (got, want) in [
        (values(&n.near_mass), vec![0.1, 0.1 + 0.5, 0.0]),
        (values(&n.interval_mass), vec![0.0, 0.1, 0.1, 0.1]),
        (values(&n.midpoint_mass), vec![0.1, 0.1]),
    ] {
        assert!(
            got.len() == want.len() && got.iter().zip(&want).all(|(a, b)| close(*a, *b)),
            "{got:?} {want:?}"
        );
    }
    assert!(close(n.gap_mass.value, 0.3));
    let total: f64 = values(&n.near_mass).iter().sum::<f64>() + n.gap_mass.value;
    assert!(close(total, 1.0));
}

#[test]
fn identities_covariance_of_a_mixture_and_its_summary_in_many_dimensions() {
    let group = |shift: f64, dim: usize| -> Vec<f64> {
        (0..40 * dim).map(|i| (i as f64 * 1.7).sin() + if i % dim == 0 { shift } else { 0.0 }).collect()
    };
    for dim in [2, 3, 20] {
        // Models enough for an interval.
        let groups = [50.0, 54.0, 51.0, 55.0, 52.0].map(|shift| group(shift, dim)).to_vec();
        let level = LevelSamples::new(Level::Ensemble, dim, groups).unwrap();
        let pooled = moments(&level.groups().concat(), dim).unwrap();
        let s = summarize_level(&level, None, &CompareSettings::default(), Streams::new(1)).unwrap();
        let trace: f64 = (0..dim).map(|i| pooled.cov[i * dim + i]).sum();
        assert!((s.total_variance.value - trace).abs() < 1e-11);
        if dim <= 16 {
            let got = s.mean.iter().chain(&s.cov).map(|i| i.value);
            assert!(got.zip(pooled.mean.iter().chain(&pooled.cov)).all(|(a, b)| (a - b).abs() < 1e-11));
        } else {
            assert!(s.mean.is_empty() && s.cov.is_empty());
        }
        assert!(s.neighbours.is_none() && s.total_variance.lo < s.total_variance.hi);
    }
}

#[test]
fn identities_thinning_respects_the_allowed_work() {
    let data = PointCloud::new((0..200).map(f64::from).collect(), 2).unwrap();
    let group: Vec<f64> = (0..2000).map(|i| f64::from(i) * 0.1).collect();
    let level = LevelSamples::new(Level::Ensemble, 2, vec![group.clone(), group]).unwrap();
    let settings = CompareSettings { neighbour_work: 100.0 * 2.0 * 80.0, ..Default::default() };
    let n = summarize_level(&level, Some(&data), &settings, Streams::new(1)).unwrap().neighbours.unwrap();
    assert_eq!(n.samples, 80);
    // More than 64 data are not listed; neighbours on this line are √8 apart.
    assert!(n.near_mass.is_empty() && close(n.near_radius, 0.2 * 8f64.sqrt()));
}

#[test]
fn identities_kernel_comparison_by_hand() {
    let ensemble = ProbeMoments { mean: vec![3.0, 4.0, 0.0, 5.0], variance: vec![1.0, 3.0] };
    let theory = ProbeMoments { mean: vec![3.0, 4.0, 0.0, 4.0], variance: vec![2.0, 1.0] };
    // Weights ¼, ¾: mean error √(¾ · 1/25), variance (0.5 + 0.75)/(0.25 + 2.25), opposite orders.
    let k = compare_kernels(&theory, &ensemble, &[1.0, 3.0]).unwrap();
    assert!(
        close(k.mean_error, 0.75f64.sqrt() / 5.0)
            && close(k.variance_ratio, 0.5)
            && close(k.correlation, -1.0)
    );
    let itself = compare_kernels(&ensemble, &ensemble, &[1.0, 3.0]).unwrap();
    assert!(itself.mean_error == 0.0 && itself.variance_ratio == 1.0 && close(itself.correlation, 1.0));
}

/// N members at Q points: y = point + scale(point)·noise, D = 2.
fn predictions(members: usize, points: usize, noise: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut rng = Streams::new(21).stream(Purpose::Probe, 0, 0);
    let mut out = Vec::new();
    for _ in 0..members {
        for q in 0..points {
            for _ in 0..2 {
                out.push(1.0 + q as f64 + (0.5 + q as f64) * noise(StandardNormal.sample(&mut rng)));
            }
        }
    }
    out
}

#[test]
fn monte_carlo_kernel_intervals_hold_the_truth_and_gaussian_members_look_gaussian() {
    let (members, points) = (400, 25);
    let values = predictions(members, points, |z| z);
    let weights = vec![1.0; points];
    let probes = ProbePredictions::new(&values, &weights, 2).unwrap();
    let truth = ProbeMoments {
        mean: (0..2 * points).map(|i| 1.0 + (i / 2) as f64).collect(),
        variance: (0..points).map(|q| 2.0 * (0.5 + q as f64).powi(2)).collect(),
    };
    // A confidence of 0.9999 (k = 3.9 standard errors), so that one fixed seed failing would mean something.
    let k = probes.compare(&truth, 2000, 0.9999, Streams::new(2)).unwrap();
    assert!(k.variance_ratio.lo < 1.0 && 1.0 < k.variance_ratio.hi, "{k:?}");
    // Relative error of a sum of variances v_q of which each is known to √(1/N): √(Σ v²/N)/Σ v; ± 3.9 of them.
    let (sum, squares) = truth.variance.iter().fold((0.0, 0.0), |(s, t), v| (s + v, t + v * v));
    let half = 3.9 * (squares / members as f64).sqrt() / sum;
    let width = 0.5 * (k.variance_ratio.hi - k.variance_ratio.lo);
    assert!(width > 0.7 * half && width < 1.4 * half, "{width} {half}");
    // The mean is right, so its error is the floor, as a root mean square over 50 independent components (k = 4).
    let effective = sum * sum / squares * 2.0;
    assert!((k.mean_error.value / k.mean_error_floor - 1.0).abs() < 4.0 / (2.0 * effective).sqrt(), "{k:?}");
    assert!(k.correlation.value > 0.98 && k.correlation.hi <= 1.0);

    let g = probes.gaussianity().unwrap();
    // 50 independent components, weights by variance: mean kurtosis to √(24/N)/√effective; k = 4.
    assert!(g.excess_kurtosis.abs() < 4.0 * g.excess_kurtosis_error / effective.sqrt(), "{g:?}");
    assert!((g.skewness / g.skewness_error - 1.0).abs() < 4.0 / (2.0 * effective).sqrt());
    assert!(
        close(g.skewness_error, (6.0f64 / 400.0).sqrt()) && close(g.excess_kurtosis_error, 0.06f64.sqrt())
    );
}

#[test]
fn identities_shape_of_a_known_sample() {
    // scipy.stats.skew / kurtosis with bias=False of (1, 2, 3, 4, 10).
    let values = [1.0, 2.0, 3.0, 4.0, 10.0];
    let g = ProbePredictions::new(&values, &[1.0], 1).unwrap().gaussianity().unwrap();
    assert!(close(g.skewness_map[0], 1.697_056_274_847_714) && close(g.excess_kurtosis_map[0], 3.152));
    // Members that agree have neither.
    let g = ProbePredictions::new(&[2.5; 6], &[1.0], 1).unwrap().gaussianity().unwrap();
    assert_eq!((g.skewness, g.excess_kurtosis), (0.0, 0.0));
}

#[test]
fn monte_carlo_heavy_tails_are_seen() {
    // Cubed normals have a kurtosis far above 3.
    let values = predictions(400, 10, |z| z * z * z);
    let g = ProbePredictions::new(&values, &[1.0; 10], 2).unwrap().gaussianity().unwrap();
    assert!(g.excess_kurtosis > 10.0 * g.excess_kurtosis_error);
}

#[test]
fn bad_input_is_refused() {
    let m = ProbeMoments { mean: vec![1.0, 2.0], variance: vec![1.0, 1.0] };
    assert!(compare_kernels(&m, &m, &[1.0]).is_err() && compare_kernels(&m, &m, &[0.0, 0.0]).is_err());
    assert!(compare_kernels(&m, &m, &[1.0, -1.0]).is_err() && compare_kernels(&m, &m, &[]).is_err());
    let zero = ProbeMoments { mean: vec![0.0; 2], variance: vec![0.0; 2] };
    assert!(compare_kernels(&m, &zero, &[1.0, 1.0]).is_err());
    let short = ProbeMoments { mean: vec![1.0], variance: vec![1.0, 1.0] };
    assert!(compare_kernels(&short, &m, &[1.0, 1.0]).is_err());
    assert!(ProbePredictions::new(&[1.0, 2.0], &[1.0], 2).is_err());
    assert!(ProbePredictions::new(&[1.0, f64::NAN], &[1.0], 1).is_err());
    assert!(ProbePredictions::new(&[1.0, 2.0, 3.0], &[1.0, 1.0], 1).is_err());
    assert!(ProbePredictions::new(&[], &[1.0], 1).is_err());
    assert!(ProbePredictions::new(&[1.0, 2.0, 3.0], &[1.0], 1).unwrap().gaussianity().is_err());
}
