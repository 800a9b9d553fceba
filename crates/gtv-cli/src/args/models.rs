//! Arguments of the commands that train models and use them.

use super::{ConfigArgs, StyleArgs};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use gtv_models::device::Backend;
use gtv_study::spec::TheoryName;
use gtv_theory::closure::CLOSURES;
use std::path::PathBuf;

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

/// The theory's closures by their names in configs.
fn closure_parser() -> impl TypedValueParser<Value = TheoryName> {
    let names = CLOSURES.map(|closure| closure.card().name);
    PossibleValuesParser::new(names).try_map(|name| TheoryName::named(&name).ok_or("no such closure"))
}
