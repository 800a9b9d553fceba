//! `gtv-cli report`.

use crate::args::ReportArgs;
use crate::context::Context;
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// [`UsageError::Missing`].
pub fn run(_args: ReportArgs, _ctx: &Context) -> anyhow::Result<()> {
    Err(UsageError::Missing { what: "gtv-cli report".to_owned(), advice: "use gtv-cli score" }.into())
}
