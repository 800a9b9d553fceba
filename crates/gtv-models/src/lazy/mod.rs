//! Lazily trained models: infinitely wide networks trained by gradient flow for a time τ on their own P triples, exactly,
//!
//! y_τ(z) = skip_t x + f_0(z) + K(z, Z) a, a = √w U diag((1 − e^{−λτ/P})/λ) Uᵀ √w (Y − skip X − f_0(Z)), √w K √w = U diag(λ) Uᵀ,
//!
//! K the network's tangent kernel with its output scale (THEORY §6). [`LazyTrainer`] trains a [`LazyMember`],
//! [`LazyEnsemble`] many, at one time or several; [`LazyField`] is one as a score field.

mod ensemble;
mod family;
mod field;
mod trainer;

pub use ensemble::LazyEnsemble;
pub use family::LazyFamily;
pub use field::{LazyField, LazyMember};
pub use trainer::{InitialFunctions, IterativeSpec, LazyTrainer};
