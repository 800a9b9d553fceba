//! From a config to the objects of gtv-theory: everything that can be wrong is found here, before work starts.

use super::error::ConfigError;
use super::{DataConfig, Family, Loaded, Lookup, ModelKind, Problem, TheoryName};
use crate::context::Context;
use crate::memory::Budget;
use crate::run_dir::Fingerprint;
use gtv_theory::data::BuiltIn;
use gtv_theory::dynamics::Integrator;
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
        self.check_counts()?;
        let streams = Streams::new(config.seed);
        let process = config.schedule.family().map_err(|(key, reason)| self.value(&key, &reason))?;
        let schedule = config.schedule.build(process).map_err(|e| self.refused("schedule", e))?;
        let cloud = match &config.data {
            DataConfig::File(file) => {
                self.finite("data.scale", file.scale)?;
                self.finite("data.offset", file.offset)?;
                if file.scale == 0.0 {
                    return Err(self.value("data.scale", "is 0, which would make all points one").into());
                }
                if file.limit == Some(0) {
                    return Err(self.value("data.limit", "is 0, expected at least 1").into());
                }
                file.read(config.compare.image, ctx)?
            }
            DataConfig::BuiltIn(set) => {
                let cloud = set.build(&streams).map_err(|e| self.refused("data", e))?;
                // Sets that are drawn or spelled out by the user can hold a point twice.
                if matches!(
                    set,
                    BuiltIn::GaussianMixture { .. }
                        | BuiltIn::Plane { .. }
                        | BuiltIn::Segment { .. }
                        | BuiltIn::Grid { .. }
                ) {
                    cloud.check_distinct().map_err(|e| self.refused("data", e))?;
                }
                cloud
            }
        };
        self.check_theory(cloud.dim())?;
        self.check_memory(&cloud, &ctx.memory, ctx.threads)?;
        let family = match config.model.kind {
            ModelKind::Linear => Family::Linear,
            ModelKind::Lazy => Family::Lazy(Box::new(self.lazy(&cloud, schedule, streams, &ctx.memory)?)),
            ModelKind::Mlp => Family::Mlp(Box::new(self.network(&cloud, schedule, streams, &ctx.memory)?)),
        };
        let features = match &family {
            Family::Linear => config.model.features.build(cloud.dim(), &schedule, streams),
            // A comparison puts those of the network's kernel in their place.
            Family::Lazy(_) | Family::Mlp(_) => {
                RandomFourier::new(cloud.dim(), 1, 1.0, 1.0, None, streams).map(Features::RandomFourier)
            }
        };
        let features = features.map_err(|e| self.refused("model.features", e))?;
        let spec = LinearSpec {
            features,
            prediction: config.model.prediction,
            weight: config.model.weight,
            ridge: config.model.ridge.or(config.training.penalty).unwrap_or(0.0),
            samples: config.model.triples(),
            draws: config.model.draws,
            target_mix: config.model.target.mix(),
            preconditioning: family.task().map_or(Preconditioning::None, |t| t.training().preconditioning),
        };
        spec.validate().map_err(|e| self.refused("model", e))?;
        let sampling = config.sampling.integration();
        let times = sampling.times(&schedule).map_err(|e| self.refused("sampling", e))?;
        let quadrature = config.theory.quadrature();
        quadrature.validate().map_err(|e| self.refused("theory", e))?;
        let resolved = self.to_toml()?;
        let fingerprint = Fingerprint::new(&resolved, &[cloud.points(), cloud.weights()]);
        Ok(Problem {
            config: config.clone(),
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

    /// Refuses a quadrature of more nodes than a comparison can use.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check_quadrature(&self, problem: &Problem) -> Result<(), ConfigError> {
        let networks = problem.family.task().is_some();
        if !networks && self.config.theory.laws().is_empty() {
            return Ok(());
        }
        problem.quadrature.count(&problem.cloud).map(drop).map_err(|e| self.refused("theory", e))
    }

    pub(super) fn value(&self, key: &str, reason: &str) -> ConfigError {
        ConfigError::Value { place: self.place(key), key: key.to_owned(), reason: reason.to_owned() }
    }

    fn finite(&self, key: &str, value: f64) -> Result<(), ConfigError> {
        if value.is_finite() {
            Ok(())
        } else {
            Err(self.value(key, &format!("is {value}, expected a finite number")))
        }
    }

    /// Says which key gtv-theory refuses, from the name in its error.
    pub(super) fn refused(&self, section: &str, cause: Error) -> ConfigError {
        let name = match &cause {
            Error::OutOfRange { name, .. } | Error::Shape { name, .. } | Error::NotFinite { name, .. } => {
                *name
            }
            Error::Empty { name } if name.contains("(steps)") => "steps",
            Error::Empty { name } if name.contains("(count)") => "count",
            Error::Empty { name } if name.contains("random features") => "count",
            _ => "",
        };
        let last = name.rsplit('.').next().unwrap_or(name).replace('-', "_");
        let key = if name.starts_with("model.") || name.starts_with("training.") {
            name.to_owned()
        } else if last.is_empty() || last.contains(' ') {
            section.to_owned()
        } else {
            format!("{section}.{last}")
        };
        ConfigError::Theory { place: self.place(&key), key, cause }
    }

    fn check_counts(&self) -> Result<(), ConfigError> {
        let c = &self.config;
        let counts = [
            ("ensemble.members", c.ensemble.members, 1),
            ("model.samples", c.model.triples(), 1),
            ("model.draws", c.model.draws, 1),
            ("sampling.steps", c.sampling.steps, 1),
            ("sampling.paths", c.sampling.paths, 1),
            ("sampling.grid_points", c.sampling.grid_points.unwrap_or(2), 2),
            ("theory.models", c.theory.models, 1),
            ("theory.paths", c.theory.paths, 1),
            ("compare.bins", c.compare.bins.unwrap_or(2), 2),
            ("compare.energy_samples", c.compare.energy_samples, 2),
            ("compare.projections", c.compare.projections, 1),
            ("compare.bootstrap", c.compare.bootstrap, 2),
            ("training.checkpoint", c.training.checkpoint.map_or(1, |n| n as usize), 1),
            ("training.log_every", c.training.log_every.map_or(1, |n| n as usize), 1),
        ];
        for (key, value, least) in counts {
            if value < least {
                return Err(self.value(key, &format!("is {value}, expected at least {least}")));
            }
        }
        let lists = [
            ("ensemble.vary", c.ensemble.vary.is_empty()),
            ("theory.closures", c.theory.closures.is_empty()),
            ("compare.metrics", c.compare.metrics.is_empty()),
        ];
        if let Some((key, _)) = lists.iter().find(|(_, empty)| *empty) {
            return Err(self.value(key, "is an empty list, expected at least one name"));
        }
        let table = c.sampling.grid_range.unwrap_or([0.0, 1.0]);
        for (key, [lo, hi]) in [("compare.range", c.compare.range), ("sampling.grid_range", table)] {
            if !(lo.is_finite() && hi.is_finite() && lo < hi) {
                let reason = format!("is [{lo}, {hi}], expected finite ends, the second above the first");
                return Err(self.value(key, &reason));
            }
        }
        Ok(())
    }

    /// What the predictions named in `[theory]` need of the rest.
    fn check_theory(&self, dim: usize) -> Result<(), ConfigError> {
        let c = &self.config;
        let positive = |key: &str, value: Option<f64>| match value {
            Some(v) if !(v.is_finite() && v > 0.0) => {
                Err(self.value(key, &format!("is {v}, expected a finite number above 0")))
            }
            _ => Ok(()),
        };
        positive("theory.correlation_time", c.theory.correlation_time)?;
        positive("theory.kappa", c.theory.kappa)?;
        positive("compare.near_radius", c.compare.near_radius)?;
        if !(c.compare.confidence > 0.0 && c.compare.confidence < 1.0) {
            let reason =
                format!("is {}, expected a number between 0 and 1, such as 0.95", c.compare.confidence);
            return Err(self.value("compare.confidence", &reason));
        }
        use TheoryName::{FokkerPlanck, LinearNoise, Semiclassical};
        for name in &c.theory.closures {
            if matches!(name, FokkerPlanck | LinearNoise | Semiclassical) && dim > 1 {
                let reason =
                    format!("names \"{}\", which is for one dimension; the data have {dim}", name.name());
                return Err(self.value("theory.closures", &reason));
            }
            if name.path_wise() && c.sampling.integrator != Integrator::Euler {
                let reason = format!(
                    "is not \"euler\", which \"{}\" in theory.closures needs: its noise is drawn step by step",
                    name.name()
                );
                return Err(self.value("sampling.integrator", &reason));
            }
            if name.path_wise() && c.sampling.lookup == Lookup::Grid {
                let reason = format!(
                    "is \"grid\", but \"{}\" in theory.closures has no table: its noise is drawn along each path",
                    name.name()
                );
                return Err(self.value("sampling.lookup", &reason));
            }
        }
        Ok(())
    }

    /// Estimates in bytes (8 a number), each a lower bound of what the run must hold at once; F features, D dimensions,
    /// M points, P samples, N members, B bins.
    fn check_memory(&self, cloud: &PointCloud, budget: &Budget, threads: usize) -> anyhow::Result<()> {
        let c = &self.config;
        let dim = cloud.dim() as f64;
        let features = c.model.features.size(cloud.dim());
        let (samples, members) = (c.model.triples() as f64, c.ensemble.members as f64);
        let shown = dim.min(2.0);
        // Above this size the theory keeps the covariance of the weights on quadrature nodes.
        let joint = if dim * features <= 6000.0 { dim * dim } else { 0.0 };
        let theory_models = c.theory.models as f64 * (c.theory.closures.len() + 1) as f64;
        let quadrature = c.theory.quadrature();
        quadrature.validate().map_err(|e| self.refused("theory", e))?;
        // Too many nodes are refused where they are used: a training does without them.
        let nodes = quadrature.count(cloud).unwrap_or(0) as f64;
        let bins = c.compare.bins.unwrap_or(if shown > 1.0 { 60 } else { 200 }) as f64;
        let groups = members.max(c.theory.models as f64);
        let levels = c.theory.closures.len() as f64 + 6.0;
        let table = match c.sampling.lookup {
            Lookup::Exact => 0.0,
            Lookup::Grid => {
                dim * (c.sampling.grid_points.unwrap_or(0) as f64).powf(dim) * c.sampling.steps as f64
            }
        };
        let all_paths = members * c.sampling.paths as f64 + theory_models * c.theory.paths as f64;
        let linear = [
            (
                "the theory of the model",
                8.0 * features * features * (4.0 + joint),
                "8 bytes x F^2 x (4 + D^2), 4 in place of 4 + D^2 where D F is above 6000",
                "lower model.features.x or model.features.t, or use fewer random-fourier features",
            ),
            (
                "the trained ensemble",
                8.0 * members * features * dim,
                "8 bytes x N x F x D",
                "lower ensemble.members",
            ),
            (
                "training",
                8.0 * threads as f64 * (samples * (2.0 * dim + 1.0) + features * features),
                "8 bytes x threads x (P (2D + 1) + F^2)",
                "lower model.samples or --threads",
            ),
        ];
        let estimates = [
            (
                "sampling",
                8.0 * dim * (all_paths + 3.0 * (members * c.sampling.paths as f64).min(1e6)),
                "8 bytes x D x paths of every model of every level",
                "lower sampling.paths or theory.paths",
            ),
            (
                "the comparison",
                // Every model's histogram, twice, and for each level its mean, its band and a few to work with.
                8.0 * bins.powf(shown) * (2.0 * groups + 8.0 * levels),
                "8 bytes x B^min(D, 2) x (2 max(members, models) + 8 levels)",
                "lower compare.bins",
            ),
            (
                "bootstrap resampling",
                8.0 * c.compare.bootstrap as f64 * members,
                "8 bytes x resamples x N",
                "lower compare.bootstrap",
            ),
            (
                "the directions of sliced distances",
                8.0 * c.compare.projections as f64 * dim,
                "8 bytes x directions x D",
                "lower compare.projections",
            ),
            ("the time grid", 8.0 * c.sampling.steps as f64, "8 bytes x steps", "lower sampling.steps"),
            (
                "the quadrature",
                8.0 * (dim + 4.0) * nodes,
                "8 bytes x (D + 4) x nodes",
                "raise theory.noise_spacing, or lower theory.quasi_nodes or theory.times",
            ),
            (
                "the tables of learned fields",
                8.0 * threads as f64 * table,
                "8 bytes x threads x D x n^D x steps",
                "lower sampling.grid_points or sampling.steps",
            ),
        ];
        let linear = linear.iter().filter(|_| c.model.kind == ModelKind::Linear);
        for &(what, needed, formula, advice) in linear.chain(&estimates) {
            budget.check(what, needed, formula, advice)?;
        }
        Ok(())
    }
}
