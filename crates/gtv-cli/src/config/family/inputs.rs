//! How (x, t) enters a network, and how its outputs are scaled: what lazy and finite networks have in common.

use crate::config::build::Ground;
use crate::config::{ConfigError, Loaded};
use gtv_theory::ntk::{Embedding, TimeEmbedding};
use gtv_theory::{PointCloud, Preconditioning};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a network's inputs and outputs are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precondition {
    /// As in EDM (Karras et al. 2022): inputs, outputs and labels of size one at every time.
    #[default]
    Edm,
    /// The network predicts y itself.
    None,
}

/// The inputs of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InputsConfig {
    /// How time enters.
    pub time: TimeEmbedding,
    /// Time inputs, two for each frequency: an even number.
    #[schemars(range(min = 2, max = 4096), extend("when" = {"time": ["sinusoidal", "fourier"]}))]
    pub time_features: usize,
    /// Standard deviation of the frequencies.
    #[schemars(extend("when" = {"time": ["fourier"]}, "exclusiveMinimum" = 0.0))]
    pub time_scale: f64,
    /// The scaling of inputs and outputs.
    pub precondition: Precondition,
    /// σ_d, the standard deviation of a coordinate of the data; the data's own where it is not given.
    #[schemars(extend("when" = {"precondition": ["edm"]}, "exclusiveMinimum" = 0.0, "unit" = "x"))]
    pub data_std: Option<f64>,
}

impl Default for InputsConfig {
    fn default() -> Self {
        Self {
            time: TimeEmbedding::default(),
            time_features: 8,
            time_scale: 1.0,
            precondition: Precondition::default(),
            data_std: None,
        }
    }
}

impl InputsConfig {
    /// The map to a network's inputs; `section` is where these settings stand, for messages.
    pub(in crate::config) fn embedding(
        &self,
        section: &str,
        loaded: &Loaded,
        ground: &Ground,
    ) -> Result<Embedding, ConfigError> {
        let &Ground { ref cloud, schedule, streams } = ground;
        let preconditioning = match self.precondition {
            Precondition::None => Preconditioning::None,
            Precondition::Edm => Preconditioning::Edm { data_std: self.data_std.unwrap_or(rms_std(cloud)) },
        };
        let refused = |e| loaded.refused(&[section], e);
        preconditioning.validate().map_err(refused)?;
        let (time, count, scale) = (self.time, self.time_features, self.time_scale);
        Embedding::new(cloud.dim(), schedule, preconditioning, time, count, scale, streams).map_err(refused)
    }
}

/// √((1/D) Σ_d Var x0_d), or 1 for data that do not vary.
fn rms_std(cloud: &PointCloud) -> f64 {
    let (dim, mean) = (cloud.dim(), cloud.mean());
    let spread = |x: &[f64]| x.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
    let points = cloud.points().chunks_exact(dim).zip(cloud.weights());
    let std = (points.map(|(x, w)| w * spread(x)).sum::<f64>() / dim as f64).sqrt();
    if std > 0.0 { std } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_data_std_is_that_of_the_coordinates() {
        // The second coordinate of the plane does not vary; weights move both mean and spread.
        let line = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
        assert!((rms_std(&line) - (2.0f64 / 3.0).sqrt()).abs() < 1e-15);
        let plane = PointCloud::new(vec![-1.0, 5.0, 1.0, 5.0], 2).unwrap();
        assert!((rms_std(&plane) - 0.5f64.sqrt()).abs() < 1e-15);
        let weighted = PointCloud::with_weights(vec![0.0, 1.0], 1, vec![0.25, 0.75]).unwrap();
        assert!((rms_std(&weighted) - (3.0f64 / 16.0).sqrt()).abs() < 1e-15);
        assert_eq!(rms_std(&PointCloud::new(vec![3.0, 4.0], 2).unwrap()), 1.0);
    }
}
