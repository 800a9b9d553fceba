//! ln q of points under the distributions that fields make, by the instantaneous change of variables.

use crate::errors::raise;
use crate::field::{Field, Function, FunctionField, unless_raised};
use crate::points::{Points, array};
use crate::schedule::Schedule;
use crate::watch::watched;
use gtv_study::Watch;
use gtv_theory::dynamics::{Divergence, Likelihood, log_mean_exp};
use gtv_theory::rng::Streams;
use gtv_theory::{Prediction, ScoreField};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Points between two looks at Ctrl-C.
const BATCH: usize = 1024;

/// What is asked.
enum Model {
    Known(Py<Field>),
    Called(Function),
}

/// Nats and standard errors of points under each of N models, N × n, and under their average law, n.
#[pyfunction]
#[pyo3(signature = (models, x, t, schedule, prediction, step, tolerance, seed, progress))]
pub fn log_likelihood<'py>(
    py: Python<'py>,
    models: Vec<Bound<'py, PyAny>>,
    x: PyReadonlyArray2<'py, f64>,
    t: PyReadonlyArray1<'py, f64>,
    schedule: &Schedule,
    prediction: &str,
    step: f64,
    tolerance: f64,
    seed: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let prediction: Prediction = serde_json::from_value(prediction.into())
        .map_err(|e| PyValueError::new_err(format!("prediction: {e}")))?;
    let points = Points::new(&x, &t)?;
    let (count, dim, schedule, streams) = (points.len(), points.dim, schedule.inner, Streams::new(seed));
    let models: Vec<Model> = models
        .into_iter()
        .map(|model| match model.cast::<Field>() {
            Ok(field) => Model::Known(field.clone().unbind()),
            Err(_) => Model::Called(Function::new(model.unbind())),
        })
        .collect();
    let found = watched(py, progress, |watcher| {
        let stage = watcher.stage("likelihood", (models.len() * count) as u64);
        let (mut nats, mut errors) = (Vec::new(), Vec::new());
        for model in &models {
            let called;
            let (field, closed_form): (&dyn ScoreField, bool) = match model {
                Model::Known(field) => (field.get().inner.as_ref(), field.get().closed_form),
                Model::Called(function) => {
                    called = FunctionField { function, watcher, dim, schedule, prediction, step };
                    (&called, false)
                }
            };
            let divergence =
                if closed_form { Divergence::Exact } else { Divergence::in_dimension(dim, streams) };
            let law = Likelihood::new(field, divergence).with_tolerance(tolerance);
            for (x, t) in points.x.chunks(BATCH * dim).zip(points.t.chunks(BATCH)) {
                if watcher.interrupted() {
                    break;
                }
                for one in law.at(x, t)? {
                    nats.push(one.nats);
                    errors.push(one.standard_error);
                }
                stage.advance(t.len() as u64);
            }
        }
        Ok::<_, gtv_theory::Error>((nats, errors))
    })?;
    let raised = models.iter().find_map(|model| match model {
        Model::Known(field) => unless_raised(&field.get().functions, ()).err(),
        Model::Called(function) => function.failure(),
    });
    if let Some(raised) = raised {
        return Err(raised);
    }
    let (nats, errors) = found.warned(py)?.map_err(raise)?;
    let of_all = |i: usize| log_mean_exp(&nats.iter().skip(i).step_by(count).copied().collect::<Vec<_>>()).0;
    let named = PyDict::new(py);
    named.set_item("average", array(py, (0..count).map(of_all).collect(), &[count]))?;
    named.set_item("nats", array(py, nats, &[models.len(), count]))?;
    named.set_item("standard_error", array(py, errors, &[models.len(), count]))?;
    Ok(named)
}
