//! Labels on quadrature nodes: those of each node's own data point, and their exact conditional means.

use crate::linalg::{gemm_nn, gemm_nt};
use crate::problem::TrainingProblem;
use crate::quadrature::Nodes;
use rayon::prelude::*;

/// Products (node, data point, coordinate) up to which conditional means are computed.
const MOST_PRODUCTS: f64 = 2e12;
/// Numbers of a block of posterior weights.
const WEIGHTS: usize = 1 << 19;

/// y_q − skip_q x_q = c_t x0 + (d_t − skip_t) x, with (1 − η) x0 + η m(x, t) in the place of x0, Q × D.
pub(super) fn labels(problem: &TrainingProblem, nodes: &Nodes) -> Vec<f64> {
    let (cloud, mix) = (problem.cloud(), problem.objective().target_mix);
    let mut clean: Vec<f64> = nodes.point.iter().flat_map(|&m| cloud.point(m as usize)).copied().collect();
    if mix > 0.0 {
        for (y, m) in clean.iter_mut().zip(posterior_means(problem, &nodes.x, &nodes.t)) {
            *y = (1.0 - mix) * *y + mix * m;
        }
    }
    to_labels(problem, nodes, clean)
}

/// E[y_q − skip_q x_q | x_q, t_q], Q × D; `None` where the labels are that already, where the nodes stand for every data point, or
/// where it would take too long.
pub(super) fn conditional_means(problem: &TrainingProblem, nodes: &Nodes) -> Option<Vec<f64>> {
    let products = nodes.x.len() as f64 * problem.cloud().len() as f64;
    let known = problem.objective().target_mix == 1.0 || !nodes.blocks().is_empty();
    (!known && products <= MOST_PRODUCTS)
        .then(|| to_labels(problem, nodes, posterior_means(problem, &nodes.x, &nodes.t)))
}

fn to_labels(problem: &TrainingProblem, nodes: &Nodes, mut clean: Vec<f64>) -> Vec<f64> {
    let dim = problem.dim();
    for (q, y) in clean.chunks_exact_mut(dim).enumerate() {
        let (on_x0, on_x) = problem.objective().label_coefficients(problem.schedule(), nodes.t[q]);
        for (y, x) in y.iter_mut().zip(&nodes.x[q * dim..]) {
            *y = on_x0 * *y + on_x * x;
        }
    }
    clean
}

/// m(x_q, t_q) = Σ_m w_m μ_m, w_m ∝ π_m exp((α x·μ_m − α²|μ_m|²/2)/σ²), each node at its own time, Q × D: two products a block.
pub(super) fn posterior_means(problem: &TrainingProblem, x: &[f64], t: &[f64]) -> Vec<f64> {
    let (cloud, schedule, dim) = (problem.cloud(), problem.schedule(), problem.dim());
    let (points, count) = (cloud.points(), cloud.len());
    let squares: Vec<f64> = points.chunks_exact(dim).map(|mu| mu.iter().map(|v| v * v).sum()).collect();
    let log_prior: Vec<f64> = cloud.weights().iter().map(|w| w.ln()).collect();
    let block = (WEIGHTS / count).max(16);
    let mut mean = vec![0.0; x.len()];
    let blocks = mean.par_chunks_mut(block * dim).zip(x.par_chunks(block * dim)).zip(t.par_chunks(block));
    blocks.for_each(|((mean, x), t)| {
        let mut weights = vec![0.0; t.len() * count];
        gemm_nt(t.len(), count, dim, x, points, &mut weights);
        for (row, &t) in weights.chunks_exact_mut(count).zip(t) {
            let (alpha, var) = (schedule.signal(t), schedule.noise_var(t));
            let mut most = f64::NEG_INFINITY;
            for ((w, square), prior) in row.iter_mut().zip(&squares).zip(&log_prior) {
                *w = (alpha * *w - 0.5 * alpha * alpha * square) / var + prior;
                most = most.max(*w);
            }
            let mut total = 0.0;
            for w in row.iter_mut() {
                // e^-40 is below the rounding of the largest.
                *w = if *w - most > -40.0 { (*w - most).exp() } else { 0.0 };
                total += *w;
            }
            row.iter_mut().for_each(|w| *w /= total);
        }
        gemm_nn(t.len(), dim, count, &weights, points, mean);
    });
    mean
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
}
