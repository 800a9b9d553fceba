//! Sampling of any score: x_T ~ N(0, σ_T² I) carried to ε by the probability-flow ODE or the reverse SDE.

use crate::config;
use crate::errors::raise;
use crate::field::{Field, Function, FunctionField, unless_raised};
use crate::points::array;
use crate::schedule::Schedule;
use crate::watch::{Watcher, watched};
use gtv_study::Watch;
use gtv_study::levels::tell_lost;
use gtv_theory::dynamics::{Integrator, PfOde, ReverseSde, Samples, Sampling};
use gtv_theory::rng::Streams;
use gtv_theory::{Prediction, ScoreField};
use numpy::{PyArrayDyn, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The name of the streams, the command's of the same name.
const STREAMS: &str = "sample";

/// Distance of differences, of which sampling takes none.
const STEP: f64 = 1e-5;

/// How a sample is drawn.
struct Run {
    settings: Sampling,
    count: usize,
    stochastic: bool,
    centre: Option<Vec<f64>>,
    streams: Streams,
}

impl Run {
    fn of(&self, field: &dyn ScoreField, watcher: &Watcher) -> anyhow::Result<Samples> {
        let stage = watcher.stage("sampling", self.count as u64);
        let progress = |paths: usize| {
            stage.advance(paths as u64);
            !watcher.interrupted()
        };
        let (centre, streams) = (self.centre.clone().unwrap_or_else(|| vec![0.0; field.dim()]), self.streams);
        let samples = if self.stochastic {
            let sampler = ReverseSde::new(field, &self.settings)?.starting_around(&centre)?;
            sampler.sample(self.count, streams, 0, &progress)
        } else {
            let sampler = PfOde::new(field, &self.settings)?.starting_around(&centre)?;
            sampler.sample(self.count, streams, 0, &progress)
        };
        if !watcher.interrupted() {
            tell_lost("sample", samples.len(), samples.failed, watcher)?;
        }
        Ok(samples)
    }
}

/// States at ε, n × D; paths that fail are left out with a warning.
#[pyfunction]
#[pyo3(signature = (field, count, dim, schedule, settings, prediction, stochastic, mean, seed, progress))]
pub fn sample<'py>(
    py: Python<'py>,
    field: Bound<'py, PyAny>,
    count: usize,
    dim: usize,
    schedule: &Schedule,
    settings: &str,
    prediction: &str,
    stochastic: bool,
    mean: Option<PyReadonlyArray1<'py, f64>>,
    seed: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let settings = config::settings(settings)?.sampling.integration;
    let prediction: Prediction = serde_json::from_value(prediction.into())
        .map_err(|e| PyValueError::new_err(format!("prediction: {e}")))?;
    let centre = mean.map(|m| m.as_slice().map(<[f64]>::to_vec)).transpose()?;
    let run = Run { settings, count, stochastic, centre, streams: Streams::new(seed).named(STREAMS) };
    let samples = match field.cast::<Field>() {
        Ok(field) => {
            let field = field.get();
            let found = watched(py, progress, |watcher| run.of(field.inner.as_ref(), watcher))?;
            unless_raised(&field.functions, ())?;
            found.warned(py)?
        }
        Err(_) if settings.integrator == Integrator::Dopri5 && !stochastic => {
            return Err(PyValueError::new_err(
                "integrator is \"dopri5\", which chooses steps path by path and would call the function for each path; \
                 use \"heun\" or \"rk4\" with more steps",
            ));
        }
        Err(_) => {
            let function = Function::new(field.unbind());
            let found = watched(py, progress, |watcher| {
                let (function, schedule) = (&function, schedule.inner);
                run.of(&FunctionField { function, watcher, dim, schedule, prediction, step: STEP }, watcher)
            })?;
            if let Some(raised) = function.failure() {
                return Err(raised);
            }
            found.warned(py)?
        }
    }
    .map_err(raise)?;
    let rows = samples.len();
    Ok(array(py, samples.x, &[rows, dim]))
}
