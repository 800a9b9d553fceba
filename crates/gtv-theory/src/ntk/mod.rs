//! Networks and their tangent kernels: one [`MlpSpec`] describes the finite network that is trained and the infinite one
//! that theory speaks of; one [`Embedding`] gives both their inputs.

mod arch;
mod embedding;
mod kernel;

pub use arch::{Activation, LayerScaling, MlpSpec, Parameterisation};
pub use embedding::{Embedding, TimeEmbedding};
pub use kernel::{InfiniteNetwork, Kernels};
