//! Errors as Python's: the same texts, as ValueError, TypeError, FileNotFoundError, and what is nobody's input as RuntimeError.

use gtv_cli::config::ConfigError;
use gtv_cli::io::{ReadError, WriteError};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyTypeError, PyValueError,
};
use std::io::ErrorKind;

/// Turns an error of any crate into the exception that Python users expect.
pub fn raise(error: impl Into<anyhow::Error>) -> PyErr {
    // What is already an exception stays what it is.
    let error = match error.into().downcast::<PyErr>() {
        Ok(exception) => return exception,
        Err(error) => error,
    };
    let text = format!("{error:#}");
    for cause in error.chain() {
        if let Some(ReadError::Io { cause, .. }) = cause.downcast_ref() {
            return match cause.kind() {
                ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
                _ => PyOSError::new_err(text),
            };
        }
        if cause.is::<WriteError>() {
            return PyOSError::new_err(text);
        }
        if let Some(ConfigError::WrongType { .. }) = cause.downcast_ref() {
            return PyTypeError::new_err(text);
        }
        if is_interrupt(cause) {
            return PyKeyboardInterrupt::new_err(text);
        }
    }
    match gtv_cli::failure::exit_code(&error) {
        2 => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// Whether work stopped because somebody asked.
fn is_interrupt(cause: &(dyn std::error::Error + 'static)) -> bool {
    use gtv_models::Error as Models;
    let models = cause.downcast_ref::<Models>().or_else(|| match cause.downcast_ref()? {
        gtv_study::Error::Models(models) => Some(models),
        _ => None,
    });
    matches!(models, Some(Models::Interrupted))
}
