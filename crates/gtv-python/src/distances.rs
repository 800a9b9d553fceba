//! Distances between samples: exactly, and as comparisons have them, with intervals over models and floors.

use crate::config;
use crate::errors::raise;
use crate::points::{array, rows};
use crate::watch::watched;
use gtv_theory::compare::{self, Level, LevelSamples, compare_levels};
use gtv_theory::rng::Streams;
use numpy::{PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::collections::BTreeMap;

type Array<'py> = PyReadonlyArray2<'py, f64>;

/// W₁ of two samples on a line.
#[pyfunction]
pub fn w1<'py>(
    py: Python<'py>,
    a: PyReadonlyArray1<'py, f64>,
    b: PyReadonlyArray1<'py, f64>,
) -> PyResult<f64> {
    let (a, b) = (a.as_slice()?.to_vec(), b.as_slice()?.to_vec());
    watched(py, None, |_| compare::w1(&a, &b))?.result.map_err(raise)
}

/// 2E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ of two samples.
#[pyfunction]
pub fn energy_distance<'py>(py: Python<'py>, a: Array<'py>, b: Array<'py>) -> PyResult<f64> {
    let ((a, dim), (b, _)) = (rows(&a)?, rows(&b)?);
    watched(py, None, |_| compare::energy_distance(&a, &b, dim))?.result.map_err(raise)
}

/// Root mean square of W₂ over the seed's random directions.
#[pyfunction]
pub fn sliced_w2<'py>(
    py: Python<'py>,
    a: Array<'py>,
    b: Array<'py>,
    projections: usize,
    seed: u64,
) -> PyResult<f64> {
    let ((a, dim), (b, _)) = (rows(&a)?, rows(&b)?);
    watched(py, None, |_| compare::sliced_w2(&a, &b, dim, projections, Streams::new(seed)))?
        .result
        .map_err(raise)
}

/// Those directions, projections × D.
#[pyfunction]
pub fn directions(
    py: Python<'_>,
    dim: usize,
    projections: usize,
    seed: u64,
) -> PyResult<Bound<'_, PyArrayDyn<f64>>> {
    let directions = compare::directions(dim, projections, Streams::new(seed)).map_err(raise)?;
    Ok(array(py, directions, &[projections, dim]))
}

/// (value, lo, hi, floor) of every metric between two samples, each grouped by model.
#[pyfunction]
#[pyo3(signature = (a, b, settings, seed, progress))]
pub fn distance<'py>(
    py: Python<'py>,
    a: Vec<Array<'py>>,
    b: Vec<Array<'py>>,
    settings: &str,
    seed: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<BTreeMap<&'static str, [f64; 4]>> {
    let settings = config::settings(settings)?.compare;
    let groups = |index: usize, arrays: &[Array<'py>]| -> PyResult<LevelSamples> {
        let arrays = arrays.iter().map(rows).collect::<PyResult<Vec<_>>>()?;
        let dim = arrays.first().map_or(1, |(_, dim)| *dim);
        let groups = arrays.into_iter().map(|(values, _)| values).collect();
        LevelSamples::new(Level::Given(index), dim, groups).map_err(raise)
    };
    let (a, b) = (groups(0, &a)?, groups(1, &b)?);
    let found =
        watched(py, progress, |_| compare_levels(&[&a, &b], &[(0, 1)], &settings, Streams::new(seed)))?;
    let pairs = found.warned(py)?.map_err(raise)?;
    let distances = pairs.into_iter().flat_map(|pair| pair.distances);
    Ok(distances.map(|(metric, e)| (metric.card().name, [e.value, e.lo, e.hi, e.floor])).collect())
}
