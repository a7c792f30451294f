//! `Checkpoint`: weights on disk, which an observation is bound to.

use crate::error::{IntoPython as _, error};
use numpy::{IntoPyArray as _, PyArray1};
use pyo3::prelude::*;
use sources::{Model, TensorSource as _};
use std::path::PathBuf;

/// Weights on disk with their digests: a file, a folder, or the id of a model in the Hub cache.
#[pyclass(frozen, module = "filiation")]
pub(crate) struct Checkpoint {
    model: Model,
    tensor_root: String,
}

#[pymethods]
impl Checkpoint {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let opened = py.detach(|| filiation::library::open(&path));
        let (model, custody) = opened.map_err(|e| e.into_python(py))?;
        Ok(Self { model, tensor_root: custody.tensor_root })
    }

    /// SHA-256 over the digests of all tensors with their names: the same values give the same root in every container.
    #[getter]
    fn tensor_root(&self) -> &str {
        &self.tensor_root
    }

    /// What people call it: its folder, or its file with the folder that it lies in.
    #[getter]
    fn name(&self) -> String {
        self.model.name()
    }

    /// The family that describes its tensors, where there is one.
    #[getter]
    fn family(&self) -> Option<&str> {
        self.model.binding.as_ref().map(|binding| binding.family.as_str())
    }

    /// Stored elements of numeric weights.
    #[getter]
    fn n_parameters(&self) -> u64 {
        self.model.parameters()
    }

    /// Name and shape of each tensor.
    #[getter]
    fn tensors(&self) -> Vec<(&str, Vec<usize>)> {
        self.model.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor.shape.clone())).collect()
    }

    /// A row of a tensor along its first axis, widened to 32 bits.
    fn row<'py>(&self, py: Python<'py>, tensor: usize, row: usize) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let n = self.model.tensors().len();
        if tensor >= n {
            return Err(error(py, &format!("tensor: found index {tensor}, expected one below {n}"), None));
        }
        let mut values = Vec::new();
        py.detach(|| self.model.read_f32(tensor, row..row.saturating_add(1), &mut values)).map_err(|e| e.into_python(py))?;
        Ok(values.into_pyarray(py))
    }
}
