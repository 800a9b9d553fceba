//! The law of a linear model's weights Ŵ (F × D) and of the score field they make.

use super::field::LinearField;
use super::sampled_covariance::SampledCovariance;
use super::weight_paths::{LinearModel, WeightCov};
use super::{At, Law, PathCov, PredictionMoments, Response, Settling, TotalMoments};
use crate::features::Features;
use crate::linalg::{self, gemm_nn, gemm_nt};
use crate::problem::{Objective, Prediction, Schedule, TrainingProblem};
use crate::rng::ChaCha8Rng;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
use std::sync::{Arc, OnceLock};

/// The covariance of the weights.
pub enum Covariance {
    /// Blocks S_ij (F × F) for i ≤ j, and the lower Cholesky factor of the whole once a draw needs it.
    Blocks(BlockCovariance),
    /// Influences of a sample of triples, where D·F is too large for a matrix.
    Sampled(Arc<SampledCovariance>),
}

/// Blocks S_ij and, once a draw needs it, their joint factor.
pub struct BlockCovariance {
    blocks: Vec<Vec<f64>>,
    factor: OnceLock<Vec<f64>>,
}

/// Above this size of D·F the joint covariance is not formed.
pub(crate) const DENSE_LIMIT: usize = 6_000;

impl Covariance {
    /// The covariance of given blocks S_ij (F × F), i ≤ j.
    pub fn from_blocks(blocks: Vec<Vec<f64>>) -> Self {
        Self::Blocks(BlockCovariance { blocks, factor: OnceLock::new() })
    }
}

/// A law of the trained weights, given by their mean and covariance; its draws are Gaussian.
///
/// ```
#[doc = include_str!("../../doc/ridge.rs")]
/// use gtv_theory::{Learner, learner::Order, rng::Purpose};
/// let law = ridge.expansion(Order::First)?;
/// let moments = law.moments(&[0.3], &[0.4]);
/// let (mut rng, mut mean) = (Streams::new(2).stream(Purpose::TheoryModel, 0, 0), 0.0);
/// for _ in 0..400 {
///     let mut y = [0.0];
///     law.field(law.sample_weights(&mut rng)).prediction_into(&[0.3], 0.4, &mut y);
///     mean += y[0] / 400.0;
/// }
/// // Within four standard errors.
/// assert!((mean - moments.mean[0]).abs() < 4.0 * (moments.variance[0] / 400.0).sqrt());
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct LinearLaw {
    objective: Objective,
    schedule: Schedule,
    features: Arc<Features>,
    /// W̄, F × D; deviations from `base` where there is one.
    mean: Vec<f64>,
    covariance: Covariance,
    /// Σ_i S_ii, F × F, once it is needed.
    total: OnceLock<Arc<Vec<f64>>>,
    settling: Option<Settling>,
    base: Option<Arc<dyn ScoreField>>,
}

impl LinearLaw {
    /// The law of the weights of `features` that are trained on a problem, of given mean (F × D) and covariance.
    pub fn new(
        problem: &TrainingProblem,
        features: Arc<Features>,
        mean: Vec<f64>,
        covariance: Covariance,
    ) -> Self {
        let (objective, schedule) = (*problem.objective(), *problem.schedule());
        let total = OnceLock::new();
        Self { objective, schedule, features, mean, covariance, total, settling: None, base: None }
    }

    /// The law of which totals over outputs are known alone: those of Σ_i S_ii (F × F).
    #[must_use]
    pub(crate) fn of_total(
        problem: &TrainingProblem,
        features: Arc<Features>,
        mean: Vec<f64>,
        sum: Arc<Vec<f64>>,
    ) -> Self {
        Self::new(problem, features, mean, Covariance::from_blocks(Vec::new())).with_total(sum)
    }

    /// Totals over outputs are those of Σ_i S_ii (F × F) rather than of the covariance, where that is made from a sample.
    #[must_use]
    pub(crate) fn with_total(self, sum: Arc<Vec<f64>>) -> Self {
        Self { total: OnceLock::from(sum), ..self }
    }

    /// The pool of models that the covariance has part of its noise from.
    #[must_use]
    pub(crate) fn with_settling(self, settling: Settling) -> Self {
        Self { settling: Some(settling), ..self }
    }

    /// The same law, whose weights are deviations from a field.
    #[must_use]
    pub fn around(mut self, base: Arc<dyn ScoreField>) -> Self {
        self.base = Some(base);
        self
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
        self.total().iter().step_by(self.features.len() + 1).sum()
    }

    /// Σ_i S_ii, F × F.
    fn total(&self) -> &[f64] {
        self.total.get_or_init(|| Arc::new(self.sum_over_outputs()))
    }

    fn sum_over_outputs(&self) -> Vec<f64> {
        let (dim, f_len) = (self.dim(), self.features.len());
        let mut sum = vec![0.0; f_len * f_len];
        let mut add = |block: &[f64]| sum.iter_mut().zip(block).for_each(|(s, b)| *s += b);
        match &self.covariance {
            Covariance::Blocks(own) => (0..dim).for_each(|i| add(&own.blocks[block_index(dim, i, i)])),
            Covariance::Sampled(sample) => {
                let (mut identity, mut block) = (vec![0.0; f_len * f_len], vec![0.0; f_len * f_len]);
                identity.iter_mut().step_by(f_len + 1).for_each(|v| *v = 1.0);
                for i in 0..dim {
                    sample.images(&identity, i, i, &mut block);
                    add(&block);
                }
            }
        }
        sum
    }

    /// One draw of the weights: W̄ plus a deviation, F × D.
    pub fn sample_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (dim, f_len) = (self.dim(), self.features.len());
        match &self.covariance {
            Covariance::Blocks(own) => {
                let size = dim * f_len;
                let factor = own.factor(dim, f_len);
                let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(size).collect();
                // The factor's variable order is (output, feature).
                let mut weights = self.mean.clone();
                for (row, factor) in factor.chunks_exact(size).enumerate() {
                    let value: f64 = factor[..=row].iter().zip(&noise).map(|(l, z)| l * z).sum();
                    weights[(row % f_len) * dim + row / f_len] += value;
                }
                weights
            }
            Covariance::Sampled(sample) => {
                let mut weights = sample.sample(rng);
                weights.iter_mut().zip(&self.mean).for_each(|(w, m)| *w += m);
                weights
            }
        }
    }

    /// The field of given weights, in this law's convention (added to the exact score for the paper's closure).
    pub fn field(&self, weights: Vec<f64>) -> LinearField {
        let field = LinearField::new(self.features.clone(), &self.objective, self.schedule, weights);
        match &self.base {
            None => field,
            Some(base) => field.with_base(base.clone()),
        }
    }

    /// E y and Var y at points of the training distribution.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n.
    pub fn moments(&self, x: &[f64], t: &[f64]) -> PredictionMoments {
        let (mean, variance) = self.by_blocks(x, t, |phi, n| self.variance(phi, n));
        PredictionMoments { mean, variance }
    }

    /// E y at points, and what is made of blocks of their features.
    fn by_blocks(
        &self,
        x: &[f64],
        t: &[f64],
        variance: impl Fn(&[f64], usize) -> Vec<f64>,
    ) -> (Vec<f64>, Vec<f64>) {
        const BLOCK: usize = 64;
        let dim = self.dim();
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for (x, t) in x.chunks(BLOCK * dim).zip(t.chunks(BLOCK)) {
            let phi = self.fill(x, t);
            let mut mean = vec![0.0; x.len()];
            gemm_nn(t.len(), dim, self.features.len(), &phi, &self.mean, &mut mean);
            match &self.base {
                Some(base) => self.add_base(base.as_ref(), x, t, &mut mean),
                None => self.add_skip(x, t, &mut mean),
            }
            means.extend(mean);
            variances.extend(variance(&phi, t.len()));
        }
        (means, variances)
    }

    /// Mean and variances (`each` of them at a point) of another prediction type: both are affine in the score, a y + b x = a' y' + b' x.
    fn convert(
        &self,
        to: Prediction,
        x: &[f64],
        t: &[f64],
        mean: &mut [f64],
        variance: &mut [f64],
        each: usize,
    ) {
        if to == self.objective.prediction {
            return;
        }
        let dim = self.dim();
        for (k, (mean, x)) in mean.iter_mut().zip(x).enumerate() {
            let (on_y, on_x) = self.objective.score_coefficients(&self.schedule, t[k / dim]);
            let (on_other, other_on_x) = to.score_coefficients(&self.schedule, t[k / dim]);
            *mean = (on_y * *mean + (on_x - other_on_x) * x) / on_other;
        }
        for (k, variance) in variance.iter_mut().enumerate() {
            let (on_y, _) = self.objective.score_coefficients(&self.schedule, t[k / each]);
            let (on_other, _) = to.score_coefficients(&self.schedule, t[k / each]);
            *variance *= (on_y / on_other).powi(2);
        }
    }

    /// y's conditional mean under the exact score: y = (s − b x)/a.
    fn add_base(&self, base: &dyn ScoreField, x: &[f64], t: &[f64], mean: &mut [f64]) {
        let dim = self.dim();
        for ((x, &t), mean) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact_mut(dim)) {
            let mut clean = vec![0.0; dim];
            base.denoiser_into(x, t, &mut clean);
            let (on_x0, on_x) = self.objective.prediction.target_coefficients(&self.schedule, t);
            for ((m, c), x) in mean.iter_mut().zip(clean).zip(x) {
                *m += on_x0 * c + on_x * x;
            }
        }
    }

    /// The part of y that is not learned, skip_t x.
    fn add_skip(&self, x: &[f64], t: &[f64], mean: &mut [f64]) {
        let dim = self.dim();
        for ((x, &t), mean) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact_mut(dim)) {
            let skip = self.objective.skip(&self.schedule, t);
            if skip != 0.0 {
                mean.iter_mut().zip(x).for_each(|(m, x)| *m += skip * x);
            }
        }
    }

    fn model(&self) -> LinearModel<'_> {
        let prediction = self.objective.prediction;
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
            Covariance::Blocks(own) => {
                let mut image = vec![0.0; n * f_len];
                for i in 0..dim {
                    gemm_nn(n, f_len, f_len, phi, &own.blocks[block_index(dim, i, i)], &mut image);
                    for (k, (row, image)) in
                        phi.chunks_exact(f_len).zip(image.chunks_exact(f_len)).enumerate()
                    {
                        variance[k * dim + i] = row.iter().zip(image).map(|(a, b)| a * b).sum();
                    }
                }
            }
            Covariance::Sampled(sample) => sample.variance(phi, &mut variance),
        }
        variance
    }
}

impl WeightCov for Covariance {
    fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]) {
        match self {
            Self::Blocks(BlockCovariance { blocks, .. }) => {
                let (size, dim) = (blocks[0].len().isqrt(), side_of_triangle(blocks.len()));
                let block = &blocks[block_index(dim, i, j)];
                // S_ji = S_ijᵀ.
                let product = if i <= j { gemm_nn } else { gemm_nt };
                product(phi.len() / size, size, size, phi, block, out);
            }
            Self::Sampled(sample) => sample.images(phi, i, j, out),
        }
    }
}

impl BlockCovariance {
    /// The lower Cholesky factor of the whole, in the variable order (output, feature).
    fn factor(&self, dim: usize, f_len: usize) -> &[f64] {
        self.factor.get_or_init(|| joint_factor(&self.blocks, dim, f_len))
    }
}

impl Law for LinearLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        match &self.base {
            Some(base) => base.clone(),
            None => Arc::new(self.field(self.mean.clone())),
        }
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.model().cov(&self.covariance, z, other)
    }

    fn prediction_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> PredictionMoments {
        let PredictionMoments { mut mean, mut variance } = self.moments(x, t);
        self.convert(prediction, x, t, &mut mean, &mut variance, self.dim());
        PredictionMoments { mean, variance }
    }

    fn total_moments(&self, prediction: Prediction, x: &[f64], t: &[f64]) -> TotalMoments {
        let f_len = self.features.len();
        let folded = linalg::fold(self.total(), f_len);
        let (mut mean, mut variance) = self.by_blocks(x, t, |phi, n| {
            let mut forms = vec![0.0; n];
            linalg::quadratic_forms(phi, &folded, f_len, &mut forms);
            forms
        });
        self.convert(prediction, x, t, &mut mean, &mut variance, 1);
        TotalMoments { mean, variance }
    }

    fn cov_trace(&self, z: At<'_>, other: At<'_>) -> f64 {
        let f_len = self.features.len();
        let (phi, others) = (self.fill(z.x, &[z.t]), self.fill(other.x, &[other.t]));
        let mut image = vec![0.0; f_len];
        gemm_nn(1, f_len, f_len, &phi, self.total(), &mut image);
        let form: f64 = image.iter().zip(others).map(|(a, b)| a * b).sum();
        let on_y = |t| self.objective.score_coefficients(&self.schedule, t).0;
        on_y(z.t) * on_y(other.t) * form
    }

    fn settling(&self) -> Option<Settling> {
        self.settling
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        self.features.everywhere().then(|| Box::new(self.field(self.sample_weights(rng))) as _)
    }

    fn path_cov(&self, response: Response, paths: usize, points: usize) -> Box<dyn PathCov + '_> {
        match &self.covariance {
            Covariance::Blocks(own) => {
                let root = own.factor(self.dim(), self.features.len());
                Box::new(self.model().gram(root, response, paths, points))
            }
            sample @ Covariance::Sampled(_) => Box::new(self.model().images(sample, response, paths, points)),
        }
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

/// The lower Cholesky factor of the joint covariance in the variable order (output, feature).
pub(super) fn joint_factor(blocks: &[Vec<f64>], dim: usize, f_len: usize) -> Vec<f64> {
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
