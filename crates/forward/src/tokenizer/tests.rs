//! Every form of tokenizer gives the ids that other implementations give: `testdata/scripts/make_tokenizer_vectors.py` names them.

use super::*;
use crate::words::{NO_WORD, words, words_of_tokens};
use serde::Deserialize;
use sources::tensor::MetaValue;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Vectors {
    texts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

fn testdata(name: &str) -> PathBuf {
    Path::new("../../testdata").join(name)
}

fn vectors() -> Vectors {
    serde_json::from_slice(&std::fs::read(testdata("tokenizers/vectors.json")).unwrap()).unwrap()
}

fn gguf_metadata(name: &str) -> BTreeMap<String, MetaValue> {
    Model::open(&testdata("tokenizers").join(name)).unwrap().metadata
}

fn from_gguf(metadata: &BTreeMap<String, MetaValue>) -> Tokenizer {
    Tokenizer::from_value(&tokenizer_json::from_gguf(metadata).unwrap().unwrap(), gguf::TOKENIZER_ORIGIN).unwrap()
}

/// The tokenizer of an entry of the vectors: a folder, a file, or a file with the rule it is to split by.
fn tokenizer(name: &str) -> Tokenizer {
    if name == "tokenizer.json" {
        return Tokenizer::of(&Model::open(&testdata("models/base")).unwrap()).unwrap();
    }
    if let Some((file, rule)) = name.split_once(", ") {
        let mut metadata = gguf_metadata(file);
        metadata.insert("tokenizer.ggml.pre".into(), MetaValue::Text(rule.into()));
        return from_gguf(&metadata);
    }
    if name.ends_with(".gguf") {
        return from_gguf(&gguf_metadata(name));
    }
    let (json, origin) = beside::tokenizer(&testdata("tokenizers").join(name), None).unwrap().unwrap();
    Tokenizer::from_value(&json, origin).unwrap()
}

#[test]
fn ids_are_those_of_other_implementations() {
    let vectors = vectors();
    assert_eq!((vectors.texts.len(), vectors.ids.len()), (50, 12));
    for (name, expected) in &vectors.ids {
        let tokenizer = tokenizer(name);
        for (text, expected) in vectors.texts.iter().zip(expected) {
            assert_eq!(&tokenizer.encode(text).unwrap().ids, expected, "{name} on {text:?}");
        }
    }
}

/// Spans cover the text: every byte of every word lies in the span of a token, and tokens of one word follow one another.
#[test]
fn spans_are_bytes_of_the_text_and_give_every_token_its_word() {
    let vectors = vectors();
    for name in vectors.ids.keys() {
        let tokenizer = tokenizer(name);
        for text in &vectors.texts {
            let encoded = tokenizer.encode(text).unwrap();
            assert_eq!(encoded.ids.len(), encoded.spans.len());
            assert!(encoded.spans.iter().all(|&(start, end)| start <= end && end <= text.len()), "{name} on {text:?}: {:?}", encoded.spans);
            let found: Vec<u32> = words_of_tokens(text, &encoded.spans).into_iter().filter(|&word| word != NO_WORD).collect();
            assert!(found.is_sorted(), "{name} on {text:?}: {found:?}");
            assert!(found.iter().all(|&word| (word as usize) < words(text).len()));
        }
    }
}

#[test]
fn a_word_has_its_tokens_in_every_scheme() {
    // Words: It's, the, miller's, ;, they'll, say.
    let text = "It's the miller's; they'll say";
    for name in ["tokenizer.json", "byte-level.gguf, qwen2", "llama.gguf", "gemma3.gguf", "bert", "bert.gguf"] {
        let encoded = tokenizer(name).encode(text).unwrap();
        let of_tokens = words_of_tokens(text, &encoded.spans);
        let distinct: std::collections::BTreeSet<u32> = of_tokens.iter().copied().filter(|&word| word != NO_WORD).collect();
        assert_eq!(distinct.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5], "{name}: {of_tokens:?}");
        // The first token that stands for text begins the first word, the last one ends the last.
        let frame = of_tokens.iter().filter(|&&word| word == NO_WORD).count();
        let expected = match name {
            "llama.gguf" | "gemma3.gguf" => 1,
            "bert" | "bert.gguf" => 2,
            _ => 0,
        };
        assert_eq!(frame, expected, "{name}: {of_tokens:?}");
    }
}

#[test]
fn whatever_cannot_be_used_has_its_sentence() {
    let mut metadata = gguf_metadata("byte-level.gguf");
    metadata.insert("tokenizer.ggml.pre".into(), MetaValue::Text("new-rule".into()));
    let sentence = |metadata: &BTreeMap<String, MetaValue>| tokenizer_json::from_gguf(metadata).unwrap_err().to_string();
    let expected = "the tokenizer in the GGUF metadata splits texts by the rule `new-rule`, which is not known here";
    assert_eq!(sentence(&metadata), expected);
    metadata.insert("tokenizer.ggml.model".into(), MetaValue::Text("t5".into()));
    assert_eq!(sentence(&metadata), "GGUF tokenizers of the kind `t5` are not supported yet");
    metadata.insert("tokenizer.ggml.token_type".into(), MetaValue::Array(Vec::from([MetaValue::Signed(-1)])));
    assert_eq!(sentence(&metadata), "the tokenizer in the GGUF metadata is not well formed");
    let mut without_scores = gguf_metadata("llama.gguf");
    without_scores.remove("tokenizer.ggml.scores");
    assert_eq!(sentence(&without_scores), "the tokenizer in the GGUF metadata has 0 scores for 900 tokens");
    let refused = Tokenizer::from_json(b"{\"version\": \"1.0\"}", "tokenizer.json").unwrap_err().to_string();
    assert!(refused.starts_with("the tokenizer in tokenizer.json cannot be used: "), "{refused}");
    let none = Tokenizer::of(&Model::open(&testdata("containers/f32.npz")).unwrap()).unwrap_err().to_string();
    assert_eq!(none, "`../../testdata/containers/f32.npz` has no tokenizer beside its weights");
}

#[test]
fn a_prompt_longer_than_the_positions_is_named() {
    let prompts = PromptSet::shared().unwrap();
    let tokenizer = tokenizer("tokenizer.json");
    assert_eq!(tokenizer.encode_all(&prompts, Some(4096)).unwrap().len(), prompts.prompts.len());
    let n = tokenizer.encode(&prompts.prompts[0].text).unwrap().ids.len();
    let refused = tokenizer.encode_all(&prompts, Some(n - 1)).unwrap_err().to_string();
    assert_eq!(refused, format!("prompt `prose-en-01` of shared 1 has {n} tokens, but the model has {} positions", n - 1));
}
