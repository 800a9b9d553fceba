//! The exact score of a point set, with log-density, posterior moments and proxy-score covariance.

use crate::errors::raise;
use crate::points::{Points, array, cloud, scatter};
use crate::schedule::Schedule;
use crate::watch::watched;
use gtv_study::Watch;
use gtv_theory::Error;
use gtv_theory::score::{CovKind, ExactScore};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Multiplications (queries × points × dimensions) between two looks at Ctrl-C.
const BATCH_WORK: usize = 1 << 28;
/// Fewest queries in a batch, so that all threads have work.
const SMALLEST_BATCH: usize = 1024;

/// Covariances that are asked for.
fn covariance(name: &str) -> PyResult<CovKind> {
    match name {
        "none" => Ok(CovKind::None),
        "trace" => Ok(CovKind::Trace),
        "full" => Ok(CovKind::Full),
        other => Err(pyo3::exceptions::PyValueError::new_err(format!(
            "cov is {other:?}; expected \"none\", \"trace\" or \"full\""
        ))),
    }
}

/// s(x, t), log p(x | t), m(x, t), Γ and C of a weighted point set, each query at its own time.
#[pyfunction]
#[pyo3(signature = (data, weights, x, t, schedule, cov, tolerance, progress))]
#[allow(clippy::too_many_arguments)]
pub fn exact_score<'py>(
    py: Python<'py>,
    data: PyReadonlyArray2<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    x: PyReadonlyArray2<'py, f64>,
    t: PyReadonlyArray1<'py, f64>,
    schedule: &Schedule,
    cov: &str,
    tolerance: Option<f64>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let kind = covariance(cov)?;
    let cloud = cloud(&data, weights)?;
    let dim = cloud.dim();
    let (queries, schedule) = (Points::new(&x, &t)?, schedule.inner);
    let (count, width) = (queries.len(), kind.values(dim));
    let batch = (BATCH_WORK / (cloud.len() * dim)).max(SMALLEST_BATCH);
    let found = watched(py, progress, |watcher| {
        let mut field = ExactScore::new(cloud, schedule);
        if let Some(tolerance) = tolerance {
            field = field.with_tolerance(tolerance)?;
        }
        let stage = watcher.stage("exact score", count as u64);
        let mut out = [dim, 1, dim, width, width, 1].map(|width| vec![0.0; count * width]);
        queries.by_time(|t, indices| {
            for indices in indices.chunks(batch) {
                if watcher.interrupted() {
                    break;
                }
                let e = field.evaluate(&queries.states(indices), t, kind)?;
                let parts = [
                    e.score,
                    e.log_density,
                    e.posterior_mean,
                    e.posterior_cov,
                    e.proxy_score_cov,
                    e.left_out,
                ];
                parts.iter().zip(&mut out).for_each(|(part, whole)| scatter(part, indices, whole));
                stage.advance(indices.len() as u64);
            }
            Ok::<(), Error>(())
        })?;
        Ok::<_, Error>(out)
    })?;
    let [score, log_density, mean, posterior_cov, proxy_score_cov, left_out] =
        found.warned(py)?.map_err(raise)?;
    let covariances: &[usize] = match kind {
        CovKind::None => &[count, 0],
        CovKind::Trace => &[count],
        CovKind::Full => &[count, dim, dim],
    };
    let named = PyDict::new(py);
    named.set_item("score", array(py, score, &[count, dim]))?;
    named.set_item("log_density", array(py, log_density, &[count]))?;
    named.set_item("posterior_mean", array(py, mean, &[count, dim]))?;
    if kind != CovKind::None {
        named.set_item("posterior_cov", array(py, posterior_cov, covariances))?;
        named.set_item("proxy_score_cov", array(py, proxy_score_cov, covariances))?;
    }
    named.set_item("left_out", array(py, left_out, &[count]))?;
    Ok(named)
}
