//! `[sampling]`, `[theory]` and `[compare]`: how distributions are made and what is measured on them.

use super::model::ModelKind;
use super::settle::{Misfit, Section};
use gtv_theory::TimeGrid;
use gtv_theory::dynamics::{Form, Integrator, Sampling};
use gtv_theory::estimator::Closure;
use gtv_theory::quadrature::QuadratureSpec;
use serde::{Deserialize, Serialize};

/// How sampling times are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridName {
    /// Equal steps in t.
    #[default]
    Uniform,
    /// Equal steps in (σ/α)^{1/rho}.
    EdmRho,
    /// Equal steps in log-SNR.
    LogSnr,
}

/// How a learned field is evaluated during sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lookup {
    /// At the state itself.
    #[default]
    Exact,
    /// From a table on a grid, at the first node not below the state (the paper's procedure).
    Grid,
}

/// `[sampling]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// The integration method.
    pub integrator: Integrator,
    /// Steps from T to ε.
    pub steps: usize,
    /// How their times are spread.
    pub grid: GridName,
    /// The exponent of the edm-rho grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
    /// The coordinates that are stepped.
    pub form: Form,
    /// Relative tolerance of a step (dopri5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtol: Option<f64>,
    /// Absolute tolerance of a step (dopri5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atol: Option<f64>,
    /// Steps after which a path is given up (dopri5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Paths drawn from each trained model.
    pub paths: usize,
    /// How learned fields are evaluated.
    pub lookup: Lookup,
    /// Nodes of the table on each axis (lookup = grid).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_points: Option<usize>,
    /// First and last node of the table on each axis (lookup = grid).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_range: Option<[f64; 2]>,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            integrator: Integrator::default(),
            steps: 30,
            grid: GridName::default(),
            rho: None,
            form: Form::default(),
            rtol: None,
            atol: None,
            max_steps: None,
            paths: 100_000,
            lookup: Lookup::default(),
            grid_points: None,
            grid_range: None,
        }
    }
}

impl SamplingConfig {
    pub(super) fn settle(&mut self) -> Result<(), Misfit> {
        let defaults = Sampling::default();
        let adaptive = self.integrator == Integrator::Dopri5;
        let table = self.lookup == Lookup::Grid;
        let section = |choice| Section { name: "sampling", choice };
        let grid = section("this grid (only with grid = \"edm-rho\")");
        grid.settle("rho", &mut self.rho, (self.grid == GridName::EdmRho).then_some(7.0))?;
        let steps = section("this integrator (only with integrator = \"dopri5\")");
        steps.settle("rtol", &mut self.rtol, adaptive.then_some(defaults.rtol))?;
        steps.settle("atol", &mut self.atol, adaptive.then_some(defaults.atol))?;
        steps.settle("max_steps", &mut self.max_steps, adaptive.then_some(defaults.max_steps))?;
        let lookup = section("lookup = \"exact\" (only with lookup = \"grid\")");
        lookup.settle("grid_points", &mut self.grid_points, table.then_some(200))?;
        lookup.settle("grid_range", &mut self.grid_range, table.then_some([-1.5, 1.5]))?;
        if adaptive && table {
            let reason =
                "a table holds the learned field at the step times only; use lookup = \"exact\" with dopri5";
            return Err(lookup.misfit("lookup", reason));
        }
        Ok(())
    }

    /// The integrator's settings.
    pub fn integration(&self) -> Sampling {
        let defaults = Sampling::default();
        Sampling {
            integrator: self.integrator,
            steps: self.steps,
            grid: match self.grid {
                GridName::Uniform => TimeGrid::Uniform,
                GridName::EdmRho => TimeGrid::EdmRho { rho: self.rho.unwrap_or(7.0) },
                GridName::LogSnr => TimeGrid::LogSnr,
            },
            form: self.form,
            rtol: self.rtol.unwrap_or(defaults.rtol),
            atol: self.atol.unwrap_or(defaults.atol),
            max_steps: self.max_steps.unwrap_or(defaults.max_steps),
        }
    }
}

/// A prediction of the average learned distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TheoryName {
    /// The paper's limit of the linear model's law.
    Paper,
    /// Leading order in 1/P.
    Leading,
    /// Self-consistent leverage.
    FiniteP,
    /// Poisson sprinkling: every cumulant to first order in a sample's influence.
    ShotNoise,
    /// The naive estimator of Prop. 4.1: white noise κ D C D.
    Naive,
    /// The base law's V at equal times, drawn anew at every step.
    White,
    /// White noise of the base law's strength integrated over the time lag: the same whatever the number of steps.
    MatchedWhite,
    /// The base law's V times e^{−|t−t'|/ℓ}.
    Damped,
    /// The naive estimator's density by its Fokker–Planck equation (1D).
    FokkerPlanck,
    /// Normal noise about each path of the base law's mean score (1D).
    LinearNoise,
    /// The paper's Eq. 18 (1D).
    Semiclassical,
}

impl TheoryName {
    /// The name used in configs and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper | Self::Leading | Self::FiniteP | Self::ShotNoise => {
                self.closure().map_or("", Closure::name)
            }
            Self::Naive => "naive",
            Self::White => "white",
            Self::MatchedWhite => "matched-white",
            Self::Damped => "damped",
            Self::FokkerPlanck => "fokker-planck",
            Self::LinearNoise => "linear-noise",
            Self::Semiclassical => "semiclassical",
        }
    }

    /// The linear model's closure of this name.
    pub fn closure(self) -> Option<Closure> {
        match self {
            Self::Paper => Some(Closure::Paper),
            Self::Leading => Some(Closure::Leading),
            Self::FiniteP => Some(Closure::FiniteP),
            Self::ShotNoise => Some(Closure::ShotNoise),
            _ => None,
        }
    }

    /// Whether it is derived from another law, `theory.base`.
    pub fn derived(self) -> bool {
        matches!(
            self,
            Self::White | Self::MatchedWhite | Self::Damped | Self::LinearNoise | Self::Semiclassical
        )
    }

    /// Whether its noise is drawn along each path, step by step.
    pub fn path_wise(self) -> bool {
        matches!(self, Self::Naive | Self::White | Self::MatchedWhite | Self::Damped)
    }
}

/// The kernel that stands for a network in its closures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelName {
    /// The tangent kernel of the networks themselves at initialisation, averaged over them.
    Initial,
    /// The tangent kernel in the limit of infinite width.
    Infinite,
}

/// `[theory]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TheoryConfig {
    /// The predictions to compute.
    pub closures: Vec<TheoryName>,
    /// The kernel of a network's closures (mlp).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelName>,
    /// The law that white, damped, linear-noise and semiclassical start from: paper, leading, finite-p or naive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<TheoryName>,
    /// κ of the naive estimator, in units of time; F/P where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// ℓ, the time over which damped noise forgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_time: Option<f64>,
    /// Models drawn from each closure's law.
    pub models: usize,
    /// Paths drawn from each of those models.
    pub paths: usize,
    /// Quadrature nodes in time.
    pub times: usize,
    /// Spacing of the quadrature in standardised noise.
    pub noise_spacing: f64,
    /// The quadrature covers this many standard deviations of the noise.
    pub noise_range: f64,
    /// Nodes of the quasi-random quadrature (D > 2, or many points).
    pub quasi_nodes: usize,
    /// Data sets with more points use the quasi-random quadrature in every dimension.
    pub tensor_points: usize,
}

impl Default for TheoryConfig {
    fn default() -> Self {
        let QuadratureSpec { times, noise_spacing, noise_range, quasi_nodes, tensor_points } =
            QuadratureSpec::default();
        Self {
            closures: vec![
                TheoryName::Paper,
                TheoryName::Leading,
                TheoryName::FiniteP,
                TheoryName::ShotNoise,
            ],
            kernel: None,
            base: None,
            kappa: None,
            correlation_time: None,
            models: 200,
            paths: 20_000,
            times,
            noise_spacing,
            noise_range,
            quasi_nodes,
            tensor_points,
        }
    }
}

impl TheoryConfig {
    pub(super) fn settle(&mut self, kind: ModelKind) -> Result<(), Misfit> {
        use TheoryName::{Damped, FiniteP, FokkerPlanck, Leading, Naive, Paper};
        let has = |name: TheoryName| self.closures.contains(&name);
        let derived = self.closures.iter().any(|c| c.derived());
        let section = |choice| Section { name: "theory", choice };
        let networks = (kind == ModelKind::Mlp).then_some(KernelName::Initial);
        section(kind.model_choice()).settle("kernel", &mut self.kernel, networks)?;
        // The most complete Gaussian law that is computed anyway.
        let best = [FiniteP, Leading, Paper, Naive].into_iter().find(|c| has(*c)).unwrap_or(FiniteP);
        let (damped, naive) = (has(Damped), has(Naive) || has(FokkerPlanck));
        let base =
            section("these closures (only with white, matched-white, damped, linear-noise or semiclassical)");
        base.settle("base", &mut self.base, derived.then_some(best))?;
        if let Some(other) = self.base.filter(|b| ![FiniteP, Leading, Paper, Naive].contains(b)) {
            let reason = format!("is \"{}\", expected paper, leading, finite-p or naive", other.name());
            return Err(base.misfit("base", reason));
        }
        if self.kappa.is_some() && !(naive || self.base == Some(Naive)) {
            let reason = "is not used with these closures (only with naive or fokker-planck); remove it";
            return Err(base.misfit("kappa", reason));
        }
        let times = section("these closures (only with damped)");
        times.settle("correlation_time", &mut self.correlation_time, damped.then_some(0.1))
    }

    /// The linear model's closures that are needed, in order, each once.
    pub fn laws(&self) -> Vec<Closure> {
        let mut laws: Vec<Closure> = self.closures.iter().filter_map(|c| c.closure()).collect();
        if let Some(base) = self.base.and_then(TheoryName::closure)
            && !laws.contains(&base)
        {
            laws.push(base);
        }
        laws
    }

    /// The resolution of integrals over the training distribution.
    pub fn quadrature(&self) -> QuadratureSpec {
        let Self { times, noise_spacing, noise_range, quasi_nodes, tensor_points, .. } = *self;
        QuadratureSpec { times, noise_spacing, noise_range, quasi_nodes, tensor_points }
    }
}
