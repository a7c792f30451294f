//! The tokenizer beside the weights: copied as it is, or made from the vocabulary of a container that holds it.

use crate::LabError;
use serde_json::{Map, Value, json};
use sources::tensor::MetaValue;
use sources::{FormatError, Model, gguf};
use std::path::{Path, PathBuf};

/// What will stand beside the weights.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// Files that are copied byte for byte. A step that changes ids takes those out that name ids.
    pub copied: Vec<PathBuf>,
    /// `tokenizer.json`, where it is written anew.
    pub tokenizer: Option<Value>,
}

/// Files of a tokenizer and of generation; cards and licences are not copied, because the written model is another one.
const FILES: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocabulary.txt",
    "vocabulary.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "generation_config.json",
    "preprocessor_config.json",
    "chat_template.jinja",
];

impl Tokens {
    /// What stands beside a model, or what its header holds.
    pub(crate) fn of(model: &Model) -> Result<Self, LabError> {
        let folder = if model.path.is_dir() { &model.path } else { model.path.parent().unwrap_or(Path::new("")) };
        let copied: Vec<PathBuf> = FILES.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
        if model.vocabulary.as_ref().is_some_and(|vocabulary| vocabulary.origin != "GGUF metadata") {
            return Ok(Self { copied, tokenizer: None });
        }
        Ok(Self { copied: Vec::new(), tokenizer: from_gguf(model) })
    }

    /// `tokenizer.json` as it stands now: written anew, or the file that would be copied.
    pub fn json(&self) -> Result<Option<Value>, LabError> {
        if let Some(tokenizer) = &self.tokenizer {
            return Ok(Some(tokenizer.clone()));
        }
        let Some(path) = self.copied.iter().find(|path| path.file_name().is_some_and(|name| name == "tokenizer.json")) else {
            return Ok(None);
        };
        let bytes = std::fs::read(path).map_err(|error| LabError::Io { action: "read", path: path.clone(), error })?;
        let json = serde_json::from_slice(&bytes).map_err(|error| FormatError::new("JSON", error, "one JSON value").at(path))?;
        Ok(Some(json))
    }
}

/// As much of a tokenizer as names the token of every id. What splits and normalises text is not in the header.
fn from_gguf(model: &Model) -> Option<Value> {
    let found = gguf::tokenizer(&model.metadata)?;
    let added: Vec<Value> = found
        .tokens
        .iter()
        .zip(&found.token_types)
        .enumerate()
        // GGML's token type 3 is a control token.
        .filter(|(_, (_, kind))| **kind == 3)
        .map(|(id, (token, _))| json!({ "id": id, "content": token, "special": true }))
        .collect();
    let ids = || -> Map<String, Value> { found.tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect() };
    let mut tokenizer = match found.model.as_str() {
        "gpt2" => json!({
            "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": { "type": "BPE", "vocab": ids(), "merges": found.merges },
        }),
        "bert" => json!({ "model": {
            "type": "WordPiece", "vocab": ids(), "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        } }),
        _ => {
            let scores = match model.metadata.get("tokenizer.ggml.scores") {
                Some(MetaValue::Array(scores)) => scores.as_slice(),
                _ => &[],
            };
            let score = |id: usize| match scores.get(id) {
                Some(MetaValue::Float(score)) => *score,
                _ => 0.0,
            };
            let pieces: Vec<Value> = found.tokens.iter().enumerate().map(|(id, token)| json!([token, score(id)])).collect();
            let unknown = found.token_types.iter().position(|&kind| kind == 2);
            json!({ "model": { "type": "Unigram", "vocab": pieces, "unk_id": unknown, "byte_fallback": true } })
        }
    };
    tokenizer["version"] = json!("1.0");
    tokenizer["added_tokens"] = json!(added);
    Some(tokenizer)
}
