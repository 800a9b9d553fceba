//! Laws of many outputs: sums over outputs on all the nodes, a block of them at a time, of which a number each is kept; and influences
//! of fresh triples, from which whole models are drawn.
//!
//! With u = w r/(1+δ) (δ = 0 to first order in 1/P) and M = (A+γ)⁻¹: E|u|² = (w/(1+δ))² (tr Cov[y | x, t] + |ỹ − W̄ᵀφ|²), ỹ = E[y | x, t],
//! so that no label is sampled where the posterior is known.

use super::labels::{NodeLabels, conditional_labels, node_labels};
use super::self_consistent::{lift, quadratic};
use super::{Leverage, Partners, Residual, Ridge, RidgeSystem, SharedPoints, Sprinkling, sandwich};
use crate::design::{RowBlocks, blocks, sum_in_blocks};
use crate::error::Result;
use crate::features::Features;
use crate::law::SampledCovariance;
use crate::linalg::{gemm_nn, gemm_tn};
use crate::problem::Triples;
use crate::rng::Purpose;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Triples from which models are drawn: as many as have so many numbers in their influences, within these bounds.
const NUMBERS: usize = 1 << 24;
const FEWEST_TRIPLES: usize = 1 << 14;
const MOST_TRIPLES: usize = 1 << 16;

/// The most numbers of labels that are kept.
const KEPT: usize = 1 << 26;

/// What is known of the labels of all the nodes, kept by the learner where it takes little memory: the posterior's averages are made
/// once for all closures.
pub(super) struct Labels<'a> {
    learner: &'a Ridge,
    kept: Option<&'a NodeLabels>,
}

impl<'a> Labels<'a> {
    pub(super) fn of(learner: &'a Ridge) -> Self {
        let all = 0..learner.nodes();
        let keep = learner.nodes.blocks().is_empty() && all.len().saturating_mul(learner.dim()) <= KEPT;
        let made = || node_labels(&learner.problem, &learner.nodes, all);
        Self { learner, kept: keep.then(|| learner.known.get_or_init(made)) }
    }

    /// The same, made anew wherever they are asked for.
    pub(super) fn streamed(learner: &'a Ridge) -> Self {
        Self { learner, kept: None }
    }

    pub(super) fn at(&self, range: Range<usize>) -> NodeLabels {
        match self.kept {
            Some(kept) => kept.part(range, self.learner.dim()),
            None => node_labels(&self.learner.problem, &self.learner.nodes, range),
        }
    }
}

/// φ of some nodes, n × F.
fn phi(learner: &Ridge, range: Range<usize>) -> Vec<f64> {
    let mut phi = vec![0.0; range.len() * learner.features.len()];
    learner.features.fill(&learner.nodes.x(range.clone()), &learner.nodes.t[range], &mut phi);
    phi
}

/// E[f φ ỹᵀ] for f on the nodes, F × D.
pub(super) fn label_moment(of: &Labels<'_>, f: &[f64]) -> Vec<f64> {
    let learner = of.learner;
    if !learner.nodes.blocks().is_empty() {
        return learner.target_moment(|q| f[q]);
    }
    let (dim, f_len) = (learner.dim(), learner.features.len());
    sum_in_blocks(learner.nodes(), f_len * dim, |range| {
        let mut labels = of.at(range.clone()).fitted;
        for (q, y) in range.clone().zip(labels.chunks_exact_mut(dim)) {
            y.iter_mut().for_each(|y| *y *= learner.nodes.mass[q] * f[q]);
        }
        let mut sum = vec![0.0; f_len * dim];
        gemm_tn(f_len, dim, range.len(), &phi(learner, range), &labels, &mut sum);
        sum
    })
}

/// E|r|² on the nodes, Q; ỹ − W̄ᵀφ is lifted by factors of the nodes, where there are any.
pub(super) fn squares(of: &Labels<'_>, residual: Residual<'_>, lift: Option<&[f64]>) -> Vec<f64> {
    let learner = of.learner;
    let (dim, f_len) = (learner.dim(), learner.features.len());
    if let (Residual::Fit(mean), false) = (residual, learner.nodes.blocks().is_empty()) {
        return learner.residual(mean).chunks_exact(dim).map(|r| r.iter().map(|r| r * r).sum()).collect();
    }
    let parts: Vec<Vec<f64>> = blocks(learner.nodes())
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|range| match residual {
            Residual::Noise => {
                let (x, t) = (learner.nodes.x(range.clone()), &learner.nodes.t[range]);
                conditional_labels(&learner.problem, &x, t).variance
            }
            Residual::Fit(mean) => {
                let NodeLabels { fitted, mut variance } = of.at(range.clone());
                let mut predicted = vec![0.0; fitted.len()];
                gemm_nn(range.len(), dim, f_len, &phi(learner, range.clone()), mean, &mut predicted);
                let rows = fitted.chunks_exact(dim).zip(predicted.chunks_exact(dim));
                for ((q, square), (y, p)) in range.zip(&mut variance).zip(rows) {
                    let bias: f64 = y.iter().zip(p).map(|(y, p)| (y - p).powi(2)).sum();
                    *square += bias * lift.map_or(1.0, |lift| lift[q] * lift[q]);
                }
                variance
            }
        })
        .collect();
    parts.concat()
}

/// Σ_i S_ii to first order in 1/P, F × F, of influences whose mean is γW̄, W̄ = `mean`; residuals are lifted to what they are beside the
/// nodes.
///
/// # Errors
/// Fewer nodes than twice the features that the ridge leaves.
pub(super) fn first_order(
    of: &Labels<'_>,
    system: &RidgeSystem,
    residual: Residual<'_>,
    mean: &[f64],
) -> Result<Vec<f64>> {
    let learner = of.learner;
    let lift = match residual {
        Residual::Noise => None,
        Residual::Fit(_) => {
            let forms = quadratic(learner, learner.precision(system), system.inverse());
            Some(lift(learner, |q| learner.weight[q] * forms[q])?)
        }
    };
    let squares = squares(of, residual, lift.as_deref());
    let mut inner = learner.second_moment(|q| learner.weight[q].powi(2) * squares[q]);
    let sprinkled = || Sprinkling::new(learner, system, mean, Leverage::Dropped);
    let influence = || learner.influence(residual);
    SharedPoints::new(learner, mean, influence, sprinkled, residual).add_trace_to(&mut inner);
    let mut total = sandwich(system.inverse(), &inner, learner.features.len());
    total.iter_mut().for_each(|v| *v /= learner.samples());
    Ok(total)
}

/// Triples from which models of so many outputs are drawn, for a training set with so many triples of each datum.
pub fn triples_of_laws(dim: usize, draws: usize) -> usize {
    (NUMBERS / dim).clamp(FEWEST_TRIPLES, MOST_TRIPLES).next_multiple_of(draws)
}

/// The covariance of models from the influences of fresh triples: with the other samples' noise of `partners`, or to first order in 1/P.
pub(super) fn sampled(
    learner: &Ridge,
    system: &RidgeSystem,
    mean: &[f64],
    residual: Residual<'_>,
    partners: Option<&Partners>,
) -> SampledCovariance {
    let (dim, draws, samples) = (learner.dim(), learner.problem.draws(), learner.samples());
    let leverage = if partners.is_some() { Leverage::Kept } else { Leverage::Dropped };
    let sprinkling = Sprinkling::new(learner, system, mean, leverage);
    let count = triples_of_laws(dim, draws);
    let streams = learner.problem.streams().named("triples of laws");
    let mut rng = streams.stream(Purpose::TheoryModel, 0, 0);
    let triples = learner.problem.sampler().draw_from(&mut rng, count);
    let mut influence = match partners {
        None => sprinkling.influence(&triples, &|part| residual.of_triples(learner, part)),
        Some(pool) => {
            let partners = pool.partners(None, count, &mut rng);
            sprinkling.influence(&triples, &|part| pool.residual(part, &partners))
        }
    };
    // (1/P) Σ_n g_n over P triples, for which these stand.
    let scale = (samples / count as f64).sqrt();
    influence.iter_mut().for_each(|u| *u *= scale);
    let shift: Vec<f64> = mean.iter().map(|w| learner.ridge * w * (draws as f64 / samples).sqrt()).collect();
    SampledCovariance {
        design: Arc::new(TripleDesign { features: learner.features.clone(), triples }),
        inverse: system.inverse().to_vec(),
        influence,
        draws,
        mean: system.solve(&shift),
    }
}

/// Features on triples, evaluated where they are needed.
struct TripleDesign {
    features: Arc<Features>,
    triples: Triples,
}

impl RowBlocks for TripleDesign {
    fn row_count(&self) -> usize {
        self.triples.len()
    }

    fn row_len(&self) -> usize {
        self.features.len()
    }

    fn with_block<R>(&self, block: usize, work: impl FnOnce(&[f64]) -> R) -> R {
        let (dim, all) = (self.features.dim(), blocks(self.triples.len()).nth(block));
        let range = all.unwrap_or(0..0);
        let mut rows = vec![0.0; range.len() * self.row_len()];
        let x = &self.triples.x[range.start * dim..range.end * dim];
        self.features.fill(x, &self.triples.t[range], &mut rows);
        work(&rows)
    }
}
