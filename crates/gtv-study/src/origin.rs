//! Where the ensemble of a study comes from, and what there is of it.

use crate::error::Result;
use crate::probes::Probes;
use crate::record::{FeaturesRecord, OutsideRecord};
use crate::study::Study;
use crate::warning::Warning;
use gtv_models::Error as ModelError;
use gtv_models::Members;
use gtv_models::external::Ensemble;
use gtv_models::watch::{Session, Stage, Watch};
use gtv_theory::ScoreField;
use gtv_theory::features::FeatureMap;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// Where the ensemble comes from.
#[derive(Clone)]
pub enum Origin {
    /// It is trained, by the study's family.
    Trained,
    /// It was trained elsewhere.
    Outside(Arc<Ensemble>),
}

/// Squared error of the members' mean prediction, relative to that of the best constant, from which on the user is told.
const NOTABLE_MISFIT: f64 = 1.0;

impl Study {
    /// Puts an ensemble from outside in the place of the one that would be trained.
    pub fn bring(&mut self, ensemble: Arc<Ensemble>) {
        self.ensemble.members = ensemble.members();
        self.members = self.ensemble.draws();
        self.origin = Origin::Outside(ensemble);
    }

    /// The ensemble: trained here, or brought.
    ///
    /// # Errors
    /// As [`Study::train`].
    pub fn ensemble(&self, session: Session<'_>) -> Result<Arc<Ensemble>> {
        match &self.origin {
            Origin::Trained => Ok(Arc::new(Ensemble::Fields(self.train(session)?))),
            Origin::Outside(ensemble) => Ok(ensemble.clone()),
        }
    }

    /// What there is of an ensemble that was brought, and what is missing for the rest; `None` for one that is trained.
    pub(crate) fn outside(&self, probes: Option<&Probes>) -> Option<OutsideRecord> {
        let Origin::Outside(ensemble) = &self.origin else { return None };
        let samples = ensemble.samples().map(|groups| groups.iter().map(Vec::len).min().unwrap_or(0));
        let anywhere = ensemble.fields().is_some();
        let mut missing = BTreeMap::new();
        let mut lacks = |part: &str, what: &str| missing.insert(part.to_owned(), what.to_owned());
        if samples.is_none() && !anywhere {
            lacks("ensemble level, distances, memorization, bands", "samples (N, n, D)");
        }
        match probes {
            None if ensemble.members() < 2 => {
                lacks("kernel numbers, Gaussianity, maps", "at least two members");
            }
            None => {
                let what = "x, t and one of score, denoiser, noise, velocity (N, Q, D)";
                lacks("kernel numbers, Gaussianity, maps", what);
            }
            Some(probes) if !probes.of_training() => {
                let what =
                    "predictions at the points of `gtv-cli probes`: averages are over the points given";
                lacks("averages over the training distribution, maps", what);
            }
            Some(_) => {}
        }
        if !anywhere {
            lacks("level gaussian_empirical", "members that answer at every point, as callables do");
        }
        let features = self.family.listed();
        if features.is_some() {
            let what =
                "features that are known at every point, as features=callable of the Python package is";
            lacks("levels mean_score and theory_…, their distances and likelihoods", what);
        }
        if self.ensemble.sources {
            lacks("sources of variance", "members trained by gtv, again on the true score");
        }
        Some(OutsideRecord {
            members: ensemble.members(),
            samples: samples.unwrap_or(0) / self.problem().dim(),
            points: ensemble.points().map_or(0, |(_, t)| t.len()),
            anywhere,
            features: features.map(|table| FeaturesRecord {
                points: table.points(),
                features: table.len(),
                missed: table.missed(),
            }),
            missing,
        })
    }

    /// Warns of members whose mean prediction is further from the exact one than a constant: of another schedule, sign or unit.
    ///
    /// # Errors
    /// Predictions that are not finite, fewer than two members.
    pub(crate) fn check_outside(&self, probes: &Probes, session: Session<'_>) -> Result<()> {
        let (Origin::Outside(_), (x, t)) = (&self.origin, probes.places()) else { return Ok(()) };
        let (problem, mean) = (self.problem(), probes.ensemble()?.moments().mean);
        let dim = problem.dim();
        let (mut exact, exact_field) = (vec![0.0; dim], problem.exact());
        let (mut error, mut sum, mut squares) = (0.0, vec![0.0; dim], 0.0);
        for ((x, &t), y) in x.chunks_exact(dim).zip(t).zip(mean.chunks_exact(dim)) {
            let (a, b) = problem.objective().score_coefficients(problem.schedule(), t);
            exact_field.score_into(x, t, &mut exact);
            for (((s, x), y), sum) in exact.iter().zip(x).zip(y).zip(&mut sum) {
                let y_exact = (s - b * x) / a;
                error += (y - y_exact).powi(2);
                squares += y_exact * y_exact;
                *sum += y_exact;
            }
        }
        let constant = squares - sum.iter().map(|s| s * s).sum::<f64>() / t.len() as f64;
        let misfit = error / constant;
        if misfit > NOTABLE_MISFIT {
            session.watch.warn(&Warning::Misfit { misfit: misfit.sqrt() });
        }
        Ok(())
    }
}

/// Stops work also where a member from outside has failed.
struct Guard<'a> {
    watch: &'a dyn Watch,
    members: &'a dyn Members,
}

/// Work that asks members from outside, which ends with what they say once a call of theirs has failed.
///
/// # Errors
/// Those of `work`, and [`ModelError::External`].
pub(crate) fn guarded<T>(
    origin: &Origin,
    session: Session<'_>,
    work: impl FnOnce(Session<'_>) -> Result<T>,
) -> Result<T> {
    let members = match origin {
        Origin::Trained => None,
        Origin::Outside(ensemble) => ensemble.fields(),
    };
    let Some(members) = members else { return work(session) };
    let guard = Guard { watch: session.watch, members };
    let found = work(Session { watch: &guard, store: session.store });
    match members.fault() {
        None => found,
        Some(fault) => Err(ModelError::External(fault).into()),
    }
}

impl Watch for Guard<'_> {
    fn stage(&self, label: &str, units: u64) -> Box<dyn Stage + '_> {
        self.watch.stage(label, units)
    }

    fn interrupted(&self) -> bool {
        self.watch.interrupted() || self.members.fault().is_some()
    }

    fn note(&self, text: &str) {
        self.watch.note(text);
    }

    fn warn(&self, warning: &dyn Display) {
        self.watch.warn(warning);
    }

    fn memory_limit(&self) -> Option<u64> {
        self.watch.memory_limit()
    }
}
