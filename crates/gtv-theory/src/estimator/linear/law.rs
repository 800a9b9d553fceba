//! The law of a linear model's weights Ŵ (F × D) and of the score field they make.

use super::design::Design;
use super::path_cov::{LinearModel, WeightCov};
use super::shared::{self, SharedPoints};
use super::shot_noise::ShotNoise;
use super::{Closure, LinearField, LinearSpec, LinearStatistics};
use crate::error::Result;
use crate::estimator::{At, Estimator, FieldLaw, PathCov, Response};
use crate::features::Features;
use crate::linalg::{self, gemm_nn, gemm_nt, gemm_tn};
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
use std::sync::{Arc, OnceLock};

/// (A + γ)⁻¹, formed once: closures need it in sandwiches and quadratic forms on all nodes.
pub(super) struct RidgeSystem {
    inverse: Vec<f64>,
    size: usize,
}

impl RidgeSystem {
    pub(super) fn new(mut second_moment: Vec<f64>, ridge: f64) -> Result<Self> {
        let size = second_moment.len().isqrt();
        for i in 0..size {
            second_moment[i * size + i] += ridge;
        }
        let mut inverse = vec![0.0; size * size];
        for i in 0..size {
            inverse[i * size + i] = 1.0;
        }
        let advice = "features that are the same, or zero, at the training points leave it singular, and polynomials outside \
                      their range leave it so beside any ridge: raise model.ridge, lower model.features.x and \
                      model.features.t, or widen model.features.range";
        linalg::solve_spd("the features' second moment", advice, &second_moment, size, &mut inverse)?;
        Ok(Self { inverse, size })
    }

    pub(super) fn pseudo_inverse(second_moment: Vec<f64>, cutoff: f64) -> Result<Self> {
        let size = second_moment.len().isqrt();
        let inverse = linalg::pseudo_inverse(&second_moment, size, cutoff)?;
        Ok(Self { inverse, size })
    }

    pub(super) fn inverse(&self) -> &[f64] {
        &self.inverse
    }

    /// (A + γ)⁻¹ B for B of F × K.
    pub(super) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; rhs.len()];
        gemm_nn(self.size, rhs.len() / self.size, self.size, &self.inverse, rhs, &mut out);
        out
    }
}

/// M B M for symmetric M (n × n).
pub(super) fn sandwich(outer: &[f64], inner: &[f64]) -> Vec<f64> {
    let n = outer.len().isqrt();
    let (mut half, mut out) = (vec![0.0; n * n], vec![0.0; n * n]);
    gemm_nn(n, n, n, inner, outer, &mut half);
    gemm_nn(n, n, n, outer, &half, &mut out);
    out
}

/// The covariance of the weights.
pub(in crate::estimator) enum Covariance {
    /// Blocks S_ij (F × F) for i ≤ j, and the lower Cholesky factor of the whole once a draw needs it.
    Blocks { blocks: Vec<Vec<f64>>, factor: OnceLock<Vec<f64>> },
    /// (1/P)(Σ_q ρ_q g_q g_qᵀ − ḡḡᵀ), g_q = (A+γ)⁻¹φ_q u_qᵀ, kept on the nodes where D·F is too large for a matrix.
    Nodes(NodeCovariance),
}

/// A covariance kept as influences on quadrature nodes.
pub(in crate::estimator) struct NodeCovariance {
    design: Arc<dyn Design>,
    inverse: Vec<f64>,
    /// √(ρ_q/P) u_q, Q × D.
    influence: Vec<f64>,
    /// √(ρ_q): the part of ḡ in each node's draw.
    root_mass: Vec<f64>,
    /// ḡ/√P = (A+γ)⁻¹ Σ ρ φ uᵀ/√P, F × D.
    mean: Vec<f64>,
}

/// Above this size of D·F the joint covariance is not formed.
pub(in crate::estimator) const DENSE_LIMIT: usize = 6_000;

impl Covariance {
    pub(in crate::estimator) fn from_blocks(blocks: Vec<Vec<f64>>) -> Self {
        Self::Blocks { blocks, factor: OnceLock::new() }
    }

    /// The covariance made by one sample's influence (A+γ)⁻¹φ_q u_qᵀ, u = `influence` (Q × D), whose mean is γ(A+γ)⁻¹W̄.
    pub(super) fn of_influence(
        statistics: &LinearStatistics,
        system: &RidgeSystem,
        mut influence: Vec<f64>,
        mean: &[f64],
    ) -> Result<Self> {
        let (dim, f_len, samples) = (statistics.dim(), statistics.features.len(), statistics.samples());
        let ridge = statistics.spec.ridge;
        if dim * f_len > DENSE_LIMIT {
            shared::refuse(statistics, "more than 6,000 weights in total")?;
            let root_mass: Vec<f64> = statistics.nodes.mass.iter().map(|m| m.sqrt()).collect();
            for (u, root) in influence.chunks_exact_mut(dim).zip(&root_mass) {
                u.iter_mut().for_each(|u| *u *= root / samples.sqrt());
            }
            let shift: Vec<f64> = mean.iter().map(|m| ridge * m / samples.sqrt()).collect();
            return Ok(Self::Nodes(NodeCovariance {
                design: statistics.design.clone(),
                inverse: system.inverse().to_vec(),
                influence,
                root_mass,
                mean: system.solve(&shift),
            }));
        }
        let shared = SharedPoints::new(statistics, &influence, mean)?;
        let mut blocks = Vec::with_capacity(dim * (dim + 1) / 2);
        for i in 0..dim {
            for j in i..dim {
                let product = |q: usize| influence[q * dim + i] * influence[q * dim + j];
                let mut inner = statistics.design.gram(&statistics.weighted(product));
                shared.add_to(&mut inner, i, j);
                let mut block = sandwich(system.inverse(), &inner);
                block.iter_mut().for_each(|v| *v /= samples);
                blocks.push(block);
            }
        }
        Ok(Self::from_blocks(blocks))
    }
}

/// The law of the trained weights in one closure.
pub struct LinearLaw {
    closure: Closure,
    spec: LinearSpec,
    features: Arc<Features>,
    schedule: Schedule,
    /// W̄, F × D; deviations from `base` where there is one.
    mean: Vec<f64>,
    covariance: Covariance,
    shot_noise: Option<ShotNoise>,
    base: Option<Arc<dyn ScoreField>>,
}

/// Mean and variance of the prediction y at given points.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionMoments {
    /// E y, n × D.
    pub mean: Vec<f64>,
    /// Var y_i, n × D.
    pub variance: Vec<f64>,
}

impl LinearLaw {
    pub(super) fn new(
        statistics: &LinearStatistics,
        closure: Closure,
        mean: Vec<f64>,
        covariance: Covariance,
    ) -> Self {
        let features = statistics.features.clone();
        let spec = statistics.spec.clone();
        let schedule = statistics.schedule;
        Self { closure, spec, features, schedule, mean, covariance, shot_noise: None, base: None }
    }

    /// The law of a model with the features of `spec`, of given mean weights (F × D) and covariance blocks S_ij, i ≤ j.
    pub(in crate::estimator) fn from_parts(
        closure: Closure,
        spec: LinearSpec,
        schedule: Schedule,
        mean: Vec<f64>,
        blocks: Vec<Vec<f64>>,
    ) -> Self {
        let features = Arc::new(spec.features.clone());
        let covariance = Covariance::from_blocks(blocks);
        Self { closure, spec, features, schedule, mean, covariance, shot_noise: None, base: None }
    }

    pub(super) fn around(mut self, base: Arc<dyn ScoreField>) -> Self {
        self.base = Some(base);
        self
    }

    pub(super) fn with_shot_noise(mut self, shot_noise: ShotNoise) -> Self {
        self.closure = Closure::ShotNoise;
        self.shot_noise = Some(shot_noise);
        self
    }

    /// The closure.
    pub fn closure(&self) -> Closure {
        self.closure
    }

    /// φ, the features whose weights these are.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.features.dim()
    }

    /// W̄ = E Ŵ, F × D (zero for the paper's closure, whose mean score is the exact one).
    pub fn mean_weights(&self) -> &[f64] {
        &self.mean
    }

    /// tr Cov Ŵ, summed over outputs.
    pub fn total_weight_variance(&self) -> f64 {
        let (dim, f_len) = (self.dim(), self.features.len());
        match &self.covariance {
            Covariance::Blocks { blocks, .. } => (0..dim)
                .map(|i| &blocks[block_index(dim, i, i)])
                .map(|block| (0..f_len).map(|a| block[a * f_len + a]).sum::<f64>())
                .sum(),
            Covariance::Nodes(nodes) => {
                // Σ_q |M φ_q|² |u_q|²: a quadratic form of M² on the nodes.
                let squared = square(&nodes.inverse);
                let forms = nodes.design.quadratic(&squared);
                let total: f64 = forms
                    .iter()
                    .zip(nodes.influence.chunks_exact(dim))
                    .map(|(form, u)| form * u.iter().map(|u| u * u).sum::<f64>())
                    .sum();
                total - nodes.mean.iter().map(|m| m * m).sum::<f64>()
            }
        }
    }

    /// One draw of the weights: W̄ plus a deviation, F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        if let Some(shot_noise) = &self.shot_noise {
            return shot_noise.sample_weights(&self.mean, rng);
        }
        let (dim, f_len) = (self.dim(), self.features.len());
        match &self.covariance {
            Covariance::Blocks { blocks, factor } => {
                let size = dim * f_len;
                let factor = factor.get_or_init(|| joint_factor(blocks, dim, f_len));
                let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(size).collect();
                // The factor's variable order is (output, feature).
                let mut weights = self.mean.clone();
                for (row, factor) in factor.chunks_exact(size).enumerate() {
                    let value: f64 = factor[..=row].iter().zip(&noise).map(|(l, z)| l * z).sum();
                    weights[(row % f_len) * dim + row / f_len] += value;
                }
                weights
            }
            Covariance::Nodes(nodes) => {
                let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(nodes.root_mass.len()).collect();
                let scaled: Vec<f64> =
                    nodes.influence.iter().enumerate().map(|(i, u)| u * noise[i / dim]).collect();
                let projected = nodes.design.project(&scaled, dim);
                let common: f64 = noise.iter().zip(&nodes.root_mass).map(|(z, r)| z * r).sum();
                let mut weights = vec![0.0; f_len * dim];
                gemm_nn(f_len, dim, f_len, &nodes.inverse, &projected, &mut weights);
                for ((w, m), shift) in weights.iter_mut().zip(&self.mean).zip(&nodes.mean) {
                    *w += m - common * shift;
                }
                weights
            }
        }
    }

    /// The field of given weights, in this law's convention (added to the exact score for the paper's closure).
    pub fn field(&self, weights: Vec<f64>) -> LinearField {
        let field = LinearField::new(self.features.clone(), self.spec.prediction, self.schedule, weights)
            .with_preconditioning(self.spec.preconditioning);
        match &self.base {
            None => field,
            Some(base) => field.with_base(base.clone()),
        }
    }

    /// E y and Var y at points of the training distribution.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    pub fn prediction_moments(&self, x: &[f64], t: &[f64]) -> PredictionMoments {
        const BLOCK: usize = 64;
        let dim = self.dim();
        let mut moments = PredictionMoments { mean: Vec::new(), variance: Vec::new() };
        for (x, t) in x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)) {
            let phi = self.fill(x, t);
            let mut mean = vec![0.0; x.len()];
            gemm_nn(t.len(), dim, self.features.len(), &phi, &self.mean, &mut mean);
            match &self.base {
                Some(base) => self.add_base(base.as_ref(), x, t, &mut mean),
                None => self.add_skip(x, t, &mut mean),
            }
            moments.mean.extend(mean);
            moments.variance.extend(self.variance(&phi, t.len()));
        }
        moments
    }

    /// y's conditional mean under the exact score: y = (s − b x)/a.
    fn add_base(&self, base: &dyn ScoreField, x: &[f64], t: &[f64], mean: &mut [f64]) {
        let dim = self.dim();
        for ((x, &t), mean) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact_mut(dim)) {
            let mut clean = vec![0.0; dim];
            base.denoiser_into(x, t, &mut clean);
            let (on_x0, on_x) = self.spec.prediction.target_coefficients(&self.schedule, t);
            for ((m, c), x) in mean.iter_mut().zip(clean).zip(x) {
                *m += on_x0 * c + on_x * x;
            }
        }
    }

    /// The part of y that is not learned, skip_t x.
    fn add_skip(&self, x: &[f64], t: &[f64], mean: &mut [f64]) {
        let dim = self.dim();
        for ((x, &t), mean) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact_mut(dim)) {
            let skip = self.spec.skip(&self.schedule, t);
            if skip != 0.0 {
                mean.iter_mut().zip(x).for_each(|(m, x)| *m += skip * x);
            }
        }
    }

    fn model(&self) -> LinearModel<'_> {
        let prediction = self.spec.prediction;
        LinearModel { features: &self.features, prediction, schedule: &self.schedule }
    }

    fn fill(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let mut phi = vec![0.0; t.len() * self.features.len()];
        self.features.fill(x, t, &mut phi);
        phi
    }

    /// Var y_i at n points given their features.
    fn variance(&self, phi: &[f64], n: usize) -> Vec<f64> {
        let (dim, f_len) = (self.dim(), self.features.len());
        let mut variance = vec![0.0; n * dim];
        match &self.covariance {
            Covariance::Blocks { blocks, .. } => {
                let mut image = vec![0.0; n * f_len];
                for i in 0..dim {
                    gemm_nn(n, f_len, f_len, phi, &blocks[block_index(dim, i, i)], &mut image);
                    for (k, (row, image)) in
                        phi.chunks_exact(f_len).zip(image.chunks_exact(f_len)).enumerate()
                    {
                        variance[k * dim + i] = row.iter().zip(image).map(|(a, b)| a * b).sum();
                    }
                }
            }
            Covariance::Nodes(nodes) => {
                let kernel_squared: Vec<f64> = nodes.kernel(phi, n).iter().map(|k| k * k).collect();
                let influence: Vec<f64> = nodes.influence.iter().map(|u| u * u).collect();
                gemm_tn(n, dim, nodes.root_mass.len(), &kernel_squared, &influence, &mut variance);
                let mut mean = vec![0.0; n * dim];
                gemm_nn(n, dim, f_len, phi, &nodes.mean, &mut mean);
                variance.iter_mut().zip(mean).for_each(|(v, m)| *v -= m * m);
            }
        }
        variance
    }
}

impl WeightCov for Covariance {
    fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]) {
        match self {
            Self::Blocks { blocks, .. } => {
                let (size, dim) = (blocks[0].len().isqrt(), side_of_triangle(blocks.len()));
                let block = &blocks[block_index(dim, i, j)];
                // S_ji = S_ijᵀ.
                let product = if i <= j { gemm_nn } else { gemm_nt };
                product(phi.len() / size, size, size, phi, block, out);
            }
            Self::Nodes(nodes) => nodes.images(phi, i, j, out),
        }
    }
}

impl NodeCovariance {
    /// k(z, z_q) = φ(z)ᵀ(A+γ)⁻¹φ_q for n points z, Q × n.
    fn kernel(&self, phi: &[f64], n: usize) -> Vec<f64> {
        let f_len = self.inverse.len().isqrt();
        let mut rows = vec![0.0; n * f_len];
        gemm_nn(n, f_len, f_len, phi, &self.inverse, &mut rows);
        let mut columns = vec![0.0; n * f_len];
        for (k, row) in rows.chunks_exact(f_len).enumerate() {
            for (f, v) in row.iter().enumerate() {
                columns[f * n + k] = *v;
            }
        }
        self.design.apply(&columns, n)
    }

    /// φᵀ S_ij = Σ_q k(z, z_q) u_qi u_qj φ_qᵀ(A+γ)⁻¹/P − (φᵀḡ_i) ḡ_jᵀ.
    fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]) {
        let f_len = self.inverse.len().isqrt();
        let (n, dim) = (phi.len() / f_len, self.mean.len() / f_len);
        let mut weighted = self.kernel(phi, n);
        for (k, u) in weighted.chunks_exact_mut(n).zip(self.influence.chunks_exact(dim)) {
            k.iter_mut().for_each(|k| *k *= u[i] * u[j]);
        }
        let projected = self.design.project(&weighted, n);
        gemm_tn(n, f_len, f_len, &projected, &self.inverse, out);
        for (phi, out) in phi.chunks_exact(f_len).zip(out.chunks_exact_mut(f_len)) {
            let mean = self.mean.chunks_exact(dim);
            let along: f64 = phi.iter().zip(mean.clone()).map(|(p, m)| p * m[i]).sum();
            out.iter_mut().zip(mean).for_each(|(o, m)| *o -= along * m[j]);
        }
    }
}

impl Estimator for LinearLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        match &self.base {
            Some(base) => base.clone(),
            None => Arc::new(self.field(self.mean.clone())),
        }
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.model().cov(&self.covariance, z, other)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        match &self.covariance {
            Covariance::Blocks { blocks, factor } => {
                let root = factor.get_or_init(|| joint_factor(blocks, self.dim(), self.features.len()));
                Box::new(self.model().gram(root, response, paths, points))
            }
            nodes => Box::new(self.model().images(nodes, response, paths, points)),
        }
    }
}

impl FieldLaw for LinearLaw {
    fn sample_field(&self, rng: &mut ChaCha8Rng) -> Box<dyn ScoreField> {
        Box::new(self.field(self.sample_weights(rng)))
    }
}

/// The position of the block (i, j) among the blocks i ≤ j.
fn block_index(dim: usize, i: usize, j: usize) -> usize {
    let (i, j) = (i.min(j), i.max(j));
    i * (2 * dim - i + 1) / 2 + j - i
}

/// D of D(D + 1)/2 blocks.
fn side_of_triangle(blocks: usize) -> usize {
    (2 * blocks).isqrt()
}

fn square(matrix: &[f64]) -> Vec<f64> {
    let n = matrix.len().isqrt();
    let mut out = vec![0.0; matrix.len()];
    gemm_nn(n, n, n, matrix, matrix, &mut out);
    out
}

/// The lower Cholesky factor of the joint covariance in the variable order (output, feature).
pub(in crate::estimator) fn joint_factor(blocks: &[Vec<f64>], dim: usize, f_len: usize) -> Vec<f64> {
    let size = dim * f_len;
    let mut joint = vec![0.0; size * size];
    for i in 0..dim {
        for j in 0..=i {
            // The lower triangle needs S_ij with i ≥ j, the transpose of the stored S_ji.
            let block = &blocks[block_index(dim, i, j)];
            for a in 0..f_len {
                for b in 0..f_len {
                    joint[(i * f_len + a) * size + j * f_len + b] = block[b * f_len + a];
                }
            }
        }
    }
    linalg::cholesky_semidefinite(&joint, size)
}
