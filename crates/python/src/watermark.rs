//! `Watermark`: a key and the numbers that it gives windows of tokens.

use crate::error::{IntoPython as _, error};
use forward::{Scheme, WatermarkKey};
use numpy::{IntoPyArray as _, PyArray1};
use pyo3::prelude::*;
use std::path::PathBuf;

/// A watermark with its key, which nothing prints. `filiation.transformers.WatermarkProcessor` marks with it.
///
/// >>> watermark = Watermark.open("spring.toml")
/// >>> watermark.green([5, 17], vocabulary=512).mean()    # about gamma
#[pyclass(frozen, module = "filiation")]
pub(crate) struct Watermark(forward::Watermark);

#[pymethods]
impl Watermark {
    /// Reads a file of `filiation watermark key`.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        match WatermarkKey::open(&path).map_err(|e| e.into_python(py))? {
            WatermarkKey::Drawn(watermark) => Ok(Self(watermark)),
            WatermarkKey::Synthid(_) => Err(error(py, "scheme of the key: found synthid, expected kgw or gumbel", None)),
        }
    }

    /// A fresh key from the system's randomness; `scheme` is `kgw` or `gumbel`. Keep it with `save`.
    #[staticmethod]
    #[pyo3(signature = (scheme = "kgw", gamma = 0.25, delta = 2.0, window = 2))]
    fn new(py: Python<'_>, scheme: &str, gamma: f64, delta: f64, window: usize) -> PyResult<Self> {
        let scheme = match scheme {
            "kgw" => Scheme::Kgw { gamma, delta },
            "gumbel" => Scheme::Gumbel,
            other => return Err(error(py, &format!("scheme: found `{}`, expected kgw or gumbel", other.escape_debug()), None)),
        };
        filiation::library::new_watermark(scheme, window).map(Self).map_err(|e| e.into_python(py))
    }

    /// Writes the key into a new file that only its owner can read.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        filiation::library::save_watermark(&self.0, &path).map_err(|e| e.into_python(py))
    }

    /// The same scheme with the key of a campaign.
    fn campaign(&self, name: &str) -> Self {
        Self(self.0.campaign(name))
    }

    /// The numbers of the tokens `0..vocabulary` after a window, between 0 and 1.
    fn uniforms<'py>(&self, py: Python<'py>, window: Vec<u32>, vocabulary: usize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        self.check(py, &window)?;
        Ok(self.0.uniforms(&window, vocabulary).into_pyarray(py))
    }

    /// Which of the tokens `0..vocabulary` are green after a window.
    fn green<'py>(&self, py: Python<'py>, window: Vec<u32>, vocabulary: usize) -> PyResult<Bound<'py, PyArray1<bool>>> {
        self.check(py, &window)?;
        let Scheme::Kgw { gamma, .. } = self.0.scheme() else {
            return Err(error(py, "scheme: found gumbel, which has no green tokens, expected kgw", None));
        };
        let green: Vec<bool> = self.0.uniforms(&window, vocabulary).into_iter().map(|u| u < gamma).collect();
        Ok(green.into_pyarray(py))
    }

    /// `kgw` or `gumbel`.
    #[getter]
    fn scheme(&self) -> &'static str {
        self.0.scheme().name()
    }

    /// Tokens of a window.
    #[getter]
    fn window(&self) -> usize {
        self.0.window()
    }

    /// What is added to the logits of green tokens; of `kgw`.
    #[getter]
    fn delta(&self) -> Option<f64> {
        self.0.record().delta
    }

    /// Share of green tokens; of `kgw`.
    #[getter]
    fn gamma(&self) -> Option<f64> {
        self.0.record().gamma
    }

    /// SHA-256 of the key.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest()
    }

    fn __repr__(&self) -> String {
        format!("Watermark({}, window {}, key sha256 {}…)", self.0.scheme().name(), self.0.window(), &self.0.digest()[..12])
    }
}

impl Watermark {
    fn check(&self, py: Python<'_>, window: &[u32]) -> PyResult<()> {
        match window.len() == self.0.window() {
            true => Ok(()),
            false => Err(error(py, &format!("window: found {} tokens, expected {}", window.len(), self.0.window()), None)),
        }
    }
}
