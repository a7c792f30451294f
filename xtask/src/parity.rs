//! `cargo xtask parity`: the forward pass of two published models beside what `transformers` computes of the same files.

use crate::{Error, cache, root, say};
use forward::{HeadAt, Network, Taps, Tokenizer, Wanted};
use sources::tensor::MetaValue;
use sources::{Model, TensorSource as _};
use std::path::Path;
use std::sync::Mutex;

/// Of logits and attention, absolutely; of hidden states, relative to the largest value of the row, because Gemma's reach 10^5.
const TOLERANCE: f64 = 1e-4;

/// Compares each golden under `testdata/forward/real` whose model lies in the cache.
pub(crate) fn run() -> Result<(), Error> {
    let folder = root().join("testdata/forward/real");
    let mut goldens: Vec<_> = std::fs::read_dir(&folder).map_err(Error::io("list", &folder))?.flatten().map(|entry| entry.path()).collect();
    goldens.sort();
    let mut wrong = Vec::new();
    for path in goldens.iter().filter(|path| path.extension().is_some_and(|ending| ending == "safetensors")) {
        let golden = Golden::open(path)?;
        let model = cache()?.join("pairs").join(golden.text("model")?);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if !model.is_file() {
            say(&format!("{name}: skipped, `{}` is not in the cache; `cargo xtask pairs fetch` brings it", golden.text("model")?));
            continue;
        }
        for (what, difference) in compare(&golden, &model)? {
            say(&format!("{name:14} {what:14} largest difference {difference:.1e}, at most {TOLERANCE:.0e} expected"));
            if difference.is_nan() || difference > TOLERANCE {
                wrong.push(format!("{name}: {what}"));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Failed(format!("parity: too far from transformers: {}", wrong.join(", ")))) }
}

/// A file of expected tensors.
struct Golden {
    file: Model,
}

impl Golden {
    fn open(path: &Path) -> Result<Self, Error> {
        Model::open(path).map(|file| Self { file }).map_err(Error::failed)
    }

    fn text(&self, key: &str) -> Result<&str, Error> {
        match self.file.metadata.get(key) {
            Some(MetaValue::Text(text)) => Ok(text),
            _ => Err(Error::Failed(format!("golden: no `{key}` in its metadata"))),
        }
    }

    /// Values of a tensor; `None` where the golden has none of this name.
    fn tensor(&self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        let Some(index) = self.file.tensors().iter().position(|tensor| tensor.name == name) else { return Ok(None) };
        let tensor = &self.file.tensors()[index];
        let mut values = Vec::new();
        self.file.read_f32(index, 0..tensor.rows(), &mut values).map_err(Error::failed)?;
        Ok(Some(values))
    }

    fn required(&self, name: &str) -> Result<Vec<f32>, Error> {
        self.tensor(name)?.ok_or_else(|| Error::Failed(format!("golden: no tensor `{name}`")))
    }
}

/// What is heard of one sequence.
#[derive(Default)]
struct Heard {
    layers: usize,
    attention: Mutex<Vec<(HeadAt, Vec<f32>)>>,
    /// By block: the stream before it, and after the final norm at the end.
    stream: Mutex<Vec<Vec<f32>>>,
    logits: Mutex<Vec<f32>>,
}

impl Taps for Heard {
    fn wanted(&self) -> Wanted {
        Wanted { attention: true, stream: true, units: false, logits: true }
    }

    fn attention(&self, at: HeadAt, _: &[f32], probabilities: &[f32]) {
        if at.layer == 0 || at.layer + 1 == self.layers {
            lock(&self.attention).push((at, probabilities.to_vec()));
        }
    }

    fn stream(&self, _: usize, layer: usize, values: &[f32]) {
        if layer < self.layers {
            lock(&self.stream).push(values.to_vec());
        }
    }

    fn last(&self, _: usize, values: &[f32]) {
        lock(&self.stream).push(values.to_vec());
    }

    fn logit_positions(&self, _: usize, n: usize) -> Vec<usize> {
        n.checked_sub(1).into_iter().collect()
    }

    fn logits(&self, _: usize, _: usize, values: &[f32]) {
        lock(&self.logits).extend_from_slice(values);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn compare(golden: &Golden, path: &Path) -> Result<Vec<(&'static str, f64)>, Error> {
    let model = Model::open(path).map_err(Error::failed)?;
    let tokens: Vec<u32> = golden.required("tokens")?.into_iter().map(|id| id as u32).collect();
    let encoded = Tokenizer::of(&model).map_err(Error::failed)?.encode(golden.text("text")?).map_err(Error::failed)?;
    let network = Network::open(&model).map_err(Error::failed)?;
    let (layers, hidden) = (network.shape().layers, network.shape().hidden);
    let heard = Heard { layers, ..Heard::default() };
    network.run(std::slice::from_ref(&tokens), &heard, &|_| ()).map_err(Error::failed)?;

    let mut found = vec![("token ids", if encoded.ids == tokens { 0.0 } else { f64::NAN })];
    let mut attention = lock(&heard.attention).clone();
    attention.sort_by_key(|(at, _)| *at);
    for (what, name, layer) in [("first heads", "attentions_first", 0), ("last heads", "attentions_last", layers - 1)] {
        let of_layer: Vec<f32> = attention.iter().filter(|(at, _)| at.layer == layer).flat_map(|(_, p)| p).copied().collect();
        found.push((what, largest(&of_layer, &golden.required(name)?, 1.0)));
    }
    let (expected, positions) = (golden.required("hidden_states")?, golden.required("positions")?);
    let stream = lock(&heard.stream);
    let rows = stream.iter().flat_map(|values| positions.iter().map(move |&at| &values[at as usize * hidden..][..hidden]));
    let of_rows = rows.zip(expected.chunks_exact(hidden)).map(|(found, expected)| {
        let size = expected.iter().map(|v| f64::from(v.abs())).max_by(f64::total_cmp).unwrap_or(1.0);
        largest(found, expected, size)
    });
    found.push(("hidden states", of_rows.max_by(f64::total_cmp).unwrap_or(f64::NAN)));
    if let Some(expected) = golden.tensor("logits")? {
        let logits = lock(&heard.logits);
        let chosen: Vec<f32> = golden.required("logit_ids")?.into_iter().map(|id| logits[id as usize]).collect();
        found.push(("logits", largest(&chosen, &expected, 1.0)));
    }
    Ok(found)
}

/// The largest difference, over `size`; NaN where there are differently many.
fn largest(found: &[f32], expected: &[f32], size: f64) -> f64 {
    if found.len() != expected.len() {
        return f64::NAN;
    }
    found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()) / size).max_by(f64::total_cmp).unwrap_or(f64::NAN)
}
