//! `linear-noise` and `semiclassical`: the small-noise formulas (THEORY §7) about the base law's mean paths, in one dimension.

use super::{DerivedCard, DerivedLevel, arrived};
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::TimeGrid;
use gtv_theory::closure::Role;
use gtv_theory::data::Picker;
use gtv_theory::dynamics::{self, NoisePath, Samples, SmallNoise1d};
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::score::CovKind;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Starts and steps of the mean paths for noise that is correlated in time, where a path visits all pairs of times. Ends are
/// interpolated between starts, so these must be dense where the flow parts between two data.
const COLOURED: (usize, usize) = (801, 60);
/// The same for white noise.
const WHITE: (usize, usize) = (4_001, 400);
/// Standard deviations of p(x_T) that the starts cover.
const REACH: f64 = 5.0;

/// Normal noise about each path of the base law's mean score.
#[derive(Debug, Clone, Copy)]
pub struct LinearNoise;

/// The paper's Eq. 18.
#[derive(Debug, Clone, Copy)]
pub struct Semiclassical;

static LINEAR: DerivedCard = DerivedCard {
    one_dimensional: true,
    ..DerivedCard::new(
        "linear-noise",
        "theory: linear noise",
        "each deterministic path with the Gaussian spread that V gives it to first order",
        Role::LinearNoise,
    )
};

static SEMICLASSICAL: DerivedCard = DerivedCard {
    one_dimensional: true,
    ..DerivedCard::new(
        "semiclassical",
        "theory: semiclassical",
        "small-noise formula of the paper (Eq. 18), normalised numerically",
        Role::SmallNoise,
    )
};

/// Draws from the ends of the mean paths: starts by their weights; between neighbouring starts the end is interpolated, since it is
/// continuous. `broadened` adds each end's normal noise.
fn ends(noise: &SmallNoise1d, weights: &[f64], broadened: bool, paths: usize, streams: Streams) -> Samples {
    let mut rng = streams.stream(Purpose::Initial, 0, 0);
    let starts = Picker::new(weights);
    let draw = |_| {
        let i = starts.pick(rng.random()).min(weights.len() - 2);
        let share: f64 = rng.random();
        let between = |v: &[f64]| v[i] + share * (v[i + 1] - v[i]);
        let n: f64 = StandardNormal.sample(&mut rng);
        between(&noise.ends) + if broadened { between(&noise.variances).sqrt() * n } else { 0.0 }
    };
    arrived((0..paths).map(draw).collect())
}

/// Paths of the base law's mean score with the variance of their ends.
pub(crate) fn about_mean_paths(theory: &Theory<'_>) -> Result<SmallNoise1d> {
    let problem = theory.study.problem();
    if let Some(closure) = theory.study.theory.base.and_then(|base| base.closure()) {
        let law = theory.law(closure)?;
        let mean = law.mean_score();
        let paths = dynamics::LinearNoise::new(mean.as_ref(), TimeGrid::LogSnr, COLOURED.1)?;
        let variance = |path: &NoisePath| path.covariance(|z, other| law.cov(z, other))[0];
        return Ok(SmallNoise1d::new(mean.as_ref(), &paths, COLOURED.0, REACH, variance)?);
    }
    let exact = problem.exact().as_ref();
    let paths = dynamics::LinearNoise::new(exact, TimeGrid::LogSnr, WHITE.1)?;
    let variance = |path: &NoisePath| {
        path.white_covariance(|z| {
            let diffusion = problem.schedule().diffusion(z.t);
            let evaluated = exact.evaluate(z.x, z.t, CovKind::Trace);
            let cov = evaluated.map_or(f64::NAN, |e| e.proxy_score_cov_trace()[0]);
            vec![theory.kappa() * diffusion * diffusion * cov]
        })[0]
    };
    Ok(SmallNoise1d::new(exact, &paths, WHITE.0, REACH, variance)?)
}

impl DerivedLevel for LinearNoise {
    fn card(&self) -> &DerivedCard {
        &LINEAR
    }

    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        _progress: dynamics::Progress<'_>,
    ) -> Result<Samples> {
        let noise = theory.small_noise()?;
        Ok(ends(noise, &noise.weights, true, paths, streams))
    }
}

impl DerivedLevel for Semiclassical {
    fn card(&self) -> &DerivedCard {
        &SEMICLASSICAL
    }

    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        _progress: dynamics::Progress<'_>,
    ) -> Result<Samples> {
        let noise = theory.small_noise()?;
        Ok(ends(noise, &noise.semiclassical_weights(), false, paths, streams))
    }
}
