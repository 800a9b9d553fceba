//! `gtv-cli compare`.

use crate::args::CompareArgs;
use crate::context::Context;
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// [`UsageError::Missing`].
pub fn run(_args: CompareArgs, _ctx: &Context) -> anyhow::Result<()> {
    Err(UsageError::Missing { what: "gtv-cli compare".to_owned(), advice: "use gtv-cli score" }.into())
}
