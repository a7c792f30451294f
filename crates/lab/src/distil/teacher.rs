//! Who answers.

use crate::LabError;
use forward::{NotRunnable, Responder};
use sources::{FormatError, Model, digest};
use std::path::{Path, PathBuf};

/// A model that answers.
pub struct Teacher {
    /// As opened.
    pub path: PathBuf,
    /// Digest of its tensors.
    pub tensor_root: String,
    /// The model itself.
    pub responder: Responder,
}

pub(super) fn unfit(path: &Path, why: NotRunnable, expected: &str) -> LabError {
    FormatError::new("model", why.0, expected).at(path).into()
}

impl Teacher {
    /// Reads all weights, and digests them: `advance` is told the bytes, [`digest::custody_bytes`] in all.
    ///
    /// # Errors
    /// If a file cannot be read, or the model is no decoder that answers here.
    pub fn read(model: &Model, advance: &(dyn Fn(u64) + Sync)) -> Result<Self, LabError> {
        let responder = Responder::read(model)?;
        let responder = responder.map_err(|why| unfit(&model.path, why, "a decoder that answers, with a tokenizer beside its weights"))?;
        let custody = digest::custody(model, advance)?;
        Ok(Self { path: model.path.clone(), tensor_root: custody.tensor_root, responder })
    }
}
