//! `PromptSet`: the texts that models are given.

use crate::error::{IntoPython as _, error};
use forward::Prompt;
use pyo3::prelude::*;
use std::path::PathBuf;

/// Texts in a fixed order, with a digest; `PromptSet.shared()` is the benchmark that this package carries.
///
/// >>> prompts = PromptSet.shared()
/// >>> len(prompts), prompts.label
/// (240, 'shared 1')
#[pyclass(frozen, module = "filiation")]
pub(crate) struct PromptSet(pub(crate) forward::PromptSet);

#[pymethods]
impl PromptSet {
    /// The shared benchmark: 240 texts of several kinds and languages.
    #[staticmethod]
    fn shared(py: Python<'_>) -> PyResult<Self> {
        forward::PromptSet::shared().map(Self).map_err(|e| error(py, &e.to_string(), None))
    }

    /// Reads a TOML file of the form that `data/prompts/README.md` describes.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        forward::PromptSet::open(&path).map(Self).map_err(|e| e.into_python(py))
    }

    /// From your own texts; their ids are their places in the list.
    ///
    /// >>> PromptSet.of(["The quick brown fox", "Das Wetter ist schön"]).texts[1]
    /// 'Das Wetter ist schön'
    #[staticmethod]
    #[pyo3(signature = (texts, name = "given"))]
    fn of(py: Python<'_>, texts: Vec<String>, name: &str) -> PyResult<Self> {
        let prompt = |(i, text): (usize, String)| Prompt { id: i.to_string(), kind: "given".into(), language: "und".into(), text };
        let prompts: Vec<Prompt> = texts.into_iter().enumerate().map(prompt).collect();
        let set =
            forward::PromptSet { name: name.into(), version: "1".into(), licence: "unknown".into(), origin: "the caller".into(), prompts };
        set.checked().map(Self).map_err(|e| error(py, &e.to_string(), None))
    }

    /// The first `n` texts, as a set of its own.
    fn first(&self, n: usize) -> Self {
        let mut set = self.0.clone();
        set.prompts.truncate(n.max(1));
        Self(set)
    }

    /// Name and version.
    #[getter]
    fn label(&self) -> String {
        self.0.label()
    }

    /// SHA-256 over lengths and texts, in hexadecimal.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest()
    }

    /// Id of each text.
    #[getter]
    fn ids(&self) -> Vec<&str> {
        self.0.prompts.iter().map(|prompt| prompt.id.as_str()).collect()
    }

    /// The texts.
    #[getter]
    fn texts(&self) -> Vec<&str> {
        self.0.prompts.iter().map(|prompt| prompt.text.as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.0.prompts.len()
    }

    fn __repr__(&self) -> String {
        format!("PromptSet('{}', {} texts, sha256 {}…)", self.0.label(), self.0.prompts.len(), &self.0.digest()[..12])
    }
}
