//! `fokker-planck`: the naive estimator's density by its Fokker–Planck equation, in one dimension.

use super::{DerivedCard, DerivedLevel, arrived};
use crate::error::Result;
use crate::theory::Theory;
use gtv_theory::closure::Role;
use gtv_theory::data::Picker;
use gtv_theory::dynamics::{self, Samples};
use gtv_theory::rng::{Purpose, Streams};
use rand::RngExt;

/// Cells and steps of the density: its numerical diffusion stays below the noise down to κ = 1e-3.
const DENSITY: (usize, usize) = (6_000, 3_000);
/// The density's range goes this far beyond the data: standard deviations of p(x_T).
const BEYOND: f64 = 4.5;

/// The naive estimator's density.
#[derive(Debug, Clone, Copy)]
pub struct FokkerPlanck;

static CARD: DerivedCard = DerivedCard {
    one_dimensional: true,
    ..DerivedCard::new(
        "fokker-planck",
        "naive estimator, Fokker–Planck",
        "the naive estimator's density, solved on a grid instead of sampled",
        Role::NaiveDensity,
    )
};

impl DerivedLevel for FokkerPlanck {
    fn card(&self) -> &DerivedCard {
        &CARD
    }

    /// Independent draws from a density that is constant on cells.
    fn sample(
        &self,
        theory: &Theory<'_>,
        paths: usize,
        streams: Streams,
        _progress: dynamics::Progress<'_>,
    ) -> Result<Samples> {
        let problem = theory.study.problem();
        let points = problem.cloud().points();
        let lo = points.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (cells, steps) = DENSITY;
        let range = [lo - BEYOND, hi + BEYOND];
        let solver = dynamics::FokkerPlanck { range, cells, steps, ..dynamics::FokkerPlanck::default() };
        let density = solver.naive(problem.cloud(), problem.schedule(), theory.kappa())?;
        let mut rng = streams.stream(Purpose::Initial, 0, 0);
        let cells = Picker::new(&density.mass);
        let (lo, width) = (density.range[0], density.width());
        let draw = |_| lo + width * (cells.pick(rng.random()) as f64 + rng.random::<f64>());
        Ok(arrived((0..paths).map(draw).collect()))
    }
}
