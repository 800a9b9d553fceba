//! The errors of training: those of the theory crate, and what only training can run into.

/// Everything that can go wrong while a model is specified or trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid input of the mathematics below.
    #[error(transparent)]
    Theory(#[from] gtv_theory::Error),
    /// An array or function from outside that cannot be used.
    #[error(transparent)]
    External(#[from] crate::external::Error),
    /// The least-squares system of a member has no unique solution.
    #[error(
        "member {member}: the {size} x {size} least-squares system is singular to working precision (reciprocal pivot \
         ratio {ratio:.1e}) with ridge {ridge}; set model.ridge above 0, use fewer features (model.features.x, t or count), or more model.samples"
    )]
    Singular {
        /// The member of the ensemble.
        member: u64,
        /// Size of the system solved (features or samples, whichever is smaller).
        size: usize,
        /// Smallest over largest pivot reached.
        ratio: f64,
        /// The ridge γ in force.
        ridge: f64,
    },
    /// An array of a snapshot that does not belong to the engine it is given to.
    #[error(
        "the saved training state does not fit this run at array {array}: it is of another architecture, group or optimizer"
    )]
    Snapshot {
        /// The first array that is missing, too many or of another size.
        array: String,
    },
    /// Parameters that a run does not keep.
    #[error(
        "this run keeps no {which:?} parameters: set training.average, or model.mlp.centred, when it is trained"
    )]
    NotHeld {
        /// The parameters asked for.
        which: crate::mlp::Parameters,
    },
    /// A device that cannot be opened, or that failed.
    #[error("device {device}: {reason}")]
    Device {
        /// The backend's name.
        device: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A loss that is no longer a number: training has diverged.
    #[error(
        "member {member}: the loss is {loss} at step {step}: training diverged; lower training.rate, set training.clip, \
         or raise training.warmup"
    )]
    Diverged {
        /// The member of the ensemble.
        member: u64,
        /// The step, counted from 1.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// A file of a member that is damaged, or that does not fit the model.
    #[error("{reason}")]
    Member {
        /// What is wrong with it.
        reason: String,
    },
    /// What is kept along the way could not be read or written.
    #[error("{reason}")]
    Store {
        /// What failed, and where.
        reason: String,
    },
    /// Training stopped, with what is left of the run.
    #[error("training stopped, the last good checkpoint is {checkpoint}: {cause}")]
    Stopped {
        /// Where the checkpoint is.
        checkpoint: String,
        /// Why it stopped.
        cause: Box<Error>,
    },
    /// Somebody asked to stop.
    #[error("interrupted; the same command again goes on from what its run folder holds")]
    Interrupted,
    /// The progress callback asked to stop.
    #[error("stopped after {done} of {total} members")]
    Cancelled {
        /// Members finished.
        done: usize,
        /// Members asked for.
        total: usize,
    },
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
