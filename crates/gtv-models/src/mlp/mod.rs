//! Trained multilayer-perceptron score models: denoising score matching by gradient descent, in Burn.
//!
//! A network F with y = skip_t x + out_t F(inputs(x, t)) is fitted to training triples (x0, t, x) by steps on
//! L = (1/2B) Σ_b w_b |y_b − label_b|² + (γ/2)|θ|². [`Task`] makes a step's numbers on the host, the same for every device;
//! an [`Engine`] holds the parameters of a group of members on a device and takes the steps; [`Trainer`] runs them.

mod batch;
mod derivative;
mod engine;
mod family;
mod field;
mod files;
mod forward;
#[cfg(feature = "flex")]
mod fused;
mod kernels;
mod linearised;
mod one_run;
mod optimizer;
mod run;
mod spec;
mod task;
#[cfg(feature = "mlp")]
mod tensor_engine;
mod trainer;
mod weights;

pub use batch::{Batch, BatchSource};
pub use engine::{Engine, Parameters, Snapshot, StepReport};
pub use family::{KernelName, MlpFamily, MlpMembers};
pub use field::{MlpField, NetworkForm};
pub use forward::{Scratch, forward};
#[cfg(feature = "flex")]
pub use fused::FusedEngine;
pub use one_run::OneRunSettings;
pub use optimizer::{Optimizer, RateSchedule, StepRule};
pub use run::Log;
pub use spec::{NoiseDraws, TrainingSpec};
pub use task::{Examples, Task};
#[cfg(feature = "mlp")]
pub use tensor_engine::TensorEngine;
pub use trainer::{Losses, ProbeSet, Trainer};
pub use weights::{Initial, Layer, Weights};
