//! Linear models: `model.ridge` and `[model.features]`.

use crate::config::Loaded;
use crate::config::build::Ground;
use gtv_models::{LinearFamily, LinearTrainer};
use gtv_theory::features::{AxisBasis, RandomFourier, Separable};
use gtv_theory::rng::Streams;
use gtv_theory::{Features, Preconditioning, Result, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A linear model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LinearConfig {
    /// γ, on the sample-averaged second moment.
    #[schemars(range(min = 0.0))]
    pub ridge: f64,
    /// φ, the features.
    pub features: FeaturesConfig,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { ridge: 0.1, features: FeaturesConfig::default() }
    }
}

impl LinearConfig {
    /// The family.
    pub(super) fn build(&self, loaded: &Loaded, ground: Ground) -> anyhow::Result<LinearFamily> {
        let (schedule, streams) = (ground.schedule, ground.streams);
        let features = self.features.build(ground.cloud.dim(), &schedule, streams);
        let features = features.map_err(|e| loaded.refused(&["model.features"], e))?;
        let problem = ground.problem(loaded, Preconditioning::None)?;
        let trainer = LinearTrainer::new(problem, features, self.ridge);
        Ok(LinearFamily::new(trainer.map_err(|e| loaded.refused_model(&["model"], e))?))
    }
}

/// `[model.features]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(extend("about kind" = "The family of the features."))]
pub enum FeaturesConfig {
    /// Normal densities on a grid.
    Gaussian(GridFeatures),
    /// Cosines and sines.
    Fourier(GridFeatures),
    /// Legendre polynomials.
    Polynomial(GridFeatures),
    /// Random Fourier features, whose number does not grow with the dimension.
    RandomFourier(RandomFeatures),
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        Self::Gaussian(GridFeatures::default())
    }
}

/// Products of functions of each coordinate and of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GridFeatures {
    /// Functions of each coordinate.
    #[schemars(range(min = 1))]
    pub x: usize,
    /// Functions of time, over [t_min, t_max].
    #[schemars(range(min = 1))]
    pub t: usize,
    /// Range of each coordinate.
    #[schemars(extend("increasing" = true, "unit" = "x"))]
    pub range: [f64; 2],
}

impl Default for GridFeatures {
    fn default() -> Self {
        Self { x: 16, t: 16, range: [-1.5, 1.5] }
    }
}

/// Cosines of random frequencies in x and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("default" = RandomFeatures::default()))]
pub struct RandomFeatures {
    /// F, the number of features.
    #[schemars(range(min = 1))]
    pub count: usize,
    /// Length of the kernel, in units of x.
    #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
    pub length_scale: f64,
    /// The time variable.
    #[serde(flatten)]
    pub time: FeatureTime,
}

impl Default for RandomFeatures {
    fn default() -> Self {
        Self { count: 1024, length_scale: 0.5, time: FeatureTime::LogSnr { time_scale: on_log_snr() } }
    }
}

/// How time enters random Fourier features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "time", rename_all = "kebab-case")]
#[schemars(extend("about time" = "The time variable."))]
pub enum FeatureTime {
    /// ln(α²/σ²).
    LogSnr {
        /// Length of the kernel in the log-SNR.
        #[serde(default = "on_log_snr")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        time_scale: f64,
    },
    /// t itself.
    Raw {
        /// Length of the kernel in t.
        #[serde(default = "on_time")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "t"))]
        time_scale: f64,
    },
}

fn on_log_snr() -> f64 {
    2.0
}

fn on_time() -> f64 {
    0.2
}

impl FeaturesConfig {
    /// F before anything is allocated, for the memory estimate: a float, since it can be beyond any integer.
    pub(in crate::config) fn size(&self, dim: usize) -> f64 {
        match self {
            Self::Gaussian(grid) | Self::Fourier(grid) | Self::Polynomial(grid) => {
                (grid.x as f64).powf(dim as f64) * grid.t as f64
            }
            Self::RandomFourier(random) => random.count as f64,
        }
    }

    /// The range that each coordinate must keep to, where there is one.
    pub(in crate::config) fn range(&self) -> Option<[f64; 2]> {
        match self {
            Self::Gaussian(grid) | Self::Fourier(grid) | Self::Polynomial(grid) => Some(grid.range),
            Self::RandomFourier(_) => None,
        }
    }

    /// The features.
    ///
    /// # Errors
    /// A number outside its domain, by its name here.
    pub(in crate::config) fn build(
        &self,
        dim: usize,
        schedule: &Schedule,
        streams: Streams,
    ) -> Result<Features> {
        let times = (schedule.t_min(), schedule.t_max());
        let product = |grid: &GridFeatures, axis: &dyn Fn(f64, f64, usize) -> AxisBasis| {
            let [lo, hi] = grid.range;
            let (x, t) = (axis(lo, hi, grid.x), axis(times.0, times.1, grid.t));
            Ok(Features::Separable(Separable::uniform(dim, x, t)?))
        };
        match self {
            Self::Gaussian(grid) => product(grid, &|lo, hi, len| AxisBasis::Gaussian { lo, hi, len }),
            Self::Fourier(grid) => product(grid, &|lo, hi, len| AxisBasis::Fourier { lo, hi, len }),
            Self::Polynomial(grid) => product(grid, &|lo, hi, len| AxisBasis::Legendre { lo, hi, len }),
            Self::RandomFourier(RandomFeatures { count, length_scale, time }) => {
                let (clock, time_scale) = match *time {
                    FeatureTime::LogSnr { time_scale } => (Some(*schedule), time_scale),
                    FeatureTime::Raw { time_scale } => (None, time_scale),
                };
                let made = RandomFourier::new(dim, *count, *length_scale, time_scale, clock, streams)?;
                Ok(Features::RandomFourier(made))
            }
        }
    }
}
