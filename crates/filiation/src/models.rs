//! Models as arguments name them: found, opened, digested.

use crate::Error;
use crate::progress::Progress;
use sources::digest::{self, Custody};
use sources::{FormatError, Model, SourceError, hub};
use std::path::{Path, PathBuf};

/// The file or folder that an argument names: itself, or a model of the Hub's cache.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    Ok(hub::resolve(path, hub::cache(|name| std::env::var_os(name)).as_deref())?)
}

/// Opens what an argument names, with its warnings on stderr.
pub(crate) fn open(path: &Path, progress: &Progress) -> Result<Model, Error> {
    let model = Model::open(&resolve(path)?)?;
    note_warnings(&model, path, progress);
    Ok(model)
}

/// The same for a model that is compared.
///
/// An adapter changes a model and is none: nothing in it corresponds to weights, which would look like independence.
pub(crate) fn open_weights(path: &Path, progress: &Progress) -> Result<Model, Error> {
    let model = Model::open(&resolve(path)?)?;
    if model.is_adapter {
        return Err(not_weights(&model).into());
    }
    note_warnings(&model, path, progress);
    Ok(model)
}

/// The digests of all files and tensors.
pub(crate) fn custody(model: &Model, what: &str, progress: &Progress) -> Result<Custody, Error> {
    let phase = progress.bytes(what, digest::custody_bytes(model));
    Ok(digest::custody(model, &|n| phase.advance(n))?)
}

fn note_warnings(model: &Model, path: &Path, progress: &Progress) {
    for warning in &model.warnings {
        progress.note(&format!("warning: `{}`: {warning}", path.display()));
    }
}

fn not_weights(model: &Model) -> SourceError {
    let base = model.claims.base_models.first().map_or(String::new(), |claim| format!(" (its card names `{}`)", claim.value));
    FormatError::new("model", "an adapter: low-rank changes to another model's weights", "the weights themselves")
        .hint(format!("merge it into its base model{base} with the library that made it, then compare the result"))
        .at(&model.path)
}
