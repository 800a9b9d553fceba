//! `gtv-cli init`: a commented config to start from, for a family of models.

use crate::args::{InitArgs, ModelArg};
use crate::config::{Change, Loaded, commented};
use crate::context::{Context, print};
use crate::failure::UsageError;
use crate::io::write_bytes;

/// Settings that make a first run short: tables in place of networks asked at every state, fewer paths and members.
const FIRST_RUN: [&str; 5] = [
    "sampling.lookup=grid",
    "sampling.paths=5000",
    "theory.paths=2000",
    "theory.models=100",
    "ensemble.members=48",
];

/// Runs the command.
///
/// # Errors
/// A file that is there already or cannot be written; a stdout that cannot be written.
pub fn run(args: InitArgs, ctx: &Context) -> anyhow::Result<()> {
    let text = starting_config(args.kind)?;
    let Some(out) = args.out else { return print(text.trim_end()) };
    if out.exists() {
        let reason = "there is such a file already; choose another name".to_owned();
        return Err(UsageError::Out { path: out.display().to_string(), reason }.into());
    }
    write_bytes(&out, text.as_bytes())?;
    ctx.say(&format!("{0}: gtv-cli compare {0} runs it", out.display()))
}

/// The text of the config.
fn starting_config(model: ModelArg) -> anyhow::Result<String> {
    let kind = model.name();
    let mut changes = vec![
        Change::argument("model.kind", kind, format!("--kind {kind}")),
        Change::argument("title", format!("Three points on a line, {kind} models"), String::new()),
    ];
    if model != ModelArg::Linear {
        changes.extend(FIRST_RUN.iter().map(|text| Change::set(text)).collect::<Result<Vec<_>, _>>()?);
        // Networks have closures of their linearisation, which shot noise is not one of.
        changes.push(Change::set("theory.closures=[\"leading\", \"finite-p\"]")?);
    }
    let body = commented(Loaded::parse("", None, &changes)?.settings());
    Ok(format!(
        "# A comparison of theory with an ensemble of {kind} models. `gtv-cli explain KEY` says more about a key;\n\
         # every line can be left out, and then has the value that `gtv-cli explain` calls its default.\n\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_the_starting_config_reads_back_as_what_it_was_made_of() {
        for kind in [ModelArg::Linear, ModelArg::Lazy, ModelArg::Mlp] {
            let text = starting_config(kind).unwrap();
            let loaded = Loaded::parse(&text, Some("a.toml".as_ref()), &[]).unwrap();
            assert_eq!(loaded.table()["model"]["kind"].as_str(), Some(kind.name()));
            assert!(loaded.build(&Context::silent()).is_ok(), "{text}");
            let again = commented(loaded.settings());
            assert!(text.ends_with(&again), "{text}\n{again}");
            assert!(text.lines().all(|line| line.chars().count() <= 124), "{text}");
        }
    }
}
