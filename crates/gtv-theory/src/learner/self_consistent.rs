//! The fixed points of self-consistent leverage (THEORY §5, beyond the paper). With z = (x, t):
//!
//! δ(z) = (w/P) φᵀ(A_δ + γ)⁻¹φ, A_δ = E[w φφᵀ/(1+δ)],
//! W̄ = (A_δ+γ)⁻¹ E[w φ yᵀ/(1+δ)], r = y − W̄ᵀφ,
//! S_ij = (1/P)(A_δ+γ)⁻¹ {E[(w/(1+δ))² (r_i r_j + φᵀS_ijφ) φφᵀ] − γ² W̄_iW̄_jᵀ} (A_δ+γ)⁻¹; with m draws a data point, one more
//! term in the braces, as at leading order.
//!
//! The equations never mix pairs of outputs: δ, A_δ and W̄ take one F × F matrix in any dimension, and so does the sum over outputs
//! S_tr = Σ_i S_ii. The blocks S_ij are solved where there are few; elsewhere S_tr is, and what needs more than the sum over outputs is
//! made from models of other training sets ([`Partners`]).
//!
//! **Quasi-random nodes are a sample too.** Labels have their exact conditional moments where the posterior is known, so that no noise
//! of theirs on the nodes is in W̄ or S. What is fitted, ỹ = E[y | x, t], is followed by W̄ on the nodes themselves more closely than
//! elsewhere: with h_q = ρ_q P δ_q/(1 + δ_q), node q's own share in its fit, the residual on the node is 1 − h_q times the one
//! without it, while W̄ without the node has an error of its own. Their geometric mean has neither to first order:
//! E r_q r_qᵀ = Cov[y | x, t] + (ỹ_q − W̄ᵀφ_q)(ỹ_q − W̄ᵀφ_q)ᵀ/(1 − h_q).
//!
//! Many nodes start from the fixed points of the first of them, of which one more iteration on all the nodes is left to do.

use super::labels::{conditional_covariances, node_labels};
use super::many_outputs::{label_moment, sampled, squares};
use super::partners::Partners;
use super::{Leverage, Precision, Residual, Ridge, RidgeSystem, SharedPoints, Sprinkling, sandwich};
use crate::error::{Error, Result};
use crate::fixed_point::{self, Approach, FixedPoint, Sought};
use crate::law::SampledCovariance;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The most memory that the blocks S_ij may take.
const BLOCK_LIMIT: usize = 2 << 30;
/// The most outputs for which they are solved.
const MOST_OUTPUTS: usize = 3;
/// All nodes over those of the first iterations.
const FEWER: usize = 8;
/// The least number of nodes for each feature of the first iterations.
const LEAST_FOR_EACH: usize = 8;

/// The most iterations from there on all the nodes.
const MOST_ONWARD: usize = 20;
/// What is solved for.
const LEVERAGE: Sought =
    Sought { name: "the finite-p leverage", advice: "use a larger ridge or more samples" };
const COVARIANCE: Sought = Sought {
    name: "the finite-p covariance",
    advice: "the load is too high: use a larger ridge or more samples",
};

/// The solved fixed points.
pub(crate) struct SelfConsistent {
    /// A_δ + γ.
    pub(crate) system: RidgeSystem,
    /// W̄, F × D.
    pub(crate) mean: Vec<f64>,
    pub(crate) spread: Spread,
}

/// The covariance of the weights.
pub(crate) enum Spread {
    /// S_ij, i ≤ j.
    Blocks(Vec<Vec<f64>>),
    /// Of many outputs.
    Pooled(Pooled),
}

/// The covariance of the weights of many outputs.
pub(crate) struct Pooled {
    /// S_tr, F × F.
    pub(crate) total: Arc<Vec<f64>>,
    pool: OnceLock<Pool>,
}

/// Models of other training sets, once models are drawn.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) partners: Arc<Partners>,
    /// Influences of triples, each with the residual of one partner.
    pub(crate) covariance: Arc<SampledCovariance>,
}

/// δ on the nodes and what follows from it.
struct Leveraged {
    system: RidgeSystem,
    /// w/(1 + δ).
    damped: Vec<f64>,
    /// 1/√(1 − h_q), 1 on the nodes of a tensor rule.
    lift: Vec<f64>,
}

impl SelfConsistent {
    pub(super) fn of(learner: &Ridge) -> Result<Self> {
        let (dim, f_len) = (learner.dim(), learner.features.len());
        let bytes = (dim * (dim + 1) / 2).saturating_mul(f_len * f_len + learner.nodes()).saturating_mul(8);
        if dim <= MOST_OUTPUTS && bytes <= BLOCK_LIMIT {
            Self::in_blocks(learner)
        } else {
            Self::pooled(learner)
        }
    }

    /// With every block S_ij.
    fn in_blocks(learner: &Ridge) -> Result<Self> {
        let dim = learner.dim();
        let found = Leveraged::of(learner)?;
        let mean = found.system.solve(&label_moment(learner, &found.damped));
        let own = conditional_covariances(&learner.problem, &learner.nodes);
        let influence = found.influence(learner, &mean, own.is_some());
        let shared = found.shared(learner, &mean, || influence.clone());
        let pairs: Vec<(usize, usize)> = (0..dim).flat_map(|i| (i..dim).map(move |j| (i, j))).collect();
        let block = |(pair, (i, j)): (usize, (usize, usize))| {
            let own = own.as_ref().map(|own| &own[pair]);
            let product = |q: usize| {
                let noise = own.map_or(0.0, |own| found.damped[q].powi(2) * own[q]);
                influence[q * dim + i] * influence[q * dim + j] + noise
            };
            found.covariance(learner, &product, &|inner| shared.add_to(inner, i, j), i == j)
        };
        let blocks = pairs.into_par_iter().enumerate().map(block).collect::<Result<_>>()?;
        Ok(Self { system: found.system, mean, spread: Spread::Blocks(blocks) })
    }

    /// With the sum over outputs, and models of other training sets once they are asked for.
    pub(crate) fn pooled(learner: &Ridge) -> Result<Self> {
        let found = Leveraged::of(learner)?;
        let mean = found.system.solve(&label_moment(learner, &found.damped));
        let shared = found.shared(learner, &mean, || found.influence(learner, &mean, false));
        let mut squares = squares(learner, Residual::Fit(&mean), Some(&found.lift));
        squares.iter_mut().zip(&found.damped).for_each(|(s, d)| *s *= d * d);
        let add = |inner: &mut [f64]| shared.add_trace_to(inner);
        let total = Arc::new(found.covariance(learner, &|q| squares[q], &add, true)?);
        let spread = Spread::Pooled(Pooled { total, pool: OnceLock::new() });
        Ok(Self { system: found.system, mean, spread })
    }

    /// The models of other training sets; made once.
    ///
    /// # Errors
    /// A pool that does not settle.
    pub(crate) fn pool(&self, learner: &Ridge, of: &Pooled) -> Result<Pool> {
        if let Some(made) = of.pool.get() {
            return Ok(made.clone());
        }
        let partners = Partners::new(learner, &self.system, &self.mean, &of.total)?;
        let residual = Residual::Fit(&self.mean);
        let covariance = sampled(learner, &self.system, &self.mean, residual, Some(&partners));
        let made = Pool { partners: Arc::new(partners), covariance: Arc::new(covariance) };
        Ok(of.pool.get_or_init(|| made).clone())
    }
}

impl Leveraged {
    fn of(learner: &Ridge) -> Result<Self> {
        let (system, leverage) = leverage(learner)?;
        let lift = lift(learner, &leverage)?;
        let damped = learner.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
        Ok(Self { system, damped, lift })
    }

    /// w r/(1 + δ), Q × D, of the labels' conditional means, or of the nodes' own labels.
    fn influence(&self, learner: &Ridge, mean: &[f64], conditional: bool) -> Vec<f64> {
        let dim = learner.dim();
        let mut influence = learner.design.apply(mean, dim);
        let labels = if conditional {
            node_labels(&learner.problem, &learner.nodes, 0..learner.nodes()).fitted
        } else {
            learner.target().to_vec()
        };
        for (k, (u, y)) in influence.iter_mut().zip(labels).enumerate() {
            *u = self.damped[k / dim] * self.lift[k / dim] * (y - *u);
        }
        influence
    }

    fn shared(&self, learner: &Ridge, mean: &[f64], influence: impl FnOnce() -> Vec<f64>) -> SharedPoints {
        let sprinkled = || Sprinkling::new(learner, &self.system, mean, Leverage::Kept);
        SharedPoints::new(learner, mean, influence, sprinkled, Residual::Fit(mean))
    }

    /// S from its linear equation, for products of residuals on the nodes, of an output with itself (`diagonal`) or of two; each iteration
    /// is the noise of one more generation of samples.
    fn covariance(
        &self,
        learner: &Ridge,
        product: &dyn Fn(usize) -> f64,
        add: &dyn Fn(&mut [f64]),
        diagonal: bool,
    ) -> Result<Vec<f64>> {
        let precision = learner.precision(&self.system);
        let next = |learner: &Ridge, forms: &[f64]| {
            let value = |q: usize| product(q) + self.damped[q] * self.damped[q] * forms[q];
            let mut inner = gram(learner, precision, &learner.weighted(value));
            add(&mut inner);
            let mut block = sandwich(self.system.inverse(), &inner, learner.features.len());
            block.iter_mut().for_each(|v| *v /= learner.samples());
            block
        };
        let on = |learner: &Ridge, approach| {
            let start = vec![0.0; learner.nodes()];
            fixed_point::solve(COVARIANCE, approach, start, &learner.nodes.mass, false, |forms| {
                let block = next(learner, forms);
                Ok((quadratic(learner, precision, &block), block))
            })
        };
        let found = match few(learner)? {
            None => on(learner, whole(learner))?,
            Some(few) => {
                let mut found = on(&few, Approach::QUICK)?;
                // On all the nodes from there; the change is watched on few of them.
                for iterations in 0.. {
                    let made = next(learner, &quadratic(learner, precision, &found.made));
                    let x = quadratic(&few, precision, &made);
                    let residual = fixed_point::change(&few.nodes.mass, &found.x, &x);
                    found = FixedPoint { x, made };
                    let Approach { tolerance, .. } = Approach::ONWARD;
                    COVARIANCE.report(iterations + 1, residual, tolerance);
                    if residual <= tolerance {
                        break;
                    }
                    if iterations == MOST_ONWARD {
                        return Err(COVARIANCE.unsettled(iterations, residual, tolerance));
                    }
                }
                found
            }
        };
        // Every generation adds noise: where their sum has no bound, the equation's solution is none of its limits.
        let sum: f64 = learner.nodes.mass.iter().zip(&found.x).map(|(m, v)| m * v).sum();
        if diagonal && sum < 0.0 {
            return Err(Error::OutOfRange {
                name: "the finite-p covariance's total variance",
                value: sum,
                expected: "a positive number: the load is too high, and each generation of samples adds more noise than the one \
                           before; use a larger ridge, more samples or fewer features",
            });
        }
        Ok(found.made)
    }
}

/// E[f φφᵀ] for ρ_q f_q.
fn gram(learner: &Ridge, precision: Precision, values: &[f64]) -> Vec<f64> {
    match precision {
        Precision::Single => learner.design.rough_gram(values),
        Precision::Double => learner.design.gram(values),
    }
}

/// φᵀMφ on the nodes.
fn quadratic(learner: &Ridge, precision: Precision, matrix: &[f64]) -> Vec<f64> {
    match precision {
        Precision::Single => learner.design.rough_quadratic(matrix),
        Precision::Double => learner.design.quadratic(matrix),
    }
}

/// How well fixed points on all the nodes from the start are solved.
fn whole(learner: &Ridge) -> Approach {
    if learner.many_nodes() { Approach::QUICK } else { Approach::EXACT }
}

/// The learner on the nodes of the first iterations, where there are enough.
fn few(learner: &Ridge) -> Result<Option<Ridge>> {
    let fewer = learner.nodes() / FEWER;
    if learner.many_nodes() && fewer >= LEAST_FOR_EACH * learner.features.len() {
        return Ok(Some(learner.on_fewer_nodes(fewer)?));
    }
    Ok(None)
}

/// The system A_δ + γ and the δ on the nodes that belongs to it.
fn leverage(learner: &Ridge) -> Result<(RidgeSystem, Vec<f64>)> {
    match few(learner)? {
        None => leverage_from(learner, Precision::Double, whole(learner), vec![0.0; learner.nodes()]),
        Some(few) => {
            let undamped = few.second_moment(|q| few.weight[q]);
            let precision = RidgeSystem::new(undamped, few.features.len(), few.ridge)?.precision();
            let (system, _) = leverage_from(&few, precision, Approach::QUICK, vec![0.0; few.nodes()])?;
            leverage_from(learner, precision, Approach::ONWARD, forms(learner, precision, &system))
        }
    }
}

fn leverage_from(
    learner: &Ridge,
    precision: Precision,
    approach: Approach,
    start: Vec<f64>,
) -> Result<(RidgeSystem, Vec<f64>)> {
    let found = fixed_point::solve(LEVERAGE, approach, start, &learner.nodes.mass, true, |leverage| {
        let damped = learner.weighted(|q| learner.weight[q] / (1.0 + leverage[q]));
        let second_moment = gram(learner, precision, &damped);
        let system = RidgeSystem::new(second_moment, learner.features.len(), learner.ridge)?;
        Ok((forms(learner, precision, &system), system))
    })?;
    Ok((found.made, found.x))
}

/// (w/P) φᵀ(A+γ)⁻¹φ on the nodes.
fn forms(learner: &Ridge, precision: Precision, system: &RidgeSystem) -> Vec<f64> {
    let mut forms = quadratic(learner, precision, system.inverse());
    for (form, weight) in forms.iter_mut().zip(&learner.weight) {
        *form *= weight / learner.samples();
    }
    forms
}

/// 1/√(1 − h_q), 1 on the nodes of a tensor rule.
fn lift(learner: &Ridge, leverage: &[f64]) -> Result<Vec<f64>> {
    if !learner.nodes.blocks().is_empty() {
        return Ok(vec![1.0; leverage.len()]);
    }
    let share = |(mass, delta): (&f64, &f64)| mass * learner.samples() * delta / (1.0 + delta);
    let shares: Vec<f64> = learner.nodes.mass.iter().zip(leverage).map(share).collect();
    let count = shares.len() as f64;
    // Σ h is the number of features that the ridge leaves.
    if shares.iter().sum::<f64>() > 0.5 * count {
        let expected = "at least twice as many nodes as features that the ridge leaves, better ten times as many as samples";
        return Err(Error::OutOfRange { name: "quasi_nodes", value: count, expected });
    }
    Ok(shares.iter().map(|h| 1.0 / (1.0 - h.min(0.9)).sqrt()).collect())
}
