//! From a config to the objects of gtv-theory: everything that can be wrong is found here, before work starts.

use super::family::{FamilyConfig, FeaturesConfig};
use super::keys::keys;
use super::model::ModelConfig;
use super::networks::Networks;
use super::{
    ConfigError, DataConfig, Duplicates, FileEnsemble, Loaded, OriginConfig, Problem, data, outside,
};
use crate::context::Context;
use crate::failure::UsageError;
use crate::memory::{Budget, TooLarge};
use crate::run_dir::Fingerprint;
use crate::warnings::Warning;
use gtv_models::Error as ModelError;
use gtv_models::external::{Arrays, Ensemble, FeatureTable, Tabulated};
use gtv_models::family::Need;
use gtv_models::{Family, LinearFamily};
use gtv_study::spec::KernelName;
use gtv_study::{Origin, Study};
use gtv_theory::data::{BuiltIn, Outside};
use gtv_theory::rng::Streams;
use gtv_theory::{Error, Objective, PointCloud, Preconditioning, Schedule, TrainingProblem};
use std::sync::Arc;

impl Loaded {
    /// Builds and checks everything.
    ///
    /// # Errors
    /// [`ConfigError`], a [`ReadError`](crate::io::ReadError) of the data file, or
    /// [`TooLarge`](crate::memory::TooLarge).
    pub fn build(&self, ctx: &Context) -> anyhow::Result<Problem> {
        let config = self.config.clone();
        let streams = Streams::new(config.seed);
        let schedule = self.schedule(ctx)?;
        let cloud = self.cloud(&streams, &schedule, ctx)?;
        self.check_ensemble()?;
        self.check_theory(cloud.dim())?;
        config.theory.quadrature.validate().map_err(|e| self.refused(&["theory"], e))?;
        config.compare.validate().map_err(|e| self.refused(&["compare"], e))?;
        self.check_coverage(&cloud, &schedule, ctx)?;
        let brought = match &config.ensemble.origin {
            OriginConfig::Trained => Brought::Nothing,
            OriginConfig::File(file) => Brought::Arrays(file, Box::new(outside::read(file, ctx)?)),
            OriginConfig::Onnx(files) => {
                self.check_called()?;
                Brought::Networks(Networks::read(self, files, &cloud, &schedule)?)
            }
        };
        let test = match &config.data {
            DataConfig::File(file) => data::read_test(file, config.compare.image, cloud.dim(), ctx)?,
            DataConfig::BuiltIn(_) => Vec::new(),
        };
        let resolved = self.to_toml();
        let mut hashed = vec![cloud.points(), cloud.weights(), test.as_slice()];
        match &brought {
            Brought::Nothing => {}
            Brought::Arrays(_, arrays) => hashed.extend(arrays.all().map(|array| array.values.as_slice())),
            Brought::Networks(networks) => hashed.extend(networks.answers.iter().map(Vec::as_slice)),
        }
        let fingerprint = Fingerprint::new(&resolved, &hashed);
        let mut needs = self.needs(&cloud);
        check_memory(&needs, &ctx.memory)?;
        config.sampling.integration.times(&schedule).map_err(|e| self.refused(&["sampling"], e))?;
        let mut family = config.model.family.build(self, Ground { cloud, schedule, streams })?;
        let origin = match brought {
            Brought::Nothing => Origin::Trained,
            Brought::Networks(networks) => {
                self.check_outside(family.as_ref())?;
                Origin::Outside(Arc::new(Ensemble::Fields(Box::new(networks.members(family.problem())?))))
            }
            Brought::Arrays(file, arrays) => {
                self.check_outside(family.as_ref())?;
                let (own, table) = self.arrays(family, *arrays).map_err(|cause| match cause.downcast() {
                    Ok(ModelError::External(fault)) => {
                        let (path, reason) = (file.path.display().to_string(), fault.to_string());
                        UsageError::Run { path, reason }.into()
                    }
                    Ok(other) => other.into(),
                    Err(other) => other,
                })?;
                family = own;
                Origin::Outside(Arc::new(Ensemble::Tabulated(table)))
            }
        };
        let mut ensemble = config.ensemble.spec.clone();
        match &origin {
            Origin::Outside(brought) => ensemble.members = brought.members(),
            Origin::Trained => {
                let others = family.needs(ensemble.members);
                check_memory(&others, &ctx.memory)?;
                // What both name is one.
                needs.retain(|need| others.iter().all(|other| other.what != need.what));
                needs.extend(others);
            }
        }
        let (sampling, members) = (config.sampling.clone(), ensemble.draws());
        let (theory, compare) = (config.theory.clone(), config.compare.clone());
        let study = Study { family, members, origin, test, ensemble, sampling, theory, compare };
        let (chosen, settings) = (self.chosen.clone(), self.settings.table());
        let bytes = needs.iter().map(|need| need.bytes).sum();
        Ok(Problem { config, chosen, settings, resolved, study, fingerprint, needs, bytes })
    }

    /// The forward process.
    ///
    /// # Errors
    /// [`ConfigError`], or a [`ReadError`](crate::io::ReadError) of a table.
    pub fn schedule(&self, ctx: &Context) -> anyhow::Result<Schedule> {
        let schedule = &self.config.schedule;
        Ok(schedule.of(schedule.family(ctx)?).map_err(|e| self.refused(&["schedule"], e))?)
    }

    /// An ensemble of arrays, and the family that stands for it in the theory: the config's, or linear models in features that are among
    /// the arrays.
    ///
    /// # Errors
    /// [`ModelError::External`], naming the array; a config of another family than features go with.
    pub fn arrays(
        &self,
        family: Box<dyn Family>,
        arrays: Arrays,
    ) -> anyhow::Result<(Box<dyn Family>, Tabulated)> {
        let features = FeatureTable::of(family.problem(), &arrays).map_err(ModelError::from)?;
        let table = Tabulated::new(family.problem(), arrays).map_err(ModelError::from)?;
        let family = match features {
            None => family,
            Some(features) => {
                let (problem, ridge) = (family.problem().clone(), self.ridge_of_own_features()?);
                Box::new(LinearFamily::of_table(problem, features, ridge, &self.config.theory.quadrature)?)
            }
        };
        Ok((family, table))
    }

    /// The ridge that features of a user's own go with.
    ///
    /// # Errors
    /// A family whose features are its own.
    pub fn ridge_of_own_features(&self) -> Result<f64, ConfigError> {
        match &self.config.model.family {
            FamilyConfig::Linear(linear) => Ok(linear.ridge),
            FamilyConfig::Lazy(_) | FamilyConfig::Mlp(_) => {
                let reason = "has features of its own; with features of yours, use \"linear\" (ridge regression in them, with model.ridge)";
                Err(self.value("model.kind", reason))
            }
        }
    }

    /// Whether the data lie where features and tables know something of them.
    fn check_coverage(&self, cloud: &PointCloud, schedule: &Schedule, ctx: &Context) -> anyhow::Result<()> {
        let features = self.config.model.family.features().and_then(FeaturesConfig::range);
        let table = self.config.sampling.lookup.grid().map(|grid| [grid.lo, grid.hi]);
        for (section, name, range) in
            [("model.features", "range", features), ("sampling", "grid_range", table)]
        {
            let Some([lo, hi]) = range.filter(|[lo, hi]| lo < hi) else { continue };
            let outside = Outside::of(cloud, schedule, &vec![(lo, hi); cloud.dim()])
                .and_then(|outside| outside.check(name).map(|()| outside))
                .map_err(|e| self.refused(&[section], e))?;
            if outside.is_notable() {
                let (data, training) = (100.0 * outside.data, 100.0 * outside.training);
                ctx.warn(&Warning::Uncovered { key: format!("{section}.{name}"), lo, hi, data, training });
            }
        }
        Ok(())
    }

    fn cloud(&self, streams: &Streams, schedule: &Schedule, ctx: &Context) -> anyhow::Result<PointCloud> {
        match &self.config.data {
            DataConfig::File(file) => {
                if file.scale == 0.0 {
                    return Err(self.value("data.scale", "is 0, which would make all points one").into());
                }
                let points = match &self.piped {
                    Some(points) => points.clone(),
                    None => data::read_points(file, self.config.compare.image, ctx)?,
                };
                let cloud = data::cloud_of(points, file, ctx)?;
                if file.duplicates == Duplicates::Refuse {
                    return Ok(cloud);
                }
                let merged = cloud.distinct_at(schedule).map_err(|e| self.refused(&["data"], e))?;
                if merged.len() < cloud.len() {
                    let (merged, total) = (cloud.len() - merged.len(), cloud.len());
                    ctx.warn(&Warning::NearMerged { merged, total });
                }
                Ok(merged)
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

    /// Refuses what a comparison cannot use: a quadrature of more nodes than that, theory from more networks than are trained.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check_comparison(&self, problem: &Problem) -> Result<(), ConfigError> {
        let study = &problem.study;
        let (anchors, members) = (study.theory.anchors, study.members.len());
        if study.theory.kernel == KernelName::Trained && anchors > members {
            let reason = format!("is {anchors}, expected at most ensemble.members = {members}");
            return Err(self.value("theory.anchors", &reason));
        }
        let counted = study.theory.nodes(study.problem().cloud());
        counted.map(drop).map_err(|e| self.refused(&["theory"], e))
    }

    /// The error that the value of a key makes no sense; `reason` goes on from the key.
    pub fn value(&self, key: &str, reason: &str) -> ConfigError {
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

/// Refuses what does not fit.
fn check_memory(needs: &[Need], budget: &Budget) -> Result<(), TooLarge> {
    needs.iter().try_for_each(|need| budget.check(need.what, need.bytes, need.formula, need.advice))
}

/// What there is of an ensemble from outside.
enum Brought<'a> {
    Nothing,
    Arrays(&'a FileEnsemble, Box<Arrays>),
    Networks(Networks),
}

/// What every family is built on.
pub(super) struct Ground {
    /// p_data.
    pub cloud: PointCloud,
    /// The forward process.
    pub schedule: Schedule,
    /// The random streams of the seed.
    pub streams: Streams,
}

impl Ground {
    /// The training problem of a config's `[model]` with given scalings of inputs and outputs.
    pub(super) fn problem(
        self,
        loaded: &Loaded,
        preconditioning: Preconditioning,
    ) -> Result<TrainingProblem, ConfigError> {
        let ModelConfig { prediction, weight, samples, draws, target, .. } = loaded.config.model;
        let objective = Objective { prediction, weight, target_mix: target.mix(), preconditioning };
        TrainingProblem::new(self.cloud, self.schedule, objective, samples, self.streams)
            .and_then(|problem| problem.with_draws(draws))
            .map_err(|e| loaded.refused(&["model"], e))
    }
}
