//! `Observation`: what one model does on one set of prompts.

use crate::error::{IntoPython as _, error};
use crate::prompts::PromptSet;
use numpy::ndarray::Array2;
use numpy::{IntoPyArray as _, PyArray1, PyArray2};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};

/// Runs a checkpoint with the package's own engine, on the processor: what `filiation observe` does, without torch.
///
/// >>> observation = filiation.observe_checkpoint("testdata/models/base")
/// >>> observation.save("base.observation.safetensors")
#[pyfunction]
#[pyo3(signature = (path, prompts = None))]
pub(crate) fn observe_checkpoint(py: Python<'_>, path: PathBuf, prompts: Option<Bound<'_, PromptSet>>) -> PyResult<Observation> {
    let shared = || forward::PromptSet::shared().map_err(|e| error(py, &e.to_string(), None));
    let prompts = prompts.map_or_else(shared, |prompts| Ok(prompts.get().0.clone()))?;
    py.detach(|| filiation::library::observe(&path, &prompts)).map(Observation).map_err(|e| e.into_python(py))
}

/// What one model does on one set of prompts; `filiation.observe` makes one, and `filiation.compare` takes it in place of the model.
///
/// >>> observation = Observation.read("base.observation.safetensors")
/// >>> observation.attention(layer=0, head=1, prompt=3)    # [n, n]: row i is what token i attends to
#[pyclass(frozen, module = "filiation")]
pub(crate) struct Observation(pub(crate) forward::Observation);

fn matrix<'py>(py: Python<'py>, values: Vec<f32>, cols: usize) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let rows = values.len() / cols.max(1);
    let array = Array2::from_shape_vec((rows, cols), values).map_err(|e| error(py, &format!("matrix: {e}"), None))?;
    Ok(array.into_pyarray(py))
}

#[pymethods]
impl Observation {
    /// Reads a file that `save`, or `filiation observe`, wrote.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| forward::Observation::read(&path)).map(Self).map_err(|e| e.into_python(py))
    }

    /// Writes the container of `docs/formats/observation.md`. A file that is there is replaced, and only by a complete one.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.write(Path::new(&path))).map_err(|e| e.into_python(py))
    }

    /// What people call the model.
    #[getter]
    fn model(&self) -> &str {
        &self.0.subject.model
    }

    /// Name and version of what computed.
    #[getter]
    fn engine(&self) -> &str {
        &self.0.subject.engine
    }

    /// The model's family.
    #[getter]
    fn family(&self) -> &str {
        &self.0.subject.family
    }

    /// Digest of the weights that this is an observation of; `None` where it could not be known.
    #[getter]
    fn tensor_root(&self) -> Option<&str> {
        self.0.subject.tensor_root.as_deref()
    }

    /// Stored elements of the model's weights.
    #[getter]
    fn n_parameters(&self) -> u64 {
        self.0.subject.n_parameters
    }

    /// Blocks.
    #[getter]
    fn n_layers(&self) -> usize {
        self.0.subject.n_layers
    }

    /// Query heads of a block.
    #[getter]
    fn n_heads(&self) -> usize {
        self.0.subject.n_heads
    }

    /// Width of the residual stream.
    #[getter]
    fn hidden(&self) -> usize {
        self.0.subject.hidden
    }

    /// Units of a block's MLP; 0 for mixtures.
    #[getter]
    fn units(&self) -> usize {
        self.0.subject.units
    }

    /// Rows of the unembedding.
    #[getter]
    fn vocabulary(&self) -> usize {
        self.0.subject.vocabulary
    }

    /// Whether a token attends to itself and earlier ones alone.
    #[getter]
    fn causal(&self) -> bool {
        self.0.subject.causal
    }

    /// `rms` or `layer`.
    #[getter]
    fn norm(&self) -> &'static str {
        self.0.subject.norm.name()
    }

    /// Name and version of the prompts.
    #[getter]
    fn prompts(&self) -> &str {
        &self.0.prompts.label
    }

    /// Digest of the prompts.
    #[getter]
    fn prompts_digest(&self) -> &str {
        &self.0.prompts.digest
    }

    /// Number of prompts.
    #[getter]
    fn n_prompts(&self) -> usize {
        self.0.n_prompts()
    }

    /// What was observed, of `attention`, `units`, `stream` and `logits`.
    #[getter]
    fn taps(&self) -> Vec<&'static str> {
        let observed = [
            ("attention", self.0.has_attention()),
            ("units", self.0.has_units()),
            ("stream", !self.0.stream_words().is_empty()),
            ("logits", self.0.logits.is_some()),
        ];
        observed.into_iter().filter(|&(_, is)| is).map(|(name, _)| name).collect()
    }

    /// Token ids of all prompts, one after another.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.0.tokens.ids.clone().into_pyarray(py)
    }

    /// Where each prompt starts in `tokens`, and the end.
    #[getter]
    fn starts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.0.tokens.starts.clone().into_pyarray(py)
    }

    /// Word of each token within its prompt; 4294967295 for none.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.0.tokens.words.clone().into_pyarray(py)
    }

    /// Attention probabilities, `[n, n]`: row `i` is what token `i` attends to. `None` where there is no such place.
    fn attention<'py>(&self, py: Python<'py>, layer: usize, head: usize, prompt: usize) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let n = self.0.tokens.prompt(prompt).len();
        self.0.attention(layer, head, prompt).map(|values| matrix(py, values, n)).transpose()
    }

    /// Prompt and word of each row of `stream`, `[words, 2]`.
    #[getter]
    fn stream_words(&self) -> Vec<(u32, u32)> {
        self.0.stream_words().iter().map(|at| (at.prompt, at.word)).collect()
    }

    /// The residual stream before block `layer` at the sampled words, each row by its root mean square; `n_layers` gives it after the last.
    fn stream<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        self.0.stream(layer).map(|values| matrix(py, values, self.0.subject.hidden)).transpose()
    }

    /// Sketches of a block's gate, or `None` where it has none: the dot product of two rows estimates a correlation.
    fn gate_sketches<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let gate = self.0.sketches(layer).and_then(|sketches| sketches.gate);
        gate.map(|values| matrix(py, values, forward::observation::SKETCH_WIDTH)).transpose()
    }

    /// The same of a block's up projection.
    fn up_sketches<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        self.0.sketches(layer).map(|sketches| matrix(py, sketches.up, forward::observation::SKETCH_WIDTH)).transpose()
    }

    /// Prompt and word of each row of `logits`.
    #[getter]
    fn logit_positions(&self) -> Vec<(u32, u32)> {
        self.0.logits.iter().flat_map(|logits| logits.positions.iter().map(|at| (at.prompt, at.word))).collect()
    }

    /// Token of each column of `logits`.
    #[getter]
    fn logit_tokens(&self) -> Vec<u32> {
        self.0.logits.as_ref().map_or_else(Vec::new, |logits| logits.tokens.clone())
    }

    /// Logits before the final cap, less their mean over the sampled tokens, `[positions, tokens]`; `None` where they were not observed.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        self.0.logits.as_ref().map(|logits| matrix(py, logits.values.clone(), logits.tokens.len())).transpose()
    }

    /// Orthonormal basis of the logits that the unembedding can give, `[tokens, rank]`.
    #[getter]
    fn logit_image<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        self.0.logits.as_ref().map(|logits| matrix(py, logits.image.basis.clone(), logits.image.rank())).transpose()
    }

    /// Upper triangular shape of the unembedding in that basis, `[rank, hidden]`: basis times ellipse gives its rows, centred over tokens.
    #[getter]
    fn logit_ellipse<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        self.0.logits.as_ref().map(|logits| matrix(py, logits.image.ellipse.clone(), logits.image.hidden)).transpose()
    }

    fn __repr__(&self) -> String {
        let subject = &self.0.subject;
        let bound = subject.tensor_root.as_ref().map_or_else(|| "bound to no checkpoint".into(), |root| format!("of {}…", &root[..12]));
        format!("Observation('{}' on '{}', {bound}, {})", subject.model, self.0.prompts.label, self.taps().join("+"))
    }
}
