//! Feature maps φ(x, t) ∈ R^F of linear score models.
//!
//! `gaussian`, `fourier` and `polynomial` are products of one-dimensional bases, one axis for each coordinate of x and
//! one for t; [`Separable`] keeps the factors, so that integrals and tables never need the dense (points × F) matrix.

mod axis;
mod mapped;
mod random_fourier;
mod rotated;
mod separable;

pub use axis::AxisBasis;
pub use mapped::FeatureMap;
pub use random_fourier::RandomFourier;
pub(crate) use rotated::{RotatedFeatures, ScaledFeatures};
pub use separable::Separable;

use crate::derivative::central;
use crate::linalg::single;
use std::sync::Arc;

/// A feature map over (x, t).
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// A product of one-dimensional bases.
    Separable(Separable),
    /// √(2/F) cos(ω·x + ν τ(t) + b).
    RandomFourier(RandomFourier),
    /// A map given from outside.
    Mapped(Arc<dyn FeatureMap>),
}

impl Features {
    /// F, the number of features.
    pub fn len(&self) -> usize {
        match self {
            Self::Separable(f) => f.len(),
            Self::RandomFourier(f) => f.len(),
            Self::Mapped(f) => f.len(),
        }
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// D, the dimension of x.
    pub fn dim(&self) -> usize {
        match self {
            Self::Separable(f) => f.dim(),
            Self::RandomFourier(f) => f.dim(),
            Self::Mapped(f) => f.dim(),
        }
    }

    /// Whether φ is known at every point.
    pub fn everywhere(&self) -> bool {
        match self {
            Self::Separable(_) | Self::RandomFourier(_) => true,
            Self::Mapped(f) => f.everywhere(),
        }
    }

    /// φ(x_i, t_i) for each row i.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; `out`: n × F, all row-major.
    pub fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        match self {
            Self::Separable(f) => f.fill(x, t, out),
            Self::RandomFourier(f) => f.fill(x, t, out),
            Self::Mapped(f) => f.fill(x, t, out),
        }
    }

    /// The same in single precision, with an error of some 1e-7 of φ or, where φ has a phase, of the phase.
    pub(crate) fn fill_rough(&self, x: &[f64], t: &[f64], out: &mut [f32]) {
        match self {
            Self::RandomFourier(f) => f.fill_rough(x, t, out),
            Self::Separable(_) | Self::Mapped(_) => {
                let mut exact = vec![0.0; out.len()];
                self.fill(x, t, &mut exact);
                out.copy_from_slice(&single(&exact));
            }
        }
    }

    /// y(x_i, t) = W φ(x_i, t) at one time, without forming φ where it factorises.
    ///
    /// # Shapes
    /// `weights`: F × K (row-major, output index fastest); `x`: n × D; `out`: n × K.
    pub fn apply(&self, weights: &[f64], outputs: usize, x: &[f64], t: f64, out: &mut [f64]) {
        match self {
            Self::Separable(f) => f.apply(weights, outputs, x, t, out),
            Self::RandomFourier(f) => f.apply(weights, outputs, x, t, out),
            Self::Mapped(f) => {
                let fill = |x: &[f64], t: &[f64], out: &mut [f64]| f.fill(x, t, out);
                mapped::apply_rows((f.rows_a_call(), f.len(), f.dim()), fill, weights, outputs, x, t, out);
            }
        }
    }

    /// (∂(Wφ)/∂x) v at one time: each row's derivative along its own direction.
    ///
    /// # Shapes
    /// As [`Features::apply`]; the directions v as `x`.
    pub fn apply_derivative(
        &self,
        weights: &[f64],
        outputs: usize,
        (x, directions): (&[f64], &[f64]),
        t: f64,
        out: &mut [f64],
    ) {
        /// Features from outside are taken to vary on a scale of order one.
        const STEP: f64 = 1e-5;
        match self {
            Self::Separable(f) => f.apply_derivative(weights, outputs, (x, directions), t, out),
            Self::RandomFourier(f) => f.apply_derivative(weights, outputs, (x, directions), t, out),
            Self::Mapped(_) => {
                central(|x, out| self.apply(weights, outputs, x, t, out), x, directions, STEP, out);
            }
        }
    }
}
