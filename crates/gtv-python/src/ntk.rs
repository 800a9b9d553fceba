//! The kernels of infinitely wide networks.

use crate::errors::raise;
use crate::points::{array, rows};
use crate::watch::watched;
use gtv_study::Watch;
use gtv_theory::Error;
use gtv_theory::ntk::{InfiniteNetwork, Kernels, MlpSpec};
use numpy::{PyArrayDyn, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Values computed between two looks at Ctrl-C.
const BATCH: usize = 1 << 22;

/// NNGP and NTK, n × m each, of every row of `a` with every row of `b` (or of `a`).
#[pyfunction]
#[pyo3(signature = (a, b, spec, progress))]
pub fn ntk<'py>(
    py: Python<'py>,
    a: PyReadonlyArray2<'py, f64>,
    b: Option<PyReadonlyArray2<'py, f64>>,
    spec: &str,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<[Bound<'py, PyArrayDyn<f64>>; 2]> {
    let spec: serde_json::Value =
        serde_json::from_str(spec).map_err(|e| PyValueError::new_err(e.to_string()))?;
    let spec: MlpSpec = serde_json::from_value(spec)
        .map_err(|e| PyValueError::new_err(format!("activation, depth, weight_var or bias_var: {e}")))?;
    let (left, dim) = rows(&a)?;
    let right = b.map(|b| rows(&b)).transpose()?;
    let network = InfiniteNetwork::new(&spec, dim).map_err(raise)?;
    let n = left.len() / dim;
    let m = right.as_ref().map_or(n, |(b, _)| b.len() / dim);
    let found = watched(py, progress, |watcher| {
        let Some((right, _)) = &right else { return network.symmetric(&left) };
        let stage = watcher.stage("ntk", n as u64);
        let mut all = Kernels { nngp: Vec::with_capacity(n * m), ntk: Vec::with_capacity(n * m) };
        for rows in left.chunks((BATCH / m.max(1)).max(1) * dim) {
            if watcher.interrupted() {
                break;
            }
            let part = network.kernels(rows, right)?;
            all.nngp.extend(part.nngp);
            all.ntk.extend(part.ntk);
            stage.advance((rows.len() / dim) as u64);
        }
        Ok::<_, Error>(all)
    })?;
    let kernels = found.warned(py)?.map_err(raise)?;
    Ok([array(py, kernels.nngp, &[n, m]), array(py, kernels.ntk, &[n, m])])
}
