//! The predictions, and how finely they are computed.

use super::theory_name::TheoryName;
use gtv_models::mlp::{KernelName, OneRunSettings};
use gtv_theory::PointCloud;
use gtv_theory::closure::{CLOSURES, Closure, Needs};
use gtv_theory::learner::Residuals;
use gtv_theory::quadrature::QuadratureSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[theory]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TheorySpec {
    /// The predictions to compute.
    #[schemars(
        length(min = 1),
        extend("derived" = "one-run and one-run-gap with kernel = \"trained\", else paper, leading, finite-p and shot-noise")
    )]
    pub closures: Vec<TheoryName>,
    /// The kernel of a network's closures.
    #[schemars(extend("when" = {"model.kind": ["mlp"]}))]
    pub kernel: KernelName,
    /// Trained networks whose covariances one-run averages.
    #[schemars(range(min = 1), extend("when" = {"kernel": ["trained"]}))]
    pub anchors: usize,
    /// Most directions of a trained network's parameters that one-run looks along; fewer where they miss less than 1e-5 of the trace.
    #[schemars(range(min = 1, max = 2048), extend("when" = {"kernel": ["trained"]}))]
    pub directions: usize,
    /// The triples on which one-run measures what trained networks leave unexplained.
    #[schemars(extend("when" = {"kernel": ["trained"]}))]
    pub residuals: Residuals,
    /// The law that the derived closures start from: paper, leading, finite-p or naive.
    #[schemars(extend(
        "when" = {"closures": ["white", "matched-white", "damped", "linear-noise", "semiclassical"]},
        "derived" = "the most complete of these among the closures, else finite-p"
    ))]
    pub base: Option<TheoryName>,
    /// κ of the naive estimator, in units of time; F/P where it is not given.
    #[schemars(extend(
        "when" = {"closures": ["naive", "fokker-planck"], "base": ["naive"]},
        "exclusiveMinimum" = 0.0,
        "unit" = "t"
    ))]
    pub kappa: Option<f64>,
    /// ℓ, the time over which damped noise forgets.
    #[schemars(extend("when" = {"closures": ["damped"]}, "exclusiveMinimum" = 0.0, "unit" = "t"))]
    pub correlation_time: f64,
    /// Models drawn from each closure's law.
    #[schemars(range(min = 1))]
    pub models: usize,
    /// Paths drawn from each of those models.
    #[schemars(range(min = 1))]
    pub paths: usize,
    /// The resolution of integrals over the training distribution.
    #[serde(flatten)]
    pub quadrature: QuadratureSpec,
}

impl Default for TheorySpec {
    fn default() -> Self {
        Self {
            closures: TheorySpec::closures_of(KernelName::default()),
            kernel: KernelName::default(),
            anchors: 1,
            directions: OneRunSettings::default().directions,
            residuals: Residuals::default(),
            base: None,
            kappa: None,
            correlation_time: 0.1,
            models: 200,
            paths: 20_000,
            quadrature: QuadratureSpec::default(),
        }
    }
}

impl TheorySpec {
    /// The closures that go with a kernel where none are named.
    pub fn closures_of(kernel: KernelName) -> Vec<TheoryName> {
        let goes = |closure: &&'static dyn Closure| match (kernel, closure.card().needs) {
            (KernelName::Trained, needs) => needs == Needs::TrainedModels,
            (KernelName::Initial | KernelName::Infinite, needs) => needs != Needs::TrainedModels,
        };
        CLOSURES.into_iter().filter(goes).map(TheoryName::Closure).collect()
    }

    /// Nodes of the integrals over the training distribution; none where laws are of trained networks, which are seen on triples.
    ///
    /// # Errors
    /// As [`QuadratureSpec::count`].
    pub fn nodes(&self, cloud: &PointCloud) -> gtv_theory::Result<usize> {
        match self.kernel {
            KernelName::Trained => Ok(0),
            KernelName::Initial | KernelName::Infinite => self.quadrature.count(cloud),
        }
    }

    /// The closures that are needed, in order, each once.
    pub fn laws(&self) -> Vec<&'static dyn Closure> {
        let mut laws: Vec<&'static dyn Closure> = Vec::new();
        for closure in self.closures.iter().chain(&self.base).filter_map(|name| name.closure()) {
            if !laws.iter().any(|known| known.card() == closure.card()) {
                laws.push(closure);
            }
        }
        laws
    }
}
