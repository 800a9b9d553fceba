//! A comparison from Python: the config's own ensemble, arrays of one, functions, or the members of a run folder.

use crate::config;
use crate::errors::raise;
use crate::field::{Function, by_times};
use crate::kernel::VKernel;
use crate::points::array;
use crate::watch::{Watcher, watched};
use gtv_cli::config::{Loaded, Problem};
use gtv_cli::context::Context;
use gtv_cli::record::{Saved, to_json};
use gtv_cli::run_dir::RunDir;
use gtv_cli::{members, report};
use gtv_models::external::{Arrays, CalledMembers, Ensemble, Given, LARGEST_CALL};
use gtv_models::watch::{Encode, Unwatched};
use gtv_models::{LinearFamily, LinearTrainer, Session, Store};
use gtv_study::levels::{Sampled, ensemble_part};
use gtv_study::{Outcome, Watch};
use gtv_theory::features::{FeatureMap, Features};
use gtv_theory::{Prediction, TrainingProblem};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A finished comparison.
#[pyclass(frozen, module = "gtv")]
pub struct Comparison {
    saved: Saved,
    resolved: String,
    levels: Vec<Sampled>,
}

/// What a user brings of an ensemble.
enum Brought {
    Trained,
    Arrays(Box<Arrays>),
    Functions(Arc<Vec<Function>>),
    Run(PathBuf),
}

/// Runs the comparison of a config.
#[pyfunction]
#[pyo3(signature = (main_job, path, settings, functions, prediction, arrays, run, features, law, progress))]
pub fn compare<'py>(
    py: Python<'py>,
    main_job: bool,
    path: Option<PathBuf>,
    settings: &str,
    functions: Option<Vec<Py<PyAny>>>,
    prediction: &str,
    arrays: Option<Vec<(String, PyReadonlyArrayDyn<'py, f64>)>>,
    run: Option<PathBuf>,
    features: Option<Py<PyAny>>,
    law: Option<PyRef<'py, VKernel>>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Comparison> {
    let answers: Prediction = serde_json::from_value(prediction.into())
        .map_err(|e| PyValueError::new_err(format!("prediction: {e}")))?;
    let functions = functions.map(|f| Arc::new(f.into_iter().map(Function::new).collect::<Vec<_>>()));
    let features = features.map(|f| Arc::new(Function::new(f)));
    let (trained, asked) = match &law {
        None => (None, Vec::new()),
        Some(law) => {
            (Some(law.trained.clone().ok_or_else(|| of_no_network(law.closure))?), law.functions.clone())
        }
    };
    drop(law);
    let brought = match (&functions, arrays, run) {
        (Some(functions), ..) => Brought::Functions(functions.clone()),
        (None, Some(arrays), _) => Brought::Arrays(Box::new(given(&arrays)?)),
        (None, None, Some(run)) => Brought::Run(run),
        (None, None, None) => Brought::Trained,
    };
    let drawn = Drawn::default();
    let found = watched(py, progress, |watcher| -> anyhow::Result<Comparison> {
        let ctx = Context::silent();
        let loaded = match main_job {
            true => config::main_job(settings, &ctx)?,
            false => config::loaded(path.as_deref(), settings, &ctx)?,
        };
        let mut problem = loaded.build(&ctx)?;
        ctx.take_warnings().iter().for_each(|warning| watcher.warn(warning));
        if let Some(trained) = trained {
            trained.stand_for(&mut problem.study)?;
        }
        loaded.check_comparison(&problem)?;
        if let Some(features) = &features {
            let trained = problem.study.family.problem().clone();
            let map = FunctionFeatures::new(features.clone(), watcher.clone(), &trained)?;
            let trainer = LinearTrainer::new(
                trained,
                Features::Mapped(Arc::new(map)),
                loaded.ridge_of_own_features()?,
            )?;
            problem.study.family = Box::new(LinearFamily::new(trainer));
        }
        if !matches!(brought, Brought::Trained) {
            loaded.check_outside(problem.study.family.as_ref())?;
        }
        bring(&loaded, &mut problem, brought, answers, watcher)?;
        drawn.dim.get_or_init(|| problem.study.problem().dim());
        let store: &dyn Store = if functions.is_some() { &drawn } else { &Unwatched };
        let Outcome { record, arrays, levels } =
            problem.study.run(Session { watch: watcher.as_ref(), store })?;
        let saved = Saved::new(&problem, record, arrays, Vec::new(), watcher.said())?;
        Ok(Comparison { saved, resolved: problem.resolved, levels })
    });
    let raised = functions
        .iter()
        .flat_map(|f| f.iter())
        .chain(features.as_deref())
        .chain(asked.iter().map(Arc::as_ref))
        .find_map(Function::failure);
    match (raised, found) {
        (Some(error), _) => Err(drawn.attached(py, error)),
        (None, Ok(found)) => found.warned(py)?.map_err(raise),
        (None, Err(error)) => Err(drawn.attached(py, error)),
    }
}

fn of_no_network(closure: &str) -> PyErr {
    PyValueError::new_err(format!("law is of the closure {closure:?}; expected what gtv.one_run found"))
}

/// The arrays by the names that a file has them under; each array of samples is a member's, or all members'.
fn given(arrays: &[(String, PyReadonlyArrayDyn<'_, f64>)]) -> PyResult<Arrays> {
    let named = arrays
        .iter()
        .map(|(name, a)| Ok(Given::new(name.clone(), a.shape().to_vec(), a.as_slice()?.to_vec())))
        .collect::<PyResult<Vec<_>>>()?;
    let (arrays, unknown) = Arrays::by_name(named);
    match unknown.first() {
        None => Ok(arrays),
        Some(name) => Err(PyValueError::new_err(format!(
            "ensemble has an array `{name}`; expected samples, x, t, score, denoiser, noise, velocity, alpha, sigma, features or gram"
        ))),
    }
}

/// Puts what was brought in the place of the ensemble that would be trained.
fn bring(
    loaded: &Loaded,
    problem: &mut Problem,
    brought: Brought,
    answers: Prediction,
    watcher: &Arc<Watcher>,
) -> anyhow::Result<()> {
    let training = problem.study.problem();
    let ensemble = match brought {
        Brought::Trained => return Ok(()),
        Brought::Arrays(arrays) => {
            let (family, table) = loaded.arrays(problem.study.family.on(training.clone()), *arrays)?;
            problem.study.family = family;
            Ensemble::Tabulated(table)
        }
        Brought::Functions(functions) => {
            loaded.check_called()?;
            let (count, watcher) = (functions.len(), watcher.clone());
            let call = move |member: usize, x: &[f64], t: &[f64]| {
                functions[member].call(x, t).ok_or_else(|| {
                    watcher.stop();
                    "it raised an exception".to_owned()
                })
            };
            Ensemble::Fields(Box::new(CalledMembers::new(count, training, answers, call)?))
        }
        Brought::Run(run) => {
            let (count, family) = (problem.study.members.len(), problem.study.family.as_ref());
            let fields =
                (0..count).map(|i| members::load(&run, family, i)).collect::<anyhow::Result<Vec<_>>>()?;
            let call = move |member: usize, x: &[f64], t: &[f64]| Ok(by_times(fields[member].as_ref(), x, t));
            Ensemble::Fields(Box::new(CalledMembers::new(count, training, Prediction::Score, call)?))
        }
    };
    problem.study.bring(Arc::new(ensemble));
    Ok(())
}

#[pymethods]
impl Comparison {
    /// `summary.json`.
    fn summary(&self) -> PyResult<String> {
        to_json(&self.saved.record).map_err(raise)
    }

    /// The arrays of `arrays.npz`.
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (name, values) in self.saved.arrays.iter() {
            named.set_item(name, array(py, values.iter().copied().collect(), values.shape()))?;
        }
        Ok(named)
    }

    /// Samples of a level, one array (n, D) a model.
    fn samples<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for Sampled { samples: level, .. } in &self.levels {
            let groups: Vec<_> = level
                .groups()
                .iter()
                .map(|group| array(py, group.clone(), &[group.len() / level.dim(), level.dim()]))
                .collect();
            named.set_item(level.level().to_string(), groups)?;
        }
        Ok(named)
    }

    /// The resolved config.
    fn config(&self) -> &str {
        &self.resolved
    }

    /// The answer in words, and the table that ends `gtv-cli compare`.
    fn text(&self) -> (Vec<String>, String) {
        let record = &self.saved.record;
        (report::answer(record), report::terminal_table(record))
    }

    /// Writes the folder of a run: report, figures, numbers, arrays, config.
    fn save(&self, py: Python<'_>, dir: PathBuf) -> PyResult<()> {
        let found = watched(py, None, |_| -> anyhow::Result<()> {
            let ctx = Context::silent();
            let run = RunDir::create(&dir, &self.resolved, &ctx)?;
            self.saved.write(run.path())?;
            report::render(&self.saved, run.path(), ctx.sheet)
        })?;
        found.warned(py)?.map_err(raise)
    }
}

/// Samples of the ensemble as they are drawn: what is left of a comparison that a function has ended.
#[derive(Default)]
struct Drawn {
    /// D, once it is known.
    dim: OnceLock<usize>,
    parts: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Drawn {
    /// The error with what was drawn, by member, as its attribute `samples`.
    fn attached(&self, py: Python<'_>, error: PyErr) -> PyErr {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        let (samples, dim) = (PyDict::new(py), self.dim.get().copied().unwrap_or(1));
        for (key, bytes) in parts {
            let values: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
            let Some((member, states)) = ensemble_part(&key, &values) else { continue };
            let shape = [states.len() / dim, dim];
            // The error that is raised counts for more than one in keeping what was drawn.
            let _ = samples.set_item(member, array(py, states.to_vec(), &shape));
        }
        if !samples.is_empty() {
            let _ = error.value(py).setattr("samples", samples);
        }
        error
    }
}

impl Store for Drawn {
    fn load(&self, _key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn save(&self, key: &str, len: usize, encode: Encode<'_>) -> gtv_models::Result<()> {
        if ensemble_part(key, &[0.0; 2]).is_none() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(len);
        encode(&mut bytes).map_err(|e| gtv_models::Error::Store { reason: e.to_string() })?;
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), bytes);
        Ok(())
    }

    fn keys(&self, _prefix: &str) -> gtv_models::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn remove(&self, _key: &str) -> gtv_models::Result<()> {
        Ok(())
    }

    fn place(&self, key: &str) -> String {
        key.to_owned()
    }

    fn table(&self, _name: &str, _columns: &[&str], _rows: &[&[f64]]) -> gtv_models::Result<()> {
        Ok(())
    }
}

/// φ(x, t), a function of Python.
struct FunctionFeatures {
    function: Arc<Function>,
    watcher: Arc<Watcher>,
    len: usize,
    dim: usize,
    /// Features of points that were asked for one by one: correlations ask for each point of a map with every other.
    points: Mutex<HashMap<Vec<u64>, Vec<f64>>>,
}

impl FunctionFeatures {
    /// Asks once, at a data point, how many features there are.
    fn new(
        function: Arc<Function>,
        watcher: Arc<Watcher>,
        problem: &TrainingProblem,
    ) -> anyhow::Result<Self> {
        let (dim, t) = (problem.dim(), problem.schedule().t_max());
        let len = function.call(problem.cloud().point(0), &[t]).map_or(0, |phi| phi.len());
        anyhow::ensure!(len > 0, "features(x, t) answered no features");
        Ok(Self { function, watcher, len, dim, points: Mutex::default() })
    }
}

impl fmt::Debug for FunctionFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} features of a function", self.len)
    }
}

impl FeatureMap for FunctionFeatures {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn rows_a_call(&self) -> usize {
        (LARGEST_CALL / self.len.max(self.dim)).max(1)
    }

    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let point = || x.iter().chain(t).map(|v| v.to_bits()).collect::<Vec<u64>>();
        let points = || self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if t.len() == 1
            && let Some(known) = points().get(&point())
        {
            return out.copy_from_slice(known);
        }
        let phi = if self.watcher.interrupted() { None } else { self.function.call(x, t) };
        match phi {
            Some(phi) if phi.len() == out.len() => {
                out.copy_from_slice(&phi);
                if t.len() == 1 {
                    points().insert(point(), phi);
                }
            }
            Some(_) | None => {
                self.watcher.stop();
                out.fill(f64::NAN);
            }
        }
    }
}
