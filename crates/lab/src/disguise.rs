//! From a model on disk, through steps, to a model on disk with the record of what was done.

use crate::steps::{self, Call, Outcome};
use crate::write::{Record as Written, carried, check_is_free, write};
use crate::{Checkpoint, Dtype, LabError, Opened, Precision};
use serde::Serialize;
use serde_json::{Value, json};
use sources::{Model, TensorSource, digest};
use std::path::Path;
use std::sync::Arc;

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where the new folder will be.
    pub folder: &'a Path,
    /// `name` or `name=value`, in order.
    pub steps: &'a [String],
    /// Of all draws.
    pub seed: u64,
    /// Of the written numbers.
    pub precision: Precision,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The step as it could be asked for alone.
    pub step: String,
    /// What it was done with.
    pub parameters: Value,
    /// Whether the network computes what it computed before, but for rounding.
    pub keeps_function: bool,
    /// Why not, or in what sense.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What was written.
#[derive(Debug)]
pub struct Disguised {
    /// One record a step; several for a step that stands for several.
    pub records: Vec<Record>,
    /// What did not apply where a step stands for several, and what of the tokenizer could not be written, and why.
    pub skipped: Vec<String>,
    /// Bytes of weights.
    pub bytes: u64,
}

/// Names what `disguise.json` holds; changes with a major version only.
const SCHEMA: &str = "urn:filiation:disguise:v1";

/// Disguises a model.
///
/// # Errors
/// If no family describes the model, a step is not known or does not apply, or the folder is not free.
pub fn disguise(model: Model, request: &Request<'_>, digests: &(dyn Fn(u64) + Sync), advance: &dyn Fn(u64)) -> Result<Disguised, LabError> {
    check_is_free(request.folder)?;
    if model.is_adapter {
        return Err(LabError::Usage {
            message: format!("`{}`: found low-rank changes to another model's weights, expected weights", model.path.display()),
            hint: Some("merge the adapter into its base model first".into()),
        });
    }
    let calls = request.steps.iter().map(|text| Call::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let model = Arc::new(model);
    let mut checkpoint: Arc<dyn Checkpoint> = Arc::new(Opened::new(model.clone())?);
    let (mut records, mut skipped) = (Vec::new(), Vec::new());
    for (place, call) in calls.iter().enumerate() {
        let outcome: Outcome = steps::apply(call, place, request.seed, &checkpoint)?;
        checkpoint = outcome.checkpoint;
        records.extend(outcome.records);
        skipped.extend(outcome.skipped);
    }
    skipped.extend(checkpoint.outline().tokens.note.clone());

    let custody = digest::custody(&model, digests)?;
    let tensors = model.tensors();
    let carried: Vec<&str> = carried(&model).into_iter().filter_map(|i| tensors.get(i)).map(|tensor| tensor.name.as_str()).collect();
    let files: Vec<Value> = custody
        .files
        .iter()
        .map(|file| json!({ "path": file.path.display().to_string(), "bytes": file.bytes, "sha256": file.sha256 }))
        .collect();
    let record = json!({
        "schema": SCHEMA,
        "tool": format!("filiation {}", env!("CARGO_PKG_VERSION")),
        "source": {
            "path": model.path.display().to_string(),
            "format": model.format.to_string(),
            "family": checkpoint.outline().family,
            "files": files,
            "sha256": custody.sha256,
            "tensorRoot": custody.tensor_root,
        },
        "seed": request.seed,
        "dtype": match request.precision {
            Precision::AsStored => "as-stored",
            Precision::Of(Dtype::F32) => "f32",
            Precision::Of(Dtype::F16) => "f16",
            Precision::Of(Dtype::Bf16) => "bf16",
        },
        "asked": request.steps,
        "steps": records,
        "skipped": skipped,
        "keepsFunction": records.iter().all(|record| record.keeps_function),
        "carriedUnchanged": carried,
    });
    let bytes = write(
        checkpoint.as_ref(),
        Some(&model),
        request.folder,
        request.precision,
        &Written { file: "disguise.json", value: &record },
        advance,
    )?;
    Ok(Disguised { records, skipped, bytes })
}
