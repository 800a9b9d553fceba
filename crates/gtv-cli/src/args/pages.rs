//! Arguments of the commands that draw, and of those that explain.

use super::{ModelArg, StyleArgs};
use clap::{Args, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// The figures of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FigureArg {
    /// Share of the proxy score's variance, over data sets and times
    Fig1,
    /// Average learned distributions of three points in one dimension
    Fig2,
    /// Average learned distributions of a rotated square
    Fig3,
    /// All three
    All,
}

/// Which procedure to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// The paper's own: 30 uniform Euler steps, score looked up on the 200-cell grid
    Published,
    /// Accurate integration, and the published plots' slips put right
    Corrected,
}

/// `gtv-cli figure`.
#[derive(Debug, Args)]
pub struct FigureArgs {
    /// The figure
    #[arg(value_enum)]
    pub figure: FigureArg,
    /// The procedure
    #[arg(long, value_enum, default_value = "published")]
    pub mode: ModeArg,
    /// Folder to write into
    #[arg(long, short, value_name = "DIR", default_value = "out/figures")]
    pub out: PathBuf,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
}

/// `gtv-cli report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of a finished run
    pub dir: PathBuf,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
}

/// `gtv-cli init`.
///
/// The config runs as it is: gtv-cli compare FILE.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct InitArgs {
    /// Family of the models (model.kind)
    #[arg(long, value_enum, default_value = "linear")]
    pub kind: ModelArg,
    /// File to write; one that is there is left alone [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How keys are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For a terminal
    Text,
    /// docs/config.md: every key in tables
    Markdown,
    /// docs/config.schema.json: for editors that check a config as it is written
    JsonSchema,
}

/// `gtv-cli explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The key, e.g. model.samples, or a section, e.g. model.features
    pub key: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatArg,
}

/// `gtv-cli completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
