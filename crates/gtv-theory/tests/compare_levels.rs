//! Levels against levels: agreement with exact distances, intervals that cover, floors that are what they say.

use gtv_theory::compare::metrics::{Energy, Js, Kl, SlicedW2, W1};
use gtv_theory::compare::*;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{Error, PointCloud};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// N models of `samples` points each in `dim` dimensions: normals of width ½ about a centre N(shift, spread²).
fn ensemble(
    level: Level,
    members: usize,
    samples: usize,
    dim: usize,
    shift: f64,
    spread: f64,
    seed: u64,
) -> LevelSamples {
    let group = |m: u64| {
        let mut rng = Streams::new(seed).stream(Purpose::Probe, m, 0);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let centre: Vec<f64> = (0..dim).map(|_| shift + spread * normal()).collect();
        (0..samples * dim).map(|i| centre[i % dim] + 0.5 * normal()).collect()
    };
    LevelSamples::new(level, dim, (0..members as u64).map(group).collect()).unwrap()
}

fn quick() -> CompareSettings {
    CompareSettings { bootstrap: 100, projections: 16, range: [-3.0, 3.0], ..Default::default() }
}

fn pick(pair: &PairComparison, metric: &'static dyn Metric) -> DistanceEstimate {
    pair.distances.iter().find(|d| d.0 == MetricName::of(metric)).expect("the metric was asked for").1
}

fn compare(a: &LevelSamples, b: &LevelSamples, settings: &CompareSettings) -> PairComparison {
    compare_levels(&[a, b], &[(0, 1)], settings, Streams::new(3)).unwrap().remove(0)
}

#[test]
fn oracle_values_agree_with_exact_distances_in_one_dimension() {
    let a = ensemble(Level::Ensemble, 12, 3000, 1, 0.2, 0.1, 1);
    let b = ensemble(Level::PfOde, 1, 20_000, 1, 0.0, 0.0, 2);
    let pair = compare(&a, &b, &quick());
    assert_eq!(
        pair.distances.iter().map(|d| d.0.card()).collect::<Vec<_>>(),
        [W1.card(), Energy.card(), Js.card(), Kl.card()]
    );
    let (x, y) = (a.groups().concat(), b.groups().concat());
    assert!((pick(&pair, &W1).value - w1(&x, &y).unwrap()).abs() < 1e-12);
    assert!((pick(&pair, &Energy).value - energy_distance(&x, &y, 1).unwrap()).abs() < 1e-12);
    let axis = Axis::new(-3.0, 3.0, 200).unwrap();
    let shares = |v: &[f64]| Histogram::count(&[axis], v).unwrap().shares();
    let (p, q) = (shares(&x), shares(&y));
    assert!((pick(&pair, &Js).value - js(&p, &q).unwrap()).abs() < 1e-12);
    let smoothed = kl(&smooth(&p, 20_000.0).unwrap(), &smooth(&q, 20_000.0).unwrap()).unwrap();
    assert!((pick(&pair, &Kl).value - smoothed).abs() < 1e-12);
}

#[test]
fn oracle_values_agree_with_exact_distances_in_two_and_five_dimensions() {
    for dim in [2, 5] {
        let a = ensemble(Level::Ensemble, 10, 400, dim, 0.3, 0.2, 3);
        let b = ensemble(Level::MeanScore, 1, 3000, dim, 0.0, 0.0, 4);
        let pair = compare(&a, &b, &quick());
        let (x, y) = (a.groups().concat(), b.groups().concat());
        let exact = sliced_w2(&x, &y, dim, 16, Streams::new(3)).unwrap();
        let sliced = pick(&pair, &SlicedW2);
        // Two widths at the very most; smooth densities spread over their cells lose a small part of one.
        let width = 4.5 / 1024.0;
        assert!((sliced.value - exact).abs() < 0.25 * width, "{} {exact}", sliced.value);
        // All samples are within the 4096 that are used; only pairs of a sample with itself are treated differently:
        // leaving them out raises E‖X − X'‖ by a share of about 1/n within each member's own block.
        let energy = pick(&pair, &Energy);
        let exact = energy_distance(&x, &y, dim).unwrap();
        assert!((energy.value - exact).abs() < 2.0 * (1.0 / 4000.0 + 1.0 / 3000.0) * (dim as f64).sqrt());
        assert!(energy.lo <= energy.value && energy.value <= energy.hi && energy.lo > energy.floor);
        assert_eq!(pair.distances.len(), if dim == 2 { 4 } else { 2 });
    }
}

#[test]
fn oracle_sliced_w2_far_below_a_cell_is_that_of_the_samples() {
    // Two atoms at distance 2, spread by 1e-5, and moved by 1e-4: a cell is 3e-3 wide.
    let (dim, scale) = (2, 1e-5);
    let atoms = |member: usize, n: usize, shift: f64| -> Vec<f64> {
        let at = |i: usize| if i.is_multiple_of(2) { -1.0 } else { 1.0 };
        let wiggle = |i: usize| scale * ((i + 17 * member) as f64 * 0.618).fract();
        (0..n).flat_map(|i| [at(i) + shift + wiggle(i), wiggle(3 * i)]).collect()
    };
    let groups = |shift: f64| (0..6).map(|m| atoms(m, 100 + 20 * m, shift)).collect::<Vec<_>>();
    let a = LevelSamples::new(Level::Ensemble, dim, groups(0.0)).unwrap();
    let b = LevelSamples::new(Level::MeanScore, dim, vec![groups(1e-4).concat()]).unwrap();
    let found = pick(&compare(&a, &b, &quick()), &SlicedW2);
    // Members weigh alike, whatever their size.
    let weights: Vec<f64> =
        a.groups().iter().flat_map(|g| vec![1.0 / (g.len() / dim) as f64; g.len() / dim]).collect();
    let ones = vec![1.0; b.samples()];
    let (x, y) = (a.groups().concat(), b.groups().concat());
    let squares = directions(dim, 16, Streams::new(3)).unwrap().chunks(dim).fold(0.0, |sum, d| {
        sum + w2_squared_weighted(&project(&x, d), &weights, &project(&y, d), &ones).unwrap()
    });
    let exact = (squares / 16.0).sqrt();
    // Masses of 900 samples are summed to 900 · 2e-16, and what that moves goes from one atom to the other: 4 times as much in W₂².
    let rounding = 4.0 * 900.0 * 2.2e-16;
    assert!((found.value.powi(2) - exact.powi(2)).abs() < rounding, "{} {exact}", found.value);
    assert!(found.lo <= found.value && found.value <= found.hi, "{found:?}");
}

#[test]
fn identities_a_level_is_at_distance_zero_from_itself() {
    for dim in [1, 2] {
        let a = ensemble(Level::Ensemble, 8, 200, dim, 0.0, 0.3, 5);
        let twin = LevelSamples::new(Level::Theory("paper".into()), dim, a.groups().to_vec()).unwrap();
        let settings = CompareSettings { energy_samples: 400, ..quick() };
        for (metric, e) in compare(&a, &twin, &settings).distances {
            // In D > 1 the energy distance leaves out self-pairs within a level but not between: slightly below 0, set to 0.
            assert!(e.value < 1e-14 && e.lo == 0.0, "{metric:?} {e:?}");
            assert!(e.floor > 0.0 && e.hi < 4.0 * e.floor, "{metric:?} {e:?}");
        }
    }
}

#[test]
fn monte_carlo_the_floor_is_the_distance_between_equal_laws() {
    // 60 pairs of ensembles of one law: their mean distance against the mean of the floors, k = 4 standard errors, plus
    // 5 % (10 % for quadratic distances) that the bootstrap may be off at N = 30, being an expansion in 1/√N.
    for dim in [1, 2] {
        let settings = CompareSettings { energy_samples: 300, bins: Some(20), projections: 4, ..quick() };
        let runs: Vec<PairComparison> = (0..60)
            .into_par_iter()
            .map(|run| {
                let a = ensemble(Level::Ensemble, 30, 100, dim, 0.0, 0.4, 1000 + run);
                let b = ensemble(Level::MeanScore, 30, 100, dim, 0.0, 0.4, 2000 + run);
                compare(&a, &b, &settings)
            })
            .collect();
        for &metric in metrics::ALL.iter().filter(|m| m.card().dimensions.contains(&dim)) {
            let MetricCard { name, noise, .. } = *metric.card();
            let mean = |f: &dyn Fn(DistanceEstimate) -> f64| {
                let v: Vec<f64> = runs.iter().map(|r| f(pick(r, metric))).collect();
                let m = v.iter().sum::<f64>() / 60.0;
                (m, (v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / 59.0 / 60.0).sqrt())
            };
            let ((value, value_error), (floor, floor_error)) = (mean(&|e| e.value), mean(&|e| e.floor));
            let slack = if noise == Noise::Linear { 0.05 } else { 0.1 } * value;
            let gap = (value - floor).abs();
            assert!(
                gap < 4.0 * value_error.hypot(floor_error) + slack,
                "D = {dim} {name}: distance {value} ± {value_error}, floor {floor} ± {floor_error}"
            );
        }
    }
}

#[test]
fn convergence_floors_fall_with_the_number_of_members() {
    let sizes = [20usize, 80, 320];
    let floors: Vec<PairComparison> = sizes
        .iter()
        .map(|&n| {
            let a = ensemble(Level::Ensemble, n, 200, 1, 0.0, 0.4, 7);
            let b = ensemble(Level::MeanScore, n, 200, 1, 0.0, 0.4, 8);
            compare(&a, &b, &CompareSettings { bootstrap: 400, bins: Some(30), ..quick() })
        })
        .collect();
    for (metric, order) in [(&W1 as &dyn Metric, -0.5), (&Js, -1.0), (&Energy, -1.0)] {
        let f: Vec<f64> = floors.iter().map(|p| pick(p, metric).floor.ln()).collect();
        let slope = (f[2] - f[0]) / (320f64 / 20.0).ln();
        // A floor is a mean over 200 pairs of resamples; the spread of the law's own estimate at N = 20 dominates: about
        // 1/√40 of a variance on each side, so 16 % of a quadratic floor and 0.06 of its slope over ln 16.
        assert!((slope - order).abs() < 0.18, "{}: slope {slope}, expected {order}", metric.card().name);
    }
}

#[test]
fn monte_carlo_intervals_of_w1_cover() {
    // Well separated, W₁ is the difference of means, 1; its standard error comes from N = 40 centres of spread 0.3 (and
    // 50 samples each), so that a percentile interval covers with P(|t₃₉| < 1.960 √(39/40)) = 0.9398. k = 4.
    let (trials, expected) = (200u64, 0.9398f64);
    let fixed = ensemble(Level::PfOde, 10, 500, 1, 0.0, 0.0, 9);
    let mean = fixed.groups().concat().iter().sum::<f64>() / 5e3;
    let settings = CompareSettings { metrics: vec![MetricName::of(&W1)], bootstrap: 200, ..quick() };
    let covered = (0..trials)
        .into_par_iter()
        .filter(|&trial| {
            let a = ensemble(Level::Ensemble, 40, 50, 1, 1.0, 0.3, 10_000 + trial);
            let e =
                compare_levels(&[&a, &fixed], &[(0, 1)], &settings, Streams::new(trial)).unwrap().remove(0);
            let e = pick(&e, &W1);
            e.lo <= 1.0 - mean && 1.0 - mean <= e.hi
        })
        .count() as f64
        / trials as f64;
    let error = (expected * (1.0 - expected) / trials as f64).sqrt();
    assert!((covered - expected).abs() < 4.0 * error, "coverage {covered}, expected {expected} ± {error}");
}

#[test]
fn monte_carlo_w1_of_noise_far_below_the_range_is_right() {
    // Points one apart, smoothed by σ: W₁ = σ E|n| = σ √(2/π), whatever σ is beside the range, and beside an ensemble that
    // is broad. With n samples the standard error is σ √((1 − 2/π)/n) from |n|, and σ/2 · √(1/n) from shares of the points
    // would be 0 here, since both levels have the same. k = 4.
    let n = 30_000;
    let broad = ensemble(Level::Ensemble, 10, 1000, 1, 0.0, 0.3, 21);
    for std in [1.0e-2, 2.0e-3, 1.0e-5, 1.0e-9] {
        let mut rng = Streams::new(22).stream(Purpose::Probe, 0, 0);
        let point = |i: usize| 50.0 * (i % 3) as f64;
        let points = LevelSamples::new(Level::Points, 1, vec![(0..n).map(point).collect()]).unwrap();
        let noisy = (0..n).map(|i| {
            point(i) + std * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, &mut rng)
        });
        let data = LevelSamples::new(Level::Data, 1, vec![noisy.collect()]).unwrap();
        let pairs = compare_levels(&[&points, &data, &broad], &[(0, 1)], &quick(), Streams::new(3)).unwrap();
        let e = pick(&pairs[0], &W1);
        let (mean, error) = (std * (2.0 / std::f64::consts::PI).sqrt(), std * (0.363_f64 / n as f64).sqrt());
        // Around 100, positions are known to 1e-14.
        assert!((e.value - mean).abs() < 4.0 * error + 1e-14, "σ = {std}: {e:?}, expected {mean} ± {error}");
        assert!(e.lo <= e.value && e.value <= e.hi && e.hi - e.lo < 40.0 * error, "σ = {std}: {e:?}");
    }
}

#[test]
fn limits_few_models_have_distances_without_intervals() {
    let fixed = ensemble(Level::PfOde, 1, 500, 1, 0.0, 0.0, 31);
    for members in 2..=6 {
        let few = ensemble(Level::Ensemble, members, 100, 1, 0.0, 0.3, 32);
        let pair = compare_levels(&[&few, &fixed], &[(0, 1)], &quick(), Streams::new(1)).unwrap().remove(0);
        for (metric, e) in pair.distances {
            assert!(e.value.is_finite() && e.floor.is_finite());
            assert_eq!(
                e.lo.is_finite() && e.hi.is_finite(),
                members >= FEWEST_GROUPS,
                "{metric:?} {members}"
            );
        }
        let data = PointCloud::new(vec![0.0, 1.0], 1).unwrap();
        let s = summarize_level(&few, Some(&data), &quick(), Streams::new(1)).unwrap();
        assert_eq!(s.total_variance.lo.is_finite(), members >= FEWEST_GROUPS);
        assert_eq!(s.neighbours.unwrap().gap_mass.hi.is_finite(), members >= FEWEST_GROUPS);
    }
}

#[test]
fn identities_results_do_not_depend_on_the_number_of_threads() {
    for dim in [1, 2, 6] {
        let a = ensemble(Level::Ensemble, 9, 500, dim, 0.1, 0.3, 11);
        let b = ensemble(Level::Data, 1, 2500, dim, 0.0, 0.0, 12);
        let data = PointCloud::new((0..5 * dim).map(|i| (i as f64).sin()).collect(), dim).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let summary = summarize_level(&a, Some(&data), &quick(), Streams::new(3)).unwrap();
                (compare(&a, &b, &quick()), summary)
            })
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn limits_outliers_and_coinciding_samples_are_survived() {
    let point = |level, x: f64| LevelSamples::new(level, 1, vec![vec![x; 300]]).unwrap();
    let same = compare(&point(Level::Data, 0.5), &point(Level::PfOde, 0.5), &quick());
    // Weights of a resample sum to 1 up to rounding.
    assert!(same.distances.iter().all(|(_, e)| e.value == 0.0 && e.hi < 1e-14 && e.floor < 1e-14));
    let apart = compare(&point(Level::Data, 0.5), &point(Level::PfOde, 1.5), &quick());
    assert!((pick(&apart, &W1).value - 1.0).abs() < 1e-12);
    assert!((pick(&apart, &Energy).value - 2.0).abs() < 1e-12);
    // One path in 3000 a million away moves W₁ by a million/3000, exactly.
    let mut a = ensemble(Level::Ensemble, 1, 3000, 1, 0.0, 0.0, 13).groups().to_vec();
    let plain = LevelSamples::new(Level::PfOde, 1, a.clone()).unwrap();
    let moved = 1e6 - a[0][7];
    a[0][7] = 1e6;
    let far = LevelSamples::new(Level::Ensemble, 1, a).unwrap();
    let w1 = pick(&compare(&far, &plain, &quick()), &W1).value;
    assert!((w1 - moved / 3000.0).abs() < 1e-9 * w1);
}

#[test]
fn bad_input_is_refused() {
    let (a, b) = (ensemble(Level::Data, 2, 5, 1, 0.0, 0.0, 1), ensemble(Level::PfOde, 2, 5, 2, 0.0, 0.0, 1));
    let streams = Streams::new(0);
    let settings = CompareSettings::default();
    assert!(matches!(compare_levels(&[&a, &b], &[(0, 1)], &settings, streams), Err(Error::Shape { .. })));
    assert!(matches!(compare_levels(&[], &[], &settings, streams), Err(Error::Empty { .. })));
    assert!(compare_levels(&[&a], &[(0, 1)], &settings, streams).is_err());
    let data = PointCloud::new(vec![0.0, 1.0], 2).unwrap();
    assert!(summarize_level(&a, Some(&data), &settings, streams).is_err());
    for bad in [
        CompareSettings { bootstrap: 1, ..Default::default() },
        CompareSettings { confidence: 1.5, ..Default::default() },
        CompareSettings { range: [1.0, 1.0], ..Default::default() },
        CompareSettings { bins: Some(0), ..Default::default() },
        CompareSettings { projections: 0, ..Default::default() },
        CompareSettings { near_radius: Some(-1.0), ..Default::default() },
        CompareSettings { neighbour_work: f64::NAN, ..Default::default() },
    ] {
        assert!(matches!(compare_levels(&[&a], &[], &bad, streams), Err(Error::OutOfRange { .. })));
    }
}
