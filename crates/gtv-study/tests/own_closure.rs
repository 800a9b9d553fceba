//! A comparison with a closure from outside: it is named, sampled, compared and recorded as the project's own are.

use gtv_models::{LinearFamily, LinearTrainer, Unwatched};
use gtv_study::spec::{EnsembleSpec, SamplingSpec, TheoryName, TheorySpec};
use gtv_study::{Error, Origin, Outcome, Result, Study};
use gtv_theory::closure::{CLOSURES, Card, Leading, Needs, Role, named};
use gtv_theory::compare::{CompareSettings, MetricName};
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{ChaCha8Rng, Streams};
use gtv_theory::{At, Closure, Law, Learner, Objective, PointCloud, Schedule, ScoreField, TrainingProblem};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Leading order with every deviation from the mean `by` times as large.
struct Stretched {
    card: &'static Card,
    by: f64,
    /// Whether fields are drawn from its law.
    drawn: bool,
}

const CARD: Card = Card {
    name: "stretched",
    label: "theory: stretched",
    meaning: "leading order, its deviations five times as large",
    role: Role::Other,
    completeness: None,
    needs: Needs::Learner,
    covariance_of: None,
};

static STRETCHED: Stretched = Stretched { card: &CARD, by: 5.0, drawn: true };
/// The same law by another name, of which no field can be drawn.
static MOMENTS: Stretched = Stretched { card: &Card { name: "moments", ..CARD }, by: 5.0, drawn: false };

impl Closure for Stretched {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn law(&self, learner: &dyn Learner) -> gtv_theory::Result<Box<dyn Law>> {
        Ok(Box::new(StretchedLaw { inner: Leading.law(learner)?, by: self.by, drawn: self.drawn }))
    }
}

struct StretchedLaw {
    inner: Box<dyn Law>,
    by: f64,
    drawn: bool,
}

impl Law for StretchedLaw {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.inner.mean_score()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        self.inner.cov(z, other).iter().map(|cov| self.by * self.by * cov).collect()
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        let drawn = self.inner.draw(rng).filter(|_| self.drawn)?;
        Some(Box::new(Far { mean: self.mean_score(), drawn, by: self.by }))
    }
}

/// mean + by (drawn − mean).
struct Far {
    mean: Arc<dyn ScoreField>,
    drawn: Box<dyn ScoreField>,
    by: f64,
}

impl ScoreField for Far {
    fn dim(&self) -> usize {
        self.mean.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.mean.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let mut mean = vec![0.0; x.len()];
        self.mean.score_into(x, t, &mut mean);
        self.drawn.score_into(x, t, out);
        out.iter_mut().zip(mean).for_each(|(out, mean)| *out = mean + self.by * (*out - mean));
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let mut mean = vec![0.0; x.len()];
        self.mean.denoiser_into(x, t, &mut mean);
        self.drawn.denoiser_into(x, t, out);
        out.iter_mut().zip(mean).for_each(|(out, mean)| *out = mean + self.by * (*out - mean));
    }
}

/// Linear models of three points, compared with predictions.
fn study(closures: Vec<TheoryName>) -> Study {
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let (schedule, streams) = (Schedule::paper(0.02).unwrap(), Streams::new(4));
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 512, streams).unwrap();
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 6 };
    let features = Separable::uniform(1, axis(-1.5, 1.5), axis(0.02, 1.0)).unwrap();
    let trainer = LinearTrainer::new(problem, Features::Separable(features), 0.1).unwrap();
    let ensemble = EnsembleSpec { members: 100, ..EnsembleSpec::default() };
    let quadrature = QuadratureSpec { times: 32, noise_spacing: 0.2, ..QuadratureSpec::default() };
    Study {
        family: Box::new(LinearFamily::new(trainer)),
        members: ensemble.draws(),
        origin: Origin::Trained,
        ensemble,
        test: Vec::new(),
        sampling: SamplingSpec { paths: 200, ..SamplingSpec::default() },
        theory: TheorySpec { closures, models: 100, paths: 200, quadrature, ..TheorySpec::default() },
        compare: CompareSettings {
            metrics: vec![MetricName::find("w1").unwrap()],
            bootstrap: 50,
            ..CompareSettings::default()
        },
    }
}

fn run(closures: &[&'static dyn Closure]) -> Result<Outcome> {
    study(closures.iter().map(|closure| TheoryName::Closure(*closure)).collect()).run(Unwatched.session())
}

#[test]
fn identities_a_closure_of_ones_own_is_compared_like_any_other() {
    let Outcome { record, arrays, .. } = run(&[&Leading, &STRETCHED]).unwrap();
    // The kernel: the same mean, 25 times the variance.
    let [leading, stretched] = ["leading", "stretched"].map(|name| record.kernel[name]);
    assert!((stretched.variance_ratio / leading.variance_ratio / 25.0 - 1.0).abs() < 1e-9);
    assert!((stretched.mean_error - leading.mean_error).abs() < 1e-9);
    assert!((stretched.correlation - leading.correlation).abs() < 1e-9);
    // Leading order is off by about F/P = 0.07 and the ensemble's standard error.
    let error = 3.0 * leading.variance_ratio_se.unwrap();
    assert!((leading.variance_ratio - 1.0).abs() < 0.15 + error, "{leading:?}");
    // The level: as many models, spread wider, farther from the trained ones.
    let levels = ["theory_leading", "theory_stretched"];
    let [narrow, wide] = levels.map(|level| record.levels[level].clone());
    assert_eq!((narrow.models, wide.models), (100, 100));
    let [near, far] = levels.map(|level| record.distance(level, "ensemble", "w1").copied().unwrap());
    assert_eq!(far.clearly(&near), Some(Ordering::Greater), "{far:?} {near:?}");
    // Leading order is within what equal distributions show, the stretched law is not.
    assert!(near.lo.unwrap() < near.floor.unwrap() && far.value > far.floor.unwrap(), "{far:?} {near:?}");
    assert!(record.distance(levels[0], levels[1], "w1").is_some());
    for name in ["theory_stretched_density", "theory_stretched_var", "theory_stretched_var_map"] {
        assert!(arrays.get(name).is_some(), "{name} of {:?}", arrays.names().collect::<Vec<_>>());
    }
    // It has no rank among the closures that give the mean score.
    assert_eq!(record.mean_score_closure.as_deref(), Some("leading"));
    assert!(record.warnings.is_empty());
    assert!(named("stretched").is_none(), "it is in no list of the project's");
}

#[test]
fn limits_a_law_that_cannot_be_drawn_from_is_named() {
    let error = run(&[&Leading, &MOMENTS]).unwrap_err();
    assert!(matches!(error, Error::NoDraw { name: "moments" }), "{error}");
}

#[test]
fn identities_every_prediction_has_a_name_of_its_own_that_reads_back() {
    let all: Vec<TheoryName> = TheoryName::all().collect();
    let names: BTreeSet<&str> = all.iter().map(|name| name.name()).collect();
    assert_eq!(names.len(), CLOSURES.len() + gtv_study::levels::DERIVED.len());
    assert_eq!(names.len(), all.len());
    for prediction in all {
        let text = serde_json::to_value(prediction).unwrap();
        assert_eq!(text, serde_json::json!(prediction.name()));
        let back: TheoryName = serde_json::from_value(text).unwrap();
        assert_eq!(back, prediction);
        assert_eq!(back.closure().is_some(), prediction.closure().is_some());
        assert_eq!(back.card(), prediction.card());
    }
    let error = serde_json::from_value::<TheoryName>(serde_json::json!("stretched")).unwrap_err().to_string();
    assert!(error.contains("`stretched`") && names.iter().all(|name| error.contains(name)), "{error}");
}
