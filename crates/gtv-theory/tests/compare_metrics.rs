//! Distances between sets of samples: closed forms, metric axioms, and the plainest possible code as oracle.

use gtv_theory::compare::*;
use gtv_theory::rng::{Purpose, Streams};
use proptest::prelude::*;
use rand_distr::{Distribution, StandardNormal};

fn normals(n: usize, member: u64) -> Vec<f64> {
    let mut rng = Streams::new(17).stream(Purpose::Probe, member, 0);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// ∫ |F_a − F_b|^p dx by looking at every interval between the pooled values, O((n + m)²).
fn plain_cdf_distance(a: &[f64], b: &[f64], p: i32) -> f64 {
    let mut all = [a, b].concat();
    all.sort_by(f64::total_cmp);
    let cdf = |v: &[f64], x: f64| v.iter().filter(|y| **y <= x).count() as f64 / v.len() as f64;
    all.windows(2).map(|w| (w[1] - w[0]) * (cdf(a, w[0]) - cdf(b, w[0])).abs().powi(p)).sum()
}

#[test]
fn identities_a_shift_is_its_own_distance() {
    let a = normals(1001, 0);
    let b: Vec<f64> = a.iter().map(|x| x + 0.37).collect();
    assert!((w1(&a, &b).unwrap() - 0.37).abs() < 1e-14);
    let weighted = w2_squared_weighted(&a, &[1.0; 1001], &b, &[2.0; 1001]).unwrap();
    assert!((weighted.sqrt() - 0.37).abs() < 1e-13);
    // In D dimensions W₂ on the direction θ is |θ·δ|, so SW₂² is the mean of (θ·δ)² over the directions taken.
    let (dim, count, streams) = (3, 50, Streams::new(4));
    let shift = [0.3, -0.2, 0.6];
    let a = normals(300 * dim, 1);
    let b: Vec<f64> = a.iter().enumerate().map(|(i, x)| x + shift[i % dim]).collect();
    let directions = directions(dim, count, streams).unwrap();
    let squares = project(&directions, &shift).iter().map(|c| c * c).sum::<f64>();
    let sliced = sliced_w2(&a, &b, dim, count, streams).unwrap();
    assert!((sliced - (squares / count as f64).sqrt()).abs() < 1e-12);
}

#[test]
fn monte_carlo_sliced_shift_is_shift_over_root_dim() {
    // E (θ·δ)² = |δ|²/D; (θ·δ)²/|δ|² is Beta(½, (D − 1)/2), whose variance is 2(D − 1)/(D²(D + 2)). k = 4.
    for dim in [2usize, 5, 40] {
        let count = 2000;
        let directions = directions(dim, count, Streams::new(8)).unwrap();
        let mut shift = vec![0.0; dim];
        shift[dim - 1] = 1.0;
        let mean = project(&directions, &shift).iter().map(|c| c * c).sum::<f64>() / count as f64;
        let d = dim as f64;
        let error = (2.0 * (d - 1.0) / (d * d * (d + 2.0)) / count as f64).sqrt();
        assert!((mean - 1.0 / d).abs() < 4.0 * error, "D = {dim}: {mean} against {} ± {error}", 1.0 / d);
    }
}

#[test]
fn monte_carlo_w1_between_normals() {
    // W₁(N(0, 1), N(μ, σ²)) = E |μ + (σ − 1) Z|: the mean of a folded normal (scipy.stats.foldnorm). The standard
    // error is that of a 1-Lipschitz potential, at most √(1/n + σ²/m); k = 4. The upward bias is of order 1/n.
    let n = 200_000;
    let (x, z) = (normals(n, 2), normals(n, 3));
    for (mu, sigma, want) in [
        (0.0, 1.5, 0.398_942_280_401_432_7),
        (0.3, 1.5, 0.468_672_732_241_755_5),
        (1.0, 1.0, 1.0),
        (-0.2, 0.7, 0.290_671_788_294_642_2),
    ] {
        let y: Vec<f64> = z.iter().map(|z| mu + sigma * z).collect();
        let got = w1(&x, &y[..n / 2]).unwrap();
        let error = (1.0 / n as f64 + sigma * sigma / (n / 2) as f64).sqrt();
        assert!((got - want).abs() < 4.0 * error, "μ = {mu}, σ = {sigma}: {got} against {want} ± {error}");
    }
}

#[test]
fn monte_carlo_energy_distance_between_normals() {
    // X ~ N(0, 1), Y ~ N(1, 1): E = 2 E|N(1, 2)| − 4/√π with E|N(1, 2)| = 2/√π e^(−1/4) + erf(½). The influence
    // function's slope is 4 |F_a − F_b| ≤ 2 here, so the standard error is at most 2 √(2/n); k = 4.
    let n = 40_000;
    let y: Vec<f64> = normals(n, 5).iter().map(|y| y + 1.0).collect();
    let got = energy_distance(&normals(n, 4), &y, 1).unwrap();
    let root_pi = std::f64::consts::PI.sqrt();
    let want = 2.0 * (2.0 / root_pi * (-0.25f64).exp() + 0.520_499_877_813_046_5) - 4.0 / root_pi;
    assert!((got - want).abs() < 4.0 * 2.0 * (2.0 / n as f64).sqrt(), "{got} {want}");
}

#[test]
fn bad_input_is_refused() {
    let streams = Streams::new(0);
    assert!(w1(&[], &[1.0]).is_err() && w1(&[1.0], &[f64::NAN]).is_err());
    assert!(w1_weighted(&[1.0], &[1.0, 1.0], &[1.0], &[1.0]).is_err());
    assert!(w1_weighted(&[1.0], &[-1.0], &[1.0], &[1.0]).is_err());
    assert!(w1_weighted(&[1.0], &[0.0], &[1.0], &[1.0]).is_err());
    assert!(sliced_w2(&[1.0; 3], &[1.0; 2], 2, 4, streams).is_err());
    assert!(sliced_w2(&[1.0; 2], &[1.0; 2], 2, 0, streams).is_err());
    assert!(sliced_w2(&[1.0; 2], &[1.0; 2], 0, 4, streams).is_err());
}

/// Rounded to whole numbers half of the time, so that ties occur.
fn sample(max: usize) -> impl Strategy<Value = Vec<f64>> {
    (prop::collection::vec(-5.0..5.0f64, 2..max), any::<bool>())
        .prop_map(|(v, ties)| if ties { v.into_iter().map(f64::round).collect() } else { v })
}

proptest! {
    #[test]
    fn oracle_plain_cdfs(a in sample(60), b in sample(60)) {
        prop_assert!((w1(&a, &b).unwrap() - plain_cdf_distance(&a, &b, 1)).abs() < 1e-12);
        let energy = energy_distance(&a, &b, 1).unwrap();
        prop_assert!((energy - 2.0 * plain_cdf_distance(&a, &b, 2)).abs() < 1e-12);
    }

    #[test]
    fn oracle_weights_are_repetitions(
        a in sample(30), b in sample(30), counts in prop::collection::vec(0usize..5, 30),
    ) {
        prop_assume!(counts[..a.len()].iter().sum::<usize>() > 0);
        let repeated: Vec<f64> =
            a.iter().zip(&counts).flat_map(|(x, c)| std::iter::repeat_n(*x, *c)).collect();
        let weights: Vec<f64> = counts[..a.len()].iter().map(|c| *c as f64).collect();
        let weighted = w1_weighted(&a, &weights, &b, &vec![1.0; b.len()]).unwrap();
        prop_assert!((weighted - w1(&repeated, &b).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn identities_metric_axioms(a in sample(50), b in sample(50), c in sample(50)) {
        let d = |x: &[f64], y: &[f64]| w1(x, y).unwrap();
        prop_assert_eq!(d(&a, &a), 0.0);
        prop_assert!((d(&a, &b) - d(&b, &a)).abs() < 1e-13);
        prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c) + 1e-12);
        // The square root of the energy distance is a metric; a root of 1e-15 of rounding is 3e-8.
        let e = |x: &[f64], y: &[f64]| energy_distance(x, y, 1).unwrap().sqrt();
        prop_assert!(e(&a, &c) <= e(&a, &b) + e(&b, &c) + 1e-7);
        let (a, b) = (&a[..a.len() / 2 * 2], &b[..b.len() / 2 * 2]);
        let s = |x: &[f64], y: &[f64]| sliced_w2(x, y, 2, 7, Streams::new(1)).unwrap();
        prop_assert_eq!(s(a, a), 0.0);
        prop_assert!((s(a, b) - s(b, a)).abs() < 1e-12);
    }
}
