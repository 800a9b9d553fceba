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
//! **Many nodes are summed once.** An iteration is a sum over nodes of moments with values f(x) that depend on the iterate x: A_δ, or the
//! braces of S. On many nodes it is the sum over one sixteenth of them, with E_all[f(x₀)φφᵀ] − E_few[f(x₀)φφᵀ] added, x₀ a guess of x from
//! the fixed point of another sixteenth alone (of others, since a matrix knows its own nodes too well): quadratic forms of its matrix in K
//! random directions, with a relative spread of √(2/K). What this leaves is the few nodes' error in E[(f(x) − f(x₀))φφᵀ], their own
//! times √(2/K) = 0.18 and the share of x in f, at most ½ where leverage or the other samples' noise is at most as large as what
//! it adds to: below 0.09 of the few nodes' error, where that of all the nodes, sixteen times as many, is ¼ of it. Measured on 32,768
//! nodes with 48 features, in δ: 0.06 % where the few alone are 0.4 % off (weights to 400); 0.3 % where they are 0.4 % off (to 10,000,
//! whose moments few nodes miss by more than the δ that they solve for shows).
//! Iterations go on until the bound on what they leave, from their measured contraction, is below 1e-3 ([`Approach::Quick`]).

use super::labels::conditional_covariances;
use super::many_outputs::{Labels, label_moment, sampled, squares};
use super::partners::Partners;
use super::ridge::MANY_NODES;
use super::{Leverage, Precision, Residual, Ridge, RidgeSystem, SharedPoints, Sprinkling, sandwich};
use crate::error::{Error, Result};
use crate::fixed_point::{self, Approach, Sought};
use crate::law::SampledCovariance;
use crate::linalg::{cholesky_semidefinite, gemm_nn};
use crate::rng::Purpose;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The most memory that the blocks S_ij may take.
const BLOCK_LIMIT: usize = 2 << 30;
/// The most outputs for which they are solved.
const MOST_OUTPUTS: usize = 3;
/// All nodes over those of the iterations.
const FEWER: usize = 16;
/// The least number of nodes for each feature of the iterations.
const LEAST_FOR_EACH: usize = 12;
/// K, the random directions of a guess of quadratic forms.
const DIRECTIONS: usize = 64;
/// What is solved for.
const LEVERAGE: Sought =
    Sought { name: "the finite-p leverage", advice: "use a larger ridge or more samples" };
const COVARIANCE: Sought =
    Sought { name: "the finite-p covariance", advice: "use a larger ridge or more samples" };

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

/// Whether each pair of outputs has a block of its own.
fn are_blocks(dim: usize, f_len: usize, nodes: usize) -> bool {
    let bytes = (dim * (dim + 1) / 2).saturating_mul(f_len * f_len + nodes).saturating_mul(8);
    dim <= MOST_OUTPUTS && bytes <= BLOCK_LIMIT
}

/// Whether so many nodes are summed once, and iterated on few of them.
fn are_enough_for_few(nodes: usize, f_len: usize) -> bool {
    nodes > MANY_NODES && nodes / FEWER >= LEAST_FOR_EACH * f_len
}

/// About how many sums over nodes the fixed points take.
pub(super) struct Plan {
    /// Sums over all the nodes besides the iterations.
    pub(super) passes: f64,
    /// Iterations of the leverage, of a block of the covariance.
    pub(super) leverage: f64,
    pub(super) covariance: f64,
    /// The share of the nodes that an iteration sums over.
    pub(super) share: f64,
    /// Blocks of the covariance.
    pub(super) blocks: usize,
    /// Whether there is a pool of models.
    pub(super) pooled: bool,
    /// Of products of features.
    pub(super) precision: Precision,
}

impl Plan {
    /// On quasi-random nodes.
    pub(super) fn on(nodes: usize, f_len: usize, dim: usize, beside_ridge: Precision) -> Self {
        let (many, few) = (nodes > MANY_NODES, are_enough_for_few(nodes, f_len));
        let pooled = !are_blocks(dim, f_len, nodes);
        let (leverage, covariance) = if many { (8.0, 6.0) } else { (25.0, 20.0) };
        Self {
            // A guess with what it misses, and the leverage on all of them.
            passes: if few { 1.5 } else { 0.0 },
            leverage,
            covariance,
            share: if few { 2.0 / FEWER as f64 } else { 1.0 },
            blocks: if pooled { 1 } else { dim * (dim + 1) / 2 },
            pooled,
            precision: if many { beside_ridge } else { Precision::Double },
        }
    }
}

/// δ on the nodes and what follows from it.
struct Leveraged {
    /// Fewer nodes for the iterations, where there are enough.
    few: Option<Few>,
    system: RidgeSystem,
    /// w/(1 + δ).
    damped: Vec<f64>,
    /// 1/√(1 − h_q), 1 on the nodes of a tensor rule.
    lift: Vec<f64>,
}

/// The learner on few of its nodes.
struct Few {
    /// The first of them, which the guess is from.
    first: Ridge,
    /// As many that follow, which iterations with what they miss of all nodes are on.
    next: Ridge,
}

impl Few {
    fn of(learner: &Ridge) -> Result<Option<Self>> {
        let fewer = learner.nodes() / FEWER;
        if !learner.nodes.blocks().is_empty() || !are_enough_for_few(learner.nodes(), learner.features.len())
        {
            return Ok(None);
        }
        let (first, next) = (learner.on_nodes_of(0..fewer)?, learner.on_nodes_of(fewer..2 * fewer)?);
        Ok(Some(Self { first, next }))
    }

    /// The values on all the nodes that are those of the nodes that follow the first.
    fn of_next<'a>(&self, values: &'a [f64]) -> &'a [f64] {
        &values[self.first.nodes()..self.first.nodes() + self.next.nodes()]
    }
}

impl SelfConsistent {
    pub(super) fn of(learner: &Ridge) -> Result<Self> {
        let (dim, f_len) = (learner.dim(), learner.features.len());
        if are_blocks(dim, f_len, learner.nodes()) { Self::in_blocks(learner) } else { Self::pooled(learner) }
    }

    /// With every block S_ij.
    fn in_blocks(learner: &Ridge) -> Result<Self> {
        let dim = learner.dim();
        let found = Leveraged::of(learner)?;
        let labels = Labels::of(learner);
        let mean = found.system.solve(&label_moment(&labels, &found.damped));
        let own = conditional_covariances(&learner.problem, &learner.nodes);
        let influence = found.influence(learner, &mean, own.is_some().then_some(&labels));
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
        let labels = Labels::of(learner);
        let mean = found.system.solve(&label_moment(&labels, &found.damped));
        let shared = found.shared(learner, &mean, || found.influence(learner, &mean, None));
        let mut squares = squares(&labels, Residual::Fit(&mean), Some(&found.lift));
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
        let few = Few::of(learner)?;
        let (system, leverage) =
            leverage(learner, few.as_ref()).map_err(|error| without_bound(learner, error))?;
        let lift = lift(learner, |q| learner.samples() * leverage[q] / (1.0 + leverage[q]))?;
        let damped = learner.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
        Ok(Self { few, system, damped, lift })
    }

    /// w r/(1 + δ), Q × D, of the labels' conditional means, or of the nodes' own labels.
    fn influence(&self, learner: &Ridge, mean: &[f64], conditional: Option<&Labels<'_>>) -> Vec<f64> {
        let dim = learner.dim();
        let mut influence = learner.design.apply(mean, dim);
        let labels = match conditional {
            Some(labels) => labels.at(0..learner.nodes()).fitted,
            None => learner.target().to_vec(),
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
    /// is the noise of one more generation of samples. On φᵀSφ at the nodes it is a matrix K ≥ 0 of which v_q = φ_qᵀMφ_q tells the growth:
    /// with h = δ/(1+δ), Kv = φᵀM E[h w/(1+δ) φφᵀ] Mφ ≤ max h · φᵀM A_δ Mφ ≤ max h · v. So generations fade at any load that has a leverage,
    /// at least as fast as max h < 1 does.
    fn covariance(
        &self,
        learner: &Ridge,
        product: &dyn Fn(usize) -> f64,
        add: &dyn Fn(&mut [f64]),
        diagonal: bool,
    ) -> Result<Vec<f64>> {
        let (precision, f_len) = (learner.precision(&self.system), learner.features.len());
        let mut constant = vec![0.0; f_len * f_len];
        add(&mut constant);
        let moment = |learner: &Ridge, first: usize, forms: &[f64]| {
            let value = |q: usize| product(first + q) + self.damped[first + q].powi(2) * forms[q];
            gram(learner, precision, &learner.weighted(value))
        };
        let solve = |learner: &Ridge, first, approach, constant: &[f64], start| {
            fixed_point::solve(COVARIANCE, approach, start, &learner.nodes.mass, false, |forms| {
                let inner = sum(moment(learner, first, forms), constant);
                let mut block = sandwich(self.system.inverse(), &inner, f_len);
                block.iter_mut().for_each(|v| *v /= learner.samples());
                Ok((quadratic(learner, precision, &block), block))
            })
        };
        let found = match &self.few {
            None => solve(learner, 0, whole(learner), &constant, vec![0.0; learner.nodes()])?,
            Some(few) => {
                let (first, start) = (few.first.nodes(), vec![0.0; few.first.nodes()]);
                let rough = solve(&few.first, 0, Approach::Guess, &constant, start)?.made;
                // The covariance of two outputs has no root.
                let guess =
                    if diagonal { guess(learner, &rough) } else { quadratic(learner, precision, &rough) };
                let start = few.of_next(&guess);
                let missed = difference(moment(learner, 0, &guess), &moment(&few.next, first, start));
                solve(&few.next, first, Approach::Quick, &sum(constant, &missed), start.to_vec())?
            }
        };
        Ok(found.made)
    }
}

/// E[f φφᵀ] for ρ_q f_q.
pub(super) fn gram(learner: &Ridge, precision: Precision, values: &[f64]) -> Vec<f64> {
    match precision {
        Precision::Single => learner.design.rough_gram(values),
        Precision::Double => learner.design.gram(values),
    }
}

/// φᵀMφ on the nodes.
pub(super) fn quadratic(learner: &Ridge, precision: Precision, matrix: &[f64]) -> Vec<f64> {
    match precision {
        Precision::Single => learner.design.rough_quadratic(matrix),
        Precision::Double => learner.design.quadratic(matrix),
    }
}

/// How well fixed points on all the nodes from the start are solved.
fn whole(learner: &Ridge) -> Approach {
    if learner.many_nodes() { Approach::Quick } else { Approach::Exact }
}

/// a + b.
fn sum(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// φᵀMφ on the nodes about right, for positive semidefinite M: |GᵀLᵀφ|²/K with M = LLᵀ and K columns of normal numbers in G.
fn guess(learner: &Ridge, matrix: &[f64]) -> Vec<f64> {
    let f_len = learner.features.len();
    let factor = cholesky_semidefinite(matrix, f_len);
    let streams = learner.problem.streams().named("directions of quadratic forms");
    let rng = streams.stream(Purpose::TheoryModel, 0, 0);
    let scale = (DIRECTIONS as f64).sqrt().recip();
    let normal = StandardNormal.sample_iter(rng).map(|v: f64| scale * v);
    let normal: Vec<f64> = normal.take(f_len * DIRECTIONS).collect();
    let mut directions = vec![0.0; f_len * DIRECTIONS];
    gemm_nn(f_len, DIRECTIONS, f_len, &factor, &normal, &mut directions);
    learner.design.rough_squares(&directions, DIRECTIONS)
}

/// a − b.
fn difference(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a -= b);
    a
}

/// The system A_δ + γ and the δ on the nodes that belongs to it.
fn leverage(learner: &Ridge, few: Option<&Few>) -> Result<(RidgeSystem, Vec<f64>)> {
    let nothing = vec![0.0; learner.features.len().pow(2)];
    let Some(few) = few else {
        let start = vec![0.0; learner.nodes()];
        return leverage_from(learner, Precision::Double, whole(learner), &nothing, start);
    };
    let (first, next) = (&few.first, &few.next);
    let undamped = first.design.rough_gram(&first.weighted(|q| first.weight[q]));
    let precision = RidgeSystem::new(undamped, first.features.len(), first.ridge)?.precision();
    let start = vec![0.0; first.nodes()];
    let (rough, _) = leverage_from(first, precision, Approach::Guess, &nothing, start)?;
    let guess = leverage_of(learner, guess(learner, rough.inverse()));
    let start = few.of_next(&guess).to_vec();
    let all = damped_moment(learner, precision, &guess);
    let missed = difference(all, &damped_moment(next, precision, &start));
    let (system, _) = leverage_from(next, precision, Approach::Quick, &missed, start)?;
    let leverage = forms(learner, precision, &system);
    Ok((system, leverage))
}

/// E[w φφᵀ/(1 + δ)].
fn damped_moment(learner: &Ridge, precision: Precision, leverage: &[f64]) -> Vec<f64> {
    gram(learner, precision, &learner.weighted(|q| learner.weight[q] / (1.0 + leverage[q])))
}

/// What is wrong where a leverage does not settle: with as many features as samples and hardly a ridge it has no bound.
fn without_bound(learner: &Ridge, error: Error) -> Error {
    let value = learner.features.len() as f64 / learner.samples();
    match error {
        Error::NotConverged { .. } | Error::NotPositiveDefinite { .. } if value >= 1.0 => Error::OutOfRange {
            name: "the load F/P",
            value,
            expected: "below 1 beside so small a ridge, without which a sample's leverage has no bound: use a larger ridge, more samples \
                       or fewer features",
        },
        other => other,
    }
}

/// The same with `more` added to A_δ, from a start.
fn leverage_from(
    learner: &Ridge,
    precision: Precision,
    approach: Approach,
    more: &[f64],
    start: Vec<f64>,
) -> Result<(RidgeSystem, Vec<f64>)> {
    let found = fixed_point::solve(LEVERAGE, approach, start, &learner.nodes.mass, true, |leverage| {
        let second_moment = sum(damped_moment(learner, precision, leverage), more);
        let system = RidgeSystem::new(second_moment, learner.features.len(), learner.ridge)?;
        Ok((forms(learner, precision, &system), system))
    })?;
    Ok((found.made, found.x))
}

/// (w/P) φᵀ(A+γ)⁻¹φ on the nodes.
fn forms(learner: &Ridge, precision: Precision, system: &RidgeSystem) -> Vec<f64> {
    leverage_of(learner, quadratic(learner, precision, system.inverse()))
}

/// The same of φᵀ(A+γ)⁻¹φ.
fn leverage_of(learner: &Ridge, mut forms: Vec<f64>) -> Vec<f64> {
    for (form, weight) in forms.iter_mut().zip(&learner.weight) {
        *form *= weight / learner.samples();
    }
    forms
}

/// 1/√(1 − h_q), 1 on the nodes of a tensor rule; `share(q)` is w_q φᵀMφ, or what leverage leaves of it, of which h_q is the part ρ_q.
pub(super) fn lift(learner: &Ridge, share: impl Fn(usize) -> f64) -> Result<Vec<f64>> {
    if !learner.nodes.blocks().is_empty() {
        return Ok(vec![1.0; learner.nodes()]);
    }
    let shares = learner.weighted(share);
    let count = shares.len() as f64;
    // Σ h is the number of features that the ridge leaves.
    if shares.iter().sum::<f64>() > 0.5 * count {
        let expected = "at least twice as many nodes as features that the ridge leaves, better ten times as many as samples";
        return Err(Error::OutOfRange { name: "quasi_nodes", value: count, expected });
    }
    Ok(shares.iter().map(|h| 1.0 / (1.0 - h.min(0.9)).sqrt()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Features, RandomFourier};
    use crate::problem::{Objective, TrainingProblem};
    use crate::quadrature::QuadratureSpec;
    use crate::rng::Streams;
    use crate::schedule::Schedule;
    use crate::{Closure, PointCloud, closure::FiniteP};

    fn learner(samples: usize, ridge: f64, quasi_nodes: usize) -> Ridge {
        let points = (0..15).map(|i| (f64::from(i) * 1.3).sin()).collect();
        let (cloud, schedule) = (PointCloud::new(points, 3).unwrap(), Schedule::paper(0.05).unwrap());
        let problem = TrainingProblem::new(cloud, schedule, Objective::default(), samples, Streams::new(4));
        let features = RandomFourier::new(3, 48, 2.0, 3.0, Some(schedule), Streams::new(2)).unwrap();
        let spec = QuadratureSpec { quasi_nodes, ..QuadratureSpec::default() };
        Ridge::new(&problem.unwrap(), Features::RandomFourier(features), ridge, &spec).unwrap()
    }

    #[test]
    fn convergence_few_nodes_with_what_they_miss_are_near_all_of_them() {
        for (samples, ridge) in [(400, 0.1), (96, 1e-2)] {
            let learner = learner(samples, ridge, 32_768);
            let zero = |nodes| vec![0.0; nodes];
            let nothing = vec![0.0; 48 * 48];
            let exact = |learner: &Ridge| {
                let start = zero(learner.nodes());
                leverage_from(learner, Precision::Double, Approach::Exact, &nothing, start).unwrap().0
            };
            let on_all = |system: &RidgeSystem| forms(&learner, Precision::Double, system);
            let few = Few::of(&learner).unwrap().unwrap();
            let (all, rough) = (on_all(&exact(&learner)), on_all(&exact(&few.first)));
            let found = leverage(&learner, Some(&few)).unwrap().1;
            let apart = |a: &[f64]| -> f64 {
                let terms = a.iter().zip(&all).zip(&learner.nodes.mass);
                terms.map(|((a, b), mass)| mass * (a - b).abs()).sum::<f64>()
                    / all.iter().zip(&learner.nodes.mass).map(|(b, mass)| mass * b).sum::<f64>()
            };
            println!("P = {samples}: few alone {:.4}, with the rest {:.5}", apart(&rough), apart(&found));
            // Below the error of all the nodes, a quarter of that of the few, and that of the iteration.
            assert!(apart(&found) < 0.25 * apart(&rough) + 1e-3, "{} {}", apart(&found), apart(&rough));

            // The noise of models whose residuals are all of size 1.
            let total = |of: &Ridge, few: Option<Few>| {
                let (system, leverage) = leverage(of, few.as_ref()).unwrap();
                let damped: Vec<f64> = of.weight.iter().zip(&leverage).map(|(w, d)| w / (1.0 + d)).collect();
                let found = Leveraged { few, system, damped, lift: Vec::new() };
                let product = |q: usize| found.damped[q] * found.damped[q];
                let block = found.covariance(of, &product, &|_| {}, true).unwrap();
                let of_all = quadratic(&learner, Precision::Double, &block);
                of_all.iter().zip(&learner.nodes.mass).map(|(v, mass)| v * mass).sum::<f64>()
            };
            let (all, rough) = (total(&learner, None), total(&few.first, None));
            let (rough, found) = (rough / all - 1.0, total(&learner, Some(few)) / all - 1.0);
            println!("the covariance: few alone {rough:.4}, with the rest {found:.5}");
            // Both are settled to 1e-3, from a leverage that is, and that enters twice.
            assert!(found.abs() < 0.25 * rough.abs() + 2.0 * 3e-3, "{found} {rough}");
        }
    }

    #[test]
    fn bounds_generations_fade_as_leverage_says() {
        for (samples, ridge) in [(400, 0.1), (96, 1e-3), (48, 1e-3), (24, 1e-2)] {
            let learner = learner(samples, ridge, 2048);
            let (system, leverage) = leverage(&learner, None).unwrap();
            let most = leverage.iter().map(|d| d / (1.0 + d)).fold(0.0, f64::max);
            // The largest eigenvalue of K by powers of it.
            let (mut forms, mut growth) = (vec![1.0; learner.nodes()], 0.0);
            for _ in 0..30 {
                let value = |q: usize| (learner.weight[q] / (1.0 + leverage[q])).powi(2) * forms[q];
                let inner = learner.second_moment(value);
                let block = sandwich(system.inverse(), &inner, learner.features.len());
                let next = learner.design.quadratic(&block);
                growth = next.iter().sum::<f64>() / forms.iter().sum::<f64>() / learner.samples();
                let size = next.iter().sum::<f64>();
                forms = next.iter().map(|v| v / size).collect();
            }
            println!("P = {samples}, ridge {ridge}: growth {growth:.3}, largest h {most:.3}");
            assert!(growth > 0.0 && growth <= most && most < 1.0, "{growth} {most}");
        }
    }

    #[test]
    fn a_load_without_bound_is_refused() {
        // As many features as samples, and more.
        for samples in [48, 24] {
            let error = FiniteP.law(&learner(samples, 0.0, 2048)).err().unwrap();
            let load = 48.0 / samples as f64;
            assert!(
                matches!(error, Error::OutOfRange { name: "the load F/P", value, .. } if value == load),
                "{error}"
            );
            assert!(error.to_string().contains("more samples"), "{error}");
        }
    }
}
