//! Score fields: those that gtv makes, as objects of Python, and functions of Python as fields.

use crate::points::{Points, array, cloud, scatter};
use crate::schedule::Schedule as Process;
use crate::watch::{Watcher, watched};
use gtv_models::external::{LARGEST_CALL, chunks_a_call};
use gtv_study::Watch;
use gtv_theory::dynamics::CHUNK;
use gtv_theory::{ExactScore, Prediction, Schedule, ScoreField};
use numpy::{IntoPyArray, PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// A learned score that gtv has drawn or solved for.
#[pyclass(frozen, module = "gtv")]
pub struct Field {
    /// The field.
    pub inner: Arc<dyn ScoreField>,
    /// Whether its divergence is known in closed form.
    pub closed_form: bool,
    /// What it asks of a user's own.
    pub functions: Vec<Arc<Function>>,
}

/// The exact score of a weighted point set.
#[pyfunction]
pub fn exact_field(
    data: PyReadonlyArray2<'_, f64>,
    weights: Option<PyReadonlyArray1<'_, f64>>,
    schedule: &Process,
) -> PyResult<Field> {
    let cloud = cloud(&data, weights)?;
    Ok(Field {
        inner: Arc::new(ExactScore::new(cloud, schedule.inner)),
        closed_form: true,
        functions: Vec::new(),
    })
}

#[pymethods]
impl Field {
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// ŝ(x, t), n × D.
    fn score<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        t: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let points = Points::new(&x, &t)?;
        let shape = [points.len(), points.dim];
        let found = watched(py, None, |watcher| score(self.inner.as_ref(), &points, watcher))?;
        Ok(array(py, unless_raised(&self.functions, found.warned(py)?)?, &shape))
    }
}

/// A field at points that each have their own time.
pub fn score(field: &dyn ScoreField, points: &Points, watcher: &Watcher) -> Vec<f64> {
    let (mut all, order) = (vec![0.0; points.x.len()], points.in_time());
    for indices in order.chunks(CHUNK * field.chunks_a_call()) {
        // What an interrupt leaves undone is never seen: the interrupt is raised.
        if watcher.interrupted() {
            break;
        }
        let (x, t): (_, Vec<f64>) = (points.states(indices), indices.iter().map(|&i| points.t[i]).collect());
        let mut out = vec![0.0; x.len()];
        field.scores_into(&x, &t, &mut out);
        scatter(&out, indices, &mut all);
    }
    all
}

/// A field at points that each have their own time, n × D.
pub fn by_times(field: &dyn ScoreField, x: &[f64], t: &[f64]) -> Vec<f64> {
    let points = Points { x: x.to_vec(), t: t.to_vec(), dim: field.dim() };
    score(field, &points, &Watcher::default())
}

/// A function of Python `f(x, t)`, already wrapped by the Python half so that it answers a float64 array n × D or raises.
pub struct Function {
    call: Py<PyAny>,
    failure: Mutex<Option<PyErr>>,
    /// Held in a call: a user's function need not bear being called twice at once.
    turn: Mutex<()>,
}

impl Function {
    /// A function that has not failed yet.
    pub fn new(call: Py<PyAny>) -> Self {
        Self { call, failure: Mutex::default(), turn: Mutex::default() }
    }

    /// The first exception that a call has raised, once.
    pub fn failure(&self) -> Option<PyErr> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// f(x, t) for n points; `None` once a call has raised, until [`Function::failure`] is taken.
    pub fn call(&self, x: &[f64], t: &[f64]) -> Option<Vec<f64>> {
        let dim = x.len() / t.len().max(1);
        // Taken before the interpreter's lock, which the call may let go of.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return None;
        }
        Python::attach(|py| {
            let (x, t) = (array(py, x.to_vec(), &[t.len(), dim]), t.to_vec().into_pyarray(py));
            let answer = self.call.bind(py).call1((x, t)).and_then(|answer| {
                let answer: PyReadonlyArray2<'_, f64> = answer.extract()?;
                Ok(answer.as_slice()?.to_vec())
            });
            answer.map_err(|error| {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
        })
        .ok()
    }
}

/// What was found, or what a function raised meanwhile.
pub fn unless_raised<T>(functions: &[Arc<Function>], found: T) -> PyResult<T> {
    functions.iter().find_map(|function| function.failure()).map_or(Ok(found), Err)
}

/// A function of Python as a score field.
pub struct FunctionField<'a> {
    /// f.
    pub function: &'a Function,
    /// Whom to stop when a call raises.
    pub watcher: &'a Watcher,
    /// D.
    pub dim: usize,
    /// The forward process.
    pub schedule: Schedule,
    /// What f answers.
    pub prediction: Prediction,
    /// Distance of differences between answers, in units of σ²/(σ + α), the width on which a posterior changes.
    pub step: f64,
}

impl FunctionField<'_> {
    /// What f says, as another type of prediction: a y + b x = c w + d x.
    fn answer(&self, wanted: Prediction, x: &[f64], t: f64, out: &mut [f64]) {
        if self.watcher.interrupted() {
            out.fill(f64::NAN);
            return;
        }
        match self.function.call(x, &vec![t; x.len() / self.dim]) {
            Some(answer) => {
                let (a, b) = self.prediction.score_coefficients(&self.schedule, t);
                let (c, d) = wanted.score_coefficients(&self.schedule, t);
                let (on_y, on_x) = (a / c, (b - d) / c);
                out.iter_mut().zip(answer.iter().zip(x)).for_each(|(o, (y, x))| *o = on_y * y + on_x * x);
            }
            None => {
                self.watcher.stop();
                out.fill(f64::NAN);
            }
        }
    }

    /// Half the distance of differences at a time.
    fn step(&self, t: f64) -> f64 {
        let (signal, std) = (self.schedule.signal(t), self.schedule.noise_std(t));
        self.step * std * std / (std + signal)
    }

    /// The denoiser on both sides of states, n × D before and after, in one call: rows are moved by `by`, n × D.
    fn both_sides(&self, x: &[f64], by: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
        let moved = |sign: f64| x.iter().zip(by).map(move |(x, by)| x + sign * by);
        let rows: Vec<f64> = moved(1.0).chain(moved(-1.0)).collect();
        let mut answers = vec![0.0; rows.len()];
        self.answer(Prediction::Denoiser, &rows, t, &mut answers);
        let behind = answers.split_off(x.len());
        (answers, behind)
    }
}

impl ScoreField for FunctionField<'_> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.answer(Prediction::Score, x, t, out);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.answer(Prediction::Denoiser, x, t, out);
    }

    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        let step = self.step(t);
        let (ahead, behind) = self.both_sides(x, &directions.iter().map(|v| step * v).collect::<Vec<_>>(), t);
        let differences = ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * step));
        out.iter_mut().zip(differences).for_each(|(o, d)| *o = d);
    }

    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let (dim, step) = (self.dim, self.step(t));
        let states = (LARGEST_CALL / (2 * dim * dim)).max(1);
        for (x, out) in x.chunks(states * dim).zip(out.chunks_mut(states)) {
            // Each state D times, moved along one axis after the other.
            let rows: Vec<f64> = x.chunks_exact(dim).flat_map(|x| x.repeat(dim)).collect();
            let on_axis = |k: usize| if k % dim == k / dim % dim { step } else { 0.0 };
            let by: Vec<f64> = (0..rows.len()).map(on_axis).collect();
            let (ahead, behind) = self.both_sides(&rows, &by, t);
            for (q, out) in out.iter_mut().enumerate() {
                let along = (0..dim).map(|i| (q * dim + i) * dim + i);
                *out = along.map(|k| (ahead[k] - behind[k]) / (2.0 * step)).sum();
            }
        }
    }

    fn chunks_a_call(&self) -> usize {
        chunks_a_call(self.dim)
    }
}
