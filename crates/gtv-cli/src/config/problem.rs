//! A config made into the objects that work is done with.

use super::{Config, Lazy, Network};
use crate::run_dir::Fingerprint;
use gtv_models::mlp::Task;
use gtv_theory::dynamics::Sampling;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};

/// A config made into validated objects.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The resolved config.
    pub config: Config,
    /// The resolved settings, as a file has them.
    pub settings: toml::Table,
    /// The resolved config as TOML.
    pub resolved: String,
    /// The random streams of the seed.
    pub streams: Streams,
    /// p_data.
    pub cloud: PointCloud,
    /// The forward process.
    pub schedule: Schedule,
    /// The trained model's law, but for the data. For networks, finite or not, its features stand for those of a kernel.
    pub spec: LinearSpec,
    /// What is trained.
    pub family: Family,
    /// The reverse process.
    pub sampling: Sampling,
    /// Step times of sampling, from T to ε.
    pub times: Vec<f64>,
    /// Resolution of integrals over the training distribution.
    pub quadrature: QuadratureSpec,
    /// What partial results must agree with.
    pub fingerprint: Fingerprint,
}

/// What is trained.
#[derive(Debug, Clone)]
pub enum Family {
    /// Linear models, which the problem's `spec` describes wholly.
    Linear,
    /// Infinitely wide networks.
    Lazy(Box<Lazy>),
    /// Networks.
    Mlp(Box<Network>),
}

impl Family {
    /// The networks to train, where they are finite.
    pub fn network(&self) -> Option<&Network> {
        match self {
            Self::Mlp(network) => Some(network),
            Self::Linear | Self::Lazy(_) => None,
        }
    }

    /// A network's training problem.
    pub fn task(&self) -> Option<&Task> {
        match self {
            Self::Linear => None,
            Self::Lazy(lazy) => Some(&lazy.task),
            Self::Mlp(network) => Some(&network.task),
        }
    }
}
