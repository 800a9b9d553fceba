//! Labels on quadrature nodes: those of each node's own data point, and their exact conditional means.

use crate::lanes::exp_nonpositive;
use crate::linalg::{gemm_nn, gemm_nt};
use crate::problem::TrainingProblem;
use crate::quadrature::Nodes;
use rayon::prelude::*;
use std::ops::Range;

/// Products (node, data point, coordinate) up to which conditional means are computed.
const MOST_PRODUCTS: f64 = 2e12;
/// Numbers of a block of posterior weights.
const WEIGHTS: usize = 1 << 19;

/// What is known of the labels y − skip x at some nodes.
pub(super) struct NodeLabels {
    /// Their conditional means ỹ = E[y − skip x | x, t] where these are at hand, else the labels of the nodes' own data points, n × D.
    pub(super) fitted: Vec<f64>,
    /// tr Cov[y | x, t], n; 0 where the labels are those of the nodes' own data points.
    pub(super) variance: Vec<f64>,
}

impl NodeLabels {
    /// Those of some of the nodes.
    pub(super) fn part(&self, range: Range<usize>, dim: usize) -> Self {
        let fitted = self.fitted[range.start * dim..range.end * dim].to_vec();
        Self { fitted, variance: self.variance[range].to_vec() }
    }
}

/// c_t (1 − η): the factor of x0 in the label's noise.
fn noise_scale(problem: &TrainingProblem, t: f64) -> f64 {
    let (on_x0, _) = problem.objective().label_coefficients(problem.schedule(), t);
    (1.0 - problem.objective().target_mix) * on_x0
}

/// y_q − skip_q x_q = c_t x0 + (d_t − skip_t) x, with (1 − η) x0 + η m(x, t) in the place of x0, n × D.
pub(super) fn labels(problem: &TrainingProblem, nodes: &Nodes, range: Range<usize>) -> Vec<f64> {
    let (cloud, mix) = (problem.cloud(), problem.objective().target_mix);
    let (x, t) = (nodes.x(range.clone()), &nodes.t[range.clone()]);
    let own = nodes.point[range].iter().flat_map(|&m| cloud.point(m as usize));
    let clean = if mix > 0.0 {
        own.zip(posterior_means(problem, &x, t)).map(|(x0, m)| (1.0 - mix) * x0 + mix * m).collect()
    } else {
        own.copied().collect()
    };
    to_labels(problem, &x, t, clean)
}

/// Whether conditional moments of the labels are better than the labels of the nodes' own data points: not where these are the
/// conditional means already, where nodes stand for every data point, or where it would take too long.
pub(super) fn have_moments(problem: &TrainingProblem, nodes: &Nodes) -> bool {
    let products = nodes.len() as f64 * problem.dim() as f64 * problem.cloud().len() as f64;
    problem.objective().target_mix != 1.0 && nodes.blocks().is_empty() && products <= MOST_PRODUCTS
}

/// The labels of some nodes.
pub(super) fn node_labels(problem: &TrainingProblem, nodes: &Nodes, range: Range<usize>) -> NodeLabels {
    if have_moments(problem, nodes) {
        conditional_labels(problem, &nodes.x(range.clone()), &nodes.t[range])
    } else {
        let variance = vec![0.0; range.len()];
        NodeLabels { fitted: labels(problem, nodes, range), variance }
    }
}

/// Conditional moments of the labels at points (n × D).
pub(super) fn conditional_labels(problem: &TrainingProblem, x: &[f64], t: &[f64]) -> NodeLabels {
    let dim = problem.dim();
    let with_square = |mu: &[f64]| {
        let square: f64 = mu.iter().map(|v| v * v).sum();
        mu.iter().copied().chain([square]).collect::<Vec<f64>>()
    };
    let values: Vec<f64> = problem.cloud().points().chunks_exact(dim).flat_map(with_square).collect();
    let averages = posterior_averages(problem, &values, dim + 1, x, t);
    let (mut clean, mut variance) = (Vec::with_capacity(x.len()), Vec::with_capacity(t.len()));
    for (average, &t) in averages.chunks_exact(dim + 1).zip(t) {
        let (mean, square) = (&average[..dim], average[dim]);
        let left = square - mean.iter().map(|m| m * m).sum::<f64>();
        variance.push(noise_scale(problem, t).powi(2) * left.max(0.0));
        clean.extend(mean);
    }
    NodeLabels { fitted: to_labels(problem, x, t, clean), variance }
}

/// Cov[y_i, y_j | x_q, t_q] of all nodes for i ≤ j, pairs × Q; `None` where [`have_moments`] says no.
pub(super) fn conditional_covariances(problem: &TrainingProblem, nodes: &Nodes) -> Option<Vec<Vec<f64>>> {
    if !have_moments(problem, nodes) {
        return None;
    }
    let dim = problem.dim();
    let pairs: Vec<(usize, usize)> = (0..dim).flat_map(|i| (i..dim).map(move |j| (i, j))).collect();
    let with_products = |mu: &[f64]| {
        mu.iter().copied().chain(pairs.iter().map(|(i, j)| mu[*i] * mu[*j])).collect::<Vec<f64>>()
    };
    let values: Vec<f64> = problem.cloud().points().chunks_exact(dim).flat_map(with_products).collect();
    let columns = dim + pairs.len();
    let averages = posterior_averages(problem, &values, columns, &nodes.x(0..nodes.len()), &nodes.t);
    let covariance = |(pair, (i, j)): (usize, &(usize, usize))| {
        let rows = averages.chunks_exact(columns).zip(&nodes.t);
        rows.map(|(row, &t)| noise_scale(problem, t).powi(2) * (row[dim + pair] - row[*i] * row[*j]))
            .collect()
    };
    Some(pairs.iter().enumerate().map(covariance).collect())
}

fn to_labels(problem: &TrainingProblem, x: &[f64], t: &[f64], mut clean: Vec<f64>) -> Vec<f64> {
    let dim = problem.dim();
    for ((y, x), &t) in clean.chunks_exact_mut(dim).zip(x.chunks_exact(dim)).zip(t) {
        let (on_x0, on_x) = problem.objective().label_coefficients(problem.schedule(), t);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = on_x0 * *y + on_x * x);
    }
    clean
}

/// m(x_q, t_q) = Σ_m w_m μ_m, each node at its own time, Q × D.
pub(super) fn posterior_means(problem: &TrainingProblem, x: &[f64], t: &[f64]) -> Vec<f64> {
    posterior_averages(problem, problem.cloud().points(), problem.dim(), x, t)
}

/// Σ_m w_m v_m, w_m ∝ π_m exp((α x·μ_m − α²|μ_m|²/2)/σ²), for values v of the data points (M × K), each node at its own time, Q × K: two
/// products a block.
fn posterior_averages(
    problem: &TrainingProblem,
    values: &[f64],
    columns: usize,
    x: &[f64],
    t: &[f64],
) -> Vec<f64> {
    let (cloud, schedule, dim) = (problem.cloud(), problem.schedule(), problem.dim());
    let (points, count) = (cloud.points(), cloud.len());
    let squares: Vec<f64> = points.chunks_exact(dim).map(|mu| mu.iter().map(|v| v * v).sum()).collect();
    let log_prior: Vec<f64> = cloud.weights().iter().map(|w| w.ln()).collect();
    let block = (WEIGHTS / count).max(16);
    let mut averages = vec![0.0; t.len() * columns];
    let blocks =
        averages.par_chunks_mut(block * columns).zip(x.par_chunks(block * dim)).zip(t.par_chunks(block));
    blocks.for_each(|((averages, x), t)| {
        let mut weights = vec![0.0; t.len() * count];
        gemm_nt(t.len(), count, dim, x, points, &mut weights);
        let mut totals = Vec::with_capacity(t.len());
        for (row, &t) in weights.chunks_exact_mut(count).zip(t) {
            let (alpha, var) = (schedule.signal(t), schedule.noise_var(t));
            let (on_product, on_square) = (alpha / var, -0.5 * alpha * alpha / var);
            let weigh = Weigh { row, squares: &squares, log_prior: &log_prior, on_product, on_square };
            totals.push(pulp::Arch::new().dispatch(weigh));
        }
        gemm_nn(t.len(), columns, count, &weights, values, averages);
        for (row, total) in averages.chunks_exact_mut(columns).zip(totals) {
            row.iter_mut().for_each(|v| *v /= total);
        }
    });
    averages
}

/// x·μ_m of a row become weights relative to the largest; returns their sum. An operation that `pulp` compiles once for each
/// instruction set.
struct Weigh<'a> {
    row: &'a mut [f64],
    squares: &'a [f64],
    log_prior: &'a [f64],
    on_product: f64,
    on_square: f64,
}

impl pulp::NullaryFnOnce for Weigh<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let Self { row, squares, log_prior, on_product, on_square } = self;
        let mut most = f64::NEG_INFINITY;
        for ((w, square), prior) in row.iter_mut().zip(squares).zip(log_prior) {
            *w = on_product * *w + (on_square * square + prior);
            most = if *w > most { *w } else { most };
        }
        for w in row.iter_mut() {
            *w = exp_nonpositive(*w - most);
        }
        row.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Objective, Schedule};
    use crate::rng::Streams;
    use crate::{PointCloud, ScoreField};

    #[test]
    fn oracle_posterior_means_are_the_exact_denoiser() {
        let points = (0..21).map(|i| (f64::from(i) * 1.7).sin()).collect();
        let weights = vec![0.1, 0.2, 0.0, 0.3, 0.1, 0.2, 0.1];
        let cloud = PointCloud::with_weights(points, 3, weights).unwrap();
        let schedule = Schedule::paper(1e-3).unwrap();
        let problem =
            TrainingProblem::new(cloud, schedule, Objective::default(), 10, Streams::new(1)).unwrap();
        let places = problem.probes(0, 300);
        let means = posterior_means(&problem, &places.x, &places.t);
        for ((x, &t), mean) in places.x.chunks_exact(3).zip(&places.t).zip(means.chunks_exact(3)) {
            let mut exact = [0.0; 3];
            problem.exact().denoiser_into(x, t, &mut exact);
            for (a, b) in exact.iter().zip(mean) {
                // Exponents reach |x·μ|/σ² = 3e3·10: their rounding is 1e-11.
                assert!((a - b).abs() < 1e-9, "{a} {b} at {t}");
            }
        }
    }

    #[test]
    fn oracle_conditional_covariances_are_those_of_the_exact_posterior() {
        use crate::quadrature::QuadratureSpec;
        use crate::score::CovKind;
        let cloud = PointCloud::new((0..21).map(|i| (f64::from(i) * 1.7).sin()).collect(), 3).unwrap();
        let schedule = Schedule::paper(0.05).unwrap();
        let objective = Objective { target_mix: 0.4, ..Objective::default() };
        let problem = TrainingProblem::new(cloud, schedule, objective, 10, Streams::new(1)).unwrap();
        let spec = QuadratureSpec { quasi_nodes: 200, ..QuadratureSpec::default() };
        let nodes = Nodes::new(problem.cloud(), &schedule, &spec, Streams::new(1)).unwrap();
        let found = conditional_covariances(&problem, &nodes).unwrap();
        let traces = node_labels(&problem, &nodes, 0..200).variance;
        for q in 0..200 {
            let x = nodes.x(q..q + 1);
            let exact = problem.exact().evaluate(&x, nodes.t[q], CovKind::Full).unwrap();
            let gamma = exact.posterior_cov;
            let trace: f64 = (0..3).map(|i| 0.36 * gamma[4 * i]).sum();
            assert!((traces[q] - trace).abs() < 1e-9, "{} {trace}", traces[q]);
            for (pair, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
                assert!((found[pair][q] - 0.36 * gamma[3 * i + j]).abs() < 1e-9);
            }
        }
    }
}
