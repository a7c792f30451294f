//! Tokenizers of other forms written as a `tokenizer.json` of Hugging Face, so that one library splits all texts.

mod gguf;
mod sentencepiece;

pub use gguf::from_gguf;

use serde_json::{Map, Value, json};

/// Why a tokenizer splits no text here: one sentence, without a final period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotSplit(pub String);

/// BERT's splitter: words of letters, single signs of punctuation, and the longest known pieces of each word.
pub fn wordpiece(tokens: impl Iterator<Item = String>, lower_case: bool) -> Value {
    const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let vocabulary = numbered(tokens);
    let added: Vec<Value> = SPECIAL.iter().filter_map(|&token| Some(added_token(token, vocabulary.get(token)?.as_u64()?, true))).collect();
    let frame = |token: &str| vocabulary.get(token).and_then(Value::as_u64).map(|id| (token.to_owned(), id));
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": lower_case
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": framed(frame("[CLS]"), frame("[SEP]")),
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary
        }
    })
}

/// GPT-2's splitter, and RoBERTa's with its two special tokens around a text.
pub fn byte_level(vocabulary: Value, merges: &str, is_roberta: bool) -> Value {
    let merges: Vec<&str> = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let id = |token: &str| vocabulary.get(token).and_then(Value::as_u64);
    let special = ["<|endoftext|>", "<s>", "<pad>", "</s>", "<unk>", "<mask>"];
    let added: Vec<Value> = special.iter().filter_map(|&token| Some(added_token(token, id(token)?, true))).collect();
    let frame = |token: &str| id(token).filter(|_| is_roberta).map(|id| (token.to_owned(), id));
    let post_processor = framed(frame("<s>"), frame("</s>"));
    json!({
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true },
        "post_processor": post_processor,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": merges }
    })
}

/// Ids by token; of a token that stands twice, the first.
pub fn numbered(tokens: impl Iterator<Item = String>) -> Map<String, Value> {
    let mut vocabulary = Map::new();
    for (id, token) in tokens.enumerate() {
        vocabulary.entry(token).or_insert_with(|| json!(id));
    }
    vocabulary
}

/// A token that is found in the text before the text is split.
fn added_token(content: &str, id: u64, special: bool) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": special
    })
}

/// A post-processor that puts tokens `(text, id)` before and after a text; null where there are none.
fn framed(before: Option<(String, u64)>, after: Option<(String, u64)>) -> Value {
    if before.is_none() && after.is_none() {
        return Value::Null;
    }
    let token =
        |frame: &Option<(String, u64)>| frame.iter().map(|(text, _)| json!({ "SpecialToken": { "id": text, "type_id": 0 } })).collect();
    let sequence = |id: &str| vec![json!({ "Sequence": { "id": id, "type_id": 0 } })];
    let template = |middle: Vec<Value>| -> Vec<Value> { [token(&before), middle, token(&after)].concat() };
    let named = before.iter().chain(&after).map(|(text, id)| (text.clone(), json!({ "id": text, "ids": [id], "tokens": [text] })));
    json!({
        "type": "TemplateProcessing",
        "single": template(sequence("A")),
        "pair": template([sequence("A"), sequence("B")].concat()),
        "special_tokens": named.collect::<Map<_, _>>()
    })
}
