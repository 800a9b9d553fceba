//! Arguments of the commands that read and write arrays.

use super::ConfigArgs;
use crate::config::{Type, keys};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use gtv_theory::ntk::Activation;
use std::path::PathBuf;

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

/// The names of activations, as configs spell them.
fn activations() -> impl TypedValueParser<Value = Activation> {
    PossibleValuesParser::new(Activation::ALL.map(Activation::name))
        .try_map(|name| Activation::ALL.into_iter().find(|a| a.name() == name).ok_or("no such activation"))
}
