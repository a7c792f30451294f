//! Who answers: weights in memory, a tokenizer, and the tokens that end a reply.

use crate::LabError;
use crate::dialogues::Chat;
use forward::{NotRunnable, Sampler, Tokenizer};
use serde_json::Value;
use sources::{FormatError, Model, digest};
use std::path::{Path, PathBuf};

/// A model that answers.
pub struct Teacher {
    /// As opened.
    pub path: PathBuf,
    /// Digest of its tensors.
    pub tensor_root: String,
    /// The model itself.
    pub sampler: Sampler,
    /// Its tokens.
    pub tokenizer: Tokenizer,
    eos: Vec<u32>,
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
        let sampler = Sampler::read(model)?.map_err(|why| unfit(&model.path, why, "a decoder that answers"))?;
        let tokenizer = Tokenizer::of(model).map_err(|why| unfit(&model.path, why, "a tokenizer beside the weights"))?;
        let custody = digest::custody(model, advance)?;
        let eos = match model.config.as_ref().map(|config| &config["eos_token_id"]) {
            Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).collect(),
            Some(id) => id.as_u64().into_iter().collect(),
            None => Vec::new(),
        };
        let eos = eos.into_iter().filter_map(|id: u64| u32::try_from(id).ok()).collect();
        Ok(Self { path: model.path.clone(), tensor_root: custody.tensor_root, sampler, tokenizer, eos })
    }

    /// Tokens after which a reply is over: those that the configuration names, and those whose text holds the chat's end.
    pub(super) fn stop(&self, chat: &Chat) -> Vec<u32> {
        let ids = self.tokenizer.ids().min(u32::try_from(self.sampler.vocabulary()).unwrap_or(u32::MAX));
        let ends = |id: &u32| self.eos.contains(id) || self.tokenizer.decode(&[*id]).is_ok_and(|text| text.contains(chat.end()));
        (0..ids).filter(ends).collect()
    }
}

/// Tokens of what a model reads before it answers: as its own pipeline begins a text, and without what that puts at the end of one.
///
/// # Errors
/// If the tokenizer cannot split it.
pub fn asked_ids(tokenizer: &Tokenizer, chat: &Chat, prompt: &str) -> Result<Vec<u32>, NotRunnable> {
    let encoded = tokenizer.encode(&chat.asked(prompt))?;
    let with_text = encoded.spans.iter().rposition(|(start, end)| start < end).map_or(0, |last| last + 1);
    Ok(encoded.ids.into_iter().take(with_text).collect())
}
