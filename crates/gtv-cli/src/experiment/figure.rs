//! `gtv-cli figure`.

use crate::args::FigureArgs;
use crate::context::Context;
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// [`UsageError::Missing`].
pub fn run(_args: FigureArgs, _ctx: &Context) -> anyhow::Result<()> {
    Err(UsageError::Missing { what: "gtv-cli figure".to_owned(), advice: "use gtv-cli score" }.into())
}
