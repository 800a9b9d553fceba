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

    /// The pages of docs/ with what belongs into them.
    fn pages() -> [(String, String); 2] {
        let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        [("config.md", markdown()), ("config.schema.json", schema)]
            .map(|(name, made)| (format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR")), made))
    }

    #[test]
    fn the_pages_in_docs_are_what_explain_prints() {
        for (path, made) in pages() {
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == made,
                "{path} is stale; write it again: cargo test --release -p gtv-cli --lib -- --ignored write_the_pages"
            );
        }
    }

    #[test]
    #[ignore = "it writes docs/config.md and docs/config.schema.json"]
    fn write_the_pages() {
        for (path, made) in pages() {
            std::fs::write(path, made).unwrap();
        }
    }
}
