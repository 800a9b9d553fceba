//! The V-kernel of a config's models in a closure: mean score, covariance between any two points, drawn fields.

use crate::config;
use crate::errors::raise;
use crate::field::{Field, Function, score, unless_raised};
use crate::one_run::Trained;
use crate::points::{Points, array};
use crate::schedule::Schedule;
use crate::watch::watched;
use gtv_cli::context::Context;
use gtv_models::Session;
use gtv_models::watch::Unwatched;
use gtv_study::Watch;
use gtv_study::spec::TheoryName;
use gtv_theory::Law;
use gtv_theory::rng::{Purpose, Streams};
use numpy::{PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// The name of drawn fields' streams.
pub const STREAMS: &str = "v_kernel";
/// Pairs of points between two looks at Ctrl-C.
const BATCH: usize = 4096;

/// The law of a learned score over training randomness.
#[pyclass(frozen, module = "gtv")]
pub struct VKernel {
    /// The law.
    pub law: Box<dyn Law>,
    /// The forward process.
    pub schedule: gtv_theory::Schedule,
    /// D.
    pub dim: usize,
    /// Where drawn fields come from.
    pub streams: Streams,
    /// The closure's name.
    pub closure: &'static str,
    /// What the law asks of a user's own.
    pub functions: Vec<Arc<Function>>,
    /// The trained network that the law is of.
    pub trained: Option<Trained>,
}

/// Solves a closure for the models of a config.
#[pyfunction]
#[pyo3(signature = (path, settings, closure, progress))]
pub fn v_kernel(
    py: Python<'_>,
    path: Option<PathBuf>,
    settings: &str,
    closure: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<VKernel> {
    let found = watched(py, progress, |watcher| -> PyResult<VKernel> {
        let ctx = Context::silent();
        let loaded = config::loaded(path.as_deref(), settings, &ctx).map_err(raise)?;
        let problem = loaded.on_any_device().build(&ctx).map_err(raise)?;
        ctx.take_warnings().iter().for_each(|warning| watcher.warn(warning));
        let study = &problem.study;
        let wanted = TheoryName::named(closure).and_then(TheoryName::closure).ok_or_else(|| {
            let known: Vec<&str> =
                TheoryName::all().filter(|n| n.closure().is_some()).map(TheoryName::name).collect();
            PyValueError::new_err(format!("closure is {closure:?}; expected one of: {}", known.join(", ")))
        })?;
        if study.family.learner_needs_members() {
            return Err(PyValueError::new_err(
                "model.kind is \"mlp\", whose linearisation needs trained networks; use gtv.compare, or model.kind = \
                 \"linear\" or \"lazy\"",
            ));
        }
        let (theory, _) =
            study.solve(None, Session { watch: watcher.as_ref(), store: &Unwatched }).map_err(raise)?;
        let (schedule, dim) = (*study.problem().schedule(), study.problem().dim());
        let streams = study.problem().streams().named(STREAMS);
        let solved = theory.laws.into_iter().find(|solved| solved.name() == wanted.card().name);
        let law = solved.map(|solved| solved.law).ok_or_else(|| {
            PyValueError::new_err(format!(
                "the config does not ask for the closure {closure:?} (theory.closures)"
            ))
        })?;
        Ok(VKernel {
            law,
            schedule,
            dim,
            streams,
            closure: wanted.card().name,
            functions: Vec::new(),
            trained: None,
        })
    })?;
    found.warned(py)?
}

#[pymethods]
impl VKernel {
    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    #[getter]
    fn closure(&self) -> &'static str {
        self.closure
    }

    #[getter]
    fn schedule(&self) -> Schedule {
        Schedule { inner: self.schedule }
    }

    /// s_avg(x, t), n × D.
    fn mean<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        t: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let points = Points::new(&x, &t)?;
        let shape = [points.len(), self.dim];
        let found = watched(py, None, |watcher| score(self.law.mean_score().as_ref(), &points, watcher))?;
        Ok(array(py, unless_raised(&self.functions, found.warned(py)?)?, &shape))
    }

    /// Cov[ŝ(z), ŝ(z')] of the i-th point with the i-th other, n × D × D.
    fn cov<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        t: PyReadonlyArray1<'py, f64>,
        other_x: PyReadonlyArray2<'py, f64>,
        other_t: PyReadonlyArray1<'py, f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let (here, there) = (Points::new(&x, &t)?, Points::new(&other_x, &other_t)?);
        let (count, dim) = (here.len(), self.dim);
        let found = watched(py, progress, |watcher| {
            let stage = watcher.stage("covariance", count as u64);
            let mut all = Vec::with_capacity(count * dim * dim);
            let x = here.x.chunks(BATCH * dim).zip(there.x.chunks(BATCH * dim));
            let t = here.t.chunks(BATCH).zip(there.t.chunks(BATCH));
            for ((x, y), (t, u)) in x.zip(t) {
                if watcher.interrupted() {
                    break;
                }
                all.extend(self.law.covs((x, t), (y, u)));
                stage.advance(t.len() as u64);
            }
            all
        })?;
        Ok(array(py, unless_raised(&self.functions, found.warned(py)?)?, &[count, dim, dim]))
    }

    /// One draw of the whole field, a predicted model; the same for the same index.
    fn sample_field(&self, py: Python<'_>, index: u64) -> PyResult<Field> {
        let found =
            watched(py, None, |_| self.law.draw(&mut self.streams.stream(Purpose::TheoryModel, index, 0)))?;
        let field = found.warned(py)?.ok_or_else(|| {
            PyValueError::new_err(format!(
                "the law of {} is known only at two points at a time: no field can be drawn from it",
                self.closure
            ))
        })?;
        Ok(Field { inner: Arc::from(field), closed_form: false, functions: self.functions.clone() })
    }

    /// The mean score as a field.
    fn mean_field(&self) -> Field {
        Field { inner: self.law.mean_score(), closed_form: false, functions: self.functions.clone() }
    }
}
