//! Tokenizers in the older files beside the weights: BERT's `vocab.txt`, GPT-2's `vocab.json` with `merges.txt`.

use super::read;
use crate::NotRunnable;
use serde_json::Value;
use sources::tokenizer_json::{byte_level, wordpiece};
use std::path::Path;

/// A `tokenizer.json` that does what the files say, and the name of the file that decides; `None` where there is none.
pub(super) fn tokenizer(folder: &Path, config: Option<&Value>) -> Result<Option<(Value, &'static str)>, NotRunnable> {
    let (words, vocabulary, merges) = (folder.join("vocab.txt"), folder.join("vocab.json"), folder.join("merges.txt"));
    if words.is_file() {
        let settings = folder.join("tokenizer_config.json");
        let settings = if settings.is_file() { json_of(&settings)? } else { Value::Null };
        let lower_case = settings.get("do_lower_case").and_then(Value::as_bool).unwrap_or(true);
        return Ok(Some((wordpiece(text_of(&words)?.lines().map(str::to_owned), lower_case), "vocab.txt")));
    }
    if vocabulary.is_file() && merges.is_file() {
        let is_roberta = config.and_then(|config| config.get("model_type")).and_then(Value::as_str) == Some("roberta");
        return Ok(Some((byte_level(json_of(&vocabulary)?, &text_of(&merges)?, is_roberta), "vocab.json")));
    }
    Ok(None)
}

fn text_of(path: &Path) -> Result<String, NotRunnable> {
    String::from_utf8(read(path)?).map_err(|error| NotRunnable(format!("`{}` is not UTF-8 text: {error}", path.display())))
}

fn json_of(path: &Path) -> Result<Value, NotRunnable> {
    serde_json::from_slice(&read(path)?).map_err(|error| NotRunnable(format!("`{}` is not JSON: {error}", path.display())))
}
