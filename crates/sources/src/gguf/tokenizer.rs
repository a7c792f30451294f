//! The tokenizer that a GGUF file carries in its metadata.

use crate::tensor::MetaValue;
use std::collections::BTreeMap;

/// What sentences call the place of such a tokenizer, in the stead of a file's name.
pub const TOKENIZER_ORIGIN: &str = "GGUF metadata";

/// GGML's types of tokens that no text spells out, of the GGUF specification.
pub mod token_type {
    /// What stands for text that has no token.
    pub const UNKNOWN: u32 = 2;
    /// A mark of the model's own: the begin of a text, its end.
    pub const CONTROL: u32 = 3;
    /// Added to the vocabulary after it was learned.
    pub const USER_DEFINED: u32 = 4;
}

/// Vocabulary and merges, in order of their ids and ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTokenizer {
    /// Index = token id.
    pub tokens: Vec<String>,
    /// `"left right"`, the first merge first; empty for models that have none.
    pub merges: Vec<String>,
    /// GGML's token types (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte), one a token; empty if not given.
    pub token_types: Vec<u32>,
    /// GGML's name of the algorithm: `llama` (SentencePiece), `gpt2` (byte-level BPE), `bert`, `t5`, …
    pub model: String,
}

impl GgufTokenizer {
    /// The merges as pairs `(left, right)`, the first merge first.
    pub fn merge_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.merges.iter().filter_map(|pair| pair.split_once(' '))
    }
}

/// The tokenizer in a file's metadata, if there is one and it is well formed.
pub fn tokenizer(metadata: &BTreeMap<String, MetaValue>) -> Option<GgufTokenizer> {
    let array = |key: &str| match metadata.get(key) {
        Some(MetaValue::Array(values)) => Some(Some(values.as_slice())),
        Some(_) => None,
        None => Some(None),
    };
    let tokens = texts(array("tokenizer.ggml.tokens")??)?;
    let merges = texts(array("tokenizer.ggml.merges")?.unwrap_or_default())?;
    let token_types = array("tokenizer.ggml.token_type")?.unwrap_or_default().iter().map(small).collect::<Option<Vec<_>>>()?;
    if !(token_types.is_empty() || token_types.len() == tokens.len()) {
        return None;
    }
    let Some(MetaValue::Text(model)) = metadata.get("tokenizer.ggml.model") else {
        return None;
    };
    Some(GgufTokenizer { tokens, merges, token_types, model: model.clone() })
}

fn texts(values: &[MetaValue]) -> Option<Vec<String>> {
    let text = |value: &MetaValue| match value {
        MetaValue::Text(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().map(text).collect()
}

fn small(value: &MetaValue) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(types: &[i64]) -> BTreeMap<String, MetaValue> {
        let text = |s: &str| MetaValue::Text(s.into());
        BTreeMap::from([
            ("tokenizer.ggml.model".into(), text("gpt2")),
            ("tokenizer.ggml.tokens".into(), MetaValue::Array(vec![text("a"), text("b"), text("ab")])),
            ("tokenizer.ggml.merges".into(), MetaValue::Array(vec![text("a b")])),
            ("tokenizer.ggml.token_type".into(), MetaValue::Array(types.iter().map(|&n| MetaValue::Signed(n)).collect())),
        ])
    }

    #[test]
    fn tokens_merges_and_types_keep_their_order() {
        let found = tokenizer(&metadata(&[1, 1, 3])).unwrap();
        assert_eq!(found.tokens, ["a", "b", "ab"]);
        assert_eq!(found.merges, ["a b"]);
        assert_eq!(found.token_types, [1, 1, 3]);
        assert_eq!(found.model, "gpt2");
    }

    #[test]
    fn a_tokenizer_that_is_not_well_formed_is_none() {
        assert_eq!(tokenizer(&metadata(&[1, 1])), None, "fewer types than tokens");
        assert_eq!(tokenizer(&metadata(&[1, 1, -1])), None, "a negative type");
        let mut without_tokens = metadata(&[1, 1, 3]);
        without_tokens.remove("tokenizer.ggml.tokens");
        assert_eq!(tokenizer(&without_tokens), None);
    }
}
