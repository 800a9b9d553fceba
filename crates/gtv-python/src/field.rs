//! Score fields: those that gtv makes, as objects of Python, and functions of Python as fields.

use crate::points::{Points, array, scatter};
use crate::watch::{Watcher, watched};
use gtv_models::external::chunks_a_call;
use gtv_study::Watch;
use gtv_theory::dynamics::CHUNK;
use gtv_theory::{Prediction, Schedule, ScoreField};
use numpy::{IntoPyArray, PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// A learned score that gtv has drawn or solved for.
#[pyclass(frozen, module = "gtv")]
pub struct Field {
    /// The field.
    pub inner: Arc<dyn ScoreField>,
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
        Ok(array(py, found.warned(py)?, &shape))
    }
}

/// A field at points that each have their own time.
pub fn score(field: &dyn ScoreField, points: &Points, watcher: &Watcher) -> Vec<f64> {
    let mut all = vec![0.0; points.x.len()];
    let done = points.by_time(|t, indices| {
        for indices in indices.chunks(CHUNK) {
            if watcher.interrupted() {
                return Err(());
            }
            let x = points.states(indices);
            let mut out = vec![0.0; x.len()];
            field.score_into(&x, t, &mut out);
            scatter(&out, indices, &mut all);
        }
        Ok(())
    });
    // What an interrupt left undone is never seen: the interrupt is raised.
    debug_assert!(done.is_ok() || watcher.interrupted());
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
}

impl Function {
    /// A function that has not failed yet.
    pub fn new(call: Py<PyAny>) -> Self {
        Self { call, failure: Mutex::default() }
    }

    /// The first exception that a call has raised.
    pub fn failure(&self) -> Option<PyErr> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// f(x, t) for n points; `None` once a call has raised.
    pub fn call(&self, x: &[f64], t: &[f64]) -> Option<Vec<f64>> {
        let dim = x.len() / t.len().max(1);
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
}

impl ScoreField for FunctionField<'_> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        if self.watcher.interrupted() {
            out.fill(f64::NAN);
            return;
        }
        match self.function.call(x, &vec![t; x.len() / self.dim]) {
            Some(answer) => {
                let (on_y, on_x) = self.prediction.score_coefficients(&self.schedule, t);
                out.iter_mut().zip(answer.iter().zip(x)).for_each(|(s, (y, x))| *s = on_y * y + on_x * x);
            }
            None => {
                self.watcher.stop();
                out.fill(f64::NAN);
            }
        }
    }

    fn chunks_a_call(&self) -> usize {
        chunks_a_call(self.dim)
    }
}
