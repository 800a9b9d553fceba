//! The linear-noise approximation and Eq. 18.

use super::problems::{Gaussian, distance, fitted_order, points};
use crate::data::PointCloud;
use crate::dynamics::{
    FokkerPlanck, Integrator, ItoStepper, ItoWorkspace, LinearNoise, NaiveSde, NoisePath, PfOde, Sampling,
    SmallNoise1d, WeakOrderTwo, draw_increments,
};
use crate::law::At;
use crate::rng::{Purpose, Streams};
use crate::schedule::{Schedule, TimeGrid};
use crate::score::ScoreField;

/// A field plus a small multiple of a smooth one: one draw of a random field of rank one.
struct Perturbed<'a, F> {
    base: &'a F,
    strength: f64,
}

/// The direction g(x, t) of the perturbation, D values.
fn direction(x: &[f64], t: f64) -> Vec<f64> {
    let phase: f64 = x.iter().enumerate().map(|(i, x)| (1.0 + i as f64) * x).sum();
    (0..x.len()).map(|i| (phase + 3.0 * t + i as f64).cos()).collect()
}

impl<F: ScoreField> ScoreField for Perturbed<'_, F> {
    fn dim(&self) -> usize {
        self.base.dim()
    }
    fn schedule(&self) -> &Schedule {
        self.base.schedule()
    }
    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.base.score_into(x, t, out);
        let dim = self.dim();
        for (o, x) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
            o.iter_mut().zip(direction(x, t)).for_each(|(o, g)| *o += self.strength * g);
        }
    }
}

fn rank_one(z: At<'_>, other: At<'_>) -> Vec<f64> {
    let (g, h) = (direction(z.x, z.t), direction(other.x, other.t));
    g.iter().flat_map(|g| h.iter().map(move |h| g * h)).collect()
}

/// dF/dδ of the perturbed flow at δ = 0, by differences of accurate flows.
fn response<F: ScoreField>(base: &F, start: &[f64]) -> Vec<f64> {
    let end = |strength: f64| {
        let field = Perturbed { base, strength };
        let settings =
            Sampling { integrator: Integrator::Dopri5, rtol: 1e-12, atol: 1e-12, ..Sampling::default() };
        let flow = PfOde::new(&field, &settings).unwrap();
        let mut x = start.to_vec();
        flow.transport(&mut x, &mut flow.workspace());
        x
    };
    let step = 1e-4;
    end(step).iter().zip(end(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect()
}

#[test]
fn oracle_covariance_of_a_rank_one_field_is_its_response_squared() {
    // Discrete data in one dimension and Gaussian data in two: Σ = (dF/dδ)(dF/dδ)ᵀ at second order in the steps.
    fn check<F: ScoreField>(field: &F, start: &[f64]) {
        let r = response(field, start);
        let exact: Vec<f64> = r.iter().flat_map(|a| r.iter().map(move |b| a * b)).collect();
        let steps = [200, 400, 800];
        let errors = steps.map(|k| {
            let paths = LinearNoise::new(field, TimeGrid::LogSnr, k).unwrap();
            distance(&paths.path(start).unwrap().covariance(rank_one), &exact)
        });
        let order = fitted_order(&steps, &errors);
        assert!((order - 2.0).abs() < 0.3, "{order} {errors:?} {exact:?}");
    }
    check(&points(Schedule::paper(0.02).unwrap(), &[-1.0, 0.0, 1.0]), &[0.35]);
    check(&Gaussian::new(Schedule::paper(0.02).unwrap()), &[0.6, -1.1]);
}

#[test]
fn convergence_path_and_tangent_are_the_flows() {
    // F and F' of Gaussian data are known: F' = √(v_ε/v_T) I.
    let field = Gaussian::new(Schedule::paper(0.02).unwrap());
    let start = [0.6, -1.1];
    let slope = (field.var(0.02) / field.var(1.0)).sqrt();
    let steps = [100, 200, 400];
    let errors = steps.map(|k| {
        let path = LinearNoise::new(&field, TimeGrid::LogSnr, k).unwrap().path(&start).unwrap();
        let tangent = distance(path.tangent(), &[slope, 0.0, 0.0, slope]);
        distance(path.end(), &field.exact_flow(&start)).max(tangent)
    });
    let order = fitted_order(&steps, &errors);
    assert!((order - 2.0).abs() < 0.2, "{order} {errors:?}");
}

#[test]
fn limits_white_noise_on_linear_drift_is_exact() {
    // Σ = ∫ (v_ε/v_t) B dt with constant B.
    let field = Gaussian::new(Schedule::paper(0.1).unwrap());
    let path = LinearNoise::new(&field, TimeGrid::Uniform, 2000).unwrap().path(&[0.1, 0.2]).unwrap();
    let found = path.white_covariance(|_| vec![2.0, 0.5, 0.5, 1.0]);
    let n = 20_000;
    let h = 0.9 / n as f64;
    let integral: f64 = (0..n).map(|k| h * field.var(0.1) / field.var(0.1 + (k as f64 + 0.5) * h)).sum();
    let exact = [2.0, 0.5, 0.5, 1.0].map(|b| b * integral);
    assert!(distance(&found, &exact) < 1e-5, "{found:?} {exact:?}");
}

fn naive_variance<'a>(
    cloud: &'a PointCloud,
    schedule: &'a Schedule,
) -> impl Fn(&NoisePath) -> f64 + Sync + 'a {
    // C depends on the posterior alone, which NaiveSde evaluates with κ = 1.
    move |path| {
        let sde = std::cell::RefCell::new(NaiveSde::new(cloud, schedule, 1.0).unwrap());
        path.white_covariance(|z| vec![sde.borrow_mut().coefficients(z.t, z.x[0]).1])[0]
    }
}

/// Three points, ε = 0.03, noise of the naive estimator at κ = 1.
fn three_points(nodes: usize) -> SmallNoise1d {
    let schedule = Schedule::paper(0.03).unwrap();
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let field = points(schedule, &[-1.0, 0.0, 1.0]);
    let paths = LinearNoise::new(&field, TimeGrid::LogSnr, 200).unwrap();
    SmallNoise1d::new(&field, &paths, nodes, 5.0, naive_variance(&cloud, &schedule)).unwrap()
}

fn edges() -> Vec<f64> {
    (0..=200).map(|i| -2.0 + 0.02 * i as f64).collect()
}

/// Σ |cumulative difference| · width: W1 of two binned distributions.
fn w1(a: &[f64], b: &[f64]) -> f64 {
    let (mut cumulative, mut sum) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        cumulative += a - b;
        sum += f64::abs(cumulative) * 0.02;
    }
    sum
}

#[test]
fn monte_carlo_paths_scatter_by_the_linear_noise_variance() {
    // From one start well inside the right basin, κ = 1e-3: variance to 4 standard errors √(2/n), mean to 4 √(Σ/n) plus
    // the correction of order κ that the approximation drops, itself below a standard error here.
    let schedule = Schedule::paper(0.03).unwrap();
    let (cloud, load, n) = (PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), 1e-3, 4000);
    let field = points(schedule, &[-1.0, 0.0, 1.0]);
    let start = 1.2;
    let path = LinearNoise::new(&field, TimeGrid::LogSnr, 400).unwrap().path(&[start]).unwrap();
    let variance = load * naive_variance(&cloud, &schedule)(&path);
    let mut sde = NaiveSde::new(&cloud, &schedule, load).unwrap();
    let mut rng = Streams::new(3).stream(Purpose::PathNoise, 0, 0);
    let (mut x, mut dw, mut work) = (vec![start; n], vec![0.0; n], ItoWorkspace::new(n));
    for t in schedule.grid(TimeGrid::LogSnr, 400).unwrap().windows(2) {
        let h = t[1] - t[0];
        draw_increments(&mut rng, h, &mut dw);
        WeakOrderTwo.step(&mut sde, t[0], h, &dw, &mut x, &mut work);
    }
    let mean = x.iter().sum::<f64>() / n as f64;
    let found = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    assert!((found / variance - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{found} {variance}");
    assert!((mean - path.end()[0]).abs() < 4.0 * (variance / n as f64).sqrt(), "{mean} {}", path.end()[0]);
}

#[test]
fn limits_linear_noise_tends_to_the_flow_and_eq_18_does_not() {
    // Eq. 18 does not contain κ once normalised, so what it changes stays as κ → 0.
    let unit = three_points(1001);
    let flow = unit.scaled(0.0).linear_noise_masses(&edges());
    let distances =
        [1e-1, 1e-2, 1e-3, 1e-4].map(|k| w1(&unit.scaled(k).linear_noise_masses(&edges()), &flow));
    assert!(distances.windows(2).all(|d| d[1] < 0.5 * d[0]), "{distances:?}");
    let at = |load| unit.scaled(load).semiclassical_weights();
    assert!(distance(&at(1e-6), &at(1.0)) < 1e-14);
    assert!(w1(&unit.scaled(1e-6).semiclassical_masses(&edges()), &flow) > 0.03);
    assert_eq!(at(0.0), unit.weights);
}

#[test]
fn limits_both_fail_for_white_noise_at_basin_boundaries() {
    // κ = 0.01, against the Fokker–Planck density: white noise moves W1 = 0.013, away from the boundaries between basins.
    // Linear noise puts W1 = 0.03 of spread *onto* them (there Σ is large, but paths do not stay), Eq. 18 0.06.
    let schedule = Schedule::paper(0.03).unwrap();
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let solver = FokkerPlanck { range: [-4.5, 4.5], cells: 900, steps: 450, ..FokkerPlanck::default() };
    let bins = |load| -> Vec<f64> {
        let q = solver.naive(&cloud, &schedule, load).unwrap();
        edges().windows(2).map(|e| q.mass_between(e[0], e[1])).collect()
    };
    let (exact, none) = (bins(0.01), bins(0.0));
    let at = three_points(1001).scaled(0.01);
    let (linear, eq_18) = (at.linear_noise_masses(&edges()), at.semiclassical_masses(&edges()));
    let errors = [w1(&none, &exact), w1(&linear, &exact), w1(&eq_18, &exact)];
    assert!(errors.windows(2).all(|e| e[0] < e[1]), "{errors:?}");
    let gap = |m: &[f64]| m[115..135].iter().sum::<f64>();
    let gaps = [&exact, &none, &linear].map(|m| gap(m));
    assert!(gaps.windows(2).all(|g| g[0] < g[1]), "mass within 0.2 of 0.5: {gaps:?}");
}

#[test]
fn limits_one_datum_has_no_noise() {
    let schedule = Schedule::paper(0.03).unwrap();
    let cloud = PointCloud::new(vec![0.4], 1).unwrap();
    let field = points(schedule, &[0.4]);
    let paths = LinearNoise::new(&field, TimeGrid::LogSnr, 50).unwrap();
    let found = SmallNoise1d::new(&field, &paths, 101, 5.0, naive_variance(&cloud, &schedule)).unwrap();
    assert!(found.variances.iter().all(|v| *v == 0.0));
    assert_eq!(found.semiclassical_weights(), found.weights);
    assert_eq!(found.linear_noise_masses(&edges()), found.semiclassical_masses(&edges()));
}

#[test]
fn bad_settings_are_refused() {
    let plane = Gaussian::new(Schedule::paper(0.02).unwrap());
    let paths = LinearNoise::new(&plane, TimeGrid::LogSnr, 10).unwrap();
    assert!(paths.path(&[1.0]).is_err() && paths.path(&[1.0, f64::NAN]).is_err());
    assert!(SmallNoise1d::new(&plane, &paths, 11, 5.0, |_| 0.0).is_err());
    let line = points(Schedule::paper(0.02).unwrap(), &[0.0]);
    let paths = LinearNoise::new(&line, TimeGrid::LogSnr, 10).unwrap();
    assert!(SmallNoise1d::new(&line, &paths, 1, 5.0, |_| 0.0).is_err());
    assert!(SmallNoise1d::new(&line, &paths, 11, f64::NAN, |_| 0.0).is_err());
    assert!(LinearNoise::new(&line, TimeGrid::LogSnr, 0).is_err());
}
