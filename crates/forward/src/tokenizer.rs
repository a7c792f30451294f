//! A model's own tokenizer: token ids of a text, and which bytes of the text each of them stands for.
//!
//! Whatever a checkpoint carries is first written as a `tokenizer.json` of Hugging Face, so that one library splits all texts.

mod beside;

use crate::{NotRunnable, PromptSet};
use serde_json::Value;
use sources::store::read_whole;
use sources::tensor::MAX_HEADER_BYTES;
use sources::{Model, gguf, tokenizer_json};
use std::path::Path;

/// A text as a model reads it, with the special tokens that the model adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The bytes of the text that each token stands for, as `(start, end)`; empty for tokens that stand for none.
    pub spans: Vec<(usize, usize)>,
}

/// Splits texts.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Where it was read: `tokenizer.json`, `GGUF metadata`.
    pub origin: String,
}

impl Tokenizer {
    /// The tokenizer beside the weights, or inside them.
    ///
    /// In this order: `tokenizer.json`; `vocab.txt` of BERT; `vocab.json` with `merges.txt` of GPT-2; the metadata of a GGUF file.
    ///
    /// # Errors
    /// If there is none, or one that cannot be used: the sentence says which.
    pub fn of(model: &Model) -> Result<Self, NotRunnable> {
        let folder = if model.path.is_dir() { model.path.as_path() } else { model.path.parent().unwrap_or(Path::new("")) };
        let json = folder.join("tokenizer.json");
        if json.is_file() {
            return Self::from_json(&read(&json)?, "tokenizer.json");
        }
        if let Some((json, origin)) = beside::tokenizer(folder, model.config.as_ref())? {
            return Self::from_value(&json, origin);
        }
        match tokenizer_json::from_gguf(&model.metadata).map_err(|error| NotRunnable(error.0))? {
            Some(json) => Self::from_value(&json, gguf::TOKENIZER_ORIGIN),
            None => NotRunnable::because(format!("`{}` has no tokenizer beside its weights", model.path.display())),
        }
    }

    /// From the bytes of a `tokenizer.json`; `origin` is what sentences call it. Nothing is truncated or padded, whatever the file says.
    pub fn from_json(bytes: &[u8], origin: &str) -> Result<Self, NotRunnable> {
        let refused = |error| NotRunnable(format!("the tokenizer in {origin} cannot be used: {error}"));
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(refused)?;
        inner.with_truncation(None).map_err(refused)?;
        inner.with_padding(None);
        Ok(Self { inner, origin: origin.into() })
    }

    fn from_value(json: &Value, origin: &str) -> Result<Self, NotRunnable> {
        Self::from_json(json.to_string().as_bytes(), origin)
    }

    /// The tokens of a text, special ones included as the model's own pipeline adds them.
    pub fn encode(&self, text: &str) -> Result<Encoded, NotRunnable> {
        let refused = |error| NotRunnable(format!("the tokenizer in {} cannot split a text: {error}", self.origin));
        let encoding = self.inner.encode(text, true).map_err(refused)?;
        Ok(Encoded { ids: encoding.get_ids().to_vec(), spans: encoding.get_offsets().to_vec() })
    }

    /// The tokens of a text that stands in the middle of another: no special one is added.
    pub fn encode_inside(&self, text: &str) -> Result<Vec<u32>, NotRunnable> {
        let refused = |error| NotRunnable(format!("the tokenizer in {} cannot split a text: {error}", self.origin));
        Ok(self.inner.encode(text, false).map_err(refused)?.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out; an id without a token stands for nothing.
    pub fn decode(&self, ids: &[u32]) -> Result<String, NotRunnable> {
        let refused = |error| NotRunnable(format!("the tokenizer in {} cannot join tokens: {error}", self.origin));
        self.inner.decode(ids, true).map_err(refused)
    }

    /// One more than the largest id.
    pub fn ids(&self) -> u32 {
        self.inner.get_vocab(true).values().max().map_or(0, |id| id.saturating_add(1))
    }

    /// The tokens of every prompt; a prompt that no token stands for, or that is longer than the model's positions, is an error.
    pub fn encode_all(&self, prompts: &PromptSet, max_positions: Option<usize>) -> Result<Vec<Encoded>, NotRunnable> {
        let encode = |prompt: &crate::Prompt| self.encode(&prompt.text)?.checked(&prompt.id, prompts, max_positions);
        prompts.prompts.iter().map(encode).collect()
    }
}

impl Encoded {
    /// The same, if a model of so many positions can read it.
    ///
    /// # Errors
    /// If no token stands for the prompt, or it is longer than the model's positions.
    pub fn checked(self, prompt: &str, prompts: &PromptSet, max_positions: Option<usize>) -> Result<Self, NotRunnable> {
        let (n, name, set) = (self.ids.len(), prompt.escape_debug(), prompts.label());
        if n == 0 {
            return NotRunnable::because(format!("prompt `{name}` of {set} has no token in the model's tokenizer"));
        }
        match max_positions.filter(|&most| n > most) {
            Some(most) => NotRunnable::because(format!("prompt `{name}` of {set} has {n} tokens, but the model has {most} positions")),
            None => Ok(self),
        }
    }
}

/// The bytes of a file beside the weights.
fn read(path: &Path) -> Result<Vec<u8>, NotRunnable> {
    read_whole(path, MAX_HEADER_BYTES).map_err(|error| NotRunnable(error.to_string()))
}

#[cfg(test)]
mod tests;
