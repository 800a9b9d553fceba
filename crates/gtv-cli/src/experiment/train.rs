//! `gtv-cli train`.

use crate::args::TrainArgs;
use crate::context::Context;
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// [`UsageError::Missing`].
pub fn run(_args: TrainArgs, _ctx: &Context) -> anyhow::Result<()> {
    Err(UsageError::Missing { what: "gtv-cli train".to_owned(), advice: "use gtv-cli score" }.into())
}
