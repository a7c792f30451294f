//! Vocabularies as decoded byte strings, so that two tokenizers can be compared whatever their scheme and their ids.

use crate::model::{read_bytes, read_json};
use crate::tensor::MetaValue;
use crate::{FormatError, SourceError, gguf};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Tokens by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// The byte string that each id decodes to; `None` for an unused id.
    pub tokens: Vec<Option<Vec<u8>>>,
    /// Merge rules in order, as written.
    pub merges: Vec<String>,
    /// Ids of declared special tokens.
    pub special: Vec<usize>,
    /// Where it was read: `tokenizer.json`.
    pub origin: String,
}

/// A hostile vocabulary could name an id that makes the table as large as memory.
const MAX_TOKENS: usize = 1 << 22;

/// How a scheme writes bytes as token text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// GPT-2's printable stand-ins, one character a byte.
    ByteLevel,
    /// SentencePiece: `▁` for a space, `<0x0A>` for a byte.
    SentencePiece,
    /// BERT: `##` continues a word, anything else starts one.
    WordPiece,
}

impl Vocabulary {
    /// Reads the tokenizer files in a model's folder; `None` if there are none.
    pub fn beside(folder: &Path) -> Result<Option<Self>, SourceError> {
        let path = folder.join("tokenizer.json");
        if let Some(json) = read_json(&path)? {
            return Self::from_tokenizer_json(&json).map(Some).map_err(|e| e.at(&path));
        }
        for (name, scheme) in [("vocab.txt", Scheme::WordPiece), ("vocabulary.txt", Scheme::ByteLevel)] {
            let path = folder.join(name);
            if path.is_file() {
                let text = read_bytes(&path)?;
                let tokens: Vec<&str> =
                    std::str::from_utf8(&text).map_err(|e| FormatError::new("vocabulary", e, "UTF-8 text").at(&path))?.lines().collect();
                return Ok(Some(Self {
                    tokens: tokens.iter().map(|t| Some(decode(t, scheme))).collect(),
                    origin: name.into(),
                    ..Self::default()
                }));
            }
        }
        let path = folder.join("vocab.json");
        if let Some(json) = read_json(&path)? {
            let merges = folder.join("merges.txt");
            let merges = if merges.is_file() { read_bytes(&merges)? } else { Vec::new() };
            return Self::from_vocab_json(&json, &String::from_utf8_lossy(&merges)).map(Some).map_err(|e| e.at(&path));
        }
        Ok(None)
    }

    /// GPT-2's pair of files: ids by token, and one merge a line after a line with the version.
    fn from_vocab_json(json: &Value, merges: &str) -> Result<Self, FormatError> {
        let entries = json.as_object().ok_or_else(|| FormatError::new("vocabulary", "another type", "a map of tokens"))?;
        let mut vocabulary = Self { origin: "vocab.json".into(), ..Self::default() };
        // Wav2vec and other character models use the same file name without stand-ins for bytes.
        let scheme = if merges.is_empty() { Scheme::SentencePiece } else { Scheme::ByteLevel };
        for (token, id) in entries {
            vocabulary.set(id.as_u64(), decode(token, scheme))?;
        }
        vocabulary.merges = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).map(str::to_owned).collect();
        Ok(vocabulary)
    }

    /// From GGUF metadata.
    pub fn from_gguf(metadata: &BTreeMap<String, MetaValue>) -> Option<Self> {
        let tokenizer = gguf::tokenizer(metadata)?;
        let scheme = match tokenizer.model.as_str() {
            "gpt2" => Scheme::ByteLevel,
            // BERT's too: llama.cpp's converter turns `the` into `▁the` and `##ing` into `ing`.
            _ => Scheme::SentencePiece,
        };
        let is_control = |&(_, &kind): &(usize, &u32)| kind == gguf::token_type::CONTROL;
        let special = tokenizer.token_types.iter().enumerate().filter(is_control).map(|(id, _)| id).collect();
        Some(Self {
            tokens: tokenizer.tokens.iter().map(|t| Some(decode(t, scheme))).collect(),
            merges: tokenizer.merges,
            special,
            origin: gguf::TOKENIZER_ORIGIN.into(),
        })
    }

    /// From a parsed `tokenizer.json`.
    pub fn from_tokenizer_json(json: &Value) -> Result<Self, FormatError> {
        let model = json.get("model").ok_or_else(|| FormatError::new("tokenizer", "no `model`", "a `model` with a vocabulary"))?;
        let kind = model.get("type").and_then(Value::as_str).unwrap_or_default();
        let writes_bytes = |key: &str| json.get(key).is_some_and(|part| part.to_string().contains("\"ByteLevel\""));
        let scheme = if kind == "WordPiece" {
            Scheme::WordPiece
        } else if writes_bytes("pre_tokenizer") || writes_bytes("decoder") {
            Scheme::ByteLevel
        } else {
            Scheme::SentencePiece
        };
        let mut vocabulary = Self { origin: "tokenizer.json".into(), ..Self::default() };
        match model.get("vocab") {
            Some(Value::Object(entries)) => {
                for (token, id) in entries {
                    vocabulary.set(id.as_u64(), decode(token, scheme))?;
                }
            }
            Some(Value::Array(entries)) => {
                for (id, entry) in entries.iter().enumerate() {
                    let token = entry
                        .get(0)
                        .and_then(Value::as_str)
                        .ok_or_else(|| FormatError::new("vocabulary entry", entry, "[token, score]"))?;
                    vocabulary.set(Some(id as u64), decode(token, scheme))?;
                }
            }
            other => {
                return Err(FormatError::new(
                    "vocabulary",
                    if other.is_none() { "none" } else { "another type" },
                    "a map or a list of tokens",
                ));
            }
        }
        for merge in model.get("merges").and_then(Value::as_array).into_iter().flatten() {
            vocabulary.merges.push(match merge {
                Value::Array(pair) => pair.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
                other => other.as_str().unwrap_or_default().to_owned(),
            });
        }
        for added in json.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
            let id = added.get("id").and_then(Value::as_u64);
            vocabulary.set(id, added.get("content").and_then(Value::as_str).unwrap_or_default().as_bytes().to_vec())?;
            if added.get("special").and_then(Value::as_bool) == Some(true) {
                vocabulary.special.extend(id.map(|id| id as usize));
            }
        }
        Ok(vocabulary)
    }

    fn set(&mut self, id: Option<u64>, token: Vec<u8>) -> Result<(), FormatError> {
        let id = id.and_then(|id| usize::try_from(id).ok()).filter(|&id| id < MAX_TOKENS).ok_or_else(|| {
            FormatError::new(
                "token id",
                format!("no usable id for `{}`", String::from_utf8_lossy(&token).escape_debug()),
                format!("an integer below {MAX_TOKENS}"),
            )
        })?;
        if id >= self.tokens.len() {
            self.tokens.resize(id + 1, None);
        }
        self.tokens[id] = Some(token);
        Ok(())
    }

    /// Ids by decoded byte string, for strings that exactly one id decodes to.
    pub fn ids(&self) -> BTreeMap<&[u8], usize> {
        let mut ids: BTreeMap<&[u8], Option<usize>> = BTreeMap::new();
        for (id, token) in self.tokens.iter().enumerate() {
            if let Some(token) = token {
                ids.entry(token).and_modify(|seen| *seen = None).or_insert(Some(id));
            }
        }
        ids.into_iter().filter_map(|(token, id)| Some((token, id?))).collect()
    }

    /// Ids `(self, other)` of the tokens that decode to the same bytes on both sides, each by exactly one id; in the order of the SHA-256 of
    /// the bytes, which no side can choose.
    pub fn common(&self, other: &Self) -> Vec<(usize, usize)> {
        let theirs = other.ids();
        let mut common: Vec<([u8; 32], usize, usize)> =
            self.ids().into_iter().filter_map(|(token, id)| Some((Sha256::digest(token).into(), id, *theirs.get(token)?))).collect();
        common.sort_unstable();
        common.into_iter().map(|(_, mine, theirs)| (mine, theirs)).collect()
    }

    /// Number of used ids.
    pub fn used(&self) -> usize {
        self.tokens.iter().flatten().count()
    }
}

fn decode(token: &str, scheme: Scheme) -> Vec<u8> {
    match scheme {
        Scheme::WordPiece => match token.strip_prefix("##") {
            Some(rest) => rest.as_bytes().to_vec(),
            None if token.starts_with('[') && token.ends_with(']') => token.as_bytes().to_vec(),
            None => format!(" {token}").into_bytes(),
        },
        Scheme::SentencePiece => {
            match token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>')).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            }
        }
        Scheme::ByteLevel => {
            let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
            bytes.unwrap_or_else(|| token.as_bytes().to_vec())
        }
    }
}

/// GPT-2's byte-to-character table, inverted: printable Latin-1 stands for itself, the other bytes follow from U+0100 on.
fn byte_of(character: char) -> Option<u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(character);
    if let Ok(byte) = u8::try_from(code) {
        return printable(byte).then_some(byte);
    }
    (0..=255u8).filter(|&byte| !printable(byte)).nth(code.checked_sub(0x100)? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stand-ins: `bytes_to_unicode()` of GPT-2 gives Ġ (U+0120) for the space, Ċ (U+010A) for the line feed, Ń (U+0143) for byte 0xad.
    #[test]
    fn three_schemes_decode_to_the_same_bytes() {
        assert_eq!(decode("Ġthe", Scheme::ByteLevel), b" the");
        assert_eq!(decode("▁the", Scheme::SentencePiece), b" the");
        assert_eq!(decode("the", Scheme::WordPiece), b" the");
        assert_eq!(decode("Ċ", Scheme::ByteLevel), decode("<0x0A>", Scheme::SentencePiece));
        assert_eq!(decode("ing", Scheme::ByteLevel), decode("##ing", Scheme::WordPiece));
        assert_eq!(byte_of('Ń'), Some(0xad));
    }

    /// `testdata/tokenizers/bert.gguf` spells the pieces of `bert/vocab.txt` as llama.cpp's converter does.
    #[test]
    fn a_vocabulary_of_bert_is_the_same_from_both_containers() {
        let beside = Vocabulary::beside(Path::new("../../testdata/tokenizers/bert")).unwrap().unwrap();
        let inside = crate::Model::open(Path::new("../../testdata/tokenizers/bert.gguf")).unwrap().vocabulary.unwrap();
        assert_eq!(inside.tokens.len(), 1400);
        assert_eq!(inside.tokens, beside.tokens);
    }

    #[test]
    fn every_byte_has_one_stand_in() {
        let bytes: std::collections::BTreeSet<u8> = (0u32..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(bytes.len(), 256);
    }

    #[test]
    fn tokenizer_json_gives_tokens_merges_and_specials() {
        let json = serde_json::json!({
            "added_tokens": [{"id": 2, "content": "<s>", "special": true}],
            "pre_tokenizer": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": {"a": 0, "Ġa": 1}, "merges": [["Ġ", "a"]]}
        });
        let vocabulary = Vocabulary::from_tokenizer_json(&json).unwrap();
        assert_eq!(vocabulary.tokens, [Some(b"a".to_vec()), Some(b" a".to_vec()), Some(b"<s>".to_vec())]);
        assert_eq!((vocabulary.merges, vocabulary.special), (vec!["Ġ a".to_owned()], vec![2]));
    }

    #[test]
    fn the_pair_of_files_gives_what_tokenizer_json_gives() {
        let pair = Vocabulary::from_vocab_json(&serde_json::json!({"a": 0, "Ġa": 1}), "#version: 0.2\nĠ a\n").unwrap();
        let json =
            serde_json::json!({"decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 0, "Ġa": 1}, "merges": ["Ġ a"]}});
        let one = Vocabulary::from_tokenizer_json(&json).unwrap();
        assert_eq!((pair.tokens, pair.merges), (one.tokens, one.merges));
        assert!(Vocabulary::from_vocab_json(&serde_json::json!(["a"]), "").is_err());
    }

    /// Order by `printf ' a' | sha256sum` (coreutils 9.1) and so on: ` a` 7de5…, `ing` 91af…, ` the` fe06….
    #[test]
    fn common_tokens_are_found_by_their_bytes_across_schemes() {
        let vocabulary = |tokens: &[&str], scheme| Vocabulary {
            tokens: tokens.iter().map(|t| Some(decode(t, scheme))).collect(),
            ..Vocabulary::default()
        };
        let bytes = vocabulary(&["Ġthe", "ing", "Ġa", "x"], Scheme::ByteLevel);
        let words = vocabulary(&["[PAD]", "a", "##ing", "the", "##ing2"], Scheme::WordPiece);
        let sentence = vocabulary(&["▁a", "▁the", "ing", "▁a"], Scheme::SentencePiece);
        let common = bytes.common(&words);
        let swapped: Vec<_> = words.common(&bytes).into_iter().map(|(a, b)| (b, a)).collect();
        assert_eq!(common, swapped);
        assert_eq!(common, [(2, 1), (1, 2), (0, 3)]);
        // A string that two ids decode to tells neither of them.
        assert_eq!(sentence.common(&bytes).len(), 2);
    }

    #[test]
    fn an_absurd_id_is_refused() {
        let json = serde_json::json!({"model": {"type": "BPE", "vocab": {"a": 18_446_744_073_709_551_615u64}}});
        assert_eq!(
            Vocabulary::from_tokenizer_json(&json).unwrap_err().to_string(),
            "token id: found no usable id for `a`, expected an integer below 4194304"
        );
    }
}
