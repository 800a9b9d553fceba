//! The compiled half of the Python package `gtv`: arrays of NumPy in and out, over the crates of this workspace.
//!
//! The other half, in `python/gtv`, has the public functions with their types and docstrings; it hands over checked float64
//! arrays. Long work runs beside Python's thread, which meanwhile hears Ctrl-C and moves progress bars ([`watch`]).

mod compare;
mod config;
mod distances;
mod errors;
mod field;
mod kernel;
mod likelihood;
mod ntk;
mod one_run;
mod points;
mod sampling;
mod schedule;
mod score;
mod watch;

/// What `gtv` is made of; see its stubs in `python/gtv/_gtv.pyi`.
#[pyo3::pymodule]
mod _gtv {
    #[pymodule_export]
    use crate::compare::{Comparison, compare};
    #[pymodule_export]
    use crate::distances::{directions, distance, energy_distance, sliced_w2, w1};
    #[pymodule_export]
    use crate::field::{Field, exact_field};
    #[pymodule_export]
    use crate::kernel::{VKernel, v_kernel};
    #[pymodule_export]
    use crate::likelihood::log_likelihood;
    #[pymodule_export]
    use crate::ntk::ntk;
    #[pymodule_export]
    use crate::one_run::one_run;
    #[pymodule_export]
    use crate::sampling::sample;
    #[pymodule_export]
    use crate::schedule::Schedule;
    #[pymodule_export]
    use crate::score::exact_score;

    /// The version of the crates.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
