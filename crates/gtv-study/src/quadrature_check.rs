//! What the quadrature is good for: the theory's numbers at another resolution.

use crate::error::Result;
use crate::probes::Places;
use crate::record::KernelNumbers;
use crate::study::Study;
use crate::theory::{Solved, Theory};
use crate::warning::Warning;
use gtv_models::watch::Session;
use gtv_theory::problem::Triples;
use gtv_theory::quadrature::Nodes;
use std::collections::BTreeMap;

/// Relative quadrature error from which on the user is told, where it is also the share below of what the members resolve.
const NOTABLE_ERROR: f64 = 0.01;
/// What they resolve itself: the change between two resolutions is more than the finer one's error.
const NOTABLE_SHARE: f64 = 1.0;
/// Points at which two resolutions of the quadrature are compared.
const CHECKED: usize = 1_000;

impl Study {
    /// The points at which the theory's integrals and their errors are found.
    ///
    /// # Errors
    /// Settings of the quadrature out of range, or more nodes than is sensible.
    pub(crate) fn quadrature_points(&self) -> Result<Places> {
        let (problem, spec) = (self.problem(), self.theory.quadrature);
        let Triples { mut x, mut t, .. } = problem.probes(1, CHECKED);
        for spec in [spec, spec.coarser()] {
            let nodes = Nodes::new(problem.cloud(), problem.schedule(), &spec, problem.streams())?;
            x.extend_from_slice(&nodes.x(0..nodes.len()));
            t.extend(&nodes.t);
        }
        Ok(Places { x, t })
    }
}

/// Relative change of the theory's mean and total variance under a coarser quadrature; `kernel` has what the members resolve.
pub(crate) fn error(
    theory: &Theory<'_>,
    kernel: &BTreeMap<String, KernelNumbers>,
    session: Session<'_>,
) -> Result<BTreeMap<String, f64>> {
    let mut errors = BTreeMap::new();
    // The simplest closure with a residual stands for all: their integrals are over the same nodes and features.
    let simplest = |solved: &&Solved| match solved.closure.card().completeness {
        Some(0) | None => u8::MAX,
        Some(completeness) => completeness,
    };
    let Some(fine) = theory.laws.iter().min_by_key(simplest) else { return Ok(errors) };
    if theory.study.family.listed().is_some() {
        let points = theory.study.quadrature_points()?;
        if !theory.study.knows(&points.x, &points.t) {
            return Ok(errors);
        }
    }
    let (coarser, points) = (theory.learner.coarser()?, theory.study.problem().probes(1, CHECKED));
    let prediction = theory.study.problem().objective().prediction;
    let coarse = fine.closure.total_moments(coarser.as_ref(), prediction, &points.x, &points.t)?;
    let fine = theory.moments(fine.law.as_ref(), &points.x, &points.t);
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|d| d * d).sum::<f64>();
    let difference = square(&mut fine.mean.iter().zip(&coarse.mean).map(|(a, b)| a - b));
    let mean = (difference / square(&mut fine.mean.iter().copied())).sqrt();
    let total = |v: &[f64]| v.iter().sum::<f64>();
    let variance = (total(&coarse.variance) / total(&fine.variance) - 1.0).abs();
    let least =
        |of: &dyn Fn(&KernelNumbers) -> Option<f64>| kernel.values().filter_map(of).fold(f64::NAN, f64::min);
    let resolved = [least(&|k| k.mean_error_floor), least(&|k| k.variance_ratio_se)];
    for ((quantity, relative), resolved) in
        [("mean prediction", mean), ("total variance", variance)].into_iter().zip(resolved)
    {
        // A law without variance (one data point) has no relative error.
        if relative.is_finite() {
            errors.insert(quantity.to_owned(), relative);
            // Without members to compare with, nothing says what is small. One run is measured on a sample, whose error no setting of
            // the quadrature makes smaller.
            let sampled = theory.learner.as_one_run().is_some();
            if relative > NOTABLE_ERROR.max(NOTABLE_SHARE * resolved) && !sampled {
                session.watch.warn(&Warning::Quadrature { quantity, relative });
            }
        }
    }
    Ok(errors)
}
