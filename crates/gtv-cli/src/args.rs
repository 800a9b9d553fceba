//! The command line: every argument, with its help.

// Doc comments here are help texts, where [data] is a section of a config and no link.
#![allow(rustdoc::broken_intra_doc_links)]

use crate::config::{Change, ConfigError, Type, keys};
use crate::memory::parse_bytes;
use crate::plot::Sheet;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use gtv_models::device::Backend;
use gtv_study::spec::TheoryName;
use gtv_theory::closure::CLOSURES;
use gtv_theory::ntk::Activation;
use std::path::PathBuf;

mod examples;
mod sweep;

pub use examples::command;
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
    /// member
    #[arg(long, value_name = "FILE")]
    pub ensemble: Option<PathBuf>,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// A family of trainable models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelArg {
    /// Linear in fixed features, solved by ridge regression
    Linear,
    /// Infinite-width network in the lazy regime (NTK)
    Lazy,
    /// Multilayer perceptron
    Mlp,
}

impl ModelArg {
    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Lazy => "lazy",
            Self::Mlp => "mlp",
        }
    }
}

/// A compute device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// Burn's maintained CPU backend
    Flex,
    /// Burn's former CPU backend
    Ndarray,
    /// Any GPU, through wgpu
    Wgpu,
    /// An NVIDIA GPU
    Cuda,
}

impl From<DeviceArg> for Backend {
    fn from(device: DeviceArg) -> Self {
        match device {
            DeviceArg::Flex => Self::Flex,
            DeviceArg::Ndarray => Self::Ndarray,
            DeviceArg::Wgpu => Self::Wgpu,
            DeviceArg::Cuda => Self::Cuda,
        }
    }
}

/// `gtv-cli train`.
///
/// Without a CONFIG every setting has its default: linear models of three points on a line, or, with --model mlp, networks of
/// four points in the plane (data.kind = "square").
///
/// Writes members/member-00000.safetensors ... (one file a model, loadable from PyTorch), training.json and config.toml
/// (resolved); for networks also log.csv: loss, J0 against the exact score, gradient norm and memorized fraction along
/// training. Networks save a checkpoint about every minute and on Ctrl-C; --resume goes on from there with the same
/// bytes, on the same device, even after kill -9.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TrainArgs {
    /// The experiment, a TOML file; its [data], [schedule], [model], [training] and [ensemble] are used
    #[arg(conflicts_with = "resume")]
    pub config: Option<PathBuf>,
    /// Family of the models (model.kind)
    #[arg(long, value_enum)]
    pub model: Option<ModelArg>,
    /// Units of each hidden layer (model.mlp.width; mlp)
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
    /// Hidden layers (model.mlp.depth or model.lazy.depth)
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Number of models (ensemble.members)
    #[arg(long, value_name = "N")]
    pub members: Option<usize>,
    /// Training triples of each model (model.samples)
    #[arg(long, value_name = "P")]
    pub samples: Option<usize>,
    /// Label of the training (model.target): proxy, true-score (removes the label noise), or a mix from 0 to 1
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Training steps of each model (training.steps; mlp)
    #[arg(long, value_name = "K")]
    pub steps: Option<usize>,
    /// Where to train (training.device; mlp); gtv-cli devices lists what there is
    #[arg(long, value_enum, value_name = "D")]
    pub device: Option<DeviceArg>,
    /// Folder of the run [default: runs/NAME-OF-CONFIG, or runs/train]
    #[arg(long, short, value_name = "RUN", required_if_eq("resume", "true"))]
    pub out: Option<PathBuf>,
    /// Go on with the unfinished run in --out, by its own config
    #[arg(long)]
    pub resume: bool,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// The theory's closures by their names in configs.
fn closure_parser() -> impl TypedValueParser<Value = TheoryName> {
    let names = CLOSURES.map(|closure| closure.card().name);
    PossibleValuesParser::new(names).try_map(|name| TheoryName::named(&name).ok_or("no such closure"))
}

/// `gtv-cli sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Folder of a trained run; with --theory also a config file
    pub run: PathBuf,
    /// Number of samples to draw
    #[arg(long, value_name = "N")]
    pub count: usize,
    /// Draw from this member alone, counted from 0 [default: equally from all]
    #[arg(long, value_name = "I", conflicts_with = "theory")]
    pub member: Option<usize>,
    /// Draw from the theory's law of learned models instead
    #[arg(long, value_parser = closure_parser(), value_name = "CLOSURE")]
    pub theory: Option<TheoryName>,
    /// File to write the samples to (.npy)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// `gtv-cli probes`.
///
/// Writes x (Q, D) and t (Q): points of the training distribution, of the maps, and along sampling paths; and the schedule's alpha
/// and sigma (Q) there. Evaluate your members at (x, t), save x, t and what they answer as one of score, denoiser, noise, velocity (N, Q, D),
/// and give that file to compare --ensemble. docs/own-models.md has scripts for PyTorch, JAX and diffusers.
///
/// With --features also the nodes of [theory] on the training distribution (theory.quasi_nodes, or theory.times and theory.noise_spacing say
/// how many), at which the theory needs features of your own: features (N0, Q, F) or gram (Q, Q) beside the rest.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ProbesArgs {
    /// The experiment, a TOML file
    pub config: PathBuf,
    /// Add the points at which the theory needs features of your own
    #[arg(long)]
    pub features: bool,
    /// File to write (.npz)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// `gtv-cli evaluate`.
///
/// Of a trained run: score, denoiser and noise of every member, (N, Q, D). With --theory: the closure's mean score, denoiser and noise,
/// (Q, D), and score_cov (Q, D, D), the covariance of the score between models. Of a config alone: the exact score of its data. The
/// file also has x and t, so that compare --ensemble takes the one of a run as it is.
///
/// --likelihood adds, in nats, log_likelihood of x under the distribution at t that each field makes (of members, (N, Q)), by the
/// instantaneous change of variables, and bits_per_dimension; of members and of closures also log_likelihood_average (Q), that of
/// the average law (of a closure, over theory.models drawn models, with its standard error). The divergence is exact up to 64
/// dimensions, and Hutchinson's estimate above, with log_likelihood_error.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct EvaluateArgs {
    /// Folder of a trained run, or a config file
    pub run: PathBuf,
    /// The points: an .npz with x (Q, D) and t (Q); with --likelihood also points alone, at t = schedule.t_min
    #[arg(long, value_name = "FILE")]
    pub at: PathBuf,
    /// Also the log-likelihood of the points
    #[arg(long)]
    pub likelihood: bool,
    /// Evaluate the theory's law of learned models instead
    #[arg(long, value_parser = closure_parser(), value_name = "CLOSURE")]
    pub theory: Option<TheoryName>,
    /// File to write (.npz)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// `gtv-cli distance`.
///
/// Samples are read from .npy, .npz (FILE.npz:NAME) or .csv: (n, D) of one distribution, or (N, n, D) grouped by the model that they
/// came from, which then are what the bootstrap resamples. The floor is what two resamples of one distribution differ by.
/// Metrics that use a histogram take its range from both files' samples, unless --set compare.range=[lo, hi] says it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DistanceArgs {
    /// Samples of one distribution (a in KL(a ‖ b))
    pub a: PathBuf,
    /// Samples of the other
    pub b: PathBuf,
    /// File to write the numbers to (.json)
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Changes to the config: compare.metrics, compare.bootstrap and others of [compare].
    #[command(flatten)]
    pub changes: ConfigArgs,
}

/// The names that a key of a config can be set to, with what they stand for.
fn names_of(key: &'static str) -> PossibleValuesParser {
    let choices = keys().of(key).find_map(|k| match &k.kind {
        Type::Name(choices) => Some(choices.as_slice()),
        _ => None,
    });
    let value =
        |c: &'static crate::config::Choice| PossibleValue::new(c.name.as_str()).help(c.meaning.as_str());
    choices.unwrap_or_default().iter().map(value).collect::<Vec<_>>().into()
}

/// How much of the proxy-score covariance to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CovArg {
    /// proxy_score_cov, shape (Q, D, D)
    Full,
    /// proxy_score_cov_trace, shape (Q)
    Trace,
    /// Neither
    None,
}

/// Arithmetic of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 64-bit floats
    F64,
    /// 32-bit products
    F32,
}

/// `gtv-cli score`.
///
/// Writes an npz file with the arrays score (Q, D), log_density (Q), posterior_mean (Q, D), proxy_score_cov (Q, D, D) or
/// its trace; where points may be left out of the sums, as of many in many dimensions or with --tolerance, also left_out (Q):
/// a bound on the share of the posterior's mass that was. Arrays are read from .npy, .npz (FILE.npz or FILE.npz:NAME), .csv,
/// and by their content from - (standard input) and <(command).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ScoreArgs {
    /// The data points μ_m, shape (M, D) or (M)
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Their weights π_m, shape (M), which sum to 1 [default: equal]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The query points x, shape (Q, D) or (Q)
    #[arg(long, value_name = "FILE")]
    pub at: PathBuf,
    /// The time t, above 0
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub time: f64,
    /// The noise schedule
    #[arg(long, value_parser = names_of("schedule.kind"), value_name = "NAME")]
    pub schedule: String,
    /// A parameter of the schedule, e.g. --param beta_min=0.1 (repeatable)
    #[arg(long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<String>,
    /// How much of the proxy-score covariance to compute
    #[arg(long, value_enum, default_value = "full")]
    pub cov: CovArg,
    /// Arithmetic of the sums over data points; f32 takes half the time in many dimensions and is good to 3e-4 nats
    #[arg(long, value_enum, default_value = "f64")]
    pub precision: PrecisionArg,
    /// Share of the posterior's mass that may be left out of the sums, 0 to 0.01; in many dimensions a larger one
    /// saves time at middle t [default: 1e-12 in f64, 1e-7 in f32]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub tolerance: Option<f64>,
    /// File to write (.npz)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
}

/// `gtv-cli ntk`.
///
/// Writes nngp and ntk, shape (n, m), in float64: the covariance of the network's output over initialisations, and the tangent
/// kernel that gradient flow follows, in the limit of infinite width. Hidden layers have the variances given; the readout has
/// weight variance 1 and no bias. An input or weight matrix enters with 1/sqrt(fan-in) (NTK parameterisation).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct NtkArgs {
    /// The first set of inputs, shape (n, d) or (n)
    #[arg(long, value_name = "FILE")]
    pub a: PathBuf,
    /// The second, shape (m, d) or (m) [default: the first]
    #[arg(long, value_name = "FILE")]
    pub b: Option<PathBuf>,
    /// The activation; relu and erf in closed form, others by quadrature
    #[arg(long, value_parser = activations(), value_name = "NAME")]
    pub activation: Activation,
    /// Hidden layers; 0 is a linear map
    #[arg(long, value_name = "L")]
    pub depth: usize,
    /// Variance of the weights of hidden layers
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    pub weight_var: f64,
    /// Variance of the biases of hidden layers
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    pub bias_var: f64,
    /// File to write (.npz)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
}

/// The names of activations, as configs spell them.
fn activations() -> impl TypedValueParser<Value = Activation> {
    PossibleValuesParser::new(Activation::ALL.map(Activation::name))
        .try_map(|name| Activation::ALL.into_iter().find(|a| a.name() == name).ok_or("no such activation"))
}

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

/// `gtv-cli bands`.
///
/// Linearises the network about its trained parameters, in the metric of its optimiser, and unrolls the optimiser's own steps: how much
/// would the learned distribution change with other training data? Writes DIR/: report.html, summary.json (levels.theory_one-run.spread:
/// the standard deviation of every datum's and the gaps' mass, the expected distance of a retrained network from the average; one_run:
/// sources of variance, where the score is least certain), arrays.npz (theory_one-run_q25, _q75, uncertainty_map), config.toml and figures/.
/// Networks trained with Adam need members/optimizer-*.safetensors, which gtv-cli train writes.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct BandsArgs {
    /// Folder of a run of gtv-cli train --model mlp
    pub run: PathBuf,
    /// The network, counted from 0
    #[arg(long, value_name = "I", default_value = "0")]
    pub member: usize,
    /// Folder to write into [default: RUN/bands-0000I]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
    /// Changes to the run's config, e.g. theory.models or theory.residuals.
    #[command(flatten)]
    pub changes: ConfigArgs,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
