//! The bridge from a finite network to the linear theory: around its parameters θ₀ a network is the linear model
//! F(z; θ) ≈ F(z; θ₀) + J(z)(θ − θ₀), J = ∂F/∂θ, whose kernel Θ(z, z') = J(z) J(z')ᵀ is the (empirical) neural tangent kernel.
//!
//! [`Tangent`] gives J, exactly, and Θ, without J; [`JacobianFeatures`] and [`KernelFeatures`] are feature maps for the linear
//! learners of `gtv_theory`; [`TrainedNetwork`] is a network about its end, in its optimiser's metric; [`Linearised`] trains the linear model by gradient descent in closed form; [`Laziness`]
//! measures how far training has left it. Weights are those that are trained, with multipliers outside.

mod along;
mod columns;
mod drift;
mod features;
mod gram;
mod jacobian;
mod joined;
mod kernel_features;
mod number;
mod predictor;
mod span;
mod tangent;
mod trace;
mod trained;

pub(crate) use trace::activate;

pub use drift::{Laziness, parameter_movement};
pub use features::JacobianFeatures;
pub use joined::JoinedFeatures;
pub use kernel_features::{KernelFeatureSpec, KernelFeatures, Truncation};
pub use number::Number;
pub use predictor::{Course, Linearised};
pub use tangent::{Points, Tangent, TangentMetric};
pub(crate) use trained::room;
pub use trained::{TrainedNetwork, TrainedSpec};
