//! Errors as Python sees them: `filiation.Error` with the same sentence and advice.

use pyo3::prelude::*;
use sources::SourceError;

/// A sentence, and advice where there is some.
pub(crate) fn error(py: Python<'_>, sentence: &str, hint: Option<&str>) -> PyErr {
    let class = py.import("filiation._error").and_then(|module| module.getattr("Error"));
    match class.and_then(|class| class.call1((sentence, hint))) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// Errors of the other crates, which know sentence and advice.
pub(crate) trait IntoPython {
    fn into_python(self, py: Python<'_>) -> PyErr;
}

impl IntoPython for filiation::Error {
    fn into_python(self, py: Python<'_>) -> PyErr {
        error(py, &self.to_string(), self.hint())
    }
}

impl IntoPython for SourceError {
    fn into_python(self, py: Python<'_>) -> PyErr {
        error(py, &self.to_string(), self.hint())
    }
}

impl IntoPython for forward::NotRunnable {
    fn into_python(self, py: Python<'_>) -> PyErr {
        error(py, &self.to_string(), None)
    }
}
