//! The population that the tests of gradient flow share, and plain computations on it.

use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::learner::Flow;
use gtv_theory::linalg::symmetric_eigen;
use gtv_theory::quadrature::{Nodes, QuadratureSpec};
use gtv_theory::rng::Streams;
use gtv_theory::{
    At, ExactScore, Law, Objective, PointCloud, Preconditioning, Prediction, Schedule, ScoreField,
    TrainingProblem,
};
use std::sync::Arc;

/// A few smooth features of (x, t), not orthogonal, of rates that differ.
#[derive(Debug)]
struct Waves {
    dim: usize,
    count: usize,
    shift: f64,
}

/// Some waves as features.
pub fn waves(dim: usize, count: usize, shift: f64) -> Arc<dyn FeatureMap> {
    Arc::new(Waves { dim, count, shift })
}

impl FeatureMap for Waves {
    fn len(&self) -> usize {
        self.count
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let rows = out.chunks_exact_mut(self.count).zip(x.chunks_exact(self.dim)).zip(t);
        for ((row, x), t) in rows {
            for (k, v) in row.iter_mut().enumerate() {
                let rate = 0.4 + 0.6 * k as f64;
                let along: f64 = x.iter().enumerate().map(|(i, x)| x * (1.0 + 0.3 * i as f64)).sum();
                *v = (rate * along + 1.3 * t + self.shift * (k + 1) as f64).sin() / (1.0 + k as f64);
            }
        }
    }
}

/// The problem of 100 independent triples.
pub fn problem(dim: usize) -> TrainingProblem {
    let objective =
        Objective { preconditioning: Preconditioning::Edm { data_std: 0.8 }, ..Objective::default() };
    TrainingProblem::new(cloud(dim), schedule(), objective, 100, Streams::new(0)).unwrap()
}

/// Late enough for the posterior mean to be smooth on the scale of the nodes' spacing.
pub fn schedule() -> Schedule {
    Schedule::paper(0.3).unwrap()
}

/// Coarse in time; fine enough in the noise for labels and their conditional means to have the same moments.
pub fn quadrature() -> QuadratureSpec {
    QuadratureSpec { times: 3, noise_spacing: 0.4, noise_range: 6.5, ..QuadratureSpec::default() }
}

pub fn cloud(dim: usize) -> PointCloud {
    let points = [-1.0, 0.3, 0.1, -0.7, 1.0, 0.6];
    PointCloud::with_weights(points[..3 * dim].to_vec(), dim, vec![0.2, 0.5, 0.3]).unwrap()
}

/// The population as plain numbers.
pub struct Plain {
    pub problem: TrainingProblem,
    pub features: Arc<dyn FeatureMap>,
    dim: usize,
    pub nodes: Nodes,
    /// w ρ is `weight` × `mass`.
    pub weight: Vec<f64>,
    /// y − skip x, Q × D.
    pub labels: Vec<f64>,
    /// φ on the nodes, Q × F.
    pub phi: Vec<f64>,
}

impl Plain {
    pub fn new(problem: &TrainingProblem, features: &Arc<dyn FeatureMap>) -> Self {
        let (dim, objective, schedule, cloud) =
            (problem.dim(), problem.objective(), schedule(), problem.cloud());
        let nodes = Nodes::new(cloud, &schedule, &quadrature(), Streams::new(0)).unwrap();
        let exact = ExactScore::new(cloud.clone(), schedule);
        let weight: Vec<f64> = nodes.t.iter().map(|&t| objective.target_weight(&schedule, t)).collect();
        let mut labels = Vec::new();
        let mut mean = vec![0.0; dim];
        let mix = objective.target_mix;
        for (q, &t) in nodes.t.iter().enumerate() {
            let x = &nodes.x(q..q + 1);
            exact.denoiser_into(x, t, &mut mean);
            let (c, d) = objective.label_coefficients(&schedule, t);
            let x0 = cloud.point(nodes.point[q] as usize);
            labels.extend((0..dim).map(|i| c * ((1.0 - mix) * x0[i] + mix * mean[i]) + d * x[i]));
        }
        let mut phi = vec![0.0; nodes.len() * features.len()];
        features.fill(&nodes.x(0..nodes.len()), &nodes.t, &mut phi);
        Self { problem: problem.clone(), features: features.clone(), dim, nodes, weight, labels, phi }
    }

    /// A = Σ m w φφᵀ and b = Σ m w φ yᵀ over the nodes.
    pub fn moments(&self, labels: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let len = self.features.len();
        let (mut a, mut b) = (vec![0.0; len * len], vec![0.0; len * self.dim]);
        for q in 0..self.nodes.len() {
            self.add_node(q, self.nodes.mass[q], labels, &mut a, &mut b);
        }
        (a, b)
    }

    pub fn add_node(&self, q: usize, mass: f64, labels: &[f64], a: &mut [f64], b: &mut [f64]) {
        let (len, dim) = (self.features.len(), self.dim);
        let (m, phi) = (mass * self.weight[q], &self.phi[q * len..][..len]);
        for i in 0..len {
            (0..len).for_each(|j| a[i * len + j] += m * phi[i] * phi[j]);
            (0..dim).for_each(|d| b[i * dim + d] += m * phi[i] * labels[q * dim + d]);
        }
    }

    /// W after gradient flow with moments A and b, F × D, by the eigenvectors of A.
    pub fn flow(&self, (a, b): &(Vec<f64>, Vec<f64>), time: f64) -> Vec<f64> {
        let (len, dim) = (self.features.len(), self.dim);
        let (values, vectors) = symmetric_eigen("A", a, len).unwrap();
        let mut out = vec![0.0; len * dim];
        for (k, value) in values.iter().enumerate() {
            let factor = -(-value * time).exp_m1() / value;
            for d in 0..dim {
                let along: f64 = (0..len).map(|i| vectors[i * len + k] * b[i * dim + d]).sum();
                (0..len).for_each(|i| out[i * dim + d] += factor * along * vectors[i * len + k]);
            }
        }
        out
    }

    /// ∂W/∂(mass of node q) by central differences, Q of F × D.
    fn responses(&self, labels: &[f64], time: f64) -> Vec<Vec<f64>> {
        let (step, moments) = (1e-5, self.moments(labels));
        (0..self.nodes.len())
            .map(|q| {
                let moved = |by: f64| {
                    let mut moments = moments.clone();
                    self.add_node(q, by, labels, &mut moments.0, &mut moments.1);
                    self.flow(&moments, time)
                };
                let (up, down) = (moved(step), moved(-step));
                up.iter().zip(down).map(|(u, d)| (u - d) / (2.0 * step)).collect()
            })
            .collect()
    }

    /// Cov of W (flattened F × D) over training sets, to first order in 1/P.
    pub fn covariance(&self, labels: &[f64], time: f64) -> Vec<f64> {
        let responses = self.responses(labels, time);
        let size = responses[0].len();
        let (samples, draws) = (self.problem.samples() as f64, self.problem.draws() as f64);
        let cloud = cloud(self.dim);
        let mut out = vec![0.0; size * size];
        let mut add = |scale: f64, g: &[f64]| {
            for i in 0..size {
                (0..size).for_each(|j| out[i * size + j] += scale * g[i] * g[j] / samples);
            }
        };
        let mut means = vec![vec![0.0; size]; cloud.len()];
        let mut mean = vec![0.0; size];
        for (q, g) in responses.iter().enumerate() {
            let rho = self.nodes.mass[q];
            add(rho, g);
            let point = self.nodes.point[q] as usize;
            for k in 0..size {
                means[point][k] += rho * g[k] / cloud.weights()[point];
                mean[k] += rho * g[k];
            }
        }
        for (m, weight) in means.iter().zip(cloud.weights()) {
            add((draws - 1.0) * weight, m);
        }
        add(-draws, &mean);
        out
    }

    /// Cov of predictions at two points, D × D.
    pub fn between(&self, covariance: &[f64], z: At<'_>, other: At<'_>) -> Vec<f64> {
        let (len, dim) = (self.features.len(), self.dim);
        let fill = |at: At<'_>| {
            let mut phi = vec![0.0; len];
            self.features.fill(at.x, &[at.t], &mut phi);
            phi
        };
        let (a, b) = (fill(z), fill(other));
        let size = len * dim;
        let entry = |i: usize, j: usize| -> f64 {
            (0..len)
                .flat_map(|f| (0..len).map(move |g| (f, g)))
                .map(|(f, g)| a[f] * b[g] * covariance[(f * dim + i) * size + g * dim + j])
                .sum()
        };
        (0..dim * dim).map(|k| entry(k / dim, k % dim)).collect()
    }
}

/// Cov[ŷ, ŷ'] from Cov[ŝ, ŝ'] = a a' Cov[ŷ, ŷ'].
pub fn of_predictions(law: &dyn Law, z: At<'_>, other: At<'_>) -> Vec<f64> {
    let a = |t: f64| Prediction::Denoiser.score_coefficients(&schedule(), t).0;
    law.cov(z, other).iter().map(|c| c / (a(z.t) * a(other.t))).collect()
}

/// Gradient flow of features for a time.
pub fn flow(problem: &TrainingProblem, features: &Arc<dyn FeatureMap>, time: f64) -> Flow {
    Flow::new(problem, Features::Mapped(features.clone()), time, &quadrature()).unwrap()
}

/// Places (x, t); the first coordinate of x in one dimension.
pub const PLACES: [([f64; 2], f64); 3] = [([0.2, -0.4], 0.35), ([-0.9, 0.8], 0.4), ([1.4, 0.1], 0.9)];

/// Relative to the largest that is wanted.
pub fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= tolerance * scale, "{what}: {g} against {w} at scale {scale}");
    }
}
