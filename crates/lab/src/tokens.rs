//! The tokenizer beside the weights: copied as it is, or made from the vocabulary of a container that holds it.

use crate::LabError;
use serde_json::{Value, json};
use sources::gguf::{self, GgufTokenizer, token_type};
use sources::tokenizer_json::{self, numbered};
use sources::{FormatError, Model};
use std::path::{Path, PathBuf};

/// What will stand beside the weights.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// Files that are copied byte for byte. A step that changes ids takes those out that name ids.
    pub copied: Vec<PathBuf>,
    /// `tokenizer.json`, where it is written anew.
    pub tokenizer: Option<Value>,
    /// `tokenizer_config.json`, where it is written anew.
    pub config: Option<Value>,
    /// Why no text can be split with what is written anew, where that is so.
    pub note: Option<String>,
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
        if model.vocabulary.as_ref().is_some_and(|vocabulary| vocabulary.origin == gguf::TOKENIZER_ORIGIN) {
            return Ok(Self::of_header(model));
        }
        let copied = FILES.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
        Ok(Self { copied, ..Self::default() })
    }

    /// The whole tokenizer of a GGUF header, or the names of its tokens with the reason why there is no more.
    fn of_header(model: &Model) -> Self {
        match tokenizer_json::from_gguf(&model.metadata) {
            Ok(tokenizer) => Self { tokenizer, ..Self::default() },
            Err(reason) => Self {
                tokenizer: gguf::tokenizer(&model.metadata).as_ref().map(names),
                note: Some(format!("the written tokenizer.json names tokens and splits no text, because {reason}")),
                ..Self::default()
            },
        }
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

/// As much of a `tokenizer.json` as tells the token of every id. No library knows its way to split texts, so that none splits them wrongly.
fn names(found: &GgufTokenizer) -> Value {
    let kinds = found.tokens.iter().zip(&found.token_types).enumerate();
    let control = kinds.filter(|(_, (_, kind))| **kind == token_type::CONTROL);
    let added: Vec<Value> = control.map(|(id, (token, _))| json!({ "id": id, "content": token, "special": true })).collect();
    json!({
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": { "type": "unknown" },
        "decoder": if found.model == "gpt2" { json!({ "type": "ByteLevel" }) } else { Value::Null },
        "model": { "type": "BPE", "vocab": numbered(found.tokens.iter().cloned()), "merges": found.merges },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(file: &str, rule: Option<&str>) -> Tokens {
        let mut model = Model::open(&Path::new("../../testdata/tokenizers").join(file)).unwrap();
        if let Some(rule) = rule {
            model.metadata.insert("tokenizer.ggml.pre".into(), sources::tensor::MetaValue::Text(rule.into()));
        }
        Tokens::of(&model).unwrap()
    }

    #[test]
    fn a_header_gives_a_tokenizer_that_splits_texts() {
        for (file, n) in [("byte-level.gguf", 4), ("llama.gguf", 5), ("gemma3.gguf", 5), ("bert.gguf", 5)] {
            let made = tokens(file, None);
            assert_eq!(made.note, None, "{file}");
            let json = made.tokenizer.unwrap().to_string();
            let tokenizer = forward::Tokenizer::from_json(json.as_bytes(), file).unwrap();
            let ids = tokenizer.encode("the man of the").unwrap().ids;
            assert!(ids.len() >= n, "{file}: {ids:?}");
        }
    }

    #[test]
    fn a_rule_that_nothing_here_knows_leaves_the_names_and_a_note() {
        let made = tokens("byte-level.gguf", Some("new-rule"));
        let expected = "the written tokenizer.json names tokens and splits no text, because the tokenizer in the GGUF metadata splits texts by \
                        the rule `new-rule`, which is not known here";
        assert_eq!(made.note.as_deref(), Some(expected));
        let json = made.tokenizer.unwrap();
        assert!(forward::Tokenizer::from_json(json.to_string().as_bytes(), "tokenizer.json").is_err());
        let whole = tokens("byte-level.gguf", None).tokenizer.unwrap();
        let named = |json: &Value| sources::vocabulary::Vocabulary::from_tokenizer_json(json).unwrap();
        assert_eq!(named(&json).tokens, named(&whole).tokens);
    }
}
