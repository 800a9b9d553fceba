//! The command line: every argument, with its help.

// Doc comments here are help texts, where [data] is a section of a config and no link.
#![allow(rustdoc::broken_intra_doc_links)]

use crate::config::{Change, ConfigError};
use crate::memory::parse_bytes;
use crate::plot::Sheet;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

mod examples;
mod models;
mod pages;
mod points;
mod sweep;

pub use examples::command;
pub use models::{BandsArgs, DeviceArg, EvaluateArgs, ModelArg, ProbesArgs, SampleArgs, TrainArgs};
pub use pages::{
    CompletionsArgs, ExplainArgs, FigureArg, FigureArgs, FormatArg, InitArgs, ModeArg, ReportArgs,
};
pub use points::{CovArg, DistanceArgs, NtkArgs, PrecisionArg, ScoreArgs};
pub use sweep::{MergeArgs, Shard, ShareArgs, SlurmArgs, StatusArgs, SweepArgs};

/// What distribution does a diffusion model learn on average, and why?
///
/// gtv-cli computes the prediction of the theory of generalization through variance, trains real ensembles of
/// models, and puts the two side by side with error bars. Results go to files and a short table to stdout; progress and
/// warnings go to stderr. Exit codes: 0 done, 1 failed while running, 2 bad arguments, config or data.
#[derive(Debug, Parser)]
#[command(name = "gtv-cli", bin_name = "gtv-cli", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Arguments that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Arguments that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Seed of every random number [default: the config's seed, 0 if it has none]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Number of threads; results do not depend on it [default: one for each core]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// No progress and no table; warnings and errors are still printed to stderr
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Refuse work estimated to need more memory than this, e.g. 8GiB [default: what is available]
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_bytes)]
    pub memory_limit: Option<u64>,
    /// Wait for a folder that another gtv-cli is writing to, instead of stopping
    #[arg(long, global = true)]
    pub wait: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare the theory with a trained ensemble: report, numbers and figures in one folder
    Compare(CompareArgs),
    /// Run a comparison for every combination of the values that a config sweeps over
    Sweep(SweepArgs),
    /// Error bars of one trained network: what retrainings on other data would generate
    Bands(BandsArgs),
    /// Put the shards of a sweep together
    Merge(MergeArgs),
    /// Say how far a run or a sweep is: finished, running, failed, missing
    Status(StatusArgs),
    /// Train an ensemble of models and save it
    Train(TrainArgs),
    /// Draw samples from a trained run, or from the theory's law of learned models
    Sample(SampleArgs),
    /// Write the points at which models trained elsewhere should be evaluated, for compare --ensemble
    Probes(ProbesArgs),
    /// Learned fields, or a closure's mean and covariance, at given points
    Evaluate(EvaluateArgs),
    /// Distances between two files of samples, with intervals and floors
    Distance(DistanceArgs),
    /// Exact score, log-density, posterior mean and proxy-score covariance of a point set
    Score(ScoreArgs),
    /// NNGP and NTK of infinitely wide networks between two sets of inputs
    Ntk(NtkArgs),
    /// Reproduce a figure of the paper, numbers and plot
    Figure(FigureArgs),
    /// Render the report of a finished run again from its saved numbers
    Report(ReportArgs),
    /// Write a config to start from, with every key explained
    Init(InitArgs),
    /// Explain a key of a config: type, default, unit, choices and meaning; without KEY list them all
    Explain(ExplainArgs),
    /// List the devices that networks can be trained on
    Devices,
    /// Print a shell's completion script
    Completions(CompletionsArgs),
}

impl Command {
    /// What the command's figures are drawn for.
    pub const fn sheet(&self) -> Sheet {
        match self {
            Self::Compare(CompareArgs { style, .. })
            | Self::Sweep(SweepArgs { style, .. })
            | Self::Merge(MergeArgs { style, .. })
            | Self::Bands(BandsArgs { style, .. })
            | Self::Figure(FigureArgs { style, .. })
            | Self::Report(ReportArgs { style, .. }) => style.style,
            Self::Status(_)
            | Self::Train(_)
            | Self::Sample(_)
            | Self::Probes(_)
            | Self::Evaluate(_)
            | Self::Distance(_)
            | Self::Score(_)
            | Self::Ntk(_)
            | Self::Init(_)
            | Self::Explain(_)
            | Self::Devices
            | Self::Completions(_) => Sheet::Screen,
        }
    }
}

/// How figures are drawn.
#[derive(Debug, Clone, Copy, Args)]
pub struct StyleArgs {
    /// What the files of figures are drawn for; report.html shows them as on the screen
    #[arg(long, value_enum, value_name = "STYLE", default_value_t)]
    pub style: Sheet,
}

/// A config file and changes to it.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Change one setting of the config, e.g. --set model.samples=256 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// The changes in the order given.
    ///
    /// # Errors
    /// [`ConfigError::Set`] for one that is not KEY=VALUE.
    pub fn changes(&self) -> Result<Vec<Change>, ConfigError> {
        self.sets.iter().map(|text| Change::set(text)).collect()
    }
}
/// `gtv-cli compare`.
///
/// Writes report.html, summary.json, arrays.npz, config.toml (resolved) and figures/. A run that was
/// stopped, by Ctrl-C or otherwise, goes on where it was when the same command is given again, and ends with the same numbers.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CompareArgs {
    /// The experiment, a TOML file; every key has a default [default: the main job, configs/main.toml]
    pub config: Option<PathBuf>,
    /// Folder to write into [default: runs/NAME-OF-CONFIG]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Label of the training (model.target): proxy, true-score (removes the label noise), or a mix from 0 to 1
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Say how large each stage is, how long it will take (by a second or two of trials) and what memory it needs, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Write every level's samples too: samples.npz, one array (models, paths, D) a level
    #[arg(long)]
    pub save_samples: bool,
    /// An ensemble trained elsewhere (ensemble.kind = "file"): an .npz with samples (N, n, D), or x, t and one of score,
    /// denoiser, noise, velocity (N, Q, D), and features (N0, Q, F) or gram (Q, Q); or a quoted pattern of .npy files of samples, one a
    /// member; or .onnx files, one a member (ensemble.kind = "onnx")
    #[arg(long, value_name = "FILE")]
    pub ensemble: Option<PathBuf>,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
