//! Points (x, t) that come in NumPy's arrays, each at its own time.

use crate::errors::raise;
use gtv_theory::PointCloud;
use numpy::ndarray::{ArrayD, IxDyn};
use numpy::{IntoPyArray, PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// Points x, n × D, and a time for each.
pub struct Points {
    /// n × D, row-major.
    pub x: Vec<f64>,
    /// n.
    pub t: Vec<f64>,
    /// D.
    pub dim: usize,
}

impl Points {
    /// Copies two arrays, which the Python half has made of one length.
    pub fn new(x: &PyReadonlyArray2<'_, f64>, t: &PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let (x_values, dim) = rows(x)?;
        Ok(Self { x: x_values, t: t.as_slice()?.to_vec(), dim })
    }

    /// n.
    pub fn len(&self) -> usize {
        self.t.len()
    }

    /// Calls `visit(t, indices)` for each time that occurs, earliest first, with the points that have it.
    ///
    /// # Errors
    /// The first of `visit`.
    pub fn by_time<E>(&self, mut visit: impl FnMut(f64, &[usize]) -> Result<(), E>) -> Result<(), E> {
        let order = self.in_time();
        order.chunk_by(|&a, &b| self.t[a] == self.t[b]).try_for_each(|same| visit(self.t[same[0]], same))
    }

    /// The points' indices in the order of their times.
    pub fn in_time(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&a, &b| self.t[a].total_cmp(&self.t[b]));
        order
    }

    /// The states of some of the points.
    pub fn states(&self, indices: &[usize]) -> Vec<f64> {
        indices.iter().flat_map(|&i| &self.x[i * self.dim..(i + 1) * self.dim]).copied().collect()
    }
}

/// Values and number of columns of an array of rows.
pub fn rows(x: &PyReadonlyArray2<'_, f64>) -> PyResult<(Vec<f64>, usize)> {
    Ok((x.as_slice()?.to_vec(), x.shape()[1]))
}

/// Data points with their weights; equal where there are none.
pub fn cloud(
    data: &PyReadonlyArray2<'_, f64>,
    weights: Option<PyReadonlyArray1<'_, f64>>,
) -> PyResult<PointCloud> {
    let (points, dim) = rows(data)?;
    match weights {
        None => PointCloud::new(points, dim),
        Some(weights) => PointCloud::with_weights(points, dim, weights.as_slice()?.to_vec()),
    }
    .map_err(raise)
}

/// Puts the rows of a part to their places in the whole.
pub fn scatter(part: &[f64], indices: &[usize], whole: &mut [f64]) {
    let width = part.len() / indices.len().max(1);
    for (row, &i) in indices.iter().enumerate() {
        whole[i * width..(i + 1) * width].copy_from_slice(&part[row * width..(row + 1) * width]);
    }
}

/// An array of NumPy.
pub fn array<'py>(py: Python<'py>, values: Vec<f64>, shape: &[usize]) -> Bound<'py, PyArrayDyn<f64>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many values as the shape has").into_pyarray(py)
}
