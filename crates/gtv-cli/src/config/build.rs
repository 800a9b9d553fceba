//! From a config to the objects of gtv-theory: everything that can be wrong is found here, before work starts.

use super::family::{FamilyConfig, LinearConfig};
use super::keys::keys;
use super::{ConfigError, DataConfig, Family, Loaded, Problem, data};
use crate::context::Context;
use crate::run_dir::Fingerprint;
use gtv_models::Error as ModelError;
use gtv_theory::data::BuiltIn;
use gtv_theory::estimator::LinearSpec;
use gtv_theory::features::RandomFourier;
use gtv_theory::rng::Streams;
use gtv_theory::{Error, Features, PointCloud, Preconditioning};

impl Loaded {
    /// Builds and checks everything.
    ///
    /// # Errors
    /// [`ConfigError`], a [`ReadError`](crate::io::ReadError) of the data file, or
    /// [`TooLarge`](crate::memory::TooLarge).
    pub fn build(&self, ctx: &Context) -> anyhow::Result<Problem> {
        let config = &self.config;
        self.check_ensemble()?;
        let streams = Streams::new(config.seed);
        let schedule = config.schedule.build().map_err(|e| self.refused(&["schedule"], e))?;
        let cloud = self.cloud(&streams, ctx)?;
        self.check_theory(cloud.dim())?;
        self.check_memory(&cloud, &ctx.memory, ctx.threads)?;
        let (cloud_dim, memory) = (cloud.dim(), &ctx.memory);
        let family = match &config.model.family {
            FamilyConfig::Linear(_) => Family::Linear,
            FamilyConfig::Lazy(lazy) => {
                Family::Lazy(Box::new(lazy.build(self, &cloud, schedule, streams, memory)?))
            }
            FamilyConfig::Mlp(mlp) => {
                Family::Mlp(Box::new(mlp.build(self, &cloud, schedule, streams, memory)?))
            }
        };
        let (features, ridge) = match &config.model.family {
            FamilyConfig::Linear(LinearConfig { ridge, features }) => {
                (features.build(cloud_dim, &schedule, streams), *ridge)
            }
            // A comparison puts those of the network's kernel in their place.
            FamilyConfig::Lazy(_) => (placeholder(cloud_dim, streams), 0.0),
            FamilyConfig::Mlp(mlp) => (placeholder(cloud_dim, streams), mlp.training.spec.ridge),
        };
        let spec = LinearSpec {
            features: features.map_err(|e| self.refused(&["model.features"], e))?,
            prediction: config.model.prediction,
            weight: config.model.weight,
            ridge,
            samples: config.model.samples,
            draws: config.model.draws,
            target_mix: config.model.target.mix(),
            preconditioning: family.task().map_or(Preconditioning::None, |t| t.training().preconditioning),
        };
        spec.validate().map_err(|e| self.refused(&["model"], e))?;
        let sampling = config.sampling.integration;
        let times = sampling.times(&schedule).map_err(|e| self.refused(&["sampling"], e))?;
        let quadrature = config.theory.quadrature;
        quadrature.validate().map_err(|e| self.refused(&["theory"], e))?;
        let resolved = self.to_toml();
        let fingerprint = Fingerprint::new(&resolved, &[cloud.points(), cloud.weights()]);
        Ok(Problem {
            config: config.clone(),
            settings: self.settings.table(),
            resolved,
            streams,
            cloud,
            schedule,
            spec,
            family,
            sampling,
            times,
            quadrature,
            fingerprint,
        })
    }

    fn cloud(&self, streams: &Streams, ctx: &Context) -> anyhow::Result<PointCloud> {
        match &self.config.data {
            DataConfig::File(file) => {
                if file.scale == 0.0 {
                    return Err(self.value("data.scale", "is 0, which would make all points one").into());
                }
                Ok(data::read_cloud(file, ctx)?)
            }
            DataConfig::BuiltIn(set) => {
                let cloud = set.build(streams).map_err(|e| self.refused(&["data"], e))?;
                // Sets that are drawn or spelled out by the user can hold a point twice.
                if matches!(
                    set,
                    BuiltIn::GaussianMixture { .. }
                        | BuiltIn::Plane { .. }
                        | BuiltIn::Segment { .. }
                        | BuiltIn::Grid { .. }
                ) {
                    cloud.check_distinct().map_err(|e| self.refused(&["data"], e))?;
                }
                Ok(cloud)
            }
        }
    }

    pub(super) fn value(&self, key: &str, reason: &str) -> ConfigError {
        ConfigError::Value { place: self.place(key), key: key.to_owned(), reason: reason.to_owned() }
    }

    /// An error of gtv-theory about a spec that these sections describe: at the key that has the name of the quantity, or at
    /// the first section.
    pub(super) fn refused(&self, sections: &[&str], cause: Error) -> ConfigError {
        let name = match &cause {
            Error::OutOfRange { name, .. }
            | Error::Shape { name, .. }
            | Error::NotFinite { name, .. }
            | Error::Empty { name } => *name,
            _ => "",
        };
        let mut named = sections.iter().map(|section| format!("{section}.{name}"));
        let key = named.find(|key| keys().of(key).next().is_some()).unwrap_or_else(|| sections[0].to_owned());
        ConfigError::Theory { place: self.place(&key), key, cause }
    }

    /// The same for an error of gtv-models.
    pub(super) fn refused_model(&self, sections: &[&str], cause: ModelError) -> anyhow::Error {
        match cause {
            ModelError::Theory(cause) => self.refused(sections, cause).into(),
            other => other.into(),
        }
    }
}

fn placeholder(dim: usize, streams: Streams) -> gtv_theory::Result<Features> {
    RandomFourier::new(dim, 1, 1.0, 1.0, None, streams).map(Features::RandomFourier)
}
