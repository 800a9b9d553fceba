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
//! **Quasi-random nodes are a sample too.** W̄ is fitted to conditional means of the labels where they are known, so that the
//! labels' noise on the nodes is not in it. What is fitted, ỹ, is followed by W̄ on the nodes themselves more closely than elsewhere:
//! with h_q = ρ_q P δ_q/(1 + δ_q), node q's own share in its fit, the residual on the node is 1 − h_q times the one without it,
//! while W̄ without the node has an error of its own. Their geometric mean has neither to first order: r_q = y_q − ỹ_q + (ỹ_q −
//! W̄ᵀφ_q)/√(1 − h_q).

use super::partners::Partners;
use super::{Ridge, RidgeSystem, SharedPoints, sandwich};
use crate::error::{Error, Result};
use crate::fixed_point::{self, Approach};
use crate::law::NodeCovariance;
use std::sync::Arc;

/// The most memory that the blocks S_ij may take.
const BLOCK_LIMIT: usize = 2 << 30;
/// The most outputs for which they are solved.
const MOST_OUTPUTS: usize = 3;
/// Quasi-random nodes from which on fixed points are solved to an error below the nodes' own.
const MANY_NODES: usize = 16_384;
/// All nodes over those of the first iterations.
const FEWER: usize = 8;
/// The least number of nodes for each feature of the first iterations.
const LEAST_FOR_EACH: usize = 8;

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
    /// Models trained on other sets.
    pub(crate) partners: Arc<Partners>,
    /// Influences of nodes, each with the residual of one partner.
    pub(crate) nodes: Arc<NodeCovariance>,
}

/// δ on the nodes and what follows from it.
struct Leveraged {
    system: RidgeSystem,
    /// w/(1 + δ).
    damped: Vec<f64>,
    mean: Vec<f64>,
    /// r, Q × D.
    residual: Vec<f64>,
}

impl SelfConsistent {
    pub(super) fn of(learner: &Ridge) -> Result<Self> {
        let (dim, f_len) = (learner.dim(), learner.features.len());
        let bytes =
            (dim * (dim + 1) / 2).saturating_mul(f_len * f_len + learner.nodes.len()).saturating_mul(8);
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
        let influence = found.influence(dim);
        let shared = SharedPoints::new(learner, &influence, &found.mean)?;
        let mut blocks = Vec::with_capacity(dim * (dim + 1) / 2);
        for i in 0..dim {
            for j in i..dim {
                let product = |q: usize| influence[q * dim + i] * influence[q * dim + j];
                let add = |inner: &mut [f64]| shared.add_to(inner, i, j);
                blocks.push(found.covariance(learner, product, add)?);
            }
        }
        Ok(Self { system: found.system, mean: found.mean, spread: Spread::Blocks(blocks) })
    }

    /// With the sum over outputs, and models of other training sets.
    pub(crate) fn pooled(learner: &Ridge) -> Result<Self> {
        let dim = learner.dim();
        let found = Leveraged::of(learner)?;
        let mut influence = found.influence(dim);
        let shared = SharedPoints::new(learner, &influence, &found.mean)?;
        let squares: Vec<f64> =
            influence.chunks_exact(dim).map(|u| u.iter().map(|u| u * u).sum::<f64>()).collect();
        let add = |inner: &mut [f64]| shared.add_trace_to(inner);
        let total = found.covariance(learner, |q| squares[q], add)?;
        let partners = Partners::new(learner, &found.system, &found.mean)?;
        partners.add_noise(learner, &found.mean, &found.damped, &mut influence);
        let root_mass: Vec<f64> = learner.nodes.mass.iter().map(|m| m.sqrt()).collect();
        let root_samples = learner.samples().sqrt();
        for (u, root) in influence.chunks_exact_mut(dim).zip(&root_mass) {
            u.iter_mut().for_each(|u| *u *= root / root_samples);
        }
        let shift: Vec<f64> = found.mean.iter().map(|w| learner.ridge * w / root_samples).collect();
        let nodes = NodeCovariance {
            design: learner.design.clone(),
            inverse: found.system.inverse().to_vec(),
            influence,
            root_mass,
            mean: found.system.solve(&shift),
        };
        let spread = Spread::Pooled(Pooled {
            total: Arc::new(total),
            partners: Arc::new(partners),
            nodes: Arc::new(nodes),
        });
        Ok(Self { system: found.system, mean: found.mean, spread })
    }
}

impl Leveraged {
    fn of(learner: &Ridge) -> Result<Self> {
        let (system, leverage) = leverage(learner)?;
        let damped: Vec<f64> = learner.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
        let lift = lift(learner, &leverage)?;
        let fitted = learner.conditional_means();
        let mean = match &fitted {
            Some(fitted) => system.solve(&learner.moment_of(fitted, |q| damped[q])),
            None => system.solve(&learner.target_moment(|q| damped[q])),
        };
        let (dim, fitted) = (learner.dim(), fitted.as_ref().unwrap_or(&learner.target));
        let mut residual = learner.design.apply(&mean, dim);
        for (k, (r, (y, fitted))) in residual.iter_mut().zip(learner.target.iter().zip(fitted)).enumerate() {
            *r = y - fitted + lift[k / dim] * (fitted - *r);
        }
        Ok(Self { system, damped, mean, residual })
    }

    /// w r/(1 + δ), Q × D.
    fn influence(&self, dim: usize) -> Vec<f64> {
        self.residual.iter().enumerate().map(|(k, r)| self.damped[k / dim] * r).collect()
    }

    /// S from its linear equation, for products of residuals on the nodes; each iteration is the noise of one more generation of
    /// samples.
    fn covariance(
        &self,
        learner: &Ridge,
        product: impl Fn(usize) -> f64,
        add: impl Fn(&mut [f64]),
    ) -> Result<Vec<f64>> {
        let name = "the finite-p covariance (the load is too high: use a larger ridge or more samples)";
        let start = vec![0.0; learner.nodes.len()];
        let found =
            fixed_point::solve(name, approach(learner), start, &learner.nodes.mass, false, |forms| {
                let mut inner =
                    learner.second_moment(|q| product(q) + self.damped[q] * self.damped[q] * forms[q]);
                add(&mut inner);
                let mut block = sandwich(self.system.inverse(), &inner, learner.features.len());
                block.iter_mut().for_each(|v| *v /= learner.samples());
                Ok((learner.design.quadratic(&block), block))
            })?;
        Ok(found.made)
    }
}

/// How well fixed points on the learner's nodes are solved.
fn approach(learner: &Ridge) -> Approach {
    let quick = learner.nodes.blocks().is_empty() && learner.nodes.len() > MANY_NODES;
    if quick { Approach::QUICK } else { Approach::EXACT }
}

/// δ on the nodes and the system A_δ + γ that belongs to it.
fn leverage(learner: &Ridge) -> Result<(RidgeSystem, Vec<f64>)> {
    let fewer = learner.nodes.len() / FEWER;
    let start = if approach(learner) == Approach::QUICK && fewer >= LEAST_FOR_EACH * learner.features.len() {
        let few = learner.on_fewer_nodes(fewer)?;
        let (system, _) = leverage_from(&few, vec![0.0; few.nodes.len()])?;
        forms(learner, &system)
    } else {
        vec![0.0; learner.nodes.len()]
    };
    leverage_from(learner, start)
}

fn leverage_from(learner: &Ridge, start: Vec<f64>) -> Result<(RidgeSystem, Vec<f64>)> {
    let name = "the finite-p leverage (use a larger ridge or more samples)";
    let found = fixed_point::solve(name, approach(learner), start, &learner.nodes.mass, true, |leverage| {
        let second_moment = learner.second_moment(|q| learner.weight[q] / (1.0 + leverage[q]));
        let system = RidgeSystem::new(second_moment, learner.features.len(), learner.ridge)?;
        Ok((forms(learner, &system), system))
    })?;
    Ok((found.made, found.x))
}

/// (w/P) φᵀ(A+γ)⁻¹φ on the nodes.
fn forms(learner: &Ridge, system: &RidgeSystem) -> Vec<f64> {
    let mut forms = learner.design.quadratic(system.inverse());
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
