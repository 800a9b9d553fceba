//! What the settings of one section need of another, and of the machine.

use super::family::FamilyConfig;
use super::{ConfigError, Loaded};
use gtv_models::family::Need;
use gtv_models::{Family, LinearFamily};
use gtv_study::spec::{KernelName, TheoryName, Vary};
use gtv_theory::PointCloud;
use gtv_theory::closure::Needs;
use gtv_theory::dynamics::Integrator;

impl Loaded {
    /// What differs between the members of an ensemble, and how many they are.
    pub(super) fn check_ensemble(&self) -> Result<(), ConfigError> {
        let (model, ensemble) = (&self.config.model, &self.config.ensemble.spec);
        if let Some(product) = model.points.map(|n| n.saturating_mul(model.draws))
            && product != model.samples
        {
            let reason =
                format!("is {}, but points x draws = {product}; leave one of the two out", model.samples);
            return Err(self.value("model.samples", &reason));
        }
        if matches!(model.family, FamilyConfig::Linear(_)) && ensemble.vary == [Vary::Init] {
            let reason = "is [\"init\"], but a linear model has no initialisation: all would be the same; add \"data\"";
            return Err(self.value("ensemble.vary", reason));
        }
        let Some(b) = ensemble.initialisations else { return Ok(()) };
        let reason = if !(ensemble.varies(Vary::Data) && ensemble.varies(Vary::Init)) {
            "crosses two draws and needs vary = [\"data\", \"init\"]; remove it".to_owned()
        } else if !ensemble.members.is_multiple_of(b) {
            format!("is {b}, expected a divisor of ensemble.members = {}", ensemble.members)
        } else {
            return Ok(());
        };
        Err(self.value("ensemble.initialisations", &reason))
    }

    /// What a theory needs that is to predict members from outside: a learner that is made without them.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check_outside(&self, family: &dyn Family) -> Result<(), ConfigError> {
        if self.config.ensemble.spec.initialisations.is_some() {
            let reason = "crosses members that gtv trains; remove it, or set ensemble.kind = \"trained\"";
            return Err(self.value("ensemble.initialisations", reason));
        }
        if !family.learner_needs_members() {
            return Ok(());
        }
        let reason = "brings models that were trained elsewhere, but model.kind = \"mlp\" predicts from networks that gtv has trained; use model.kind = \"lazy\" or \"linear\", or theory.kernel = \"infinite\"";
        Err(self.value("ensemble.kind", reason))
    }

    /// What members that are called in batches need.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check_called(&self) -> Result<(), ConfigError> {
        if self.config.sampling.integration.integrator != Integrator::Dopri5 {
            return Ok(());
        }
        let reason = "is \"dopri5\", which chooses steps path by path and would call functions for each path; use \"heun\" or \"rk4\" with more sampling.steps";
        Err(self.value("sampling.integrator", reason))
    }

    /// What the predictions named in `[theory]` need of the rest.
    pub(super) fn check_theory(&self, dim: usize) -> Result<(), ConfigError> {
        let (theory, sampling) = (&self.config.theory, &self.config.sampling);
        let euler = sampling.integration.integrator == Integrator::Euler;
        let table = sampling.lookup.grid().is_some();
        if let Some(other) = theory.base.filter(|base| !base.is_a_base()) {
            let known: Vec<&str> =
                TheoryName::all().filter(|n| n.is_a_base()).map(TheoryName::name).collect();
            let reason = format!("is \"{}\", expected one of {}", other.name(), known.join(", "));
            return Err(self.value("theory.base", &reason));
        }
        if sampling.integration.integrator == Integrator::Dopri5 && table {
            let reason = "is \"grid\": a table holds the learned field at the step times only; use lookup = \"exact\" with dopri5";
            return Err(self.value("sampling.lookup", reason));
        }
        for closure in &theory.closures {
            let name = closure.name();
            let of_trained = closure.card().needs == Needs::TrainedModels;
            if matches!(self.config.model.family, FamilyConfig::Mlp(_)) && closure.closure().is_some() {
                let trained = theory.kernel == KernelName::Trained;
                let reason = match (of_trained, trained) {
                    (true, true) | (false, false) => None,
                    (true, false) => {
                        Some(format!("names \"{name}\", which needs theory.kernel = \"trained\""))
                    }
                    (false, true) => Some(format!(
                        "names \"{name}\", which is for networks about their start; theory.kernel = \"trained\" has \"one-run\""
                    )),
                };
                if let Some(reason) = reason {
                    return Err(self.value("theory.closures", &reason));
                }
            }
            let Some(level) = closure.derived() else { continue };
            if level.card().one_dimensional && dim > 1 {
                let reason = format!("names \"{name}\", which is for one dimension; the data have {dim}");
                return Err(self.value("theory.closures", &reason));
            }
            if level.card().path_wise && !euler {
                let reason = format!(
                    "is not \"euler\", which \"{name}\" in theory.closures needs: its noise is drawn step by step"
                );
                return Err(self.value("sampling.integrator", &reason));
            }
            if level.card().path_wise && table {
                let reason = format!(
                    "is \"grid\", but \"{name}\" in theory.closures has no table: its noise is drawn along each path"
                );
                return Err(self.value("sampling.lookup", &reason));
            }
        }
        Ok(())
    }

    /// Refuses closures that have no initial function where it is not subtracted.
    pub(super) fn check_initial_function(&self, centred: bool) -> Result<(), ConfigError> {
        let data_only = |name: &&TheoryName| name.card().needs == Needs::Ridge;
        match self.config.theory.closures.iter().find(data_only).filter(|_| !centred) {
            None => Ok(()),
            Some(name) => {
                let reason = format!(
                    "names \"{}\", which has no initial function; set centred = true, or use \"paper\" and \"leading\"",
                    name.name()
                );
                Err(self.value("theory.closures", &reason))
            }
        }
    }

    /// Estimates in bytes (8 a number), each a lower bound of what the run must hold at once; F features, D dimensions,
    /// M points, P samples, N members, B bins.
    pub(super) fn needs(&self, cloud: &PointCloud) -> Vec<Need> {
        let c = &self.config;
        let dim = cloud.dim() as f64;
        let features = c.model.family.features().map(|features| features.size(cloud.dim()));
        let (samples, members) = (c.model.samples as f64, c.ensemble.spec.members as f64);
        let shown = dim.min(2.0);
        let of_features =
            features.into_iter().flat_map(|f| LinearFamily::estimates(f, dim, samples, members));
        // Too many nodes are refused where they are used: a training does without them.
        let nodes = c.theory.nodes(cloud).unwrap_or(0) as f64;
        let bins = c.compare.bins_in(cloud.dim()) as f64;
        let groups = members.max(c.theory.models as f64);
        let levels = c.theory.closures.len() as f64 + 6.0;
        let steps = c.sampling.integration.steps as f64;
        let table = c.sampling.lookup.grid().map_or(0.0, |grid| dim * (grid.len as f64).powf(dim) * steps);
        let threads = rayon::current_num_threads() as f64;
        let theory_models = c.theory.models as f64 * (c.theory.closures.len() + 1) as f64;
        let all_paths = members * c.sampling.paths as f64 + theory_models * c.theory.paths as f64;
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
            ("the time grid", 8.0 * steps, "8 bytes x steps", "lower sampling.steps"),
            (
                "the quadrature",
                // Places of many nodes are made where they are needed.
                8.0 * (dim.min(2.0) + 4.0) * nodes,
                "8 bytes x (min(D, 2) + 4) x nodes",
                "raise theory.noise_spacing, or lower theory.quasi_nodes or theory.times",
            ),
            (
                "the tables of learned fields",
                8.0 * threads * table,
                "8 bytes x threads x D x n^D x steps",
                "lower sampling.grid_points or sampling.steps",
            ),
        ];
        let need = |(what, bytes, formula, advice)| Need { what, bytes, formula, advice };
        of_features.chain(estimates.map(need)).collect()
    }
}
