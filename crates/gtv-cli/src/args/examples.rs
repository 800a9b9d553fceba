//! What every command is typed for: the end of its `--help`, and its page in docs/commands.

use super::Cli;
use clap::{Command, CommandFactory};

/// The command line with its examples.
pub fn command() -> Command {
    ALL.iter().fold(Cli::command(), |all, (name, examples)| {
        let lines = examples.iter().map(|(line, says)| format!("  # {says}\n  {line}\n"));
        let text = format!("Examples:\n{}", lines.collect::<String>());
        all.mut_subcommand(name, |command| command.after_long_help(text))
    })
}

/// A line to type, and what it does.
type Example = (&'static str, &'static str);

/// Every command.
const ALL: [(&str, &[Example]); 18] = [
    (
        "compare",
        &[
            ("gtv-cli compare", "The main job: data, true score, theory and 300 trained models"),
            ("gtv-cli compare mine.toml --dry-run", "How large, how long, how much memory"),
            (
                "gtv-cli compare configs/three-points.toml --set model.samples=256 --out runs/p256",
                "One setting changed",
            ),
            ("gtv-cli compare mine.toml --ensemble ensemble.npz", "Models that were trained elsewhere"),
        ],
    ),
    (
        "sweep",
        &[
            ("gtv-cli sweep configs/phase-diagram.toml --dry-run", "Every cell with its time and memory"),
            ("gtv-cli sweep configs/phase-diagram.toml --out phases", "All cells, a coarse picture first"),
            ("gtv-cli sweep configs/phase-diagram.toml --out part-2 --shard 2/4", "The second of four parts"),
            (
                "gtv-cli sweep configs/phase-diagram.toml --out phases --slurm --submit",
                "A job array on a cluster",
            ),
        ],
    ),
    (
        "bands",
        &[
            (
                "gtv-cli bands runs/square-mlp",
                "How the first network's density would differ after other data",
            ),
            ("gtv-cli bands runs/square-mlp --member 3", "The same of another network"),
        ],
    ),
    (
        "merge",
        &[("gtv-cli merge part-1 part-2 part-3 part-4 --out phases", "One summary and report of all shards")],
    ),
    ("status", &[("gtv-cli status phases", "Finished, running, failed and missing cells")]),
    (
        "train",
        &[
            ("gtv-cli train --model mlp --width 4096 --members 4", "Four wide networks on the square"),
            ("gtv-cli train configs/square-mlp.toml --device wgpu", "On a GPU, in a build with that feature"),
            ("gtv-cli train --resume --out runs/square-mlp", "Go on with a stopped run, by its own config"),
        ],
    ),
    (
        "sample",
        &[
            (
                "gtv-cli sample runs/square-mlp --count 4000 --out s.npy",
                "From all trained members in equal parts",
            ),
            (
                "gtv-cli sample runs/main --theory finite-p --count 4000 --out s.npy",
                "From models that the theory draws",
            ),
        ],
    ),
    (
        "probes",
        &[("gtv-cli probes mine.toml --out probes.npz", "x and t, and the schedule's alpha and sigma there")],
    ),
    (
        "evaluate",
        &[
            ("gtv-cli evaluate runs/square-mlp --at probes.npz --out e.npz", "Every member at the points"),
            (
                "gtv-cli evaluate mine.toml --at probes.npz --theory finite-p --out v.npz",
                "Predicted mean and covariance",
            ),
            (
                "gtv-cli evaluate runs/square-mlp --at held-out.npy --likelihood --out l.npz",
                "log q(x) in nats",
            ),
        ],
    ),
    (
        "distance",
        &[("gtv-cli distance a.npy b.npz --out distances.json", "Every metric that the dimension allows")],
    ),
    (
        "score",
        &[(
            "gtv-cli score --data points.npy --at queries.npy --time 0.1 --schedule vp-linear --out s.npz",
            "Each query with a bound on what its sums left out",
        )],
    ),
    (
        "ntk",
        &[(
            "gtv-cli ntk --a x.npy --activation relu --depth 3 --weight-var 2 --bias-var 0 --out k.npz",
            "Both kernels between all rows of x.npy",
        )],
    ),
    (
        "figure",
        &[
            ("gtv-cli figure fig2", "As published, with the paper's procedure"),
            ("gtv-cli figure all --mode corrected", "All three, integrated accurately"),
        ],
    ),
    ("report", &[("gtv-cli report runs/main", "report.html and figures/ from summary.json and arrays.npz")]),
    (
        "init",
        &[
            ("gtv-cli init --out mine.toml", "Linear models, with every key explained"),
            ("gtv-cli init --kind mlp --out networks.toml", "Networks"),
        ],
    ),
    (
        "explain",
        &[
            ("gtv-cli explain model.samples", "Type, default, unit and meaning of a key"),
            ("gtv-cli explain model.features", "All keys of a section"),
        ],
    ),
    ("devices", &[("gtv-cli devices", "What this build can train networks on")]),
    ("completions", &[("gtv-cli completions bash", "To be kept where the shell looks for completions")]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written;
    use std::path::PathBuf;

    /// docs/commands: a page a command, its whole help.
    fn pages() -> Vec<(PathBuf, String)> {
        let folder = written::place("commands");
        let mut all = command().term_width(100);
        all.build();
        all.get_subcommands_mut()
            .filter(|command| command.get_name() != "help")
            .map(|command| {
                let name = command.get_name().to_owned();
                let help = command.render_long_help().to_string();
                let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
                let text = format!(
                    "# gtv-cli {name}\n\n```text\n{}\n```\n\n[All commands](README.md) · [config keys](../config.md) · [files of a run](../files.md)\n",
                    lines.join("\n").trim_end()
                );
                (folder.join(format!("{name}.md")), text)
            })
            .collect()
    }

    #[test]
    fn every_command_has_examples_that_are_valid() {
        for (name, examples) in ALL {
            assert!(!examples.is_empty());
            for (line, _) in examples {
                let found = command().try_get_matches_from(line.split(' '));
                let found = found.unwrap_or_else(|e| panic!("{line}: {e}"));
                assert_eq!(found.subcommand_name(), Some(name));
            }
        }
        let named: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        for each in Cli::command().get_subcommands() {
            assert!(named.contains(&each.get_name()), "{} has no example", each.get_name());
        }
    }

    #[test]
    fn the_pages_in_docs_are_the_help() {
        written::hold(pages());
    }

    #[test]
    #[ignore = "it writes docs/commands"]
    fn write_the_pages() {
        written::write(pages());
    }
}
