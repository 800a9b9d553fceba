//! Noise schedules, with every function of time over arrays.

use crate::config;
use crate::errors::raise;
use crate::points::array;
use gtv_theory::TimeGrid;
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// A noise schedule; the Python half has the constructors.
#[pyclass(frozen, module = "gtv", from_py_object)]
#[derive(Clone)]
pub struct Schedule {
    /// The schedule.
    pub inner: gtv_theory::Schedule,
}

type Times<'py> = PyReadonlyArrayDyn<'py, f64>;
type Values<'py> = PyResult<Bound<'py, PyArrayDyn<f64>>>;

impl Schedule {
    fn each<'py>(
        &self,
        py: Python<'py>,
        t: &Times<'_>,
        f: impl Fn(&gtv_theory::Schedule, f64) -> f64,
    ) -> Values<'py> {
        let values = t.as_slice()?.iter().map(|t| f(&self.inner, *t)).collect();
        Ok(array(py, values, t.shape()))
    }
}

#[pymethods]
impl Schedule {
    #[new]
    fn new(settings: &str) -> PyResult<Self> {
        Ok(Self { inner: config::schedule(settings)? })
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind().name()
    }

    #[getter]
    fn t_min(&self) -> f64 {
        self.inner.t_min()
    }

    #[getter]
    fn t_max(&self) -> f64 {
        self.inner.t_max()
    }

    fn signal<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::signal)
    }

    fn noise_std<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::noise_std)
    }

    fn noise_var<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::noise_var)
    }

    fn drift_rate<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::drift_rate)
    }

    fn diffusion<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::diffusion)
    }

    fn log_snr<'py>(&self, py: Python<'py>, t: Times<'py>) -> Values<'py> {
        self.each(py, &t, gtv_theory::Schedule::log_snr)
    }

    fn time_at_log_snr<'py>(&self, py: Python<'py>, log_snr: Times<'py>) -> Values<'py> {
        self.each(py, &log_snr, gtv_theory::Schedule::time_at_log_snr)
    }

    /// Step times from T down to ε on the grid of `[sampling]`.
    fn grid<'py>(&self, py: Python<'py>, settings: &str) -> Values<'py> {
        let sampling = config::settings(settings)?.sampling;
        let (grid, steps): (TimeGrid, usize) = (sampling.integration.grid, sampling.integration.steps);
        let times = self.inner.grid(grid, steps).map_err(raise)?;
        let len = times.len();
        Ok(array(py, times, &[len]))
    }

    fn __repr__(&self) -> String {
        let Self { inner } = self;
        format!("Schedule(kind={:?}, t_min={}, t_max={})", inner.kind().name(), inner.t_min(), inner.t_max())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}
