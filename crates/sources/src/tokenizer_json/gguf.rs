//! The tokenizer in a GGUF file's metadata, written as a `tokenizer.json`.

use super::sentencepiece::{Order, merges};
use super::{CannotSplit, added_token, framed, numbered, wordpiece};
use crate::gguf::{self, GgufTokenizer, token_type};
use crate::tensor::MetaValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Metadata = BTreeMap<String, MetaValue>;

/// `None` where the metadata name no tokens.
///
/// # Errors
/// If the tokens are not well formed, or nothing here knows how their algorithm splits a text.
pub fn from_gguf(metadata: &Metadata) -> Result<Option<Value>, CannotSplit> {
    if !metadata.contains_key("tokenizer.ggml.tokens") {
        return Ok(None);
    }
    let Some(tokenizer) = gguf::tokenizer(metadata) else {
        return because("the tokenizer in the GGUF metadata is not well formed");
    };
    let reader = Reader { metadata, tokenizer: &tokenizer };
    match tokenizer.model.as_str() {
        "llama" => reader.sentencepiece(),
        "gpt2" => reader.byte_level(),
        "bert" => Ok(reader.wordpiece()),
        other => because(format!("GGUF tokenizers of the kind `{}` are not supported yet", other.escape_debug())),
    }
    .map(Some)
}

fn because<T>(sentence: impl Into<String>) -> Result<T, CannotSplit> {
    Err(CannotSplit(sentence.into()))
}

struct Reader<'a> {
    metadata: &'a Metadata,
    tokenizer: &'a GgufTokenizer,
}

impl Reader<'_> {
    fn value(&self, key: &str) -> Option<&MetaValue> {
        self.metadata.get(&format!("tokenizer.ggml.{key}"))
    }

    fn flag(&self, key: &str, otherwise: bool) -> bool {
        match self.value(key) {
            Some(&MetaValue::Bool(flag)) => flag,
            _ => otherwise,
        }
    }

    /// A special token, by the key that holds its id.
    fn special(&self, key: &str) -> Option<(String, u64)> {
        let id = self.value(key)?.as_u64()?;
        Some((self.tokenizer.tokens.get(usize::try_from(id).ok()?)?.clone(), id))
    }

    /// Tokens that are found whole in a text, among `tokens` as the vocabulary spells them.
    fn added(&self, tokens: &[String]) -> Vec<Value> {
        let kinds = self.tokenizer.token_types.iter().zip(&self.tokenizer.tokens).zip(tokens).enumerate();
        kinds
            .filter(|(_, ((kind, as_stored), token))| {
                matches!(**kind, token_type::UNKNOWN | token_type::CONTROL | token_type::USER_DEFINED)
                    && as_stored == token
                    && !token.is_empty()
            })
            .map(|(id, ((&kind, _), token))| added_token(token, id as u64, kind != token_type::USER_DEFINED))
            .collect()
    }

    /// The merges that the file lists.
    fn merges(&self) -> Vec<Value> {
        self.tokenizer.merge_pairs().map(|(left, right)| json!([left, right])).collect()
    }

    /// Special tokens around a text, where the file asks for them.
    fn frame(&self, begins: bool) -> Value {
        let begins = self.flag("add_bos_token", begins);
        let ends = self.flag("add_eos_token", false);
        framed(self.special("bos_token_id").filter(|_| begins), self.special("eos_token_id").filter(|_| ends))
    }

    fn sentencepiece(&self) -> Result<Value, CannotSplit> {
        let is_gemma = matches!(self.metadata.get("general.architecture"), Some(MetaValue::Text(name)) if name.starts_with("gemma"));
        // Files of Gemma spell runs of spaces as spaces, and single ones as SentencePiece does.
        let respelled = |token: &String| {
            let is_run = token.len() > 1 && token.bytes().all(|byte| byte == b' ');
            if is_run { "▁".repeat(token.len()) } else { token.clone() }
        };
        let tokens: Vec<String> = self.tokenizer.tokens.iter().map(respelled).collect();
        let scores: Vec<f64> = match self.value("scores") {
            Some(MetaValue::Array(scores)) => {
                scores.iter().map(|score| if let &MetaValue::Float(s) = score { s } else { f64::NAN }).collect()
            }
            _ => Vec::new(),
        };
        let merges = if !self.tokenizer.merges.is_empty() {
            self.merges()
        } else if is_gemma {
            merges(&tokens, Order::Ids)
        } else if scores.len() == tokens.len() && !scores.iter().any(|score| score.is_nan()) {
            merges(&tokens, Order::Scores(&scores))
        } else {
            let (found, n) = (scores.len(), tokens.len());
            return because(format!("the tokenizer in the GGUF metadata has {found} scores for {n} tokens"));
        };
        // SentencePiece puts its space before every text, one that begins with a space included.
        let mut normalizers = vec![json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" })];
        if self.flag("add_space_prefix", true) {
            normalizers.insert(0, json!({ "type": "Prepend", "prepend": "▁" }));
        }
        let unknown = self.special("unknown_token_id").map(|(token, _)| token);
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(&tokens),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "post_processor": self.frame(true),
            "model": {
                "type": "BPE", "unk_token": unknown, "fuse_unk": true, "byte_fallback": true,
                "vocab": numbered(tokens.into_iter()), "merges": merges
            }
        }))
    }

    fn byte_level(&self) -> Result<Value, CannotSplit> {
        let rule = match self.value("pre") {
            Some(MetaValue::Text(rule)) => rule.as_str(),
            _ => "default",
        };
        let Some(split) = Split::named(rule) else {
            let rule = rule.escape_debug();
            return because(format!("the tokenizer in the GGUF metadata splits texts by the rule `{rule}`, which is not known here"));
        };
        // llama.cpp takes a word that is a token whole for these two, and begins a text with BOS where the file does not say.
        let ignores_merges = matches!(split, Split::Llama3 | Split::Tekken);
        let merges = self.merges();
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(&self.tokenizer.tokens),
            "pre_tokenizer": split.pre_tokenizer(),
            "post_processor": self.frame(ignores_merges),
            "model": {
                "type": "BPE", "ignore_merges": ignores_merges,
                "vocab": numbered(self.tokenizer.tokens.iter().cloned()), "merges": merges
            }
        }))
    }

    /// llama.cpp keeps BERT's pieces the other way round: `▁` begins a word, and nothing continues it. It reads all text in lower case.
    fn wordpiece(&self) -> Value {
        let tokens = self.tokenizer.tokens.iter().map(|token| match token.strip_prefix('▁') {
            Some(word) => word.to_owned(),
            None if token.starts_with('[') && token.ends_with(']') => token.clone(),
            None => format!("##{token}"),
        });
        wordpiece(tokens, true)
    }
}

/// How a byte-level vocabulary splits a text before its merges apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Gpt2,
    /// GPT-2's, after every digit was set apart.
    Digits,
    Llama3,
    Smaug,
    Qwen2,
    Tekken,
    Gpt4o,
}

impl Split {
    /// By llama.cpp's name of the rule.
    fn named(rule: &str) -> Option<Self> {
        Some(match rule {
            "default" | "gpt-2" | "gpt2" | "phi-2" | "mpt" | "olmo" | "jais" | "roberta-bpe" | "modern-bert" => Self::Gpt2,
            "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b" => Self::Digits,
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral" => Self::Llama3,
            "dbrx" | "smaug-bpe" => Self::Smaug,
            "qwen2" | "deepseek-r1-qwen" | "megrez" => Self::Qwen2,
            "tekken" => Self::Tekken,
            "gpt-4o" | "llama4" => Self::Gpt4o,
            _ => return None,
        })
    }

    fn pattern(self) -> Option<&'static str> {
        Some(match self {
            Self::Gpt2 | Self::Digits => return None,
            Self::Llama3 | Self::Smaug => {
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            }
            Self::Qwen2 => {
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            }
            Self::Tekken => concat!(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
                r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Gpt4o => concat!(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
        })
    }

    fn pre_tokenizer(self) -> Value {
        let bytes = |splits: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": splits });
        let sequence = |first: Value, then: Value| json!({ "type": "Sequence", "pretokenizers": [first, then] });
        match self.pattern() {
            Some(pattern) => {
                let split = json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
                sequence(split, bytes(false))
            }
            None if self == Self::Digits => sequence(json!({ "type": "Digits", "individual_digits": true }), bytes(true)),
            None => bytes(true),
        }
    }
}
