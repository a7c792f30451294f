//! From a checkpoint on disk, through a training, to a checkpoint on disk with the record of it.

use super::fit::Progress;
use super::{Examples, Fit, Point, Schedule, Tune, fit};
use crate::write::{Record, check_is_free, write};
use crate::{Checkpoint, Dtype, LabError, Matrix, Opened, Outline, Precision};
use forward::{Tokenizer, Trainable};
use serde_json::{Value, json};
use sources::{FormatError, Model, Slot, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for.
pub struct Request<'a> {
    /// Where the new folder will be. Beside it, `.training` after its name, stands the state of a training under way.
    pub folder: &'a Path,
    /// How fast.
    pub schedule: Schedule,
    /// On what.
    pub examples: &'a dyn Examples,
    /// Which weights.
    pub tune: Tune,
    /// Of the draws of adapters.
    pub seed: u64,
    /// Of the written numbers.
    pub precision: Precision,
    /// What the record says besides: the recipe, the teacher.
    pub history: Value,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The loss curve.
    pub points: Vec<Point>,
    /// Numbers of the model.
    pub parameters: u64,
}

/// Names what `training.json` holds; changes with a major version only.
const SCHEMA: &str = "urn:filiation:training:v1";

/// Trains a model and writes the result.
///
/// # Errors
/// If the model cannot be trained here, a file cannot be read or written, or the folder is not free.
pub fn train(model: Model, request: &Request<'_>, advance: &dyn Fn(Progress)) -> Result<Made, LabError> {
    check_is_free(request.folder)?;
    let model = Arc::new(model);
    let mut trainable =
        Trainable::read(&model)?.map_err(|why| FormatError::new("model", why.0, "a decoder that can be trained").at(&model.path))?;
    let custody = digest::custody(&model, &|_| ())?;
    let decides = json!({
        "start": custody.tensor_root,
        "schedule": request.schedule,
        "tune": request.tune,
        "seed": request.seed,
        "examples": request.examples.digest(),
    });
    let state = state_path(request.folder);
    if let Some(parent) = state.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|error| LabError::Io { action: "create", path: parent.to_owned(), error })?;
    }
    let digest = blake3::hash(decides.to_string().as_bytes()).to_hex().to_string();
    let asked = Fit {
        schedule: request.schedule,
        examples: request.examples,
        tune: request.tune.clone(),
        seed: request.seed,
        state: Some((&state, &digest)),
    };
    let points = fit(&mut trainable, &asked, advance)?;
    let record = json!({
        "schema": SCHEMA,
        "tool": format!("filiation {}", env!("CARGO_PKG_VERSION")),
        "start": { "path": model.path.display().to_string(), "tensorRoot": custody.tensor_root },
        "schedule": request.schedule,
        "tune": request.tune,
        "seed": request.seed,
        "examples": request.examples.digest(),
        "history": request.history,
        "loss": points,
    });
    let trained = Trained::new(Opened::new(model.clone())?, &mut trainable);
    write(&trained, Some(&model), request.folder, request.precision, &Record { file: "training.json", value: &record }, &|_| ())?;
    match std::fs::remove_file(&state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LabError::Io { action: "remove", path: state, error }),
        _ => Ok(Made { points, parameters: model.parameters() }),
    }
}

fn state_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".training");
    folder.with_file_name(name)
}

/// The start with other numbers.
struct Trained {
    outline: Outline,
    weights: BTreeMap<Slot, Vec<f32>>,
}

impl Trained {
    fn new(start: Opened, trainable: &mut Trainable) -> Self {
        let mut outline = start.outline().clone();
        // A half type of the start would round away what was learnt, unless it is asked for.
        outline.weights.values_mut().for_each(|spec| spec.dtype = Dtype::F32);
        let weights = trainable.parameters.each_mut().into_iter().map(|place| (place.slot, place.values.to_vec())).collect();
        Self { outline, weights }
    }
}

impl Checkpoint for Trained {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn read(&self, slot: Slot) -> Result<Matrix, LabError> {
        let spec = self.outline.spec(slot)?;
        let values = self.weights.get(&slot).filter(|values| values.len() == spec.rows() * spec.cols());
        let values = values.ok_or_else(|| FormatError::new("weight", format!("no trained `{slot}`"), "every weight of the model"))?;
        Ok(Matrix::new(spec.rows(), spec.cols(), values.clone()))
    }
}

/// Token ids of documents, one after another, each as the tokenizer begins it.
///
/// # Errors
/// If a document cannot be split.
pub fn tokens(tokenizer: &Tokenizer, documents: &[String]) -> Result<Arc<[u32]>, LabError> {
    let mut ids = Vec::new();
    for document in documents {
        let encoded = tokenizer.encode(document).map_err(|why| FormatError::new("text", why.0, "text that the tokenizer splits"))?;
        ids.extend(encoded.ids);
    }
    Ok(ids.into())
}

/// The text of files, a document each.
///
/// # Errors
/// If one cannot be read as UTF-8.
pub fn documents(files: &[PathBuf]) -> Result<Vec<String>, LabError> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| LabError::Io { action: "read", path: path.clone(), error });
    files.iter().map(read).collect()
}
