//! The naive estimator's effective dynamics: the interleaved scheme, Euler–Maruyama and Fokker–Planck are one law in the
//! limit of small steps, and it empties the gaps and the middle datum.

use gtv_theory::compare::kl;
use gtv_theory::dynamics::{FokkerPlanck, Form, NaiveNoise, NaivePaths, Sampling, unobserved};
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{PointCloud, Schedule, TimeGrid};
use rand::RngExt;

const NOISES: [NaiveNoise; 2] = [NaiveNoise::Posterior, NaiveNoise::Gaussian];
const RANGE: [f64; 2] = [-4.5, 4.5];

fn three_points() -> PointCloud {
    PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap()
}

fn paths(load: f64, noise: NaiveNoise, steps: usize, count: usize, seed: u64) -> Vec<f64> {
    let (cloud, schedule) = (three_points(), Schedule::paper(0.03).unwrap());
    let settings = Sampling { steps, form: Form::Denoiser, grid: TimeGrid::LogSnr, ..Sampling::default() };
    let sampler = NaivePaths::new(&cloud, &schedule, load, noise, &settings).unwrap();
    sampler.sample(count, Streams::new(seed), 0, &unobserved).x
}

/// The limit law on cells of width 0.01: linear extrapolation in the step and the width from two resolutions, halved together, at
/// least half the finer one, since the tails have not reached the linear regime.
fn limit(load: f64) -> Vec<f64> {
    let (cloud, schedule) = (three_points(), Schedule::paper(0.03).unwrap());
    let solve = |cells: usize| {
        let solver = FokkerPlanck { range: RANGE, cells, steps: cells / 2, grid: TimeGrid::LogSnr };
        solver.naive(&cloud, &schedule, load).unwrap().mass
    };
    let on_cells = |mass: Vec<f64>| -> Vec<f64> {
        mass.chunks_exact(mass.len() / 900).map(|m| m.iter().sum()).collect()
    };
    let (coarse, fine) = (on_cells(solve(900)), on_cells(solve(1800)));
    coarse.iter().zip(&fine).map(|(c, f)| (2.0 * f - c).max(0.5 * f)).collect()
}

fn centre(cell: usize) -> f64 {
    RANGE[0] + 0.01 * (cell as f64 + 0.5)
}

/// Least-squares slope of ln(error) against ln(1/steps).
fn fitted_order(steps: &[usize], errors: &[f64]) -> f64 {
    let n = steps.len() as f64;
    let (x, y): (Vec<f64>, Vec<f64>) =
        steps.iter().zip(errors).map(|(k, e)| (-(*k as f64).ln(), e.ln())).unzip();
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let slope = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    slope / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>()
}

/// |E f(X_h) − E f| at each number of steps, by 40,000 paths.
fn errors(load: f64, noise: NaiveNoise, steps: &[usize], limit: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    let exact: f64 = limit.iter().enumerate().map(|(i, m)| m * f(centre(i))).sum();
    let error = |steps: usize| {
        let x = paths(load, noise, steps, 40_000, steps as u64);
        (x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64 - exact).abs()
    };
    steps.iter().map(|steps| error(*steps)).collect()
}

fn middle(x: f64) -> f64 {
    if x.abs() < 0.5 { 1.0 } else { 0.0 }
}

#[test]
fn convergence_weak_order_of_the_naive_schemes() {
    // Errors fall from about 0.1 to 0.01; standard errors are 0.002 and less. Each scheme by an average whose error keeps its sign:
    // the middle datum's mass for the interleaved scheme, E x² for Euler-Maruyama. (E x² of the interleaved scheme has
    // a part of order 1/2 besides, from the posterior's skewness, of opposite sign: see `NaiveNoise`.)
    let steps = [12, 24, 48, 96];
    for load in [0.1, 0.5, 1.0] {
        let q = limit(load);
        let interleaved = errors(load, NaiveNoise::Posterior, &steps, &q, middle);
        let order = fitted_order(&steps, &interleaved);
        assert!(order >= 0.8, "interleaved, κ = {load}: order {order}, errors {interleaved:?}");
        let euler = errors(load, NaiveNoise::Gaussian, &steps, &q, |x| x * x);
        let order = fitted_order(&steps, &euler);
        assert!(order >= 0.8, "Euler-Maruyama, κ = {load}: order {order}, errors {euler:?}");
    }
}

#[test]
fn convergence_skewness_of_the_posterior_costs_the_interleaved_scheme_half_an_order() {
    // The two schemes differ by the third and higher cumulants of a step's noise: (κΔ)^{3/2} in a step, √Δ in all at first order
    // and Δ at the next. At κ = 1 the difference of their E x² is 0.23 … 0.04, known to 0.003: its order is below 1.
    let steps = [12, 24, 48, 96, 192];
    let second = |noise, steps: usize| {
        let x = paths(1.0, noise, steps, 40_000, steps as u64);
        x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64
    };
    let apart = steps.map(|k| second(NaiveNoise::Gaussian, k) - second(NaiveNoise::Posterior, k));
    let order = fitted_order(&steps, &apart);
    assert!((0.45..0.8).contains(&order), "order {order}, differences {apart:?}");
}

/// Counts in 90 cells of width 0.1; states outside count in the outermost.
fn shares(states: &[f64]) -> Vec<f64> {
    let mut shares = vec![0.0; 90];
    for x in states {
        shares[(((x - RANGE[0]) * 10.0).max(0.0) as usize).min(89)] += 1.0 / states.len() as f64;
    }
    shares
}

#[test]
fn convergence_paths_have_the_density_of_fokker_planck() {
    // KL(paths || density) at most 3e-3 above that of as many draws from the density itself, which is about
    // (occupied cells − 1)/2n = 1e-3. The interleaved scheme needs more steps for it: its error is of order 1/2 (the
    // posterior's skewness), so its KL falls with the step itself: above the floor by 6.6e-3 at 1,000 steps and 1.5e-3 at 4,000,
    // κ = 0.5.
    let n = 15_000;
    for load in [0.1, 0.5, 1.0] {
        let mut density: Vec<f64> =
            limit(load).chunks_exact(10).map(|m| m.iter().sum::<f64>().max(1e-12)).collect();
        let total: f64 = density.iter().sum();
        density.iter_mut().for_each(|m| *m /= total);
        let cumulative: Vec<f64> = density
            .iter()
            .scan(0.0, |sum, m| {
                *sum += m;
                Some(*sum)
            })
            .collect();
        let mut rng = Streams::new(5).stream(Purpose::Probe, 0, 0);
        let drawn: Vec<f64> = (0..n)
            .map(|_| {
                let u = rng.random::<f64>() * cumulative[89];
                RANGE[0] + 0.1 * (cumulative.partition_point(|c| *c <= u) as f64 + 0.5)
            })
            .collect();
        let floor = kl(&shares(&drawn), &density).unwrap();
        for (noise, steps) in [(NaiveNoise::Posterior, 6000), (NaiveNoise::Gaussian, 1000)] {
            let found = kl(&shares(&paths(load, noise, steps, n, 9)), &density).unwrap();
            assert!(found < floor + 3e-3, "κ = {load} {noise:?}: KL {found}, floor {floor}");
        }
    }
}

#[test]
fn limits_white_noise_empties_the_gaps_and_the_middle() {
    // On paths of either scheme, as the density does (see dynamics/tests/white_noise.rs): Itô noise drives paths out
    // of the regions where the posterior is uncertain.
    let masses = |load: f64, noise| {
        let x = paths(load, noise, 150, 20_000, 3);
        let share =
            |inside: &dyn Fn(f64) -> bool| x.iter().filter(|x| inside(**x)).count() as f64 / x.len() as f64;
        (share(&|x| (x.abs() - 0.5).abs() < 0.2), share(&|x| x.abs() < 0.5))
    };
    for noise in NOISES {
        let found = [0.0, 0.1, 0.5, 1.0].map(|load| masses(load, noise));
        assert!(found[1].0 < 0.2 * found[0].0 && found[3].0 < 0.03 * found[0].0, "{noise:?} gaps {found:?}");
        assert!(found.windows(2).all(|f| f[1].1 < f[0].1 - 0.03), "{noise:?} middle {found:?}");
    }
}
