//! `gtv-cli explain`: what a key of a config is.

use crate::args::{ExplainArgs, FormatArg};
use crate::config::{explained, json_schema, listed, markdown};
use crate::context::{Context, print};
use crate::failure::UsageError;

/// Runs the command.
///
/// # Errors
/// A key that there is not, with the nearest that there are; a stdout that cannot be written.
pub fn run(args: ExplainArgs, _ctx: &Context) -> anyhow::Result<()> {
    let text = match (args.format, args.key) {
        (FormatArg::Markdown, _) => markdown(),
        (FormatArg::JsonSchema, _) => serde_json::to_string_pretty(&json_schema())?,
        (FormatArg::Text, None) => listed(None),
        (FormatArg::Text, Some(key)) => explained(&key).map_err(|choices| UsageError::Argument {
            argument: "explain",
            value: key.clone(),
            reason: format!("there is no such key; {choices}"),
        })?,
    };
    print(text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written;
    use std::path::PathBuf;

    /// The pages of docs/ with what belongs into them.
    fn pages() -> [(PathBuf, String); 2] {
        let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        [("config.md", markdown()), ("config.schema.json", schema)]
            .map(|(name, made)| (written::place(name), made))
    }

    #[test]
    fn the_pages_in_docs_are_what_explain_prints() {
        written::hold(pages());
    }

    #[test]
    #[ignore = "it writes docs/config.md and docs/config.schema.json"]
    fn write_the_pages() {
        written::write(pages());
    }
}
