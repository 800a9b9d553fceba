//! Networks and their tangent kernels. One [`MlpSpec`] describes the finite network that is trained and the infinite one of the
//! theory; one [`Embedding`] gives both their inputs.

mod arch;
mod embedding;
mod features;
mod frame;
mod kernel;
mod krylov;
mod model;
mod predict;

pub use arch::{Activation, LayerScaling, MlpSpec, Parameterisation};
pub use embedding::{Embedding, TimeEmbedding};
pub use features::{NetworkFeatures, NystromSpec, NystromTruncation};
pub use frame::Frame;
pub use kernel::{InfiniteNetwork, Kernels};
pub use krylov::{KrylovFlow, KrylovSolution, KrylovSpec};
pub use model::{NetworkKernel, NetworkModel};
pub use predict::{GradientFlow, InitialLaw, Moments, Unfitted};
