//! The linearised network trained by full-batch gradient descent, in closed form.
//!
//! On L = (1/2B) Σ_b |u_b F(i_b) − v_b|² with F = F₀ + J(θ − θ₀), a step θ ← θ − η r ∂L multiplies the residual e = uF − v by
//! I − ηM, M = uΘu/B. So after K steps, with M = U Λ Uᵀ and e₀ = uF₀ − v,
//!
//! F_K(z) = F₀(z) − (1/B) Θ(z, Z) u U g(Λ) Uᵀ e₀, g(λ) = (1 − (1 − ηλ)^K)/λ;
//!
//! gradient flow for a time τ has g(λ) = (1 − e^{−λτ})/λ, and ridge γ|θ − θ₀|²/2 has 1/(λ + γ), which is why γ ≈ 1/τ.

use super::tangent::{Points, Tangent};
use crate::error::Result;
use crate::mlp::Examples;
use gtv_theory::error::{Error as TheoryError, check_len};
use gtv_theory::linalg::{gemm_nn, gemm_nt, gemm_tn, symmetric_eigen};

/// How long the model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// Steps of full-batch gradient descent.
    Steps {
        /// η.
        rate: f64,
        /// K.
        count: u64,
    },
    /// Gradient flow.
    Flow {
        /// τ; infinity is the end of training.
        time: f64,
    },
    /// The end of training with the penalty (γ/2)|θ − θ₀|².
    Ridge {
        /// γ.
        ridge: f64,
    },
}

impl Course {
    /// g(λ); M is positive semidefinite, so what is below 0 is rounding.
    fn response(self, value: f64) -> f64 {
        let value = value.max(0.0);
        match self {
            Self::Steps { rate, count } if value == 0.0 => rate * count as f64,
            // 1 − ηλ is negative for steps beyond 1/λ, where training oscillates: no logarithm then.
            Self::Steps { rate, count } if rate * value < 0.5 => {
                -(count as f64 * (-rate * value).ln_1p()).exp_m1() / value
            }
            Self::Steps { rate, count } => (1.0 - (1.0 - rate * value).powf(count as f64)) / value,
            Self::Flow { time } if value == 0.0 => time,
            Self::Flow { time } => -(-value * time).exp_m1() / value,
            Self::Ridge { ridge } => 1.0 / (value + ridge),
        }
    }
}

/// Most rows B·D of the training set: their kernel matrix is decomposed.
const MOST: usize = 16_384;

/// A linearised network with its training set.
#[derive(Debug, Clone)]
pub struct Linearised {
    tangent: Tangent,
    points: Points<f64>,
    scale: Vec<f64>,
    values: Vec<f64>,
    /// U, (B·D) × (B·D).
    vectors: Vec<f64>,
    /// Uᵀe₀.
    start: Vec<f64>,
    centred: bool,
}

impl Linearised {
    /// A network at its initial parameters and the examples that it is trained on; with `centred`, F − F₀ is trained and
    /// predicted in the place of F.
    ///
    /// # Errors
    /// Examples of another shape, or more of them than can be decomposed.
    pub fn new(tangent: Tangent, examples: &Examples, centred: bool) -> Result<Self> {
        let (count, dim) = (examples.scale.len(), tangent.dim());
        check_len("the examples' inputs", count * tangent.inputs(), examples.inputs.len())?;
        check_len("the examples' labels", count * dim, examples.labels.len())?;
        let size = count * dim;
        if !(1..=MOST).contains(&size) {
            let expected = "between 1 and 16384 examples times outputs: use the landmark features for more";
            return Err(TheoryError::OutOfRange {
                name: "the linearised training set",
                value: size as f64,
                expected,
            }
            .into());
        }
        let inputs: Vec<f64> = examples.inputs.iter().map(|v| f64::from(*v)).collect();
        let points = tangent.points::<f64>(&inputs);
        let scale: Vec<f64> =
            examples.scale.iter().flat_map(|u| std::iter::repeat_n(f64::from(*u), dim)).collect();
        let mut gram = tangent.kernel(&points, &points);
        for (k, v) in gram.iter_mut().enumerate() {
            *v *= scale[k / size] * scale[k % size] / count as f64;
        }
        let (values, vectors) = symmetric_eigen("the linearised network's kernel", &gram, size)?;
        let outputs = if centred { vec![0.0; size] } else { points.outputs() };
        let residual: Vec<f64> = outputs
            .iter()
            .zip(&scale)
            .zip(&examples.labels)
            .map(|((f, u), v)| u * f - f64::from(*v))
            .collect();
        let mut start = vec![0.0; size];
        gemm_tn(size, 1, size, &vectors, &residual, &mut start);
        Ok(Self { tangent, points, scale, values, vectors, start, centred })
    }

    /// The eigenvalues λ of the training problem, ascending: a step η is stable below 2/λ_max.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.values
    }

    /// F (or F − F₀) after training.
    ///
    /// # Shapes
    /// `inputs`: n × I; result: n × D.
    pub fn predict(&self, course: Course, inputs: &[f64]) -> Vec<f64> {
        let size = self.values.len();
        let examples = (size / self.tangent.dim()) as f64;
        let along: Vec<f64> =
            self.start.iter().zip(&self.values).map(|(e, value)| course.response(*value) * e).collect();
        let mut moved = vec![0.0; size];
        gemm_nn(size, 1, size, &self.vectors, &along, &mut moved);
        moved.iter_mut().zip(&self.scale).for_each(|(m, u)| *m *= u / examples);
        let points = self.tangent.points::<f64>(inputs);
        let kernel = self.tangent.kernel(&points, &self.points);
        let mut change = vec![0.0; points.len() * self.tangent.dim()];
        gemm_nt(change.len(), 1, size, &kernel, &moved, &mut change);
        let mut out = if self.centred { vec![0.0; change.len()] } else { points.outputs() };
        out.iter_mut().zip(change).for_each(|(o, c)| *o -= c);
        out
    }
}
