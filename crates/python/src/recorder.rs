//! `Recorder`: keeps what Python tells of a forward pass.

use crate::error::{IntoPython as _, error};
use crate::observation::Observation;
use crate::prompts::PromptSet;
use forward::observation::{fold_final_norm, image_from_rows};
use forward::{Encoded, HeadAt, NotRunnable, Subject, Taps as _, UnitsAt, Wanted};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use sources::form::NormKind;
use sources::vocabulary::Vocabulary;

/// Keeps what an observation holds, of one forward pass for each prompt.
#[pyclass(frozen, module = "filiation")]
pub(crate) struct Recorder {
    inner: std::sync::Mutex<Option<forward::Recorder>>,
    norm: NormKind,
}

/// Spans as a tokenizer of Python gives them, in characters of the text, as spans in its bytes.
fn in_bytes(text: &str, spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let starts: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    let byte = |character: usize| starts.get(character).copied().unwrap_or(text.len());
    spans.iter().map(|&(start, end)| (byte(start), byte(end))).collect()
}

fn kind(py: Python<'_>, norm: &str) -> PyResult<NormKind> {
    NormKind::named(norm).ok_or_else(|| error(py, &format!("norm: found `{}`, expected rms or layer", norm.escape_debug()), None))
}

impl Recorder {
    /// What is done with a recorder that was not finished; values are told without Python's lock.
    fn with<T: Send>(&self, py: Python<'_>, tell: impl FnOnce(&forward::Recorder) -> T + Send) -> PyResult<T> {
        let told = py.detach(|| self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_ref().map(tell));
        told.ok_or_else(|| finished(py))
    }
}

fn finished(py: Python<'_>) -> PyErr {
    error(py, "recorder: found one that is finished, expected one that is not", None)
}

#[pymethods]
impl Recorder {
    /// Prepares for one forward pass for each prompt, over its tokens `ids`; `spans` are in characters of the text.
    #[new]
    #[pyo3(signature = (prompts, ids, spans, *, tokenizer_json, taps, max_positions, engine, tensor_root, model, family, n_parameters,
        n_layers, n_heads, hidden, units, vocabulary, causal, norm, logit_cap))]
    #[expect(clippy::too_many_arguments, reason = "what an observation says of its subject, each by its name")]
    fn new(
        py: Python<'_>,
        prompts: &Bound<'_, PromptSet>,
        ids: Vec<Vec<u32>>,
        spans: Vec<Vec<(usize, usize)>>,
        tokenizer_json: &str,
        taps: Vec<String>,
        max_positions: Option<usize>,
        engine: String,
        tensor_root: Option<String>,
        model: String,
        family: String,
        n_parameters: u64,
        n_layers: usize,
        n_heads: usize,
        hidden: usize,
        units: usize,
        vocabulary: usize,
        causal: bool,
        norm: &str,
        logit_cap: Option<f32>,
    ) -> PyResult<Self> {
        let norm = kind(py, norm)?;
        let subject = Subject {
            engine,
            tensor_root,
            model,
            family,
            n_parameters,
            n_layers,
            n_heads,
            hidden,
            units,
            vocabulary,
            causal,
            norm,
            logit_cap,
        };
        let is_wanted = |tap: &str| taps.iter().any(|wanted| wanted == tap);
        let wanted = Wanted {
            attention: is_wanted("attention"),
            stream: is_wanted("stream"),
            units: is_wanted("units"),
            logits: is_wanted("logits"),
        };
        let prompts = &prompts.get().0;
        if ids.len() != prompts.prompts.len() || spans.len() != ids.len() {
            let (found, expected) = (ids.len().min(spans.len()), prompts.prompts.len());
            return Err(error(py, &format!("tokens: found those of {found} prompts, expected {expected}"), None));
        }
        let encoded: Result<Vec<Encoded>, NotRunnable> = prompts
            .prompts
            .iter()
            .zip(ids.into_iter().zip(spans))
            .map(|(prompt, (ids, spans))| {
                Encoded { ids, spans: in_bytes(&prompt.text, &spans) }.checked(&prompt.id, prompts, max_positions)
            })
            .collect();
        let encoded = encoded.map_err(|e| e.into_python(py))?;
        let vocabulary = serde_json::from_str(tokenizer_json)
            .map_err(|e| e.to_string())
            .and_then(|json| Vocabulary::from_tokenizer_json(&json).map_err(|e| e.to_string()))
            .map_err(|e| error(py, &format!("tokenizer: {e}"), None))?;
        let recorder = py.detach(|| forward::Recorder::new(&subject, prompts, encoded, &vocabulary, wanted));
        Ok(Self { inner: std::sync::Mutex::new(Some(recorder.map_err(|e| e.into_python(py))?)), norm })
    }

    /// The tokens to run, one sequence a prompt.
    #[getter]
    fn sequences(&self, py: Python<'_>) -> PyResult<Vec<Vec<u32>>> {
        self.with(py, forward::Recorder::sequences)
    }

    /// Tokens whose logits are kept, and whose rows of the unembedding `finish` is given.
    #[getter]
    fn logit_tokens(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.with(py, |recorder| recorder.logit_tokens().to_vec())
    }

    /// Positions of a prompt whose logits are kept, ascending.
    fn logit_positions(&self, py: Python<'_>, prompt: usize) -> PyResult<Vec<usize>> {
        self.with(py, |recorder| recorder.logit_positions(prompt, 0))
    }

    /// Attention probabilities of a block on a prompt, `[heads, n, n]`.
    fn attention(&self, py: Python<'_>, prompt: usize, layer: usize, probabilities: PyReadonlyArray3<'_, f32>) -> PyResult<()> {
        let n = probabilities.as_array().shape()[1];
        let values = probabilities.as_slice()?;
        self.with(py, |recorder| {
            for (head, values) in values.chunks_exact((n * n).max(1)).enumerate() {
                recorder.attention(HeadAt { sequence: prompt, layer, head }, &[], values);
            }
        })
    }

    /// The residual stream of a prompt before a block, `[n, hidden]`; after the last for `layer` = number of blocks.
    fn stream(&self, py: Python<'_>, prompt: usize, layer: usize, values: PyReadonlyArray2<'_, f32>) -> PyResult<()> {
        let values = values.as_slice()?;
        self.with(py, |recorder| recorder.stream(prompt, layer, values))
    }

    /// Activations of a block's units before the nonlinearity, `[n, units]`: of the gate where there is one, and of the up projection.
    fn units(
        &self,
        py: Python<'_>,
        prompt: usize,
        layer: usize,
        gate: Option<PyReadonlyArray2<'_, f32>>,
        up: PyReadonlyArray2<'_, f32>,
    ) -> PyResult<()> {
        let tokens: Vec<usize> = (0..up.as_array().shape()[0]).collect();
        let gate = gate.as_ref().map(PyReadonlyArray2::as_slice).transpose()?;
        let up = up.as_slice()?;
        self.with(py, |recorder| recorder.units(UnitsAt { sequence: prompt, layer, expert: None }, &tokens, gate, up))
    }

    /// Logits at positions of a prompt, `[positions, vocabulary]`, after the final cap where the model has one.
    fn logits(&self, py: Python<'_>, prompt: usize, positions: Vec<usize>, values: PyReadonlyArray2<'_, f32>) -> PyResult<()> {
        let vocabulary = values.as_array().shape()[1];
        let values = values.as_slice()?;
        self.with(py, |recorder| {
            for (position, values) in positions.iter().zip(values.chunks_exact(vocabulary.max(1))) {
                recorder.logits(prompt, *position, values);
            }
        })
    }

    /// The observation. `rows` are those of the unembedding at `logit_tokens`, and `gain` that of the final norm, where logits are observed.
    #[pyo3(signature = (rows = None, gain = None))]
    fn finish(
        &self,
        py: Python<'_>,
        rows: Option<PyReadonlyArray2<'_, f32>>,
        gain: Option<PyReadonlyArray1<'_, f32>>,
    ) -> PyResult<Observation> {
        let recorder = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take().ok_or_else(|| finished(py))?;
        let unembedding = match (&rows, &gain) {
            (Some(rows), Some(gain)) => Some((rows.as_slice()?.to_vec(), gain.as_slice()?)),
            _ => None,
        };
        let observation = py.detach(|| {
            let image = unembedding.map(|(mut rows, gain)| {
                fold_final_norm(&mut rows, gain, self.norm);
                image_from_rows(&rows, recorder.logit_tokens().len(), gain.len())
            });
            recorder.finish(image.transpose()?)
        });
        observation.map(Observation).map_err(|e| e.into_python(py))
    }
}
