//! Models as arguments name them: found, opened, digested.

use crate::Error;
use crate::progress::Progress;
use evidence::Side;
use forward::Observation;
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

/// What an argument of a comparison named: weights, or an observation of what they do.
pub(crate) struct Opened {
    /// As given.
    given: PathBuf,
    /// Without weights, where an observation was given.
    model: Model,
    observation: Option<Observation>,
}

/// The same with its digests.
pub(crate) struct Compared {
    pub(crate) given: PathBuf,
    pub(crate) model: Model,
    pub(crate) observation: Option<Observation>,
    pub(crate) custody: Custody,
}

impl Opened {
    /// Opens a side, a control or a parent of a comparison.
    ///
    /// An adapter changes a model and is none: nothing in it corresponds to weights, which would look like independence.
    pub(crate) fn of(given: &Path, progress: &Progress) -> Result<Self, Error> {
        let path = resolve(given)?;
        let model = Model::open(&path)?;
        if model.is_adapter {
            return Err(not_weights(&model).into());
        }
        if Observation::is_in(&model) {
            let observation = Observation::read(&path)?;
            return Ok(Self { given: given.to_owned(), model: Model::without_weights(&path)?, observation: Some(observation) });
        }
        note_warnings(&model, given, progress);
        Ok(Self { given: given.to_owned(), model, observation: None })
    }

    /// With all digests. An observation has the tensor root of the model that it is of.
    pub(crate) fn digested(self, what: &str, progress: &Progress) -> Result<Compared, Error> {
        let Self { given, model, observation } = self;
        let mut custody = custody(&model, what, progress)?;
        if let Some(observation) = &observation {
            // One without a root is of an unknown model, and equal to nothing but its own bytes.
            custody.tensor_root = observation.subject.tensor_root.clone().unwrap_or_else(|| custody.sha256.clone());
        }
        Ok(Compared { given, model, observation, custody })
    }
}

impl Compared {
    /// As methods see it.
    pub(crate) fn side(&self) -> Result<Side<'_>, Error> {
        Ok(if self.observation.is_some() { Side::observed(&self.model) } else { Side::new(&self.model)? })
    }
}

/// Opens weights: an observation holds none.
pub(crate) fn open_weights(path: &Path, progress: &Progress) -> Result<Model, Error> {
    let opened = Opened::of(path, progress)?;
    match opened.observation {
        None => Ok(opened.model),
        Some(_) => Err(FormatError::new("model", "an observation, which holds no weights", "the weights themselves")
            .hint("`filiation compare` takes observations")
            .at(&opened.model.path)
            .into()),
    }
}

/// The same with all digests.
pub(crate) fn digested_weights(path: &Path, what: &str, progress: &Progress) -> Result<Compared, Error> {
    let model = open_weights(path, progress)?;
    let custody = custody(&model, what, progress)?;
    Ok(Compared { given: path.to_owned(), model, observation: None, custody })
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
