//! Tokens with other ids: tables, tokenizer and configuration together.

use super::Setting;
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Outline, Spec};
use serde_json::{Map, Value, json};
use sources::Space;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Takes the rows of tables from old ones.
struct Tables {
    order: Vec<usize>,
}

impl Change for Tables {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let matrix = inner.read(spec.slot)?;
        Ok(if spec.axes[0].space == Space::Vocabulary { matrix.take_rows(&self.order) } else { matrix })
    }
}

/// Rows of the tables, which must agree.
pub(super) fn size(setting: &Setting<'_>, outline: &Outline) -> Result<usize, LabError> {
    let sizes: BTreeSet<usize> = outline.axes().into_iter().filter(|(space, _)| *space == Space::Vocabulary).map(|(_, n)| n).collect();
    let mut sizes = sizes.into_iter();
    match (sizes.next(), sizes.next()) {
        (Some(n), None) => Ok(n),
        (None, _) => Err(LabError::refused(setting.step, "found no table of tokens, expected one")),
        (Some(a), Some(b)) => Err(LabError::refused(setting.step, format!("found tables of {a} and {b} tokens, expected one size"))),
    }
}

/// The checkpoint whose token `i` is the old token `order[i]`.
pub(super) fn renumbered(setting: &Setting<'_>, inner: Arc<dyn Checkpoint>, order: Vec<usize>) -> Result<Arc<dyn Checkpoint>, LabError> {
    let mut outline = inner.outline().clone();
    for spec in outline.weights.values_mut().filter(|spec| spec.axes[0].space == Space::Vocabulary) {
        if let Some(rows) = spec.shape.first_mut() {
            *rows = order.len();
        }
    }
    let ids: BTreeMap<u64, u64> = order.iter().enumerate().map(|(new, &old)| (old as u64, new as u64)).collect();
    if let Some(mut tokenizer) = outline.tokens.json()? {
        renumber_tokenizer(&mut tokenizer, &ids);
        outline.tokens.tokenizer = Some(tokenizer);
    } else if let Some(path) = outline.tokens.copied.iter().find(|path| names_ids(path)) {
        return Err(LabError::Refused {
            step: setting.step,
            reason: format!("found no tokenizer.json but `{}`, expected one that can be written with other ids", path.display()),
            hint: Some("save the tokenizer as tokenizer.json first".into()),
        });
    }
    outline.tokens.copied.retain(|path| !names_ids(path));
    renumber_settings(&mut outline.config, &ids);
    outline.set("vocab_size", order.len());
    Ok(Arc::new(Changed { inner, outline, change: Tables { order } }))
}

/// Whether a file beside the weights says which id a token has.
fn names_ids(path: &std::path::Path) -> bool {
    let strings_only = ["special_tokens_map.json", "preprocessor_config.json", "chat_template.jinja"];
    !path.file_name().is_some_and(|name| strings_only.iter().any(|other| name == *other))
}

/// Added tokens of the tokenizer, what its post-processor inserts, and what the configuration names.
pub(super) fn special(outline: &Outline) -> Result<BTreeSet<usize>, LabError> {
    let mut found = BTreeSet::new();
    let mut note = |id: &Value| {
        found.extend(id.as_u64().map(|id| id as usize));
        None
    };
    let mut config = outline.config.clone();
    each_setting(&mut config, &mut note);
    if let Some(mut tokenizer) = outline.tokens.json()? {
        for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
            note(&added["id"]);
        }
        note(&tokenizer["model"]["unk_id"]);
        if let Some(unknown) = tokenizer["model"]["unk_token"].as_str() {
            note(&tokenizer["model"]["vocab"][unknown]);
        }
        each_inserted(&mut tokenizer["post_processor"], &mut note);
    }
    Ok(found)
}

fn renumber_tokenizer(tokenizer: &mut Value, ids: &BTreeMap<u64, u64>) {
    let new_id = |id: &Value| id.as_u64().and_then(|id| ids.get(&id)).copied();
    if let Some(Value::Array(added)) = tokenizer.get_mut("added_tokens") {
        added.retain_mut(|token| match new_id(&token["id"]) {
            Some(id) => {
                token["id"] = json!(id);
                true
            }
            None => false,
        });
        added.sort_by_key(|token| token["id"].as_u64());
    }
    if let Some(inserted) = tokenizer.get_mut("post_processor") {
        each_inserted(inserted, &mut |id| new_id(id).map(|id| json!(id)));
    }
    if let Some(pad) = tokenizer.get_mut("padding").and_then(|padding| padding.get_mut("pad_id")) {
        *pad = new_id(pad).map_or(Value::Null, |id| json!(id));
    }
    let Some(model) = tokenizer.get_mut("model") else { return };
    match model.get_mut("vocab") {
        Some(Value::Object(vocab)) => {
            let old = std::mem::take(vocab);
            let mut renamed: Vec<(u64, String)> = old.into_iter().filter_map(|(token, id)| Some((new_id(&id)?, token))).collect();
            renamed.sort();
            let tokens: BTreeSet<String> = renamed.iter().map(|(_, token)| token.clone()).collect();
            *vocab = renamed.into_iter().map(|(id, token)| (token, json!(id))).collect::<Map<String, Value>>();
            if let Some(Value::Array(merges)) = model.get_mut("merges") {
                merges.retain(|merge| is_possible(merge, &tokens));
            }
        }
        Some(Value::Array(pieces)) => {
            let old = std::mem::take(pieces);
            let mut renamed: Vec<(u64, Value)> =
                old.into_iter().enumerate().filter_map(|(id, piece)| Some((*ids.get(&(id as u64))?, piece))).collect();
            renamed.sort_by_key(|(id, _)| *id);
            *pieces = renamed.into_iter().map(|(_, piece)| piece).collect();
            if let Some(unknown) = model.get_mut("unk_id") {
                *unknown = new_id(unknown).map_or(Value::Null, |id| json!(id));
            }
        }
        _ => {}
    }
}

/// Whether both parts of a merge and what they make are still tokens.
fn is_possible(merge: &Value, tokens: &BTreeSet<String>) -> bool {
    let parts = match merge {
        Value::String(pair) => pair.split_once(' '),
        Value::Array(pair) => pair.first().and_then(Value::as_str).zip(pair.get(1).and_then(Value::as_str)),
        _ => None,
    };
    parts.is_some_and(|(a, b)| tokens.contains(a) && tokens.contains(b) && tokens.contains(&format!("{a}{b}")))
}

/// Calls `change` with every id that a post-processor inserts, and writes what it answers.
fn each_inserted(processor: &mut Value, change: &mut dyn FnMut(&Value) -> Option<Value>) {
    match processor {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("ids", Value::Array(ids)) => replace_all(ids, change),
                    ("sep" | "cls", Value::Array(pair)) => replace_all(pair.get_mut(1..).unwrap_or_default(), change),
                    (_, value) => each_inserted(value, change),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_inserted(value, change)),
        _ => {}
    }
}

/// Calls `change` with every id that a configuration names, and writes what it answers.
fn each_setting(config: &mut Value, change: &mut dyn FnMut(&Value) -> Option<Value>) {
    let Value::Object(map) = config else { return };
    for (key, value) in map {
        let names_ids = key.ends_with("_token_id") || key.ends_with("_token_ids") || key.ends_with("suppress_tokens");
        match value {
            Value::Object(_) => each_setting(value, change),
            Value::Array(ids) if names_ids => replace_all(ids, change),
            Value::Array(pairs) if key == "forced_decoder_ids" => {
                pairs
                    .iter_mut()
                    .filter_map(Value::as_array_mut)
                    .for_each(|pair| replace_all(pair.get_mut(1..).unwrap_or_default(), change));
            }
            Value::Number(_) if names_ids => replace_all(std::slice::from_mut(value), change),
            _ => {}
        }
    }
}

fn replace_all(ids: &mut [Value], change: &mut dyn FnMut(&Value) -> Option<Value>) {
    for id in ids {
        if let Some(new) = change(id) {
            *id = new;
        }
    }
}

pub(super) fn renumber_settings(config: &mut Value, ids: &BTreeMap<u64, u64>) {
    each_setting(config, &mut |id| Some(json!(ids.get(&id.as_u64()?)?)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The new ids 0, 1, 2, 3 are the old ones 4, 0, 2, 5.
    fn ids() -> BTreeMap<u64, u64> {
        BTreeMap::from([(4, 0), (0, 1), (2, 2), (5, 3)])
    }

    #[test]
    fn every_id_of_a_tokenizer_follows() {
        let mut tokenizer = json!({
            "added_tokens": [{ "id": 0, "content": "<s>" }, { "id": 3, "content": "gone" }, { "id": 5, "content": "</s>" }],
            "padding": { "pad_id": 5, "pad_token": "</s>" },
            "post_processor": { "type": "Sequence", "processors": [
                { "type": "TemplateProcessing", "special_tokens": { "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] } } },
                { "type": "RobertaProcessing", "sep": ["</s>", 5], "cls": ["<s>", 0] },
            ] },
            "model": { "type": "BPE", "vocab": { "<s>": 0, "a": 1, "b": 2, "gone": 3, "bb": 4, "</s>": 5 }, "merges": ["b b", "a b", ["b", "b"]] },
        });
        renumber_tokenizer(&mut tokenizer, &ids());
        assert_eq!(tokenizer["added_tokens"], json!([{ "id": 1, "content": "<s>" }, { "id": 3, "content": "</s>" }]));
        assert_eq!(tokenizer["padding"]["pad_id"], 3);
        let processors = &tokenizer["post_processor"]["processors"];
        assert_eq!(processors[0]["special_tokens"]["<s>"]["ids"], json!([1]));
        assert_eq!((&processors[1]["sep"], &processors[1]["cls"]), (&json!(["</s>", 3]), &json!(["<s>", 1])));
        assert_eq!(tokenizer["model"]["vocab"], json!({ "bb": 0, "<s>": 1, "b": 2, "</s>": 3 }));
        assert_eq!(tokenizer["model"]["merges"], json!(["b b", ["b", "b"]]));
    }

    #[test]
    fn pieces_of_a_unigram_model_are_kept_in_order_of_ids() {
        let mut tokenizer = json!({ "model": { "type": "Unigram", "unk_id": 2, "vocab": [["a", 0.0], ["b", -1.0], ["<unk>", -2.0], ["c", -3.0], ["d", -4.0], ["e", -5.0]] } });
        renumber_tokenizer(&mut tokenizer, &ids());
        assert_eq!(
            tokenizer["model"],
            json!({ "type": "Unigram", "unk_id": 2, "vocab": [["d", -4.0], ["a", 0.0], ["<unk>", -2.0], ["e", -5.0]] })
        );
    }

    #[test]
    fn ids_of_a_configuration_follow_and_other_numbers_do_not() {
        let mut config = json!({
            "eos_token_id": [4, 5], "pad_token_id": null, "hidden_size": 4, "forced_decoder_ids": [[1, 5], [2, 4]],
            "begin_suppress_tokens": [2, 0], "text_config": { "bos_token_id": 5, "num_hidden_layers": 5 },
        });
        renumber_settings(&mut config, &ids());
        let expected = json!({
            "eos_token_id": [0, 3], "pad_token_id": null, "hidden_size": 4, "forced_decoder_ids": [[1, 3], [2, 0]],
            "begin_suppress_tokens": [2, 1], "text_config": { "bos_token_id": 3, "num_hidden_layers": 5 },
        });
        assert_eq!(config, expected);
    }
}
