//! `gtv-cli sample`.

use crate::args::SampleArgs;
use crate::context::Context;
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// [`UsageError::Missing`].
pub fn run(_args: SampleArgs, _ctx: &Context) -> anyhow::Result<()> {
    Err(UsageError::Missing { what: "gtv-cli sample".to_owned(), advice: "use gtv-cli score" }.into())
}
