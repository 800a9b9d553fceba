//! Levels in one dimension that need no paths of the noise: the naive estimator's Fokker–Planck density, and the small-noise
//! formulas (THEORY §7) about the base law's mean paths.

use super::theory::Theory;
use crate::config::{Problem, TheoryName};
use anyhow::Result;
use gtv_theory::TimeGrid;
use gtv_theory::data::Picker;
use gtv_theory::dynamics::{Density1d, FokkerPlanck, LinearNoise, NoisePath, Samples, SmallNoise1d, Tally};
use gtv_theory::estimator::Estimator;
use gtv_theory::rng::Purpose;
use gtv_theory::score::{CovKind, ExactScore};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Starts and steps of the mean paths for noise that is correlated in time, where a path visits all pairs of times. Ends are
/// interpolated between starts, so these must be dense where the flow parts between two data.
const COLOURED: (usize, usize) = (801, 60);
/// The same for white noise.
const WHITE: (usize, usize) = (4_001, 400);
/// Standard deviations of p(x_T) that the starts cover.
const REACH: f64 = 5.0;
/// Cells and steps of the density: its numerical diffusion stays below the noise down to κ = 1e-3.
const DENSITY: (usize, usize) = (6_000, 3_000);
/// The density's range goes this far beyond the data: standard deviations of p(x_T).
const BEYOND: f64 = 4.5;

/// Independent samples of `fokker-planck`, `linear-noise` or `semiclassical`.
///
/// # Errors
/// A path that diverges.
pub fn sample(
    problem: &Problem,
    theory: &Theory,
    name: TheoryName,
    paths: usize,
    id: u64,
) -> Result<Samples> {
    if name == TheoryName::FokkerPlanck {
        let points = problem.cloud.points();
        let lo = points.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (cells, steps) = DENSITY;
        let solver =
            FokkerPlanck { range: [lo - BEYOND, hi + BEYOND], cells, steps, ..FokkerPlanck::default() };
        let density = solver.naive(&problem.cloud, &problem.schedule, theory.kappa(problem))?;
        return Ok(from_density(problem, &density, paths, id));
    }
    let noise = theory.small_noise(problem)?;
    let mut rng = problem.streams.stream(Purpose::Initial, id, 0);
    let broadened = name == TheoryName::LinearNoise;
    let weights = if broadened { noise.weights.clone() } else { noise.semiclassical_weights() };
    let starts = Picker::new(&weights);
    let draw = |_| {
        // Between neighbouring starts the end is interpolated: F is continuous.
        let i = starts.pick(rng.random()).min(weights.len() - 2);
        let share: f64 = rng.random();
        let between = |v: &[f64]| v[i] + share * (v[i + 1] - v[i]);
        let n: f64 = StandardNormal.sample(&mut rng);
        between(&noise.ends) + if broadened { between(&noise.variances).sqrt() * n } else { 0.0 }
    };
    Ok(arrived((0..paths).map(draw).collect()))
}

/// Paths of the base law's mean score with the variance of their ends.
///
/// # Errors
/// A path that diverges.
pub fn about_mean_paths(problem: &Problem, theory: &Theory) -> Result<SmallNoise1d> {
    if let Some(closure) = problem.config.theory.base.and_then(TheoryName::closure) {
        let law = theory.law(closure)?;
        let mean = law.mean_score();
        let paths = LinearNoise::new(mean.as_ref(), TimeGrid::LogSnr, COLOURED.1)?;
        let variance = |path: &NoisePath| path.covariance(|z, other| law.cov(z, other))[0];
        return Ok(SmallNoise1d::new(mean.as_ref(), &paths, COLOURED.0, REACH, variance)?);
    }
    let exact = ExactScore::new(problem.cloud.clone(), problem.schedule);
    let paths = LinearNoise::new(&exact, TimeGrid::LogSnr, WHITE.1)?;
    let variance = |path: &NoisePath| {
        path.white_covariance(|z| {
            let diffusion = problem.schedule.diffusion(z.t);
            let evaluated = exact.evaluate(z.x, z.t, CovKind::Trace);
            let cov = evaluated.map_or(f64::NAN, |e| e.proxy_score_cov_trace()[0]);
            vec![theory.kappa(problem) * diffusion * diffusion * cov]
        })[0]
    };
    Ok(SmallNoise1d::new(&exact, &paths, WHITE.0, REACH, variance)?)
}

fn arrived(x: Vec<f64>) -> Samples {
    Samples { x, dim: 1, failed: Tally::default(), cancelled: false }
}

/// Independent draws from a density that is constant on cells.
fn from_density(problem: &Problem, density: &Density1d, paths: usize, id: u64) -> Samples {
    let mut rng = problem.streams.stream(Purpose::Initial, id, 0);
    let cells = Picker::new(&density.mass);
    let (lo, width) = (density.range[0], density.width());
    arrived(
        (0..paths).map(|_| lo + width * (cells.pick(rng.random()) as f64 + rng.random::<f64>())).collect(),
    )
}
