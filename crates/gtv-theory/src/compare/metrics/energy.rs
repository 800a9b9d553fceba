//! Energy distance between levels. In one dimension it is made of distribution functions. In more, let E_mm' be the mean distance
//! between samples of members m and m', and c the members' weights: E‖X − X'‖ = cᵀ E c, so a resample costs O(N²) and no
//! distance is taken twice.
//!
//! Each level is thinned to a stated number of samples, spread evenly over its members. Within a member a sample is not paired
//! with itself, so thinning adds no bias; a distance below its noise may then come out negative and is set to 0.

use super::{Compares, Metric, MetricCard};
use crate::compare::bootstrap::Resamples;
use crate::compare::cells::thin;
use crate::compare::comparison::Comparison;
use crate::compare::energy::mean_distances;
use crate::compare::estimate::{Noise, Resampled, mean_over_pairs};
use crate::compare::wasserstein::dot;
use crate::error::Result;
use rayon::prelude::*;

/// Energy distance in any dimension.
///
/// ```
#[doc = include_str!("../../../doc/levels.rs")]
/// let (a, b) = (level(Level::PfOde, 1, 0.0)?, level(Level::Ensemble, 1, 0.2)?);
/// // 2∫(F_a − F_b)² for uniform laws of width 1, moved by d: 2d²(1 − d) + 4d³/3 of the two ends.
/// let found = distance(&a, &b, &metrics::Energy)?.value;
/// assert!((found / (2.0 * 0.04 * 0.8 + 4.0 * 0.008 / 3.0) - 1.0).abs() < 0.02);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct Energy;

static CARD: MetricCard = MetricCard {
    name: "energy",
    label: "energy distance",
    unit: "units of x",
    meaning: "2E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ (any dimension)",
    dimensions: 1..=usize::MAX,
    compares: Compares::Mass,
    most: f64::INFINITY,
    noise: Noise::Quadratic,
};

impl Metric for Energy {
    fn card(&self) -> &'static MetricCard {
        &CARD
    }

    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>> {
        let dim = comparison.dim();
        if dim == 1 {
            return Ok(comparison.line()?.resampled(1));
        }
        let thinned: Vec<Vec<Vec<f64>>> = comparison
            .levels()
            .iter()
            .map(|level| {
                let (units, _) = level.units();
                // Two of each member at least: E‖X − X'‖ within a member needs a pair.
                let each = comparison.settings().energy_samples.div_ceil(units.len()).max(2);
                units.iter().map(|u| thin(&[*u], dim, each)).collect()
            })
            .collect();
        let groups: Vec<Vec<&[f64]>> =
            thinned.iter().map(|l| l.iter().map(Vec::as_slice).collect()).collect();
        let resamples = comparison.resamples();
        let itself = groups
            .iter()
            .zip(resamples)
            .map(|(groups, resamples)| {
                PairForm::new(&mean_distances(groups, None, dim)?, resamples, resamples)
            })
            .collect::<Result<Vec<_>>>()?;
        let pair = |&(a, b): &(usize, usize)| {
            let between = mean_distances(&groups[a], Some(&groups[b]), dim)?;
            let between = PairForm::new(&between, &resamples[a], &resamples[b])?;
            let energy = |r: usize| 2.0 * between.at(r, r) - itself[a].at(r, r) - itself[b].at(r, r);
            let null = |form: &PairForm| {
                mean_over_pairs(form.count(), |r, s| 2.0 * form.at(r, s) - form.at(r, r) - form.at(s, s))
            };
            Ok(Resampled {
                value: energy(0),
                draws: (1..between.count()).into_par_iter().map(energy).collect(),
                null: [null(&itself[a]), null(&itself[b])],
            })
        };
        comparison.pairs().iter().map(pair).collect()
    }
}

/// c_rᵀ E d_s for resamples r and s of two ensembles.
struct PairForm<'a> {
    /// c_rᵀ E, rows × members of the right side.
    left: Vec<f64>,
    right: &'a Resamples,
}

impl<'a> PairForm<'a> {
    fn new(matrix: &[f64], left: &Resamples, right: &'a Resamples) -> Result<Self> {
        Ok(Self { left: left.mix(matrix)?, right })
    }

    fn count(&self) -> usize {
        self.right.rows()
    }

    fn at(&self, r: usize, s: usize) -> f64 {
        let n = self.right.members();
        dot(&self.left[r * n..(r + 1) * n], &self.right.weights()[s * n..(s + 1) * n])
    }
}
