//! A lazily trained model as a score field: ŝ = a_t y + b_t x with y = skip_t x + f_0 + out_t Σ_n Θ(i(z), i_n) out_n a_n.

use gtv_theory::features::FeatureMap;
use gtv_theory::linalg::gemm_nn;
use gtv_theory::ntk::{NetworkFeatures, NetworkKernel, NetworkModel};
use gtv_theory::{Schedule, ScoreField};
use std::sync::Arc;

/// What training leaves of one member, all that must be kept to have it again.
#[derive(Debug, Clone, PartialEq)]
pub struct LazyMember {
    /// The training points' x, P × D; shared by the same member at other times.
    pub x: Arc<Vec<f64>>,
    /// Their t, P.
    pub t: Arc<Vec<f64>>,
    /// a, P × D.
    pub coefficients: Vec<f64>,
    /// The initial function's weights g on the features of the NNGP, K₀ × D; empty for a centred one.
    pub initial: Arc<Vec<f64>>,
}

/// One lazily trained model.
#[derive(Debug, Clone)]
pub struct LazyField {
    model: Arc<NetworkModel>,
    /// The inputs of the training points, P × inputs.
    inputs: Vec<f64>,
    /// out_n a_n, P × D.
    weights: Vec<f64>,
    initial: Option<(Arc<NetworkFeatures>, Arc<Vec<f64>>)>,
}

/// Points evaluated at a time: bounds the kernel's block.
const ROWS: usize = 256;

impl LazyField {
    /// The field of a member; `features` are those of its initial function.
    pub(super) fn new(
        model: Arc<NetworkModel>,
        features: Option<Arc<NetworkFeatures>>,
        member: &LazyMember,
    ) -> Self {
        let inputs = model.inputs(&member.x, &member.t);
        let dim = model.dim();
        let rows = member.coefficients.chunks_exact(dim).zip(&*member.t);
        let weights = rows
            .flat_map(|(row, t)| {
                let out = model.output_coefficients(*t).1;
                row.iter().map(move |a| out * a)
            })
            .collect();
        let initial = features.map(|f| (f, member.initial.clone()));
        Self { model, inputs, weights, initial }
    }

    /// y(x_i, t_i), each point at its own time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D; `t`: n.
    pub fn predict(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let dim = self.model.dim();
        for ((x, t), out) in x.chunks(ROWS * dim).zip(t.chunks(ROWS)).zip(out.chunks_mut(ROWS * dim)) {
            let samples = self.weights.len() / dim;
            let kernel = self.model.kernel(NetworkKernel::Ntk, &self.model.inputs(x, t), &self.inputs);
            gemm_nn(t.len(), dim, samples, &kernel, &self.weights, out);
            let start = self.initial.as_ref().map(|(features, weights)| {
                let mut psi = vec![0.0; t.len() * features.len()];
                features.fill(x, t, &mut psi);
                let mut start = vec![0.0; out.len()];
                gemm_nn(t.len(), dim, features.len(), &psi, weights, &mut start);
                start
            });
            for (k, (y, x)) in out.iter_mut().zip(x).enumerate() {
                let (skip, scale) = self.model.output_coefficients(t[k / dim]);
                *y = skip * x + scale * *y + start.as_ref().map_or(0.0, |s| s[k]);
            }
        }
    }
}

impl ScoreField for LazyField {
    fn dim(&self) -> usize {
        self.model.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.model.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.predict(x, &vec![t; x.len() / self.dim()], out);
        self.model.score_in_place(x, t, out);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.predict(x, &vec![t; x.len() / self.dim()], out);
        self.model.denoiser_in_place(x, t, out);
    }
}
