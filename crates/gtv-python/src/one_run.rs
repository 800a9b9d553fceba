//! The law of a user's own network from one training run: its field and tangent features as functions, its optimiser as numbers.

use crate::config;
use crate::errors::raise;
use crate::field::{Function, unless_raised};
use crate::kernel::{STREAMS, VKernel};
use crate::watch::{Watcher, watched};
use gtv_cli::context::Context;
use gtv_models::Session;
use gtv_models::family::{
    Effort, Facts, Family, LearnerRecord, Member, Members, Need, OneRunRecord, Resolution,
};
use gtv_study::spec::KernelName;
use gtv_study::{Study, Watch};
use gtv_theory::learner::{
    Anchor, Change, Course, Filter, Learner, OneRun, OneRunSpec, Passes, Pulls, Residuals, TrainedModel,
    UpdateRule,
};
use gtv_theory::problem::Triples;
use gtv_theory::{Prediction, Schedule, ScoreField, TrainingProblem};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// The closure of trained networks.
pub const CLOSURE: &str = "one-run";

/// Between the curvature of a mode and its end, as Python has it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Optimiser {
    /// γ.
    Ridge(f64),
    /// τ.
    Flow(f64),
    Gd(Steps),
    Momentum(Steps),
    Adam(Steps),
}

/// The steps of a training.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    /// η_k of each step.
    rates: Vec<f64>,
    /// μ or β₁, what is kept of the past gradient.
    #[serde(default)]
    share: f64,
    /// ω_k of a running average.
    average: Option<Vec<f64>>,
    /// B; all triples where it is not given.
    batch: Option<usize>,
    /// d, of decoupled weight decay.
    #[serde(default)]
    decay: f64,
}

impl Optimiser {
    /// The filter, and the weight decay beside it.
    fn filter(self, samples: usize) -> PyResult<(Filter, f64)> {
        let (steps, rule) = match self {
            Self::Ridge(ridge) => return Ok((Filter::Ridge(ridge), 0.0)),
            Self::Flow(time) => return Ok((Filter::Flow(time), 0.0)),
            Self::Gd(steps) => (steps, UpdateRule::Descent),
            Self::Momentum(steps) => {
                let share = steps.share;
                (steps, UpdateRule::Momentum { share })
            }
            Self::Adam(steps) => {
                let decay = steps.share;
                (steps, UpdateRule::Adam { decay })
            }
        };
        let batch = steps.batch.unwrap_or(samples);
        if !(1..=samples).contains(&batch) {
            return Err(PyValueError::new_err(format!(
                "filter: batch is {batch}; expected 1 to model.samples = {samples}"
            )));
        }
        let course = Course::new(rule, steps.rates).map_err(raise)?;
        let course = match steps.average {
            None => course,
            Some(past) => course.averaged(past).map_err(raise)?,
        };
        Ok((Filter::Steps(course, Passes { batch, samples }), steps.decay))
    }
}

/// A network that was trained elsewhere: its answers and its tangent features are functions.
struct Network {
    field: Arc<Answers>,
    tangents: Arc<Tangents>,
    /// d, of decoupled weight decay.
    decay: f64,
}

/// What a network answers, as a score. A function that raises leaves NaN and is asked no more, until what it raised is told.
struct Answers {
    function: Arc<Function>,
    dim: usize,
    schedule: Schedule,
    prediction: Prediction,
}

impl ScoreField for Answers {
    fn dim(&self) -> usize {
        self.dim
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.scores_into(x, &vec![t; x.len() / self.dim], out);
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let Some(answer) = self.function.call(x, t) else {
            out.fill(f64::NAN);
            return;
        };
        let rows =
            out.chunks_exact_mut(self.dim).zip(answer.chunks_exact(self.dim).zip(x.chunks_exact(self.dim)));
        for ((out, (y, x)), &t) in rows.zip(t) {
            let (on_y, on_x) = self.prediction.score_coefficients(&self.schedule, t);
            out.iter_mut().zip(y.iter().zip(x)).for_each(|(o, (y, x))| *o = on_y * y + on_x * x);
        }
    }

    fn chunks_a_call(&self) -> usize {
        gtv_models::external::chunks_a_call(self.dim)
    }
}

/// ∂y/∂c of a network, D × K at a point, of the prediction that the loss is about.
struct Tangents {
    function: Arc<Function>,
    /// Who hears of Ctrl-C while the law is made.
    watcher: Arc<Watcher>,
    problem: TrainingProblem,
    /// What the network answers.
    answers: Prediction,
    /// K.
    directions: usize,
}

impl Tangents {
    /// At points, n × D × K; NaN after Ctrl-C or once a call has raised.
    fn at(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let each = self.problem.dim() * self.directions;
        let asked = if self.watcher.interrupted() { None } else { self.function.call(x, t) };
        let Some(mut rows) = asked else { return vec![f64::NAN; t.len() * each] };
        let (schedule, wanted) = (self.problem.schedule(), self.problem.objective().prediction);
        if self.answers != wanted {
            for (row, &t) in rows.chunks_exact_mut(each).zip(t) {
                let on = |prediction: Prediction| prediction.score_coefficients(schedule, t).0;
                let scale = on(self.answers) / on(wanted);
                row.iter_mut().for_each(|v| *v *= scale);
            }
        }
        rows
    }
}

impl TrainedModel for Network {
    fn field(&self) -> Arc<dyn ScoreField> {
        self.field.clone()
    }

    fn directions(&self) -> usize {
        self.tangents.directions
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        self.tangents.at(x, t)
    }

    fn change(&self, c: &[f64]) -> Change {
        let (tangents, c) = (self.tangents.clone(), c.to_vec());
        Box::new(move |x, t, out| {
            let rows = tangents.at(x, t);
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(c.len())) {
                *out = row.iter().zip(&c).map(|(v, c)| v * c).sum();
            }
        })
    }

    fn pulls(&self) -> Option<Pulls> {
        let k = self.tangents.directions;
        let identity = || (0..k * k).map(|e| if e % (k + 1) == 0 { self.decay } else { 0.0 }).collect();
        (self.decay != 0.0).then(|| Pulls { decay: identity(), penalty: vec![0.0; k * k] })
    }
}

/// The law of the models that other trainings of a network would have given.
#[pyfunction]
#[pyo3(signature = (path, settings, network, prediction, features, filter, triples, residuals, fresh, progress))]
pub fn one_run(
    py: Python<'_>,
    path: Option<PathBuf>,
    settings: &str,
    network: Py<PyAny>,
    prediction: &str,
    features: Py<PyAny>,
    filter: &str,
    triples: Option<(PyReadonlyArray2<'_, f64>, PyReadonlyArray1<'_, f64>, PyReadonlyArray2<'_, f64>)>,
    residuals: &str,
    fresh: usize,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<VKernel> {
    let named = |name: &str, error: serde_json::Error| PyValueError::new_err(format!("{name}: {error}"));
    let answers: Prediction =
        serde_json::from_value(prediction.into()).map_err(|e| named("prediction", e))?;
    let residuals: Residuals = serde_json::from_value(residuals.into()).map_err(|e| named("residuals", e))?;
    let optimiser: Optimiser = serde_json::from_str(filter).map_err(|e| named("filter", e))?;
    let triples = triples
        .map(|(x0, t, x)| {
            Ok::<_, PyErr>(Triples {
                x0: x0.as_slice()?.to_vec(),
                t: t.as_slice()?.to_vec(),
                x: x.as_slice()?.to_vec(),
            })
        })
        .transpose()?;
    let (network, function) = (Arc::new(Function::new(network)), Arc::new(Function::new(features)));
    let functions = vec![network.clone(), function.clone()];
    let found = watched(py, progress, |watcher| -> PyResult<VKernel> {
        let ctx = Context::silent();
        let loaded = config::loaded(path.as_deref(), settings, &ctx).map_err(raise)?;
        let problem = loaded.on_any_device().build(&ctx).map_err(raise)?.study.problem().clone();
        ctx.take_warnings().iter().for_each(|warning| watcher.warn(warning));
        let (dim, schedule, samples) = (problem.dim(), *problem.schedule(), problem.samples());
        if let Some(triples) = &triples {
            fits(triples, &problem)?;
        }
        let (filter, decay) = optimiser.filter(samples)?;
        // Asked once, at a data point, how many directions there are.
        let directions =
            function.call(problem.cloud().point(0), &[schedule.t_max()]).map_or(0, |rows| rows.len() / dim);
        if directions == 0 {
            return Err(PyValueError::new_err("features(x, t) answered no directions; expected (n, D, K)"));
        }
        let field = Arc::new(Answers { function: network, dim, schedule, prediction: answers });
        let watcher = watcher.clone();
        let tangents =
            Arc::new(Tangents { function, watcher, problem: problem.clone(), answers, directions });
        let anchor =
            Anchor { model: Arc::new(Network { field, tangents, decay }), triples: triples.map(Arc::new) };
        let run =
            OneRun::new(&problem, vec![anchor], filter, OneRunSpec { residuals, fresh }).map_err(raise)?;
        let (law, streams) = (run.one_run().map_err(raise)?, problem.streams().named(STREAMS));
        Ok(VKernel {
            law,
            schedule,
            dim,
            streams,
            closure: CLOSURE,
            functions: Vec::new(),
            trained: Some(Trained { run, directions }),
        })
    })?;
    unless_raised(&functions, ())?;
    Ok(VKernel { functions, ..found.warned(py)?? })
}

/// What one run says, as the theory of a comparison.
#[derive(Clone)]
pub struct Trained {
    run: OneRun,
    /// K.
    directions: usize,
}

impl Trained {
    /// Makes it the theory of a study of the same problem.
    pub fn stand_for(self, study: &mut Study) -> PyResult<()> {
        let (own, other) = (self.run.problem(), study.problem());
        let differs = [
            ("data", own.cloud() != other.cloud()),
            ("schedule", own.schedule() != other.schedule()),
            ("model.samples", own.samples() != other.samples()),
            ("model.prediction, weight or target", own.objective() != other.objective()),
        ];
        if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Err(PyValueError::new_err(format!(
                "law is of a network with another {what} than the comparison; expected what gtv.one_run found for the same config"
            )));
        }
        let family = study.family.on(other.clone());
        study.family = Box::new(TrainedFamily { family, trained: self });
        study.theory.kernel = KernelName::Trained;
        Ok(())
    }
}

/// A family whose theory is that of one trained network.
struct TrainedFamily {
    family: Box<dyn Family>,
    trained: Trained,
}

impl Family for TrainedFamily {
    fn name(&self) -> &'static str {
        self.family.name()
    }

    fn problem(&self) -> &TrainingProblem {
        self.family.problem()
    }

    fn describe(&self) -> String {
        format!("a trained network, K = {}", self.trained.directions)
    }

    fn effort(&self, initialisations: usize) -> Effort {
        self.family.effort(initialisations)
    }

    fn needs(&self, members: usize) -> Vec<Need> {
        self.family.needs(members)
    }

    fn train(
        &self,
        kind: &str,
        members: &[Member],
        session: Session<'_>,
    ) -> gtv_models::Result<Box<dyn Members>> {
        self.family.train(kind, members, session)
    }

    fn on(&self, problem: TrainingProblem) -> Box<dyn Family> {
        Box::new(Self { family: self.family.on(problem), trained: self.trained.clone() })
    }

    fn decode(&self, file: &[u8]) -> gtv_models::Result<Box<dyn ScoreField>> {
        self.family.decode(file)
    }

    fn learner(
        &self,
        _members: Option<&dyn Members>,
        _resolution: &Resolution,
        _session: Session<'_>,
    ) -> gtv_models::Result<(Box<dyn Learner>, LearnerRecord)> {
        let Trained { run, directions } = self.trained.clone();
        let record = OneRunRecord { anchors: 1, directions, load: run.load(), shares: run.shares() };
        Ok((Box::new(run), LearnerRecord::OneRun(record)))
    }

    fn facts(&self, members: &dyn Members) -> Facts {
        self.family.facts(members)
    }
}

/// Whether triples are a training set of a problem.
fn fits(triples: &Triples, problem: &TrainingProblem) -> PyResult<()> {
    let (count, dim) = (triples.len(), problem.dim());
    let refuse = |reason: String| Err(PyValueError::new_err(format!("triples: {reason}")));
    if count != problem.samples() {
        return refuse(format!("{count} of them; expected model.samples = {}", problem.samples()));
    }
    if triples.x0.len() != count * dim || triples.x.len() != count * dim {
        return refuse(format!(
            "x0 and x have {} and {} numbers for {count} times; expected {count} x {dim}, where {dim} is the dimension of the data",
            triples.x0.len(),
            triples.x.len()
        ));
    }
    let (t_min, t_max) = (problem.schedule().t_min(), problem.schedule().t_max());
    match triples.t.iter().find(|t| !(t_min..=t_max).contains(*t)) {
        Some(t) => refuse(format!("t = {t} is outside of [{t_min}, {t_max}], the times of the schedule")),
        None => Ok(()),
    }
}
