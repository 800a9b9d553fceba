//! What holds the parameters of a group of members on a device and takes training steps with them.

use super::batch::Batch;
use super::optimizer::StepRule;
use super::weights::Weights;
use crate::error::Result;

/// A set of parameters that an engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// Those in training.
    Current,
    /// Those at initialisation.
    Initial,
    /// Their running average along training.
    Average,
}

/// What a step saw, for each member: the loss and the gradient's length before the update.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepReport {
    /// (1/2B) Σ |uF − v|² + (γ/2)|θ|².
    pub loss: Vec<f64>,
    /// |∇L| before clipping.
    pub grad_norm: Vec<f64>,
}

/// Everything that training must not lose, as named arrays: `{layer}.{weight|bias}.{value|first|second|average}`, N members
/// after one another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Names and values, in a fixed order.
    pub arrays: Vec<(String, Vec<f32>)>,
}

/// A device with N members of one architecture.
///
/// Members never mix: what happens to one does not depend on which others are in the group.
pub trait Engine: Send {
    /// N.
    fn members(&self) -> usize;

    /// One update of every member.
    ///
    /// # Errors
    /// A device that fails. A loss that is not finite is no error here: it is reported.
    fn step(&mut self, batch: &Batch, rule: &StepRule) -> Result<StepReport>;

    /// F at each member's own inputs.
    ///
    /// # Shapes
    /// `inputs`: N × rows × I; the result: N × rows × D.
    ///
    /// # Errors
    /// A device that fails, or parameters that the engine does not hold.
    fn forward(&mut self, which: Parameters, inputs: &[f32], rows: usize) -> Result<Vec<f32>>;

    /// The members' parameters on the host.
    ///
    /// # Errors
    /// A device that fails, or parameters that the engine does not hold.
    fn weights(&mut self, which: Parameters) -> Result<Vec<Weights>>;

    /// Everything that training must not lose. Parameters at initialisation are drawn again instead.
    ///
    /// # Errors
    /// A device that fails.
    fn snapshot(&mut self) -> Result<Snapshot>;

    /// Goes back to a snapshot of an engine of the same kind and size.
    ///
    /// # Errors
    /// A snapshot of another architecture, group or optimizer; a device that fails.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<()>;
}
