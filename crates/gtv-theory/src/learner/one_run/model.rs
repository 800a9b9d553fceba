//! A trained model, seen from its end: its field, and its derivative along the leading directions of its parameters.

use crate::error::{Result, check_len};
use crate::features::Features;
use crate::law::LinearField;
use crate::problem::TrainingProblem;
use crate::score::ScoreField;
use std::sync::Arc;

/// ∂y·c at points, each at its own time: (x, t, out), n × D.
pub type Change = Box<dyn Fn(&[f64], &[f64], &mut [f64]) + Send + Sync>;

/// Numbers of derivatives that are held at a time.
const HELD: usize = 1 << 24;

/// Points whose D × K derivatives are held at a time: some hundred rows, and points enough that a wide network does not read all of its
/// directions for a few, as far as memory allows. Fixed, so that sums do not depend on the number of threads.
pub(crate) fn points_a_block(dim: usize, directions: usize) -> usize {
    (512 / dim).max(64).min(HELD / (dim * directions).max(1)).max(1)
}

/// A trained model about its parameters θ̂: θ = θ̂ + M^½ Q c, Q orthonormal, M the metric of its optimiser.
pub trait TrainedModel: Send + Sync {
    /// The trained field.
    fn field(&self) -> Arc<dyn ScoreField>;

    /// K, the number of directions.
    fn directions(&self) -> usize;

    /// ∂y/∂c at points, each at its own time.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; the result: n × D × K.
    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64>;

    /// Σ_n (∂y_n/∂c)ᵀ r_n.
    ///
    /// The default asks for all derivatives; a model that is differentiated backwards needs none of them.
    ///
    /// # Shapes
    /// `x`, `residuals`: n × D; `t`: n; the result: K.
    fn pullback(&self, x: &[f64], t: &[f64], residuals: &[f64]) -> Vec<f64> {
        let (k, dim) = (self.directions(), (x.len() / t.len().max(1)).max(1));
        let mut sum = vec![0.0; k];
        let each = points_a_block(dim, k);
        let states = x.chunks(each * dim).zip(t.chunks(each));
        for ((x, t), residuals) in states.zip(residuals.chunks(each * dim)) {
            for (row, residual) in self.derivatives(x, t).chunks_exact(k).zip(residuals) {
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += residual * v);
            }
        }
        sum
    }

    /// ∂y·c as a function.
    fn change(&self, c: &[f64]) -> Change;

    /// Share of the trace of E[w ∂y ∂yᵀ], over all parameters, that the directions miss.
    fn missed(&self) -> f64 {
        0.0
    }

    /// Qᵀ diag(d) Q of decoupled weight decay and γ QᵀMQ of a penalty, K × K; none where both are 0.
    fn pulls(&self) -> Option<Pulls> {
        None
    }

    /// Cov c at initialisation over the draws that differ between trainings, K × K; none where they all start alike.
    fn initial_covariance(&self) -> Option<Vec<f64>> {
        None
    }
}

/// What pulls the parameters back, in a model's directions, K × K.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulls {
    /// Qᵀ diag(d) Q.
    pub decay: Vec<f64>,
    /// γ QᵀMQ.
    pub penalty: Vec<f64>,
}

/// A model that is linear in fixed features, y = skip x + Wᵀφ, trained in the plain metric: its directions are all of W's.
#[derive(Clone)]
pub struct LinearModel {
    features: Arc<Features>,
    field: Arc<LinearField>,
}

impl LinearModel {
    /// The model of trained weights, F × D.
    ///
    /// # Errors
    /// Another number of weights.
    pub fn new(problem: &TrainingProblem, features: Features, weights: Vec<f64>) -> Result<Self> {
        check_len("weights", features.len() * features.dim(), weights.len())?;
        let features = Arc::new(features);
        let field = LinearField::new(features.clone(), problem.objective(), *problem.schedule(), weights);
        Ok(Self { features, field: Arc::new(field) })
    }
}

impl TrainedModel for LinearModel {
    fn field(&self) -> Arc<dyn ScoreField> {
        self.field.clone()
    }

    fn directions(&self) -> usize {
        self.features.len() * self.features.dim()
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (dim, f_len) = (self.features.dim(), self.features.len());
        let mut phi = vec![0.0; t.len() * f_len];
        self.features.fill(x, t, &mut phi);
        let mut out = vec![0.0; t.len() * dim * dim * f_len];
        for (row, out) in out.chunks_exact_mut(f_len * dim).enumerate() {
            let (n, i) = (row / dim, row % dim);
            for (f, value) in phi[n * f_len..][..f_len].iter().enumerate() {
                out[f * dim + i] = *value;
            }
        }
        out
    }

    fn change(&self, c: &[f64]) -> Change {
        let (features, weights) = (self.features.clone(), c.to_vec());
        Box::new(move |x, t, out| {
            let (dim, mut first) = (features.dim(), 0);
            for same in t.chunk_by(|a, b| a == b) {
                let rows = first * dim..(first + same.len()) * dim;
                features.apply(&weights, dim, &x[rows.clone()], same[0], &mut out[rows]);
                first += same.len();
            }
        })
    }
}
